//! What the supervisor counts: how children have ended, and what came of reloads. It survives the program (SIGUSR2).

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::process::Process;
use crate::control_protocol::Scope;
use crate::report::LastReload;
use shared::scoreboard::roster::EXITS;
use shared::sys::process::ExitReason;

/// How the children of a pool have ended so far, in the order of [`EXITS`].
pub type Exits = [u64; EXITS.len()];

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

/// What came of the reloads so far.
#[derive(Clone, Debug, Default)]
pub struct Reloads {
    /// In the order of [`OUTCOMES`].
    pub counts: [u64; OUTCOMES.len()],
    last: Option<(SystemTime, Instant, Scope, usize)>,
}

impl Reloads {
    /// One is over. If it is not good, what was before still serves, or not all that is new.
    pub fn note(&mut self, scope: &Scope, is_good: bool) {
        let outcome = usize::from(!is_good);
        note(&mut self.counts, outcome);
        self.last = Some((SystemTime::now(), Instant::now(), scope.clone(), outcome));
    }

    /// The last one.
    pub fn last(&self, now: Instant) -> Option<LastReload> {
        let (at, moment, scope, outcome) = self.last.as_ref()?;
        Some(LastReload {
            at: at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            ago: now.saturating_duration_since(*moment).as_secs(),
            result: OUTCOMES[*outcome].to_owned(),
            pool: if let Scope::Pool(name) = scope { Some(name.clone()) } else { None },
        })
    }
}

/// One more of those that are counted here.
pub fn note(counts: &mut [u64], here: usize) {
    counts[here] = counts[here].saturating_add(1);
}

/// Each under its word.
pub fn by_word<const N: usize>(words: [&str; N], counts: [u64; N]) -> BTreeMap<String, u64> {
    words.into_iter().map(str::to_owned).zip(counts).collect()
}

/// Counts as [`parse`] takes them.
pub fn to_text(counts: &[u64]) -> String {
    counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Reads what was written; `None` if it was something else.
pub fn parse<const N: usize>(text: &str) -> Option<[u64; N]> {
    let counts: Vec<u64> = text.split(' ').map(|count| count.parse().ok()).collect::<Option<_>>()?;
    counts.try_into().ok()
}

/// What comes of a reload.
pub const OUTCOMES: [&str; 2] = ["succeeded", "failed"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_counted_by_the_next_program_too() {
        let mut exits = Exits::default();
        [End::Failed, End::Retired, End::Failed].into_iter().for_each(|end| note(&mut exits, end as usize));
        let words = by_word(EXITS, exits);
        assert_eq!((words["failed"], words["retired"], words.len()), (2, 1, 6));
        assert_eq!(parse(&to_text(&exits)), Some(exits));
        assert!(["", "1 2 3", "1 2 3 4 5 x", "1 2 3 4 5 6 7"].iter().all(|text| parse::<6>(text).is_none()));
    }

    #[test]
    fn the_last_reload_is_told_with_its_pool() {
        let mut reloads = Reloads::default();
        assert_eq!(reloads.last(Instant::now()), None);
        reloads.note(&Scope::Process, true);
        reloads.note(&Scope::Pool("shop".to_owned()), false);
        let last = reloads.last(Instant::now()).unwrap();
        assert_eq!((last.result.as_str(), last.pool.as_deref(), last.at > 1_700_000_000), ("failed", Some("shop"), true));
        assert_eq!(by_word(OUTCOMES, reloads.counts), [("succeeded".to_owned(), 1), ("failed".to_owned(), 1)].into());
    }
}
