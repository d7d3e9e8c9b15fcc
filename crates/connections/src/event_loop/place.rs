//! The place of one request that waits in this process.

use shared::scoreboard::Seat;

/// The place of a request that waits in this process: it is counted until this is dropped.
#[derive(Debug)]
pub struct Place(Option<Seat>);

impl Place {
    /// One that this seat counts.
    pub fn of(seat: &Seat) -> Self {
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
