//! Writing and reading that never waits longer than it may, for the log.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::file::{Last, Place};
use super::poll::{self, Interest};

/// Whether a write of up to 4096 bytes would not block now: there is room, or it fails at once.
pub fn is_writable(descriptor: BorrowedFd<'_>) -> bool {
    wait_until_writable(&[descriptor.as_raw_fd()], Duration::ZERO)
}

/// Waits until one of the descriptors takes a write, or the time is over. Returns whether one does. A number that is not open
/// counts as one, since writing to it does not block either.
pub fn wait_until_writable(descriptors: &[RawFd], limit: Duration) -> bool {
    let polled: Vec<_> = descriptors.iter().map(|fd| (*fd, Interest::Writable)).collect();
    poll::is_any_ready(&polled, limit)
}

/// Limits how long a send may wait for room, and asks for so much room.
///
/// # Errors
/// When it is no socket.
pub fn limit_sending(socket: BorrowedFd<'_>, timeout: Duration, room: usize) -> io::Result<()> {
    let socket = SockRef::from(&socket);
    socket.set_write_timeout(Some(timeout))?;
    socket.set_send_buffer_size(room)
}

/// What to do when a socket has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// Wait as long as the socket's own timeout lets it.
    Wait,
    /// Give up at once.
    GiveUp,
}

/// Sends to a socket, without SIGPIPE.
///
/// # Errors
/// Those of send(2); `WouldBlock` when there is no room.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], no_room: NoRoom) -> io::Result<usize> {
    let flag = if no_room == NoRoom::GiveUp { libc::MSG_DONTWAIT } else { 0 };
    SockRef::from(&socket).send_with_flags(bytes, flag | libc::MSG_NOSIGNAL)
}

/// Connects to a Unix socket without waiting: a datagram socket, or a stream one if that is what is there. The socket is
/// non-blocking and close-on-exec.
///
/// # Errors
/// Those of connect(2), `WouldBlock` if a stream's backlog is full; `InvalidInput` if the path is too long.
pub fn connect(path: &Path) -> io::Result<(OwnedFd, SocketType)> {
    match connect_as(path, Type::DGRAM) {
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            Ok((connect_as(path, Type::STREAM)?, SocketType::Stream))
        }
        result => Ok((result?, SocketType::Datagram)),
    }
}

/// How a socket cuts what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketType {
    /// Messages stay whole.
    Datagram,
    /// Bytes.
    Stream,
}

fn connect_as(path: &Path, kind: Type) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

/// Whether the error says that nobody is at the other end of a socket (any more), so that connecting again may help.
pub fn is_disconnected(error: &io::Error) -> bool {
    use libc::{ECONNREFUSED, ECONNRESET, EDESTADDRREQ, ENOENT, ENOTCONN, EPIPE};
    error.raw_os_error().is_some_and(|code| [ECONNREFUSED, ECONNRESET, EDESTADDRREQ, ENOENT, ENOTCONN, EPIPE].contains(&code))
}

/// Whether the error says that a message is too long for its socket.
pub fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// Opens a file to append to, and makes it if it is not there, readable for its group. A named pipe is not waited for.
///
/// # Errors
/// Those of open(2); `ENXIO` for a named pipe that nobody reads; those of [`Place`].
pub fn open_log(path: &Path) -> io::Result<File> {
    Place::find(path, Last::Follow)?.open_to_append(Some(0o640))
}

/// Whether [`open_log`] would succeed. Makes nothing.
///
/// # Errors
/// The same.
pub fn check_log(path: &Path) -> io::Result<()> {
    let place = Place::find(path, Last::Follow)?;
    match place.open_to_append(None) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => place.may_create(),
        opened => opened.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::passing;

    #[test]
    fn a_pipe_is_writable_until_it_is_full_and_again_when_nobody_reads_it() {
        use std::io::Write;
        let (reader, mut writer) = io::pipe().unwrap();
        let mut pages = 0;
        while is_writable(writer.as_fd()) {
            writer.write_all(&[b'x'; 4096]).unwrap();
            pages += 1;
        }
        assert!(pages > 0);
        drop(reader);
        assert!(is_writable(writer.as_fd()), "it would fail and not block");
    }

    #[test]
    fn a_packet_pair_keeps_messages_apart_and_tells_the_end() {
        let (one, other) = passing::pair().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(passing::receive_bytes(other.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        send(one.as_fd(), b"ab", NoRoom::GiveUp).unwrap();
        send(one.as_fd(), b"c", NoRoom::Wait).unwrap();
        assert_eq!(passing::receive_bytes(other.as_fd(), &mut buffer).unwrap(), 2);
        assert_eq!(passing::receive_bytes(other.as_fd(), &mut buffer).unwrap(), 1);
        drop(one);
        assert_eq!(passing::receive_bytes(other.as_fd(), &mut buffer).unwrap(), 0);
    }
}
