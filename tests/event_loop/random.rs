//! Randomness that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// Small random numbers from a seed (Steele, Lea, Flood: SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Seeded by `SEED`, or by the clock; the seed is printed, and shown when the test fails.
    pub fn new() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
        println!("SEED={seed}");
        Self::from_seed(seed)
    }

    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// Between one and `most`, small ones as often as large ones.
    pub fn length(&mut self, most: usize) -> usize {
        let limit = 1 << self.below(most.ilog2() as usize + 1);
        1 + self.below(limit.min(most))
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// `length` bytes of a pattern without a short period, different for each `seed`.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::from_seed(seed);
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}
