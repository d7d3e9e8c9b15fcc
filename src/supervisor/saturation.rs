//! Whether a pool has more requests than workers for long enough to be said, once when it begins and once when it is over. Pure.
//!
//! ```text
//!          all are full            for LASTING, or one was refused
//!   Calm ──────────────▶ Tense ────────────────────────▶ Saturated
//!    ▲ ◀─────────────────  │ one has time                   │  ▲ all are full
//!    │                                       one has time   ▼  │
//!    └────────────────── for CALMING ─────────────────── Easing
//! ```

use std::time::{Duration, Instant};

/// What is known of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saturation {
    /// Somebody has time. So many had been refused when that was looked at last.
    Calm(u64),
    /// Nobody has, since then, and so many had been refused before.
    Tense(Instant, u64),
    /// That has been said.
    Saturated(Episode),
    /// Somebody has time since then.
    Easing(Episode, Instant),
}

/// From the first to the last moment in which nobody had time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    begun: Instant,
    refused_before: u64,
    /// The most that have waited at once, as far as anybody has looked.
    most: usize,
}

/// The load of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Whether every child that serves is full, and there is one.
    pub all_full: bool,
    /// Requests that wait.
    pub waiting: usize,
    /// Requests that were refused for it so far.
    pub refused: u64,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has begun.
    Begun {
        /// So many wait.
        waiting: usize,
    },
    /// It is over.
    Over {
        /// How long it has taken.
        lasted: Duration,
        /// The most that have waited at once.
        most: usize,
        /// How many were refused meanwhile.
        refused: u64,
    },
}

impl Saturation {
    /// How it goes on; what is to be said of that.
    pub fn look(&mut self, load: Load, now: Instant) -> Option<News> {
        let (next, news) = match *self {
            // Those who were refused since the last look belong to it.
            Self::Calm(refused) if load.all_full => (Self::Tense(now, refused), None),
            Self::Calm(_) => (Self::Calm(load.refused), None),
            Self::Tense(begun, refused_before)
                if load.refused != refused_before || load.all_full && load.waiting > 0 && now >= begun + LASTING =>
            {
                let episode = Episode { begun, refused_before, most: load.waiting };
                (Self::Saturated(episode), Some(News::Begun { waiting: load.waiting }))
            }
            Self::Tense(..) if load.all_full => (*self, None),
            Self::Tense(..) => (Self::Calm(load.refused), None),
            Self::Saturated(episode) if load.all_full => (Self::Saturated(episode.with(load)), None),
            Self::Saturated(episode) => (Self::Easing(episode.with(load), now), None),
            Self::Easing(episode, _) if load.all_full => (Self::Saturated(episode.with(load)), None),
            Self::Easing(episode, since) if now < since + CALMING => (Self::Easing(episode, since), None),
            Self::Easing(episode, since) => {
                let refused = load.refused.saturating_sub(episode.refused_before);
                let lasted = since.duration_since(episode.begun);
                (Self::Calm(load.refused), Some(News::Over { lasted, most: episode.most, refused }))
            }
        };
        *self = next;
        news
    }

    /// Whether it has been said, and not that it is over.
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Saturated(_) | Self::Easing(..))
    }

    /// Since when nobody has had time, if nobody has.
    pub fn full_since(&self) -> Option<Instant> {
        match self {
            Self::Tense(begun, _) | Self::Saturated(Episode { begun, .. }) => Some(*begun),
            Self::Calm(_) | Self::Easing(..) => None,
        }
    }

    /// When to look again, if nothing happens before.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        match self {
            Self::Calm(_) => None,
            Self::Tense(begun, _) => Some((*begun + LASTING).max(now + LOOK)),
            Self::Saturated(_) => Some(now + LOOK),
            Self::Easing(_, since) => Some(*since + CALMING),
        }
    }
}

impl Episode {
    fn with(self, load: Load) -> Self {
        Self { most: self.most.max(load.waiting), ..self }
    }
}

/// A shorter one is usual under load, and nobody's worry.
const LASTING: Duration = Duration::from_millis(500);
/// So that one that comes again at once is the same.
const CALMING: Duration = Duration::from_secs(2);
/// How often the numbers are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn load(all_full: bool, waiting: usize, refused: u64) -> Load {
        Load { all_full, waiting, refused }
    }

    #[test]
    fn what_lasts_is_said_once_and_its_end_once_with_the_numbers() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut saturation = Saturation::Calm(7);
        assert_eq!(saturation.look(load(true, 1, 7), start), None);
        assert_eq!(saturation.look(load(true, 3, 7), after(499)), None);
        assert_eq!(saturation.look(load(true, 3, 7), after(500)), Some(News::Begun { waiting: 3 }));
        assert_eq!(saturation.look(load(true, 9, 8), after(700)), None);
        assert_eq!(saturation.full_since(), Some(start));
        assert_eq!(saturation.look(load(false, 0, 9), after(1000)), None);
        assert_eq!(saturation.look(load(true, 2, 9), after(1500)), None, "it is the same");
        assert_eq!(saturation.look(load(false, 0, 9), after(2000)), None);
        assert!(saturation.is_said() && saturation.full_since().is_none());
        let over = News::Over { lasted: Duration::from_secs(2), most: 9, refused: 2 };
        assert_eq!(saturation.look(load(false, 0, 9), after(4000)), Some(over));
        assert_eq!(saturation, Saturation::Calm(9));
    }

    #[test]
    fn what_is_over_soon_is_not_said() {
        let start = Instant::now();
        let mut saturation = Saturation::Calm(0);
        assert_eq!(saturation.look(load(true, 5, 0), start), None);
        assert_eq!(saturation.look(load(false, 0, 0), start + LASTING), None);
        assert_eq!(saturation.next_deadline(start), None);
    }

    #[test]
    fn one_refused_request_is_enough_and_the_first_of_a_burst_count() {
        let start = Instant::now();
        let mut saturation = Saturation::Calm(7);
        saturation.look(load(true, 1, 8), start);
        assert_eq!(saturation.look(load(true, 1, 9), start), Some(News::Begun { waiting: 1 }));
        saturation.look(load(false, 0, 13), start);
        let over = News::Over { lasted: Duration::ZERO, most: 1, refused: 6 };
        assert_eq!(saturation.look(load(false, 0, 13), start + CALMING), Some(over));
    }
}
