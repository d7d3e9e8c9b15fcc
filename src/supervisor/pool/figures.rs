//! What the scoreboard tells the supervisor of a pool and its children.

use std::sync::Arc;

use super::super::children::ChildId;
use super::super::counts::Exits;
use super::super::process::Process;
use super::{Desk, RunningPool};
use shared::scoreboard::slot::Glance;
use shared::scoreboard::tally::Tally;

/// What a child says of itself. Its application may have made it up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What it has counted.
    pub tally: Tally,
    /// Workers that have a request.
    pub busy: usize,
    /// Requests that wait there.
    pub queued: u64,
    /// Its connections.
    pub connections: u64,
}

impl RunningPool {
    /// What a child says of itself on the scoreboard: nothing if it has no seat there.
    pub fn figures(&self, id: ChildId) -> Option<Figures> {
        let Desk { seat, slots } = self.desks.of(id)?;
        let scoreboard = &self.ties.scoreboard;
        let tally = scoreboard.tally(slots.clone());
        let busy = scoreboard.busy(slots.clone()).count();
        Some(Figures { tally, busy, queued: scoreboard.kept(*seat), connections: scoreboard.connections(*seat) })
    }

    /// What those workers of a child say that have a request: nothing if it has no seat.
    pub fn busy(&self, id: ChildId) -> impl Iterator<Item = Glance> + '_ {
        let slots = self.desks.of(id).map_or(0..0, |desk| desk.slots.clone());
        self.ties.scoreboard.busy(slots)
    }

    /// Whether a signal has stopped this child.
    pub fn is_stopped(&self, id: ChildId) -> bool {
        self.processes.get(&id).is_some_and(Process::is_stopped)
    }

    /// What all of its children have counted, those that have gone among them.
    pub fn tally(&self) -> Tally {
        let mut sum = self.past.clone();
        let desks = self.processes.keys().filter_map(|id| self.desks.of(*id));
        desks.for_each(|desk| sum.add(&self.ties.scoreboard.tally(desk.slots.clone())));
        sum
    }

    /// What was counted by those that have gone.
    pub fn past(&self) -> &Tally {
        &self.past
    }

    /// How its children have ended.
    pub fn exits(&self) -> &Exits {
        &self.exits
    }

    /// Goes on from what was counted before.
    pub fn count_from(&mut self, past: Tally, exits: Exits) {
        (self.past, self.exits) = (past, exits);
    }

    /// A child has gone: what it has counted stays counted.
    pub(super) fn clear_desk(&mut self, id: ChildId) {
        if let Some(Desk { seat, slots }) = self.desks.remove(id) {
            let scoreboard = Arc::clone(&self.ties.scoreboard);
            self.past.add(&scoreboard.tally(slots.clone()));
            // Before it is cleared: who looks meanwhile misses nothing.
            self.publish();
            scoreboard.clear(slots);
            scoreboard.vacate(seat);
        }
    }
}
