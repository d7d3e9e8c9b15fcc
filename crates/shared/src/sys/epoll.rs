//! What the polling library does not offer: a descriptor that several processes wait for, and one of them is woken.

use std::io;
use std::os::fd::RawFd;

/// Watches `descriptor` for reading, as long as there is something to read. Of the processes that wait for it and are idle, one is
/// woken (EPOLLEXCLUSIVE). Its events carry `token`.
///
/// # Errors
/// Those of epoll_ctl(2).
pub fn add_exclusive(epoll: RawFd, descriptor: RawFd, token: usize) -> io::Result<()> {
    let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32, u64: token as u64 };
    // SAFETY: the event outlives the call, which copies it.
    let result = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, descriptor, &raw mut event) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Watches it no longer. Needed before it is closed, when another process has it too: what is watched is what is open, not the number.
///
/// # Errors
/// Those of epoll_ctl(2).
pub fn remove(epoll: RawFd, descriptor: RawFd) -> io::Result<()> {
    // SAFETY: EPOLL_CTL_DEL takes no event.
    let result = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, descriptor, std::ptr::null_mut()) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
