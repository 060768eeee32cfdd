//! Numbers by chance, the same again from the same seed.

#[path = "../faults/random.rs"]
mod split_mix;

/// A generator, with the questions that a simulation asks it.
pub struct Random(split_mix::Random);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(split_mix::Random::new(seed))
    }

    /// A generator of its own, so that what one part of a life asks does not change another part.
    pub fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    /// A number of 64 bits.
    pub fn next(&mut self) -> u64 {
        (self.0.below(1 << 32) << 32) | self.0.below(1 << 32)
    }

    /// A number below the bound, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// True once in so many times; never where that is 0.
    pub fn one_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}
