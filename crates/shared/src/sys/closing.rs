//! Closing what others have sent here.
//!
//! Whoever may write to a Unix socket can send descriptors through it, and decides how long the last close(2) of one takes: a TCP socket may
//! linger for an hour, a file may belong to a file system of theirs. That close happens where the last descriptor is closed, be it by a
//! receiver that asked for none, or with the socket in whose queue they lie. A process that ends does not linger, so it is left to one.

use std::ffi::CStr;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::fcntl_dupfd_cloexec;

use super::process::{self, Fork, ProcessId};
use super::signal;

/// A socket, or several, in whose queue descriptors of others may lie. Wherever it is dropped, [`while_held`] does it.
///
/// Invariant: `holder` comes last, and is there only while this is dropped.
#[derive(Debug)]
pub struct Guarded<T> {
    sockets: T,
    holder: Option<OwnedFd>,
}

impl<T> Guarded<T> {
    /// Guards what was made or inherited.
    pub fn new(sockets: T) -> Self {
        Self { sockets, holder: None }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.sockets
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.sockets
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.holder = hold().ok();
    }
}

/// Does something while another process has all descriptors of this one, too, so that none is closed here for the last time. Where no
/// process can be made, or this one has a second thread, it is done all the same.
pub fn while_held<T>(action: impl FnOnce() -> T) -> T {
    let holder = hold();
    let result = action();
    drop(holder);
    result
}

/// The process ends when what is returned is closed, by the end of this process or by exec(2) at the latest.
fn hold() -> io::Result<OwnedFd> {
    let (mut reader, writer) = io::pipe()?;
    // Of several that exec(2) closes this is the last.
    let last = last_number(&OwnedFd::from(writer))?;
    // A signal to the whole process group is not for this copy.
    let _blocked = signal::block_all();
    match process::under_name(NAME, process::fork)? {
        Fork::Parent(id) => {
            holders().push(id);
            Ok(last)
        }
        Fork::Child => {
            drop(last);
            // Nothing is ever written, so this is the end.
            drop(reader.read(&mut [0]));
            process::exit_now(0)
        }
    }
}

/// Reaps the holders that have ended.
pub fn reap_holders() {
    holders().retain(|id| process::reap(*id).is_none());
}

/// Whether this is one that was not reaped.
pub fn is_holder(id: ProcessId) -> bool {
    holders().contains(&id)
}

fn holders() -> MutexGuard<'static, Vec<ProcessId>> {
    static HOLDERS: Mutex<Vec<ProcessId>> = Mutex::new(Vec::new());
    HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy with a number above those in use, as far as there may be one.
fn last_number(descriptor: &OwnedFd) -> io::Result<OwnedFd> {
    let copy = fcntl_dupfd_cloexec(descriptor, HIGH).or_else(|_| fcntl_dupfd_cloexec(descriptor, 0));
    Ok(copy?)
}

/// What ps(1) and /proc call a holder.
const NAME: &CStr = c"pyfcgid: close";
const HIGH: i32 = 60_000;
