//! A number that is odd while what belongs to it is written, so that whoever reads knows whether that is whole. Neither waits for the
//! other: a writer may be stopped or killed in the middle.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Writes. Only for one thread at a time.
pub(super) fn write(sequence: &AtomicU64, write: impl FnOnce()) {
    let odd = sequence.load(Ordering::Relaxed) | 1;
    sequence.store(odd, Ordering::Relaxed);
    fence(Ordering::Release);
    write();
    sequence.store(odd.wrapping_add(1), Ordering::Release);
}

/// What was read whole; `None` if it changed whenever it was tried.
pub(super) fn read<T>(sequence: impl Fn(Ordering) -> u64, read: impl Fn() -> T) -> Option<T> {
    (0..MOST_ATTEMPTS).find_map(|_| {
        let before = sequence(Ordering::Acquire);
        let found = read();
        fence(Ordering::Acquire);
        (sequence(Ordering::Relaxed) == before && before.is_multiple_of(2)).then_some(found)
    })
}

/// A writer that is not stopped is done with it by then.
const MOST_ATTEMPTS: usize = 8;
