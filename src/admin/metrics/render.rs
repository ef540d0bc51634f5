//! Metrics as text (Prometheus text exposition format 0.0.4).

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    BUCKETS_MAX, CallCounter, Counter, Distribution, Family, Gauge, Histogram, Kind, Metrics,
    ProcessGauge, Unit,
};
use crate::admin::process::Process;

/// The media type of what [`Metrics::render`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The label value of requests that met no call.
const NO_CALL: &str = "none";

impl Metrics {
    /// Appends everything that was counted. Values that threads change meanwhile may not fit each other by a few.
    pub fn render(&self, process: &Process, out: &mut String) {
        let stripes = self.stripes();
        render_scalars(Counter::FAMILIES, out, |series| {
            Some(sum(stripes.iter().map(|stripe| &stripe.counters[series])))
        });
        self.render_calls(out);
        render_scalars(Gauge::FAMILIES, out, |series| {
            let value = sum(stripes.iter().map(|stripe| &stripe.gauges[series]));
            // What one thread has taken away may be seen before what another has added.
            Some(u64::try_from(value.cast_signed()).unwrap_or(0))
        });
        let mut series = 0;
        for family in Histogram::FAMILIES {
            put_head(out, family);
            for labels in label_texts(family) {
                let of_threads = stripes.iter().map(|stripe| &stripe.histograms[series]);
                put_histogram(out, family, &labels, of_threads);
                series += 1;
            }
        }
        let mut values = [None; ProcessGauge::SERIES];
        for (gauge, value) in [
            (
                ProcessGauge::StartTime,
                process.started_at_ms.checked_mul(1_000_000),
            ),
            (ProcessGauge::ResidentBytes, process.resident_bytes),
            (ProcessGauge::OpenFds, process.open_fds),
        ] {
            values[gauge.place().series] = value;
        }
        render_scalars(ProcessGauge::FAMILIES, out, |series| values[series]);
    }

    fn render_calls(&self, out: &mut String) {
        let stripes = self.stripes();
        let names = || self.calls.iter().copied().chain([NO_CALL]);
        let mut series = 0;
        for family in CallCounter::FAMILIES {
            put_head(out, family);
            for (place, name) in names().enumerate() {
                if names().take(place).any(|earlier| earlier == name) {
                    continue;
                }
                for (offset, label) in label_texts(family).iter().enumerate() {
                    let places = names().enumerate().filter(|(_, other)| *other == name);
                    let value = sum(places.flat_map(|(place, _)| {
                        stripes
                            .iter()
                            .map(move |stripe| &stripe.calls[place].0[series + offset])
                    }));
                    let mut labels = label_text("call", name);
                    if !label.is_empty() {
                        labels.push(',');
                        labels.push_str(label);
                    }
                    put_sample(out, family.name, "", &labels, family.unit, value);
                }
            }
            series += family.series();
        }
    }
}

/// Adds up what the threads have; what wraps around below zero comes back in the sum.
fn sum<'a>(cells: impl Iterator<Item = &'a AtomicU64>) -> u64 {
    cells.fold(0, |sum, cell| {
        sum.wrapping_add(cell.load(Ordering::Relaxed))
    })
}

/// Appends families of which a series is one number; one without a series that has a number is left out.
fn render_scalars(families: &[Family], out: &mut String, value: impl Fn(usize) -> Option<u64>) {
    let mut series = 0;
    for family in families {
        let labels = label_texts(family);
        let values = (series..).map(&value);
        let samples: Vec<_> = labels
            .iter()
            .zip(values)
            .filter_map(|(labels, value)| Some((labels, value?)))
            .collect();
        if !samples.is_empty() {
            put_head(out, family);
        }
        for (labels, value) in samples {
            put_sample(out, family.name, "", labels, family.unit, value);
        }
        series += family.series();
    }
}

/// The labels of every series of a family, as they stand between the braces.
fn label_texts(family: &Family) -> Vec<String> {
    match family.label {
        [(name, values), ..] => values.iter().map(|value| label_text(name, value)).collect(),
        [] => vec![String::new()],
    }
}

fn label_text(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    put_escaped(&mut text, value);
    text.push('"');
    text
}

fn put_head(out: &mut String, family: &Family) {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    };
    for text in ["# HELP ", family.name, " "] {
        out.push_str(text);
    }
    put_escaped(out, family.help.trim());
    for text in ["\n# TYPE ", family.name, " ", kind, "\n"] {
        out.push_str(text);
    }
}

fn put_histogram<'a>(
    out: &mut String,
    family: &Family,
    labels: &str,
    of_threads: impl Iterator<Item = &'a Distribution> + Clone,
) {
    let Kind::Histogram(buckets) = family.kind else {
        return;
    };
    let mut counts = [0_u64; BUCKETS_MAX];
    for distribution in of_threads.clone() {
        for (count, cell) in counts.iter_mut().zip(&distribution.buckets) {
            *count += cell.load(Ordering::Relaxed);
        }
    }
    let all: u64 = counts.iter().sum();
    let separator = if labels.is_empty() { "" } else { "," };
    let mut put_bucket = |bound: &str, count| {
        let labels = format!("{labels}{separator}le=\"{bound}\"");
        put_sample(out, family.name, "_bucket", &labels, Unit::Each, count);
    };
    let mut below = 0;
    for (bound, count) in buckets.bounds().zip(counts) {
        below += count;
        put_bucket(&number(family.unit, bound), below);
    }
    put_bucket("+Inf", all);
    let total = sum(of_threads.map(|distribution| &distribution.sum));
    put_sample(out, family.name, "_sum", labels, family.unit, total);
    put_sample(out, family.name, "_count", labels, Unit::Each, all);
}

fn put_sample(out: &mut String, name: &str, suffix: &str, labels: &str, unit: Unit, value: u64) {
    out.push_str(name);
    out.push_str(suffix);
    if !labels.is_empty() {
        for text in ["{", labels, "}"] {
            out.push_str(text);
        }
    }
    for text in [" ", &number(unit, value), "\n"] {
        out.push_str(text);
    }
}

/// A value as it is shown; seconds are kept in nanoseconds, and all their digits are shown.
fn number(unit: Unit, value: u64) -> String {
    const NANOS: u64 = 1_000_000_000;
    match (unit, value / NANOS, value % NANOS) {
        (Unit::Seconds, seconds, 0) => seconds.to_string(),
        (Unit::Seconds, seconds, nanos) => {
            let text = format!("{seconds}.{nanos:09}");
            text.trim_end_matches('0').to_owned()
        }
        (Unit::Bytes | Unit::Each, ..) => value.to_string(),
    }
}

/// Escapes as help texts and label values want it; help texts have no quotes to escape, so one rule serves both.
fn put_escaped(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            char => out.push(char),
        }
    }
}
