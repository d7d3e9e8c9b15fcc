//! Signals as bytes on a socket, so that a poll loop hears them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// From now on, `signal` writes `byte` into `to` instead of what it did before. `to` should be non-blocking: when it is full
/// the byte is dropped, which loses nothing as long as its reader treats bytes as states and not as counts.
///
/// # Errors
/// Those of sigaction(2), and for signals that cannot be caught.
pub fn forward(signal: i32, byte: u8, to: Arc<OwnedFd>) -> io::Result<()> {
    let action = move || {
        // SAFETY: send(2) is async-signal-safe, `to` is kept open by this closure, and the byte outlives the call.
        unsafe { libc::send(to.as_raw_fd(), (&raw const byte).cast(), 1, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
    };
    // SAFETY: the action only calls send(2). Its clobbering of errno is repaired by signal-hook.
    unsafe { signal_hook::low_level::register(signal, action) }?;
    Ok(())
}

/// Hang-up of the terminal.
pub const HUP: i32 = libc::SIGHUP;
/// Interrupt from the keyboard.
pub const INT: i32 = libc::SIGINT;
/// Graceful stop, as nginx and PHP-FPM have it.
pub const QUIT: i32 = libc::SIGQUIT;
/// Stop.
pub const TERM: i32 = libc::SIGTERM;
