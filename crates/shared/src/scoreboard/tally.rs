//! What is counted of requests: how many, how they were answered, and how long that took.

use std::fmt;
use std::time::Duration;

/// Counts of requests that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the first digit of their status, from 1 to 5; what has none is under 0.
    pub classes: [u64; CLASSES],
    /// Those among them that the web server has given up.
    pub aborted: u64,
    /// Those that were slow (`slow-request-timeout`), ended or not.
    pub slow: u64,
    /// Those whose time was over, ended or not, by [`STEP_NAMES`].
    pub timeouts: [u64; STEPS],
    /// From a request's first record to its end.
    pub duration: Histogram,
    /// From a request's first record until a worker has taken it.
    pub queue_wait: Histogram,
}

/// How often something has taken how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many have taken up to each of [`BOUNDS`] and more than the one before; the last, more than all.
    pub buckets: [u64; BUCKETS],
    /// All of them together, in microseconds.
    pub sum: u64,
}

impl Tally {
    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.classes.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// A request did not come to its end within this time, since its process has ended: the web server answers 502, or has given it up (499).
    pub fn note_lost(&mut self, status: u16, length: Duration) {
        self.duration.note(length);
        let failures = &mut self.classes[class(status)];
        *failures = failures.saturating_add(1);
        self.aborted = self.aborted.saturating_add(u64::from(status == ABORTED));
    }

    /// Reads what was written; `None` if it was something else.
    pub fn parse(text: &str) -> Option<Self> {
        let counts: Vec<u64> = text.split(' ').map(|count| count.parse().ok()).collect::<Option<_>>()?;
        let mut counts = counts.into_iter();
        let tally = Self::read(&mut counts)?;
        counts.next().is_none().then_some(tally)
    }

    /// All counts, in the order in which [`Self::read`] takes them.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> {
        let ended = [self.aborted].into_iter().chain(self.classes);
        let times = self.duration.counts().chain(self.queue_wait.counts());
        ended.chain(times).chain([self.slow]).chain(self.timeouts)
    }

    /// Takes as many counts as it has; `None` if there are not enough.
    pub(super) fn read(counts: &mut impl Iterator<Item = u64>) -> Option<Self> {
        let aborted = counts.next()?;
        let (classes, duration) = (next(counts)?, Histogram::read(counts)?);
        let queue_wait = Histogram::read(counts)?;
        // 0.2 did not count these.
        let (slow, timeouts) = match counts.next() {
            Some(slow) => (slow, next(counts)?),
            None => Default::default(),
        };
        Some(Self { classes, aborted, slow, timeouts, duration, queue_wait })
    }

    /// Adds another one's. What an application has written may be as large as it likes.
    pub fn add(&mut self, other: &Self) {
        let both = self.counts().zip(other.counts());
        let sum = Self::read(&mut both.map(|(count, other)| count.saturating_add(other)));
        *self = sum.expect("there are as many as it has");
    }
}

impl fmt::Display for Tally {
    /// All counts, with a space between each two: what [`Tally::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.counts().map(|count| count.to_string()).collect();
        f.write_str(&counts.join(" "))
    }
}

impl Histogram {
    fn note(&mut self, length: Duration) {
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let count = &mut self.buckets[bucket(micros)];
        (*count, self.sum) = (count.saturating_add(1), self.sum.saturating_add(micros));
    }

    fn counts(&self) -> impl Iterator<Item = u64> {
        self.buckets.into_iter().chain([self.sum])
    }

    fn read(counts: &mut impl Iterator<Item = u64>) -> Option<Self> {
        Some(Self { buckets: next(counts)?, sum: counts.next()? })
    }

    /// What has come since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let buckets = std::array::from_fn(|index| self.buckets[index].saturating_sub(earlier.buckets[index]));
        Self { buckets, sum: self.sum.saturating_sub(earlier.sum) }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What this part of all, from 0 to 1, did not exceed, as far as the buckets tell: within one, as if all lengths were as frequent.
    /// `None` when there were none. Beyond the last bound nothing is known, and that is said.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        let wanted = (part.clamp(0.0, 1.0) * count as f64).max(f64::MIN_POSITIVE);
        let mut before = 0.0;
        for (index, inside) in self.buckets.iter().enumerate().filter(|(_, inside)| **inside > 0) {
            let inside = *inside as f64;
            if before + inside >= wanted {
                let upper = BOUNDS.get(index).copied().unwrap_or(BOUNDS[BOUNDS.len() - 1]);
                let lower = index.checked_sub(1).and_then(|index| BOUNDS.get(index)).copied().unwrap_or(0).min(upper);
                let micros = lower as f64 + (upper - lower) as f64 * (wanted - before) / inside;
                return Some(Duration::from_micros(micros as u64));
            }
            before += inside;
        }
        None
    }
}

fn next<const N: usize>(counts: &mut impl Iterator<Item = u64>) -> Option<[u64; N]> {
    let mut all = [0; N];
    for count in &mut all {
        *count = counts.next()?;
    }
    Some(all)
}

/// The bucket for what has taken so many microseconds.
pub(super) fn bucket(micros: u64) -> usize {
    // Most are short.
    BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len())
}

/// Under which [`Tally::classes`] a status is counted.
pub(super) fn class(status: u16) -> usize {
    match status {
        100..=599 => usize::from(status / 100),
        _ => 0,
    }
}

/// The upper bounds of all buckets but the last, in microseconds.
pub const BOUNDS: [u64; BUCKETS - 1] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000, 60_000_000,
];
/// The status of a request that the web server has given up.
pub(super) const ABORTED: u16 = 499;
/// Of a histogram.
pub const BUCKETS: usize = 16;
/// What has happened to a request whose time was over: it was answered, then it was given up. By the option that says when.
pub const STEP_NAMES: [&str; STEPS] = ["request-timeout", "interrupt-timeout"];
/// Of those.
pub const STEPS: usize = 2;
/// Of statuses.
pub const CLASSES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(micros: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        micros.iter().for_each(|length| histogram.note(Duration::from_micros(*length)));
        histogram
    }

    #[test]
    fn a_length_counts_in_the_bucket_whose_bound_it_does_not_exceed() {
        assert_eq!([0, 1_000, 1_001, 60_000_000, 60_000_001, u64::MAX].map(bucket), [0, 0, 1, 14, 15, 15]);
        assert_eq!([0, 99, 100, 204, 499, 503, 600, 65_535].map(class), [0, 0, 1, 2, 4, 5, 0, 0]);
    }

    #[test]
    fn quantiles_lie_in_their_bucket() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        let histogram = histogram(&[500, 600, 700, 400_000]);
        assert!(histogram.quantile(0.5).unwrap() <= Duration::from_millis(1));
        let slowest = histogram.quantile(0.99).unwrap();
        assert!(slowest > Duration::from_millis(250) && slowest <= Duration::from_millis(500), "{slowest:?}");
        let endless = Histogram { buckets: [u64::MAX; BUCKETS], sum: u64::MAX };
        assert!(endless.quantile(1.0).is_some() && endless.count() == u64::MAX);
    }

    #[test]
    fn what_was_written_is_read_again_and_nothing_else() {
        let tally = Tally {
            classes: [1, 2, 3, 4, 5, u64::MAX],
            aborted: 6,
            slow: 9,
            timeouts: [10, 11],
            duration: histogram(&[7, 70_000_000]),
            queue_wait: histogram(&[8, 9_000]),
        };
        let text = tally.to_string();
        assert_eq!(Tally::parse(&text), Some(tally.clone()));
        let earlier = text.strip_suffix(" 9 10 11").unwrap();
        assert_eq!(Tally::parse(earlier), Some(Tally { slow: 0, timeouts: [0; 2], ..tally }));
        for other in [
            text.clone() + " 1",
            earlier.to_owned() + " 1",
            text[..text.len() / 2].to_owned(),
            text.replacen('6', "x", 1),
            String::new(),
        ] {
            assert_eq!(Tally::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn whatever_is_added_or_taken_away_nothing_overflows() {
        let all = Tally {
            classes: [u64::MAX; CLASSES],
            aborted: u64::MAX,
            slow: u64::MAX,
            timeouts: [u64::MAX; STEPS],
            duration: Histogram { buckets: [u64::MAX; BUCKETS], sum: u64::MAX },
            queue_wait: histogram(&[7]),
        };
        let mut sum = all.clone();
        sum.add(&all);
        assert_eq!((sum.requests(), sum.aborted, sum.queue_wait.count()), (u64::MAX, u64::MAX, 2));
        assert_eq!(Histogram::default().since(&all.duration), Histogram::default());
        assert_eq!(sum.duration.since(&Histogram::default()), sum.duration);
    }
}
