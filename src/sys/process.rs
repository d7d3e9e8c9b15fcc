//! The process as a whole: its environment and its end.

use std::ffi::OsStr;
use std::fs;

/// Sets an environment variable, before there is a second thread.
///
/// # Panics
/// When the process has more than one thread: the C library reads the environment without a lock.
#[expect(clippy::disallowed_methods, reason = "this is the one place, and it checks")]
pub fn set_environment(name: &OsStr, value: &OsStr) {
    assert_eq!(threads(), 1, "the environment is set before any thread is started");
    // SAFETY: this is the only thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(name, value) };
}

/// Ends the process at once: no destructor, no `atexit` handler of the C library, nothing that another thread could disturb.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: _exit touches no memory of this process.
    unsafe { libc::_exit(i32::from(code)) }
}

/// How many threads this process has.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
