//! What the scoreboard tells the supervisor of a pool and its children.

use std::sync::Arc;

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
    pub fn figures(&self, process: &Process) -> Option<Figures> {
        let Desk { seat, slots } = process.desk.as_ref()?;
        let scoreboard = &self.ties.scoreboard;
        let tally = scoreboard.tally(slots.clone());
        let busy = scoreboard.busy(slots.clone()).count();
        Some(Figures { tally, busy, queued: scoreboard.kept(*seat), connections: scoreboard.connections(*seat) })
    }

    /// What those workers of a child say that have a request: nothing if it has no seat.
    pub fn busy(&self, process: &Process) -> impl Iterator<Item = Glance> + use<'_> {
        self.ties.scoreboard.busy(process.desk.as_ref().map_or(0..0, |desk| desk.slots.clone()))
    }

    /// The desks of its children.
    pub(super) fn desks(&self) -> impl Iterator<Item = &Desk> {
        self.processes.values().filter_map(|process| process.desk.as_ref())
    }

    /// What all of its children have counted, those that have gone among them.
    pub fn tally(&self) -> Tally {
        let mut sum = self.past.clone();
        self.desks().for_each(|desk| sum.add(&self.ties.scoreboard.tally(desk.slots.clone())));
        sum
    }

    /// A child has gone: what it has counted stays counted.
    pub(super) fn clear(&mut self, Desk { seat, slots }: Desk) {
        let scoreboard = Arc::clone(&self.ties.scoreboard);
        self.past.add(&scoreboard.tally(slots.clone()));
        // Before it is cleared: who looks meanwhile misses nothing.
        self.publish();
        scoreboard.clear(slots);
        scoreboard.vacate(seat);
    }
}
