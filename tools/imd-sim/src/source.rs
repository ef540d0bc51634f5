//! Where the choices of a simulation come from: a seed, or the bytes of a fuzzer.

/// A sequence of choices. The same one leads to the same simulation, step by step.
pub enum Source {
    /// Choices without end.
    Seeded(fastrand::Rng),
    /// Two bytes a choice until they are used up.
    Bytes {
        /// All of them.
        data: Vec<u8>,
        /// How many are used up.
        used: usize,
    },
}

impl Source {
    /// The choices of a seed.
    pub fn seeded(seed: u64) -> Source {
        Source::Seeded(fastrand::Rng::with_seed(seed))
    }

    /// Choices out of bytes.
    pub fn bytes(data: &[u8]) -> Source {
        Source::Bytes {
            data: data.to_vec(),
            used: 0,
        }
    }

    /// Whether no choice is left; what is chosen from here on is always the first.
    pub fn is_over(&self) -> bool {
        match self {
            Source::Seeded(_) => false,
            Source::Bytes { data, used } => *used >= data.len(),
        }
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        match self {
            Source::Seeded(rng) => rng.usize(..bound),
            Source::Bytes { data, used } => {
                let byte = |at: usize| usize::from(data.get(at).copied().unwrap_or(0));
                let number = byte(*used) << 8 | byte(*used + 1);
                *used += 2;
                number % bound
            }
        }
    }

    /// `true` once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of `all`, which is not empty.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
