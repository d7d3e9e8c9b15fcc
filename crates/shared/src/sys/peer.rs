//! Who is at the other end of a Unix socket.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::sys::socket::{getsockopt, sockopt};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A descriptor that becomes readable when the process has ended that listened when `connection` was made: its exit closes the
/// connection a moment before it is gone.
///
/// # Errors
/// When it has gone already, or is in a place that this process cannot see, and on Linux before 5.3.
pub fn end_of_listener(connection: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // Of one that this process cannot see the number is 0, for which rustix has no value.
    let process = Pid::from_raw(getsockopt(&connection, sockopt::PeerCredentials)?.pid()).ok_or(Errno::INVAL)?;
    // It is close-on-exec from birth.
    Ok(pidfd_open(process, PidfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, AsRawFd};
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
