//! The event loop as the scheduler has it turned: by whichever thread has time.

use std::io;
use std::time::Duration;

use super::{EventLoop, Stopped};
use crate::scheduler::{self, Loop, Queue, Turned};

/// An event loop that several threads turn.
pub type SharedLoop = scheduler::SharedLoop<EventLoop>;

impl Loop for EventLoop {
    /// The errors are those of epoll.
    type End = io::Result<Stopped>;

    fn turn(&mut self, limit: Option<Duration>) -> Turned<Self::End> {
        match Self::turn(self, limit) {
            Ok(Turned::Handled(count)) => Turned::Handled(count),
            Ok(Turned::Ended(stopped)) => Turned::Ended(Ok(stopped)),
            Err(error) => Turned::Ended(Err(error)),
        }
    }

    fn handled_for(&self) -> Duration {
        self.now.elapsed()
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }
}
