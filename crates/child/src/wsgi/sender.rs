//! How a worker waits while it sends.

use super::Gil;
use super::station::Station;
use connections::exchange::Pause;

/// A worker that sends, and says so while it waits for that.
pub(super) struct Sender<'a, 'py> {
    pub(super) gil: Gil<'py>,
    pub(super) station: &'a Station,
}

impl Pause for Sender<'_, '_> {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        self.station.saying_that_it_sends(|| self.gil.pause(wait));
    }

    fn step_aside(&self, work: &mut (dyn FnMut() + Send)) {
        self.station.saying_that_it_sends(|| self.gil.step_aside(work));
    }
}
