//! Who has the GIL next.
//!
//! CPython gives the GIL to whoever asks first after it was put down. A worker that sends a long answer puts it down for some
//! microseconds at a time, too short for a thread that has to wake up first; and each time that one's patience of 5 ms, after which
//! it would get its turn, begins anew. So the sender steps aside until one of those who ask has got it.
//!
//! Nor should anybody run out of patience while short requests are answered one after another. CPython then takes the GIL away in the
//! middle of one, and if that thread holds a lock of the application's, the others run into it, and go on doing so at every use of the
//! lock. So a worker gives way between two requests when somebody has asked for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The workers that ask for the GIL, of which there is one in a process.
#[derive(Debug)]
pub struct Turns {
    state: Mutex<State>,
    /// Whether anybody asks, which is looked at between any two requests.
    is_asked: AtomicBool,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    asking: usize,
    /// When the first of them asked, or the last turn began. `None` when nobody asks.
    since: Option<Instant>,
    aside: usize,
    /// How often somebody has got it while others had stepped aside.
    got: u64,
}

impl Turns {
    pub const fn new() -> Self {
        let state = Mutex::new(State { asking: 0, since: None, aside: 0, got: 0 });
        Self { state, is_asked: AtomicBool::new(false), changed: Condvar::new() }
    }

    /// To be called before asking for the GIL.
    pub fn ask(&self) {
        let mut state = self.lock();
        state.asking += 1;
        state.since.get_or_insert_with(Instant::now);
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// To be called with the GIL, after [`ask`](Self::ask).
    pub fn got(&self) {
        let mut state = self.lock();
        state.asking -= 1;
        state.since = if state.asking > 0 { Some(Instant::now()) } else { None };
        self.is_asked.store(state.asking > 0, Ordering::Relaxed);
        if state.aside > 0 {
            state.got += 1;
            self.changed.notify_all();
        }
    }

    /// For how long somebody has asked in vain.
    pub fn asked_for(&self) -> Option<Duration> {
        self.lock().since.map(|since| since.elapsed())
    }

    /// Whether somebody has asked for so long that it is time to step aside.
    pub fn is_overdue(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed) && self.asked_for() > Some(PATIENCE)
    }

    /// Waits, without the GIL, until one of those who ask for it has got it. Not for long: a thread of the application's may have it.
    pub fn step_aside(&self) {
        let mut state = self.lock();
        if state.asking == 0 {
            return;
        }
        state.aside += 1;
        let before = state.got;
        let is_nobodys_turn = |state: &mut State| state.got == before && state.asking > 0;
        let waited = self.changed.wait_timeout_while(state, LONGEST, is_nobodys_turn);
        waited.unwrap_or_else(PoisonError::into_inner).0.aside -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Long enough to answer many small requests, and short enough for one of 2 ms to end before CPython intervenes.
const PATIENCE: Duration = Duration::from_millis(2);
/// As long as CPython lets a thread keep the GIL that others ask for.
const LONGEST: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn nobody_steps_aside_for_nobody() {
        let turns = Turns::new();
        turns.step_aside();
        turns.ask();
        turns.got();
        turns.step_aside();
        assert_eq!(turns.lock().got, 0);
    }

    #[test]
    fn who_has_asked_for_a_while_is_overdue_until_somebody_has_got_it() {
        let (turns, a_while) = (Turns::new(), 2 * PATIENCE);
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
        let turns = Turns::new();
        turns.ask();
        turns.step_aside();
        thread::scope(|scope| {
            let steps_aside = scope.spawn(|| turns.step_aside());
            while turns.lock().aside == 0 && !steps_aside.is_finished() {
                thread::yield_now();
            }
            turns.got();
        });
        let state = turns.lock();
        assert_eq!((state.asking, state.aside, state.since), (0, 0, None));
    }
}
