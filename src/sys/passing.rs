//! Open sockets from one process to another (SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use socket2::{Domain, Socket, Type};

/// A connected pair that keeps messages apart, close-on-exec (SOCK_SEQPACKET).
///
/// # Errors
/// Those of socketpair(2).
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
    Ok((near.into(), far.into()))
}

/// Sends one message with a copy of `descriptor`, without waiting. All of it or nothing is sent.
///
/// # Errors
/// `WouldBlock` when too many wait to be received, and those of sendmsg(2).
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut control = Control::new();
    let mut pieces = [IoSlice::new(bytes)];
    let number = descriptor.as_raw_fd();
    // SAFETY: the header points at `pieces` and `control`, which outlive the call and are as long as it says; an IoSlice is laid out
    // as an iovec. The control buffer has room for one header with one descriptor, so CMSG_FIRSTHDR is not null.
    let sent = unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = pieces.as_mut_ptr().cast();
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(DESCRIPTOR_LEN) as usize;
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_level = libc::SOL_SOCKET;
        (*message).cmsg_type = libc::SCM_RIGHTS;
        (*message).cmsg_len = libc::CMSG_LEN(DESCRIPTOR_LEN) as usize;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast(), number);
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
    };
    if sent == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives one message, without waiting: how many bytes of `buffer` it fills, and the descriptor, close-on-exec. A message without one has lost it
/// because this process may open no more.
///
/// # Errors
/// `WouldBlock` when none waits, `UnexpectedEof` when the other end is gone, `InvalidData` when it has no descriptor or does not fit,
/// and those of recvmsg(2).
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, OwnedFd)> {
    let mut control = Control::new();
    let mut pieces = [IoSliceMut::new(buffer)];
    // SAFETY: as in `send`. A descriptor in the message is new in this process, so nobody else owns it.
    unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = pieces.as_mut_ptr().cast();
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(DESCRIPTOR_LEN) as usize;
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        let count = libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags);
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        if message.is_null() {
            let kind = if count == 0 { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
            return Err(kind.into());
        }
        let number: i32 = ptr::read_unaligned(libc::CMSG_DATA(message).cast());
        let descriptor = OwnedFd::from_raw_fd(number);
        if header.msg_flags & libc::MSG_TRUNC != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((count, descriptor))
    }
}

/// Room for a control message with one descriptor, aligned as its header must be.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 64]);

impl Control {
    fn new() -> Self {
        Self([MaybeUninit::zeroed(); 64])
    }
}

const DESCRIPTOR_LEN: u32 = mem::size_of::<i32>() as u32;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_message_brings_its_bytes_and_its_descriptor() {
        let (near, far) = pair().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(receive(far.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        send(near.as_fd(), b"first", theirs.as_fd()).unwrap();
        send(near.as_fd(), b"second", theirs.as_fd()).unwrap();
        drop(theirs);
        let (count, received) = receive(far.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"first");
        UnixStream::from(received).write_all(b"x").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        assert_eq!(receive(far.as_fd(), &mut buffer).unwrap().0, 6);
        assert_eq!(ours.read(&mut [0]).unwrap(), 0, "no copy is left");
        drop(near);
        assert_eq!(receive(far.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error_and_leaks_nothing() {
        let (near, far) = pair().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        send(near.as_fd(), b"too long", theirs.as_fd()).unwrap();
        drop(theirs);
        assert_eq!(receive(far.as_fd(), &mut [0; 3]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(ours.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn what_nobody_receives_blocks_in_the_end() {
        let (near, _far) = pair().unwrap();
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let error = (0..100_000).find_map(|_| send(near.as_fd(), b"x", theirs.as_fd()).err()).unwrap();
        let refused = error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ETOOMANYREFS);
        assert!(refused, "{error}");
    }
}
