//! Processes that others fork off this one: what they do not get, and how they are known.

use std::io;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fd::close;

static WITHHELD: OnceLock<Vec<RawFd>> = OnceLock::new();
static IS_FORK: AtomicBool = AtomicBool::new(false);

/// From now on a process that is forked off this one is known to be one, and has none of these descriptors. To be called once.
///
/// # Errors
/// That of pthread_atfork(3): no memory.
pub fn withhold(descriptors: Vec<RawFd>) -> io::Result<()> {
    WITHHELD.get_or_init(|| descriptors);
    // SAFETY: the handler lives as long as the program, and does only what is allowed between fork(2) and exec(2).
    match unsafe { libc::pthread_atfork(None, None, Some(in_fork)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

extern "C" fn in_fork() {
    IS_FORK.store(true, Ordering::Relaxed);
    WITHHELD.get().into_iter().flatten().for_each(|descriptor| close(*descriptor));
}

/// Whether this process was forked off the one that called [`withhold`].
pub fn is_fork() -> bool {
    IS_FORK.load(Ordering::Relaxed)
}
