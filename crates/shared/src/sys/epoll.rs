//! What the polling library does not offer: a descriptor that several processes wait for, and one of them is woken.

use std::io;
use std::os::fd::RawFd;

use rustix::event::epoll::{self, EventData, EventFlags};

use super::fd::numbered;

/// Watches `descriptor` for reading, as long as there is something to read. Of the processes that wait for it and are idle, one is
/// woken (EPOLLEXCLUSIVE). Its events carry `token`.
///
/// # Errors
/// Those of epoll_ctl(2).
pub fn add_exclusive(epoll: RawFd, descriptor: RawFd, token: usize) -> io::Result<()> {
    let token = EventData::new_u64(token as u64);
    Ok(epoll::add(numbered(epoll)?, numbered(descriptor)?, token, EventFlags::IN | EventFlags::EXCLUSIVE)?)
}

/// Stops watching it. Needed before it is closed, when another process has it too: what is watched is what is open, not the number.
///
/// # Errors
/// Those of epoll_ctl(2).
pub fn remove(epoll: RawFd, descriptor: RawFd) -> io::Result<()> {
    Ok(epoll::delete(numbered(epoll)?, numbered(descriptor)?)?)
}
