//! Whether an abort is raised in the application: only while it runs for that request, and once.

/// ```text
/// Outside ──enter──> Inside
///    │    <──leave──   │
///  abort             abort
///    v                 v
///   Due              Raised      the application may go on, but is not interrupted again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// The application does not run.
    Outside,
    /// It does.
    Inside,
    /// It is not to run any more.
    Due,
    /// The exception was raised, or is about to arrive.
    Raised,
}

impl Interrupted {
    /// Whether the application may run.
    pub fn enter(&mut self) -> bool {
        if *self == Self::Outside {
            *self = Self::Inside;
        }
        *self != Self::Due
    }

    /// Whether an exception may be on its way.
    pub fn leave(&mut self) -> bool {
        if *self == Self::Inside {
            *self = Self::Outside;
        }
        *self == Self::Raised
    }

    /// Whether to raise now.
    pub fn abort(&mut self) -> bool {
        let raise = *self == Self::Inside;
        *self = match self {
            Self::Outside | Self::Due => Self::Due,
            Self::Inside | Self::Raised => Self::Raised,
        };
        raise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_is_raised_only_while_the_application_runs_and_once() {
        let mut state = Interrupted::Outside;
        assert!(state.enter() && !state.leave() && state.enter());
        assert!(state.abort() && !state.abort());
        assert!(state.leave(), "it may not have arrived");
        assert!(state.enter() && !state.abort(), "it may go on, and is left alone");
        assert!(state.leave());
    }

    #[test]
    fn an_application_does_not_begin_after_an_abort() {
        let mut state = Interrupted::Outside;
        assert!(!state.abort() && !state.abort() && !state.enter());
        assert!(!state.leave());
        assert_eq!(state, Interrupted::Due);
    }
}
