//! Open sockets from one process to another (SCM_RIGHTS).

use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{ptr, slice};

use rustix::cmsg_space;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_socket_send_buffer_size_force};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use socket2::{Domain, Socket, Type};

use super::closing;

/// A connected pair that keeps messages apart, close-on-exec (SOCK_SEQPACKET).
///
/// # Errors
/// Those of socketpair(2).
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
    Ok((near.into(), far.into()))
}

/// The same, in which more messages have room than usually: as many as the system lets this user have.
///
/// # Errors
/// Those of socketpair(2).
pub fn roomy_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (near, far) = pair()?;
    // Only root may have more than the system's limit.
    let forced = set_socket_send_buffer_size_force(&near, ROOMY);
    let _ = forced.or_else(|_| set_socket_send_buffer_size(&near, ROOMY));
    Ok((near, far))
}

/// Sends one message with a copy of `descriptor`, without waiting. All of it or nothing is sent.
///
/// # Errors
/// `WouldBlock` when too many wait to be received, and those of sendmsg(2).
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)), "there is space for it");
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// Receives what is there, without waiting, from somebody who is to send bytes alone. 0 is the end.
///
/// # Errors
/// `WouldBlock` when nothing is there, `InvalidData` when descriptors have come along, which are closed, and those of recvmsg(2).
pub fn receive_bytes(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: what is written there are bytes, as many as the kernel says.
    let room = unsafe { slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), buffer.len()) };
    let Received { count, flags, descriptors } = receive_any(socket, room)?;
    if descriptors.is_empty() && flags & libc::MSG_CTRUNC == 0 {
        return Ok(count);
    }
    closing::while_held(|| drop(descriptors));
    Err(io::ErrorKind::InvalidData.into())
}

/// Receives one message of at most so many bytes, without waiting, and the one descriptor that it brings, close-on-exec. Whatever else it brings is closed: other processes send what they like, and decide by socket options what the kernel adds.
///
/// # Errors
/// `WouldBlock` when none waits, `UnexpectedEof` when nothing can come any more, `InvalidData` when it does not fit or has not one
/// descriptor, `EMFILE` when it has lost that because this process may open no more, and those of recvmsg(2).
pub fn receive(socket: BorrowedFd<'_>, most: usize) -> io::Result<(Vec<u8>, OwnedFd)> {
    // Messages are short as a rule, and what they do not fill is not to be touched.
    let mut bytes = Vec::with_capacity(most);
    let Received { count, flags, descriptors } = receive_any(socket, bytes.spare_capacity_mut())?;
    // SAFETY: the kernel has written so many.
    unsafe { bytes.set_len(count) };
    let lost_some = flags & libc::MSG_CTRUNC != 0;
    let mut descriptors = descriptors.into_iter();
    match (descriptors.next(), descriptors.next()) {
        _ if flags & libc::MSG_TRUNC != 0 => Err(io::ErrorKind::InvalidData.into()),
        (Some(descriptor), None) => Ok((bytes, descriptor)),
        (None, _) if lost_some => Err(io::Error::from_raw_os_error(libc::EMFILE)),
        (None, _) if count == 0 && super::fd::is_shut(socket) => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// All that a message brings.
struct Received {
    count: usize,
    flags: libc::c_int,
    descriptors: Vec<OwnedFd>,
}

/// Not by rustix, which leaves open what it has no name for.
fn receive_any(socket: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>]) -> io::Result<Received> {
    let mut control = Control([MaybeUninit::uninit(); 4096]);
    let mut room = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: a header without any part is valid. It points at `room` and `control`, which outlive the call and are as long as it
    // says.
    let (count, header) = unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = &raw mut room;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = mem::size_of::<Control>() as _;
        (libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags), header)
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled `control` as far as the header says now, and the walk stays in there. Numbers of these two kinds
    // are new in this process, so nobody else owns them; of a process that has ended, the second is an error.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(&libc::cmsghdr { cmsg_len, cmsg_level, cmsg_type, .. }) = message.as_ref() {
            if cmsg_level == libc::SOL_SOCKET && matches!(cmsg_type, libc::SCM_RIGHTS | SCM_PIDFD) {
                #[allow(clippy::unnecessary_cast, reason = "it is another type in other C libraries")]
                let length = (cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                let numbers: *const i32 = libc::CMSG_DATA(message).cast();
                let numbers = (0..length / mem::size_of::<i32>()).map(|index| ptr::read_unaligned(numbers.add(index)));
                let opened = numbers.filter(|number| *number >= 0).map(|number| OwnedFd::from_raw_fd(number));
                match cmsg_type {
                    libc::SCM_RIGHTS => descriptors.extend(opened),
                    _ => opened.for_each(drop),
                }
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    Ok(Received { count, flags: header.msg_flags, descriptors })
}

/// Room for the control messages, aligned as their headers must be: as many descriptors as the kernel sends at once (253), and the sender's
/// ids, its security label and the time, which it adds if somebody has asked for them.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 4096]);

/// A descriptor of the process that has sent the message (SO_PASSPIDFD, Linux 6.5).
const SCM_PIDFD: libc::c_int = 4;
/// Bytes, of which a short message takes less than a thousand with all that the kernel counts.
const ROOMY: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use socket2::SockRef;

    use super::*;

    #[test]
    fn a_message_brings_its_bytes_and_its_descriptor() {
        let (near, far) = pair().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        assert_eq!(receive(far.as_fd(), 16).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        send(near.as_fd(), b"first", theirs.as_fd()).unwrap();
        send(near.as_fd(), b"second", theirs.as_fd()).unwrap();
        drop(theirs);
        let (bytes, received) = receive(far.as_fd(), 16).unwrap();
        assert_eq!(bytes, b"first");
        UnixStream::from(received).write_all(b"x").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        assert_eq!(receive(far.as_fd(), 16).unwrap().0, b"second");
        assert_eq!(ours.read(&mut [0]).unwrap(), 0, "no copy is left");
        drop(near);
        assert_eq!(receive(far.as_fd(), 16).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error_and_leaks_nothing() {
        let (near, far) = pair().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        send(near.as_fd(), b"too long", theirs.as_fd()).unwrap();
        drop(theirs);
        assert_eq!(receive(far.as_fd(), 3).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(ours.read(&mut [0]).unwrap(), 0);
    }

    /// Sends any number of descriptors, as an application could.
    fn send_many(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
        sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap();
    }

    fn set(socket: &OwnedFd, option: libc::c_int) {
        let on: libc::c_int = 1;
        // SAFETY: the value outlives the call and is as long as it says.
        let set = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const on).cast(), 4) };
        assert!(set == 0 || option == SO_PASSPIDFD, "{}", io::Error::last_os_error());
    }

    const SO_PASSPIDFD: libc::c_int = 76;

    /// Ids, a label, the time and a process's descriptor then come beside, and were taken for what they are not.
    #[test]
    fn what_the_kernel_adds_is_no_descriptor() {
        let (near, far) = pair().unwrap();
        for option in [libc::SO_PASSCRED, libc::SO_PASSSEC, libc::SO_TIMESTAMP, SO_PASSPIDFD] {
            set(&far, option);
        }
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        send_many(&near, b"none", &[]);
        assert_eq!(receive(far.as_fd(), 16).unwrap_err().kind(), io::ErrorKind::InvalidData);
        send(near.as_fd(), b"one", theirs.as_fd()).unwrap();
        drop(theirs);
        let (bytes, received) = receive(far.as_fd(), 16).unwrap();
        assert_eq!(bytes, b"one");
        UnixStream::from(received).write_all(b"x").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap(), 0, "no copy is left");
    }

    #[test]
    fn a_message_with_more_than_one_descriptor_is_refused_and_leaks_none() {
        let (near, far) = pair().unwrap();
        for count in [2, 10, 11, 12, 13, 100, 253] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            send_many(&near, b"x", &vec![theirs.as_fd(); count]);
            drop(theirs);
            let error = receive(far.as_fd(), 16).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{count}");
            assert_eq!(ours.read(&mut [0]).unwrap(), 0, "{count}: a copy is left");
        }
    }

    #[test]
    fn an_empty_message_is_not_the_end() {
        let (near, far) = pair().unwrap();
        let (_ours, theirs) = UnixStream::pair().unwrap();
        send_many(&near, b"", &[]);
        send_many(&near, b"", &[theirs.as_fd()]);
        assert_eq!(receive(far.as_fd(), 16).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(receive(far.as_fd(), 16).unwrap().0, b"");
        assert_eq!(receive(far.as_fd(), 16).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_passage_that_is_shut_at_either_end_is_over() {
        for (shut, how) in [(0, Shutdown::Write), (1, Shutdown::Read), (0, Shutdown::Both), (1, Shutdown::Both)] {
            let ends = pair().unwrap();
            let ends = [ends.0, ends.1];
            SockRef::from(&ends[shut]).shutdown(how).unwrap();
            assert_eq!(receive(ends[1].as_fd(), 16).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
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
