//! Locks on files that say who holds them (fcntl(2)).
//!
//! A lock for writing takes a descriptor that is open for writing, so nobody who may only read a file can hold one; with flock(2) anybody
//! could. It belongs to the process, not to the descriptor: a forked child has it not, what the process executes has it still, and it
//! goes when *any* descriptor of the file is closed, so a process opens a file that it has locked no second time.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::check;
use super::process::ProcessId;

/// Locks the file for writing. False when somebody else has it locked, for reading or for writing. Never waits.
///
/// # Errors
/// Those of fcntl(2).
pub fn try_lock(file: &File) -> io::Result<bool> {
    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS | Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The process that has locked the file for writing, as the system knows it. Locks of this process do not count, and neither do those
/// for reading.
///
/// # Errors
/// Those of fcntl(2).
pub fn writer(file: &File) -> io::Result<Option<Writer>> {
    // From the start to the end.
    let (l_type, l_whence) = (libc::F_RDLCK as libc::c_short, libc::SEEK_SET as libc::c_short);
    let mut lock = libc::flock { l_type, l_whence, l_start: 0, l_len: 0, l_pid: 0 };
    // SAFETY: the lock outlives the call, which fills it.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) })?;
    let is_locked = libc::c_int::from(lock.l_type) != libc::F_UNLCK;
    Ok(is_locked.then(|| Writer(ProcessId::new(lock.l_pid))))
}

/// Who has locked a file; without a number if it is in a place where this process sees none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer(pub Option<ProcessId>);
