//! The form in which metrics are declared, and what the declarations amount to.

/// What a metric is (Prometheus text format 0.0.4, `# TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often values fell below each of some bounds.
    Histogram(Buckets),
}

/// What a metric counts. The name says it too, as Prometheus' conventions want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Seconds, kept in nanoseconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Things, which the name names.
    Each,
}

/// The upper bounds of a histogram's buckets: the powers of two from `2^first_log2` to `2^last_log2`, then no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buckets {
    /// Exponent of the smallest bound.
    pub first_log2: u32,
    /// Exponent of the largest bound, at most 62.
    pub last_log2: u32,
}

impl Buckets {
    /// Buckets, the unbounded one included.
    pub const fn count(self) -> usize {
        (self.last_log2 - self.first_log2) as usize + 2
    }

    /// The bucket whose bound is the smallest that is not below `value`.
    pub const fn index(self, value: u64) -> usize {
        let log2_ceiling = u64::BITS - value.saturating_sub(1).leading_zeros();
        if log2_ceiling <= self.first_log2 {
            0
        } else if log2_ceiling > self.last_log2 {
            self.count() - 1
        } else {
            (log2_ceiling - self.first_log2) as usize
        }
    }

    /// The bounds, without the last that is none.
    pub fn bounds(self) -> impl Iterator<Item = u64> {
        (self.first_log2..=self.last_log2).map(|log2| 1 << log2)
    }
}

/// A declared metric: one series, or one for every value of its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Its name, by Prometheus' conventions.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// The label's name and all its values; empty without a label.
    pub label: &'static [(&'static str, &'static [&'static str])],
}

impl Family {
    /// How many series there are.
    pub const fn series(&self) -> usize {
        match self.label {
            [(_, values), ..] => values.len(),
            [] => 1,
        }
    }
}

/// Where a series is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The declaration.
    pub family: &'static Family,
    /// The place among the series of all families of the set.
    pub series: usize,
}

/// How many series the first `count` of `families` have.
pub(super) const fn series_before(families: &[Family], count: usize) -> usize {
    let mut series = 0;
    let mut index = 0;
    while index < count {
        series += families[index].series();
        index += 1;
    }
    series
}

/// The largest number of buckets of any of `families`.
pub(super) const fn buckets_max(families: &[Family]) -> usize {
    let mut max = 0;
    let mut index = 0;
    while index < families.len() {
        if let Kind::Histogram(buckets) = families[index].kind
            && buckets.count() > max
        {
            max = buckets.count();
        }
        index += 1;
    }
    max
}

/// Declares labels: an enum each, whose variants are the label's values.
macro_rules! labels {
    ($(
        $(#[doc = $about:literal])+
        $label:ident { $( #[doc = $doc:literal] $variant:ident = $value:literal; )+ }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $label { $( #[doc = $doc] $variant ),+ }

        impl $label {
            const VALUES: &'static [&'static str] = &[$($value),+];
        }
    )+};
}

/// Declares metrics by sets: an enum each, whose variants are metrics, with their label's value if they have one. A line
/// is `Variant(label: Type) = "name", unit;`, and histograms add the exponents of their bounds, `2^first..=last`. The
/// documentation of a variant is the metric's help text.
macro_rules! metrics {
    ($(
        $(#[doc = $about:literal])+
        $kind:ident $set:ident {
            $(
                #[doc = $help:literal]
                $variant:ident $(($label:ident: $values:ty))? = $name:literal, $unit:ident $(, 2^$first:literal ..= $last:literal)?;
            )+
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $set { $( #[doc = $help] $variant $(($values))? ),+ }

        impl $set {
            const FAMILIES: &'static [Family] = &[$(
                Family {
                    name: $name,
                    help: $help,
                    kind: Kind::$kind $((Buckets { first_log2: $first, last_log2: $last }))?,
                    unit: Unit::$unit,
                    label: &[$((stringify!($label), <$values>::VALUES))?],
                }
            ),+];

            const SERIES: usize = series_before(Self::FAMILIES, Self::FAMILIES.len());

            /// What the metric was declared as, and the place of its series among all series of the set.
            const fn place(self) -> Place {
                enum Index { $($variant),+ }
                match self {$(
                    Self::$variant $(($label))? => {
                        const FAMILY: &Family = &$set::FAMILIES[Index::$variant as usize];
                        const FIRST: usize = series_before($set::FAMILIES, Index::$variant as usize);
                        Place { family: FAMILY, series: FIRST $(+ $label as usize)? }
                    }
                )+}
            }
        }
    )+};
}

pub(super) use labels;
pub(super) use metrics;
