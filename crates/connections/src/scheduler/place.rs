//! The place of one request that waits in this process.

use shared::scoreboard::Seat;

/// The place of a request that waits in this process: it is counted until this is dropped.
#[derive(Debug)]
pub struct Place(Option<Seat>);

impl Place {
    /// One for a request that came to this process, unless `most` wait in the pool.
    pub fn take(seat: &Seat, most: usize) -> Option<Self> {
        seat.begin_to_wait(most).then(|| Self(Some(seat.clone())))
    }

    /// One for a request that has waited on the line.
    pub fn take_from_line(seat: &Seat) -> Self {
        seat.take_to_itself();
        Self(Some(seat.clone()))
    }

    /// The request is on the line now, where it is counted too.
    pub fn leave(mut self) {
        if let Some(seat) = self.0.take() {
            seat.put_on_line();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.end_to_wait();
        }
    }
}
