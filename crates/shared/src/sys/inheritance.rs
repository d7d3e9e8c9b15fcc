//! Descriptors that come from the program that started this one.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, IntoRawFd, RawFd};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::SocketType;
use rustix::net::sockopt::{socket_acceptconn, socket_type};

use super::fd::{self, numbered};

/// Whether `number` is an open stream socket that accepts connections.
pub fn is_listening(number: RawFd) -> bool {
    numbered(number).is_ok_and(|it| socket_acceptconn(it) == Ok(true) && socket_type(it) == Ok(SocketType::STREAM))
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
    let moved = fcntl_dupfd_cloexec(numbered(number)?, libc::STDERR_FILENO + 1)?;
    fd::replace_standard(null.as_fd(), number)?;
    Ok(moved.into_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;
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
