//! Who is at the other end of a Unix socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::check;

/// A descriptor that becomes readable when the process has ended that listened when `connection` was made: its exit closes the
/// connection a moment before it is gone.
///
/// # Errors
/// When it has gone already, or is in a place that this process cannot see, and on Linux before 5.3.
pub fn end_of_listener(connection: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let process = Pid::from_raw(credentials(connection)?.pid).ok_or(Errno::INVAL)?;
    // It is close-on-exec from birth.
    Ok(pidfd_open(process, PidfdFlags::empty())?)
}

/// As the system has them: process 0 is one that this process cannot see, for which rustix has no value.
fn credentials(connection: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = size_of_val(&found) as libc::socklen_t;
    let (socket, option) = (connection.as_raw_fd(), libc::SO_PEERCRED);
    // SAFETY: `found` has room for the `size` bytes that may be written, and both outlive the call.
    check(unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, option, (&raw mut found).cast(), &raw mut size) })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::Duration;

    use super::super::poll::{self, Interest};
    use super::*;

    #[test]
    fn a_process_that_lives_has_not_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let end = end_of_listener(UnixStream::connect(&path).unwrap().as_fd()).unwrap();
        let ready = poll::wait(&[(end.as_raw_fd(), Interest::Readable)], Some(Duration::ZERO)).unwrap();
        assert_eq!(ready, Vec::<usize>::new());
    }
}
