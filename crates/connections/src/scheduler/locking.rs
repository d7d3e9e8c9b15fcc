//! The scheduler's lock and what threads wait on: the standard library's, or shuttle's where that tries their interleavings.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(all(test, shuttle))]
pub use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub use std::sync::{Condvar, Mutex, MutexGuard};

/// What a thread that has panicked leaves behind is whole: no transition panics half-way.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until it is woken, or for no reason.
pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// The same for a time at most.
#[cfg(not(all(test, shuttle)))]
pub fn doze<'a, T>(condvar: &Condvar, _: &'a Mutex<T>, guard: MutexGuard<'a, T>, limit: Duration) -> MutexGuard<'a, T> {
    condvar.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner).0
}

/// Shuttle has no clock: the time is over whenever it is this thread's turn again.
#[cfg(all(test, shuttle))]
pub fn doze<'a, T>(_: &Condvar, mutex: &'a Mutex<T>, guard: MutexGuard<'a, T>, _: Duration) -> MutexGuard<'a, T> {
    drop(guard);
    shuttle::thread::yield_now();
    lock(mutex)
}
