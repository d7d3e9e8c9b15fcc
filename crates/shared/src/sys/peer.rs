//! Who is at the other end of a Unix socket.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A descriptor that becomes readable when the process has ended that listened when `connection` was made: its exit closes the
/// connection a moment before it is gone.
///
/// # Errors
/// When it has gone already, or is in a place that this process cannot see, and on Linux before 5.3.
pub fn end_of_listener(connection: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut credentials = MaybeUninit::<libc::ucred>::uninit();
    let mut size = size_of::<libc::ucred>() as libc::socklen_t;
    let socket = connection.as_raw_fd();
    // SAFETY: `credentials` has room for the `size` bytes that may be written, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, credentials.as_mut_ptr().cast(), &raw mut size)
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: getsockopt has filled it.
    let process = unsafe { credentials.assume_init() }.pid;
    // SAFETY: pidfd_open touches no memory; a number that is no process is an error.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nobody else owns it; the system gives no larger numbers. It is close-on-exec from birth.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) })
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
