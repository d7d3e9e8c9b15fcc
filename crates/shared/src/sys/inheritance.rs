//! Descriptors that come from the program that started this one.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// Whether `number` is an open stream socket that accepts connections.
pub fn is_listening(number: RawFd) -> bool {
    option(number, libc::SO_ACCEPTCONN) == Some(1) && option(number, libc::SO_TYPE) == Some(libc::SOCK_STREAM)
}

fn option(number: RawFd, name: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut size = libc::socklen_t::try_from(size_of_val(&value)).ok()?;
    // SAFETY: both outlive the call, which writes at most `size` bytes; a number that is not open is an error.
    let result = unsafe { libc::getsockopt(number, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut size) };
    (result == 0).then_some(value)
}

/// Moves a descriptor away from the standard three, if it is one of them, and puts /dev/null in its place: a listening socket
/// must not be what the application reads from as its standard input. Returns its number.
///
/// # Errors
/// When it is not open, or there are too many descriptors.
pub fn move_off_standard(number: RawFd) -> io::Result<RawFd> {
    if number > libc::STDERR_FILENO {
        return Ok(number);
    }
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // SAFETY: these calls touch no memory; the new number is above the standard ones and close-on-exec from birth.
    unsafe {
        let moved = check(libc::fcntl(number, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1))?;
        check(libc::dup2(null.as_raw_fd(), number))?;
        Ok(moved)
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_stream_socket_that_listens_is_one() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(is_listening(tcp.as_raw_fd()));
        let directory = tempfile::tempdir().unwrap();
        assert!(is_listening(UnixListener::bind(directory.path().join("s")).unwrap().as_raw_fd()));
        let connected = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        assert!(!is_listening(connected.as_raw_fd()));
        assert!(!is_listening(UdpSocket::bind("127.0.0.1:0").unwrap().as_raw_fd()));
        assert!(!is_listening(File::open("/dev/null").unwrap().as_raw_fd()));
        assert!(!is_listening(-1));
    }

    #[test]
    fn a_number_above_the_standard_ones_stays() {
        assert_eq!(move_off_standard(7).unwrap(), 7);
    }
}
