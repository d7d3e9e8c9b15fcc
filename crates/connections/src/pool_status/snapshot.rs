//! How a pool is at one moment.

use std::borrow::Cow;

use super::Moment;
use shared::scoreboard::Scoreboard;
use shared::scoreboard::refused::RefusedFor;
use shared::scoreboard::roster::{Child, Record};
use shared::scoreboard::slot::Glance;
use shared::scoreboard::tally::Tally;

/// A pool, as all forms tell it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) now: Moment,
    pub(super) name: String,
    pub(super) max_queue: usize,
    /// Requests without a worker.
    pub(super) waiting: usize,
    /// Requests that were answered 503 because nobody had a worker for them, by the reason.
    pub(super) refused: [(RefusedFor, u64); RefusedFor::ALL.len()],
    pub(super) record: Record,
    pub(super) children: Vec<Seen>,
    /// What workers are doing that have a request, with their children by index. At most [`MOST_RUNNING`], and only if it is asked for.
    pub(super) running: Vec<(usize, Glance)>,
}

/// A child, as it was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) child: Child,
    pub(super) tally: Tally,
    /// Workers that have a request.
    pub(super) busy: usize,
    pub(super) connections: u64,
}

/// The children of this record, as the scoreboard has them.
pub(super) fn seen(record: &Record, board: &Scoreboard) -> Vec<Seen> {
    let seen = |child: &Child| Seen {
        child: child.clone(),
        tally: board.tally(child.slots.clone()),
        busy: board.busy(child.slots.clone()).count(),
        connections: board.connections(child.seat),
    };
    record.children.iter().map(seen).collect()
}

/// The requests that run.
pub(super) fn running(children: &[Seen], board: &Scoreboard) -> Vec<(usize, Glance)> {
    let of_child = |(index, seen): (usize, &Seen)| board.busy(seen.child.slots.clone()).map(move |glance| (index, glance));
    children.iter().enumerate().flat_map(of_child).take(MOST_RUNNING).collect()
}

impl Snapshot {
    /// What was counted of all requests that have ended.
    pub(super) fn tally(&self) -> Tally {
        let mut sum = self.record.past.clone();
        self.children.iter().for_each(|seen| sum.add(&seen.tally));
        sum
    }

    /// Workers of children that take requests, or finish some. Of one that is stopped, those that have a request.
    pub(super) fn workers(&self) -> usize {
        let works = |seen: &&Seen| seen.busy > 0 || ["serving", "retiring"].contains(&seen.child.state);
        let workers = |seen: &Seen| if seen.child.is_stopped { seen.busy } else { seen.child.slots.len() };
        self.children.iter().filter(works).map(workers).sum()
    }

    /// Those that have a request.
    pub(super) fn busy(&self) -> usize {
        self.children.iter().map(|seen| seen.busy).sum()
    }

    /// Connections that children have.
    pub(super) fn connections(&self) -> u64 {
        self.children.iter().fold(0, |sum, seen| sum.saturating_add(seen.connections))
    }

    /// Requests that were answered 503 for this reason.
    pub(super) fn refused_for(&self, reason: RefusedFor) -> u64 {
        self.refused.iter().filter(|(its, _)| *its == reason).map(|(_, count)| *count).sum()
    }

    /// How many children are doing this.
    pub(super) fn children_that_are(&self, word: &str) -> usize {
        self.children.iter().filter(|seen| seen.child.word() == word).count()
    }

    /// As PHP-FPM calls it.
    pub(super) fn process_manager(&self) -> &'static str {
        match self.record.wanted {
            [_, 0, _] => "ondemand",
            [_, least, most] if least == most => "static",
            _ => "dynamic",
        }
    }
}

/// The path of a request, or how it begins.
pub(super) fn path(glance: &Glance) -> String {
    let path = text(&glance.request.path);
    if glance.request.path_is_cut { format!("{path}...") } else { path.into_owned() }
}

/// What an application has said, as text.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// More are not shown one by one: a page has an end.
pub(super) const MOST_RUNNING: usize = 1000;
