//! Whether an exception is raised in the application: only while it runs for that very request.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Why a request is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// The web server has given it up. Raised once.
    Abort,
    /// The administrator wants it to end. Raised as often as that is said.
    Administrator,
}

/// ```text
/// Outside ──enter──▶ Inside
///    │    ◀──leave──   │
///  raise             raise
///    ▼                 ▼    ──leave──▶
///   Due              Raised ◀──enter── Spent      the application may go on, and an abort does not interrupt it again
///    ▲                                   │
///    └──────────────raise────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// The application does not run.
    Outside,
    /// It does.
    Inside,
    /// It is not to run any more.
    Due,
    /// It runs, and the exception was raised, or is about to arrive.
    Raised,
    /// It does not run, and was interrupted when it did.
    Spent,
}

impl State {
    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Outside,
            1 => Self::Inside,
            2 => Self::Due,
            3 => Self::Raised,
            _ => Self::Spent,
        }
    }
}

/// The state of the request that one worker answers. Whoever uses it has the GIL, so that nothing happens meanwhile.
#[derive(Debug, Default)]
pub struct Interruptible {
    request: AtomicU64,
    state: AtomicU8,
    /// Of the last one, if there was one.
    cause: AtomicU8,
}

/// What has come of an exception that was to be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raise {
    /// It is to be raised in the thread.
    Now,
    /// The application is not to run any more, or was told before.
    Noted,
    /// The request has ended.
    TooLate,
}

impl Interruptible {
    /// From now on the request of this number is answered.
    pub fn begin(&self, request: u64) {
        self.request.store(request, ORDER);
        self.state.store(State::Outside as u8, ORDER);
    }

    /// The request that is answered, or was last.
    pub fn request(&self) -> u64 {
        self.request.load(ORDER)
    }

    /// The application is to run. Why it must not, if it must not.
    pub fn enter(&self) -> Result<(), Cause> {
        match self.state() {
            State::Outside => self.set(State::Inside),
            State::Spent => self.set(State::Raised),
            State::Due => return Err(self.cause()),
            State::Inside | State::Raised => {}
        }
        Ok(())
    }

    /// It has run; whether an exception may be on its way.
    pub fn leave(&self) -> bool {
        match self.state() {
            State::Inside => self.set(State::Outside),
            State::Raised => {
                self.set(State::Spent);
                return true;
            }
            State::Outside | State::Due | State::Spent => {}
        }
        false
    }

    /// This request is to be interrupted.
    pub fn raise(&self, request: u64, cause: Cause) -> Raise {
        if self.request() != request {
            return Raise::TooLate;
        }
        let (after, outcome) = match (self.state(), cause) {
            (State::Inside, _) | (State::Raised, Cause::Administrator) => (State::Raised, Raise::Now),
            (State::Outside, _) | (State::Spent, Cause::Administrator) => (State::Due, Raise::Noted),
            (State::Due, _) | (State::Raised | State::Spent, Cause::Abort) => return Raise::Noted,
        };
        self.cause.store(cause as u8, ORDER);
        self.set(after);
        outcome
    }

    /// Why the application was interrupted last, if it was.
    pub fn raised(&self) -> Option<Cause> {
        matches!(self.state(), State::Raised | State::Spent).then(|| self.cause())
    }

    /// Whether the administrator has interrupted the request, be it before the application ran.
    pub fn is_ended_by_administrator(&self) -> bool {
        matches!(self.state(), State::Due | State::Raised | State::Spent) && self.cause() == Cause::Administrator
    }

    fn cause(&self) -> Cause {
        if self.cause.load(ORDER) == Cause::Abort as u8 { Cause::Abort } else { Cause::Administrator }
    }

    fn state(&self) -> State {
        State::of(self.state.load(ORDER))
    }

    fn set(&self, state: State) {
        self.state.store(state as u8, ORDER);
    }
}

/// The GIL orders everything.
const ORDER: Ordering = Ordering::Relaxed;

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Interruptible {
        let interruptible = Interruptible::default();
        interruptible.begin(7);
        interruptible
    }

    #[test]
    fn an_abort_is_raised_only_while_the_application_runs_and_once() {
        let state = begun();
        assert!(state.enter().is_ok() && !state.leave() && state.enter().is_ok() && state.raised().is_none());
        assert_eq!((state.raise(7, Cause::Abort), state.raise(7, Cause::Abort)), (Raise::Now, Raise::Noted));
        assert!(state.leave(), "it may not have arrived");
        assert_eq!(state.raise(7, Cause::Abort), Raise::Noted);
        assert!(state.enter().is_ok(), "it may go on, and is left alone");
        assert_eq!(state.raise(7, Cause::Abort), Raise::Noted);
        assert!(state.leave() && state.raised() == Some(Cause::Abort));
    }

    #[test]
    fn an_application_does_not_begin_after_an_abort() {
        let state = begun();
        assert_eq!((state.raise(7, Cause::Abort), state.raise(7, Cause::Abort)), (Raise::Noted, Raise::Noted));
        assert_eq!(state.enter(), Err(Cause::Abort));
        assert!(!state.leave() && state.raised().is_none());
    }

    #[test]
    fn the_administrator_interrupts_as_often_as_it_takes() {
        let state = begun();
        assert!(state.enter().is_ok());
        for cause in [Cause::Abort, Cause::Administrator, Cause::Administrator] {
            assert_eq!(state.raise(7, cause), Raise::Now);
        }
        assert!(state.leave() && state.raised() == Some(Cause::Administrator));
        assert_eq!(state.raise(7, Cause::Administrator), Raise::Noted);
        assert_eq!(state.enter(), Err(Cause::Administrator));
        assert!(state.is_ended_by_administrator());
        state.begin(8);
        assert!(!state.is_ended_by_administrator());
    }

    #[test]
    fn no_other_request_is_interrupted() {
        let state = begun();
        assert!(state.enter().is_ok());
        assert_eq!(state.raise(6, Cause::Administrator), Raise::TooLate);
        assert!(!state.leave());
        state.begin(8);
        assert!(state.enter().is_ok());
        assert_eq!(state.raise(7, Cause::Administrator), Raise::TooLate);
        assert!(!state.leave() && state.raised().is_none());
    }

    #[test]
    fn what_came_too_late_for_one_request_is_not_there_for_the_next() {
        let state = begun();
        state.raise(7, Cause::Administrator);
        state.begin(8);
        assert!(state.enter().is_ok() && !state.leave());
    }

    #[test]
    fn states_are_their_bytes() {
        for state in [State::Outside, State::Inside, State::Due, State::Raised, State::Spent] {
            assert_eq!(State::of(state as u8), state);
        }
    }
}
