//! Telling a thread to stop when its scope ends, also by a failed test: the scope waits for the thread, which would go on for ever.

use std::sync::atomic::{AtomicBool, Ordering};

/// Sets what it is about when it is dropped.
pub struct StopAtEnd<'a>(pub &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
