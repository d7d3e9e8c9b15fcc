//! Who runs next: which worker answers a request, which thread turns the event loop, and who is woken for it.
//!
//! Owns the threads' order: the bounded channel from the event loop to the workers, who is called and when, whether all workers are
//! busy, and the panic barrier. Knows nothing of what a handler does, nor of what the event loop does when it is turned.
//!
//! Waking a thread costs more than a small request, so it is avoided. A worker without a request turns the event loop itself, if
//! nobody else does, and then answers what it found. Of the workers that sit and wait at most one at a time is on its way: the
//! scout, who calls the next one if there is more to do. And a thread that runs no application code, the standby, takes the loop over
//! when nobody has turned it for a moment, because the application is slow or waits for something. It calls the workers as requests
//! come in, and gives the loop back when all workers have been seen idle.
//!
//! ```text
//!                          it finds no request
//!      ┌──────────────────┐ ──────────────────────▶ ┌─────────────────┐
//!      │ nobody turns it  │                         │ a worker turns  │
//!      │                  │ ◀────────────────────── │ it, or waits in │
//!      └──────────────────┘    the turn is over     │ it for events   │
//!         │            ▲                            └─────────────────┘
//!         │ for two    │ after HOLD, a request
//!         ▼ ticks      │ comes while every worker sits
//!      ┌──────────────────┐
//!      │ the standby      │
//!      │ turns it         │
//!      └──────────────────┘
//!
//!      a worker:  takes a request ──▶ answers it ──▶ takes the next, or turns the loop, or sits until it is called
//! ```
//!
//! All of this is one state under one lock, which is held for some instructions at a time and never while anything else is waited
//! for. What is done with a request or the event loop is done without it.

use crate::exchange::Exchange;
use shared::logging::codes;
use std::fmt;
use std::io;
use std::sync::OnceLock;

mod locking;
mod patience;
mod place;
mod queue;
mod saturation;
mod shared_loop;
mod state;
#[cfg(test)]
mod tests;
mod watch;
mod worker;

use locking::{Condvar, Mutex, MutexGuard};
pub use patience::Patience;
pub use place::Place;
pub use queue::{Queue, Queued, Relief, queue_of_pool, queue_without_workers};
pub use saturation::Saturation;
pub use shared_loop::{Loop, SharedLoop, Turned};
pub use state::Load;
use state::State;
pub use worker::{Handler, Source, Worker};

/// The state, and where threads wait for it to change.
#[derive(Debug, Default)]
struct Scheduler {
    state: Mutex<State>,
    /// Requests that workers have found to have waited for too long. Locked after the state, if at all.
    late: Mutex<Vec<Exchange>>,
    /// Where workers sit.
    called: Condvar,
    /// Where the standby waits.
    alarm: Condvar,
    /// Wakes whoever waits in the event loop.
    bell: OnceLock<Bell>,
}

struct Bell(Box<dyn Fn() -> io::Result<()> + Send + Sync>);

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}

impl Scheduler {
    fn with_room(most: usize) -> Self {
        Self { state: Mutex::new(State::with_room(most)), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locking::lock(&self.state)
    }

    /// Calls a worker that sits, if there is something to do.
    fn call_for_work(&self) -> state::Call {
        let call = self.lock().call_for_work();
        if call.wakes {
            self.called.notify_one();
        }
        call
    }

    /// Calls a worker that sits.
    fn call(&self) {
        let wakes = self.lock().call();
        if wakes {
            self.called.notify_one();
        }
    }

    /// Sits until somebody calls, who was counted before.
    fn sit(&self, opens: bool) {
        if opens {
            self.ring();
        }
        let mut state = self.lock();
        while !state.is_called() {
            state = locking::wait(&self.called, state);
        }
        state.stand_up();
    }

    fn ring(&self) {
        if let Some(Bell(ring)) = self.bell.get()
            && let Err(error) = ring()
        {
            log::error!(target: codes::EVENT_LOOP_NOT_WOKEN, "the event loop cannot be woken: {error}");
        }
    }

    /// The workers finish what is queued, and end.
    fn close(&self) {
        self.lock().close();
        self.called.notify_all();
    }
}
