//! How long requests take, and what share of them longer than that.

use std::fmt;
use std::time::{Duration, Instant};

/// Durations of requests.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one that has begun then and ends now.
    pub fn add(&mut self, started: Instant) {
        self.0.push(started.elapsed());
        self.0.sort_unstable();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What this share of them takes at most.
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// What 99 of 100 take at most.
    pub fn p99(&self) -> Duration {
        self.quantile(0.99)
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(durations: T) -> Self {
        let mut durations: Vec<_> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |share| self.quantile(share).as_micros();
        write!(f, "{} requests, p50 {} us, p99 {} us, longest {} us", self.count(), micros(0.5), micros(0.99), micros(1.0))
    }
}

/// Fails unless 99 of 100 requests `beside` something, in one of a few rounds, take less than `factor` times as long as `alone`, or
/// less than `prompt`. Other processes disturb both, so one round in which they do not is enough.
#[track_caller]
pub fn expect_ratio(what: &str, factor: f64, prompt: Duration, mut round: impl FnMut() -> (Latencies, Latencies)) {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (alone, beside) = round();
        let ratio = beside.p99().as_secs_f64() / alone.p99().as_secs_f64();
        println!("{what}: alone {alone}; beside {beside}; ratio {ratio:.2}");
        if ratio < factor || beside.p99() < prompt {
            return;
        }
        ratios.push(ratio);
    }
    panic!("{what}: p99 is {ratios:.1?} times what it is alone, not {factor}");
}

const ROUNDS: usize = 12;
