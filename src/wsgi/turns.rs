//! Who has the GIL next.
//!
//! CPython gives the GIL to whoever asks first after it was put down. A worker that sends a long answer puts it down for some
//! microseconds at a time, too short for a thread that has to wake up first; and each time that one's patience of 5 ms, after which
//! it would get its turn, begins anew. So the sender steps aside until one of those who ask has got it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The workers that ask for the GIL, of which there is one in a process.
#[derive(Debug)]
pub(super) struct Turns {
    asking: AtomicUsize,
    aside: AtomicUsize,
    /// How often somebody has got it while others had stepped aside.
    got: Mutex<u64>,
    changed: Condvar,
}

impl Turns {
    pub(super) const fn new() -> Self {
        Self { asking: AtomicUsize::new(0), aside: AtomicUsize::new(0), got: Mutex::new(0), changed: Condvar::new() }
    }

    /// To be called before asking for the GIL.
    pub(super) fn ask(&self) {
        self.asking.fetch_add(1, Ordering::SeqCst);
    }

    /// To be called with the GIL, after [`ask`](Self::ask).
    pub(super) fn got(&self) {
        self.asking.fetch_sub(1, Ordering::SeqCst);
        if self.aside.load(Ordering::SeqCst) > 0 {
            *self.lock() += 1;
            self.changed.notify_all();
        }
    }

    /// Waits, without the GIL, until one of those who ask for it has got it. Not for long: a thread of the application's may have it.
    pub(super) fn step_aside(&self) {
        if self.asking.load(Ordering::SeqCst) == 0 {
            return;
        }
        self.aside.fetch_add(1, Ordering::SeqCst);
        let got = self.lock();
        let before = *got;
        let is_nobodys_turn = |got: &mut u64| *got == before && self.asking.load(Ordering::SeqCst) > 0;
        drop(self.changed.wait_timeout_while(got, LONGEST, is_nobodys_turn).unwrap_or_else(PoisonError::into_inner));
        self.aside.fetch_sub(1, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as CPython lets a thread keep the GIL that others ask for.
const LONGEST: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn nobody_steps_aside_for_nobody() {
        let turns = Turns::new();
        turns.step_aside();
        turns.ask();
        turns.got();
        turns.step_aside();
        assert_eq!(*turns.lock(), 0);
    }

    #[test]
    fn whoever_steps_aside_goes_on_when_another_has_got_it_or_has_waited_long_enough() {
        let (turns, has_got) = (Turns::new(), AtomicBool::new(false));
        turns.ask();
        turns.step_aside();
        thread::scope(|scope| {
            scope.spawn(|| {
                while turns.aside.load(Ordering::SeqCst) == 0 && !has_got.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                turns.got();
                has_got.store(true, Ordering::SeqCst);
            });
            turns.step_aside();
            has_got.store(true, Ordering::SeqCst);
        });
        assert_eq!(turns.asking.load(Ordering::SeqCst), 0);
        assert_eq!(turns.aside.load(Ordering::SeqCst), 0);
    }
}
