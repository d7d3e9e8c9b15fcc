//! Processes that are the supervisor's although it has not started them: what applications have left behind. They come to it because
//! it asks for them wherever it runs, and in a container as process 1 anyway.

use super::Supervisor;
use super::process::Process;
use shared::logging::codes;
use shared::sys::closing;
use shared::sys::process::{self, ProcessId};

impl Supervisor<'_> {
    /// Reaps those that have ended. How a process of our own has ended is for whoever waits for that one, so the first such ends this
    /// turn: it is reaped before the next.
    pub(super) fn reap_strangers(&mut self) {
        closing::reap_holders();
        self.has_strangers = false;
        for _ in 0..MOST_AT_ONCE {
            match process::ended_child() {
                Some(id) if !self.is_own(id) => drop(process::reap(id)),
                _ => return,
            }
        }
        self.has_strangers = true;
    }

    /// At the end they live on, as they do when any parent ends; but as process 1 nothing does.
    pub(super) fn tell_of_strangers(&self) {
        let lives_on = |id: &ProcessId| !self.is_own(*id) && process::reap(*id).is_none() && !process::has_ended(*id);
        let count = process::children().into_iter().filter(lives_on).count();
        if count > 0 {
            log::info!(target: codes::ORPHANS_LEFT, "processes left behind by applications are still running: {count}");
        }
    }

    fn is_own(&self, id: ProcessId) -> bool {
        let of_pools =
            self.pools.iter().flat_map(|pool| pool.processes().map(|(_, process)| process).chain(pool.queue_process()));
        let trial = self.trial.as_ref().and_then(|trial| trial.process());
        let leaving = self.leaving.iter().map(|leaving| &leaving.process);
        of_pools.chain(leaving).map(|process: &Process| process.id).chain(trial).any(|own| own == id) || closing::is_holder(id)
    }
}

/// Processes that are reaped in a turn.
const MOST_AT_ONCE: usize = 256;
