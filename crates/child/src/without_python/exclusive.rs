//! A thing that Python code reaches from any thread and one uses at a time.
//!
//! It is taken out of its lock while it is used, so that no lock is held while a disk, a peer or the GIL is waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Holds a thing until the request it belongs to has ended.
pub struct Exclusive<T>(Mutex<Result<T, Denied>>);

/// Why a thing can't be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Another thread is using it.
    InUse,
    /// Its request has ended.
    Over,
}

impl<T> Exclusive<T> {
    pub fn new(thing: T) -> Self {
        Self(Mutex::new(Ok(thing)))
    }

    /// Uses the thing. If its request ends meanwhile it is dropped afterwards.
    pub fn with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> Result<R, Denied> {
        let mut thing = self.take()?;
        let result = use_it(&mut thing);
        let mut state = self.lock();
        if matches!(*state, Err(Denied::InUse)) {
            *state = Ok(thing);
        }
        Ok(result)
    }

    /// The request has ended. Returns the thing, unless another thread is using it.
    pub fn close(&self) -> Option<T> {
        std::mem::replace(&mut *self.lock(), Err(Denied::Over)).ok()
    }

    /// Whether the request has ended.
    pub fn is_over(&self) -> bool {
        matches!(*self.lock(), Err(Denied::Over))
    }

    /// Takes the thing to use it.
    fn take(&self) -> Result<T, Denied> {
        let mut state = self.lock();
        match *state {
            Ok(_) => std::mem::replace(&mut *state, Err(Denied::InUse)),
            Err(denied) => Err(denied),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Result<T, Denied>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_thing_is_used_by_one_at_a_time_and_not_after_the_end() {
        let exclusive = Exclusive::new(1);
        let inner = exclusive.with(|thing| {
            *thing = 2;
            exclusive.with(|_| ())
        });
        assert_eq!(inner, Ok(Err(Denied::InUse)));
        assert_eq!(exclusive.close(), Some(2));
        assert_eq!(exclusive.with(|thing| *thing), Err(Denied::Over));
        assert_eq!(exclusive.close(), None);
    }

    #[test]
    fn a_thing_whose_request_ends_while_it_is_used_is_dropped() {
        let exclusive = Exclusive::new(1);
        assert_eq!(exclusive.with(|_| exclusive.close()), Ok(None));
        assert_eq!(exclusive.with(|_| ()), Err(Denied::Over));
    }

    #[test]
    fn nothing_is_kept_whoever_comes_first_of_who_uses_it_and_who_ends_it() {
        let rounds = if cfg!(miri) { 50 } else { 5000 };
        for _ in 0..rounds {
            let thing = Arc::new(());
            let exclusive = Exclusive::new(Arc::clone(&thing));
            thread::scope(|scope| {
                scope.spawn(|| exclusive.with(|_| ()).ok());
                scope.spawn(|| drop(exclusive.close()));
            });
            assert_eq!(Arc::strong_count(&thing), 1);
        }
    }
}
