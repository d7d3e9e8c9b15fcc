//! Locks on files that say who holds them (fcntl(2)).
//!
//! A lock for writing takes a descriptor that is open for writing, so nobody who may only read a file can hold one; with flock(2) anybody
//! could. It belongs to the process, not to the descriptor: a forked child has it not, what the process executes has it still, and it
//! goes when *any* descriptor of the file is closed, so a process opens a file that it has locked no second time.

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use super::process::ProcessId;

/// Locks the file for writing. False when somebody else has it locked, for reading or for writing. Never waits.
///
/// # Errors
/// Those of fcntl(2).
pub fn try_lock(file: &File) -> io::Result<bool> {
    try_lock_as(file, libc::F_WRLCK)
}

/// The same for reading, as whoever may read the file can.
///
/// # Errors
/// The same.
pub fn try_lock_to_read(file: &File) -> io::Result<bool> {
    try_lock_as(file, libc::F_RDLCK)
}

fn try_lock_as(file: &File, kind: libc::c_int) -> io::Result<bool> {
    let lock = whole_file(kind);
    // SAFETY: the lock outlives the call, which only reads it.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) } == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if [Some(libc::EACCES), Some(libc::EAGAIN)].contains(&error.raw_os_error()) => Ok(false),
        error => Err(error),
    }
}

/// The process that has locked the file for writing, as the system knows it. Locks of this process do not count, and neither do those
/// for reading.
///
/// # Errors
/// Those of fcntl(2).
pub fn writer(file: &File) -> io::Result<Option<Writer>> {
    let mut lock = whole_file(libc::F_RDLCK);
    // SAFETY: the lock outlives the call, which fills it.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let is_locked = libc::c_int::from(lock.l_type) != libc::F_UNLCK;
    Ok(is_locked.then(|| Writer(ProcessId::new(lock.l_pid))))
}

/// Who has locked a file; without a number if it is in a place where this process sees none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer(pub Option<ProcessId>);

fn whole_file(kind: libc::c_int) -> libc::flock {
    // SAFETY: flock is plain data. All zeros, it means from the start to the end.
    let mut lock: libc::flock = unsafe { mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock
}
