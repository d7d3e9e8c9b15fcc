//! Who has the GIL next.
//!
//! CPython gives the GIL to whoever asks first after it was put down. A worker that sends a long answer puts it down for some
//! microseconds at a time, too short for a thread that has to wake up first; and each time that one's patience of 5 ms, after which
//! it would get its turn, begins anew. So the sender steps aside until one of those who ask has got it.
//!
//! Nor should anybody run out of patience while short requests are answered one after another. CPython then takes the GIL away in the
//! middle of one, and if that thread holds a lock of the application's, the others run into it, and go on doing so at every use of the
//! lock. So a worker gives way between two requests when somebody has asked for a while.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The workers that ask for the GIL, of which there is one in a process.
#[derive(Debug)]
pub struct Turns {
    asking: AtomicUsize,
    /// When the first of them asked, or the last turn began, in microseconds.
    since: AtomicU64,
    aside: AtomicUsize,
    /// How often somebody has got it while others had stepped aside.
    got: Mutex<u64>,
    changed: Condvar,
}

impl Turns {
    pub const fn new() -> Self {
        Self {
            asking: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            aside: AtomicUsize::new(0),
            got: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    /// To be called before asking for the GIL.
    pub fn ask(&self) {
        if self.asking.fetch_add(1, Ordering::SeqCst) == 0 {
            self.since.store(micros(), Ordering::SeqCst);
        }
    }

    /// To be called with the GIL, after [`ask`](Self::ask).
    pub fn got(&self) {
        if self.asking.fetch_sub(1, Ordering::SeqCst) > 1 {
            self.since.store(micros(), Ordering::SeqCst);
        }
        if self.aside.load(Ordering::SeqCst) > 0 {
            *self.lock() += 1;
            self.changed.notify_all();
        }
    }

    /// Whether somebody has asked for so long that it is time to step aside.
    pub fn is_overdue(&self) -> bool {
        self.asking.load(Ordering::SeqCst) > 0 && micros().saturating_sub(self.since.load(Ordering::SeqCst)) > PATIENCE
    }

    /// Waits, without the GIL, until one of those who ask for it has got it. Not for long: a thread of the application's may have it.
    pub fn step_aside(&self) {
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

/// Since some moment in the life of this process.
fn micros() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_micros().try_into().unwrap_or(u64::MAX)
}

/// In microseconds: long enough to answer many small requests, and short enough for one of 2 ms to end before CPython intervenes.
const PATIENCE: u64 = 2_000;
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
    fn who_has_asked_for_a_while_is_overdue_until_somebody_has_got_it() {
        let (turns, a_while) = (Turns::new(), Duration::from_micros(2 * PATIENCE));
        thread::sleep(a_while);
        assert!(!turns.is_overdue(), "nobody asks");
        turns.ask();
        turns.ask();
        thread::sleep(a_while);
        assert!(turns.is_overdue());
        turns.got();
        assert!(!turns.is_overdue(), "a turn has just begun");
        thread::sleep(a_while);
        assert!(turns.is_overdue(), "the other one still asks");
        turns.got();
        assert!(!turns.is_overdue());
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
