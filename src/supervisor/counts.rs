//! What the supervisor counts: how children have ended, and what came of reloads. It survives the program (SIGUSR2).

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::process::Process;
use crate::control_protocol::Scope;
use crate::report::LastReload;
use shared::scoreboard::roster::EXITS;
use shared::sys::process::ExitReason;

/// How the children of a pool have ended so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exits([u64; EXITS.len()]);

/// Why a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was to go, and did.
    Retired,
    /// Somebody has sent it SIGTERM or SIGQUIT.
    Terminated,
    /// It ended by itself.
    Exited,
    /// A signal has ended it that was not ours.
    Signaled,
    /// We have killed it: it was too slow, or broke the link.
    Killed,
    /// It did not come up.
    Failed,
}

impl End {
    /// That of a process in this state, as [`super::children::Children::describe`] has it.
    pub fn of(process: &Process, state: &str, reason: ExitReason) -> Self {
        match (state, reason) {
            _ if process.was_killed() => Self::Killed,
            ("starting", _) => Self::Failed,
            ("ending", ExitReason::Code(code)) if code != 0 => Self::Failed,
            _ if process.told.is_some() => Self::Terminated,
            (_, ExitReason::Signal(_)) => Self::Signaled,
            ("retiring" | "ending" | "ready", _) => Self::Retired,
            _ => Self::Exited,
        }
    }
}

impl Exits {
    /// One more.
    pub fn note(&mut self, end: End) {
        let count = &mut self.0[end as usize];
        *count = count.saturating_add(1);
    }

    /// By the words for it.
    pub fn by_reason(&self) -> BTreeMap<String, u64> {
        EXITS.iter().zip(self.0).map(|(word, count)| ((*word).to_owned(), count)).collect()
    }

    /// In the order of [`EXITS`].
    pub fn counts(&self) -> [u64; EXITS.len()] {
        self.0
    }

    /// Reads what was written; `None` if it was something else.
    pub fn parse(text: &str) -> Option<Self> {
        parse(text).map(Self)
    }
}

impl fmt::Display for Exits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.0)
    }
}

/// What came of the reloads so far.
#[derive(Clone, Debug, Default)]
pub struct Reloads {
    counts: [u64; 2],
    last: Option<(SystemTime, Instant, Scope, Outcome)>,
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What is new serves.
    Succeeded,
    /// What was before still serves, or not all that is new.
    Failed,
}

impl Outcome {
    fn word(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

impl Reloads {
    /// One is over.
    pub fn note(&mut self, scope: &Scope, outcome: Outcome) {
        let count = &mut self.counts[outcome as usize];
        *count = count.saturating_add(1);
        self.last = Some((SystemTime::now(), Instant::now(), scope.clone(), outcome));
    }

    /// By their result.
    pub fn by_result(&self) -> BTreeMap<String, u64> {
        OUTCOMES.iter().zip(self.counts).map(|(word, count)| ((*word).to_owned(), count)).collect()
    }

    /// The last one.
    pub fn last(&self, now: Instant) -> Option<LastReload> {
        let (at, moment, scope, outcome) = self.last.as_ref()?;
        Some(LastReload {
            at: at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            ago: now.saturating_duration_since(*moment).as_secs(),
            result: outcome.word().to_owned(),
            pool: if let Scope::Pool(name) = scope { Some(name.clone()) } else { None },
        })
    }

    /// Reads the counts; `None` if it was something else. The program that goes on begins with a reload.
    pub fn parse(text: &str) -> Option<Self> {
        parse(text).map(|counts| Self { counts, last: None })
    }
}

impl fmt::Display for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.counts)
    }
}

fn write(f: &mut fmt::Formatter<'_>, counts: &[u64]) -> fmt::Result {
    let words: Vec<String> = counts.iter().map(ToString::to_string).collect();
    f.write_str(&words.join(" "))
}

fn parse<const N: usize>(text: &str) -> Option<[u64; N]> {
    let counts: Vec<u64> = text.split(' ').map(|count| count.parse().ok()).collect::<Option<_>>()?;
    counts.try_into().ok()
}

/// In the order of [`Outcome`].
const OUTCOMES: [&str; 2] = ["succeeded", "failed"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_counted_by_the_next_program_too() {
        let mut exits = Exits::default();
        [End::Failed, End::Retired, End::Failed].into_iter().for_each(|end| exits.note(end));
        assert_eq!((exits.by_reason()["failed"], exits.by_reason()["retired"], exits.by_reason().len()), (2, 1, 6));
        assert_eq!(Exits::parse(&exits.to_string()), Some(exits));
        assert!(["", "1 2 3", "1 2 3 4 5 x", "1 2 3 4 5 6 7"].iter().all(|text| Exits::parse(text).is_none()));
    }

    #[test]
    fn the_last_reload_is_told_with_its_pool() {
        let mut reloads = Reloads::default();
        assert_eq!(reloads.last(Instant::now()), None);
        reloads.note(&Scope::Process, Outcome::Succeeded);
        reloads.note(&Scope::Pool("shop".to_owned()), Outcome::Failed);
        let last = reloads.last(Instant::now()).unwrap();
        assert_eq!((last.result.as_str(), last.pool.as_deref(), last.at > 1_700_000_000), ("failed", Some("shop"), true));
        let next = Reloads::parse(&reloads.to_string()).unwrap();
        assert_eq!((next.by_result(), next.last(Instant::now())), (reloads.by_result(), None));
    }
}
