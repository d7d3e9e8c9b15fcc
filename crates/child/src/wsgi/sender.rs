//! How a worker waits while it sends.

use super::Gil;
use connections::exchange::Pause;
use shared::scoreboard::slot::{Phase, Slot};

/// A worker that sends, and says so while it waits for that.
pub(super) struct Sender<'a, 'py> {
    pub(super) gil: Gil<'py>,
    pub(super) slot: Option<&'a Slot>,
}

impl Sender<'_, '_> {
    fn saying_so(&self, pause: impl FnOnce(&Gil<'_>)) {
        self.slot.into_iter().for_each(|slot| slot.set_phase(Phase::Sending));
        pause(&self.gil);
        self.slot.into_iter().for_each(|slot| slot.set_phase(Phase::Application));
    }
}

impl Pause for Sender<'_, '_> {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        self.saying_so(|gil| gil.pause(wait));
    }

    fn step_aside(&self, work: &mut (dyn FnMut() + Send)) {
        self.saying_so(|gil| gil.step_aside(work));
    }
}
