//! Whether an exception is raised in the application: only while it runs for that very request.

use crossbeam_utils::atomic::AtomicCell;

/// Why a request is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The web server has given it up. Raised once, and not while the response is closed.
    Abort,
    /// The administrator wants it to end. Raised as often as that is said.
    Administrator,
    /// Its time is over.
    Deadline,
}

/// ```text
/// Outside ──enter──▶ Inside
///    │    ◀──leave──   │
///  raise             raise
///    ▼                 ▼    ──leave──▶
///   Due              Raised ◀──enter── Spent      the application may go on, and an abort does not interrupt it again
///    ▲                 ▲                 │
///    └────────────── raise ──────────────┘
///                      │
///   any ──close──▶  Closing                       the response is closed, whatever has happened
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The application does not run.
    #[default]
    Outside,
    /// It does.
    Inside,
    /// It is not to run any more.
    Due,
    /// It runs, and the exception was raised, or is about to arrive.
    Raised,
    /// It does not run, and was interrupted when it did.
    Spent,
    /// Its last code runs.
    Closing,
}

/// The state of the request that one worker answers. Whoever uses it has the GIL, so that nothing happens meanwhile.
#[derive(Debug, Default)]
pub struct Interruptible {
    request: AtomicCell<u64>,
    state: AtomicCell<State>,
    /// Of the last interruption.
    cause: AtomicCell<Option<Cause>>,
    /// Whether an exception was raised for it.
    was_raised: AtomicCell<bool>,
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
        self.request.store(request);
        self.state.store(State::Outside);
        self.cause.store(None);
        self.was_raised.store(false);
    }

    /// The request that is answered, or was last.
    pub fn request(&self) -> u64 {
        self.request.load()
    }

    /// The application is to run. Why it must not, if it must not.
    pub fn enter(&self) -> Result<(), Cause> {
        match self.state.load() {
            State::Outside => self.state.store(State::Inside),
            State::Spent => self.state.store(State::Raised),
            State::Due => return Err(self.cause().unwrap_or(Cause::Abort)),
            State::Inside | State::Raised | State::Closing => {}
        }
        Ok(())
    }

    /// The response is to be closed.
    pub fn close(&self) {
        self.state.store(State::Closing);
    }

    /// It has run; whether an exception may be on its way.
    pub fn leave(&self) -> bool {
        match self.state.load() {
            State::Inside | State::Closing => self.state.store(State::Outside),
            State::Raised => {
                self.state.store(State::Spent);
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
        let (after, outcome) = match (self.state.load(), cause) {
            (State::Due, _) | (State::Raised | State::Spent | State::Closing, Cause::Abort) => return Raise::Noted,
            (State::Inside | State::Raised | State::Closing, _) => (State::Raised, Raise::Now),
            (State::Outside | State::Spent, _) => (State::Due, Raise::Noted),
        };
        self.cause.store(Some(cause));
        self.was_raised.fetch_or(outcome == Raise::Now);
        self.state.store(after);
        outcome
    }

    /// Why an exception was raised in the application last, if one was.
    pub fn raised(&self) -> Option<Cause> {
        self.cause().filter(|_| self.was_raised.load())
    }

    /// Why the request was interrupted last, be it before the application ran.
    pub fn cause(&self) -> Option<Cause> {
        self.cause.load()
    }
}

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
        assert_eq!(state.cause(), Some(Cause::Administrator));
        state.begin(8);
        assert_eq!(state.cause(), None);
    }

    #[test]
    fn who_closes_its_response_is_interrupted_by_all_but_an_abort() {
        let state = begun();
        state.close();
        assert_eq!(state.raise(7, Cause::Abort), Raise::Noted);
        assert!(!state.leave() && state.raised().is_none());
        for before in [None, Some(Cause::Abort)] {
            state.begin(7);
            state.enter().unwrap();
            before.into_iter().for_each(|cause| assert_eq!(state.raise(7, cause), Raise::Now));
            assert_eq!(state.leave(), before.is_some());
            state.close();
            assert_eq!(state.raise(7, Cause::Deadline), Raise::Now);
            assert!(state.leave() && state.raised() == Some(Cause::Deadline));
        }
    }

    #[test]
    fn a_response_is_closed_although_its_time_is_over() {
        let state = begun();
        assert_eq!(state.raise(7, Cause::Deadline), Raise::Noted);
        assert_eq!(state.enter(), Err(Cause::Deadline));
        state.close();
        assert!(!state.leave());
        assert_eq!((state.cause(), state.raised()), (Some(Cause::Deadline), None));
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
}
