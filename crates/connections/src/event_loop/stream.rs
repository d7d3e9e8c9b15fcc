//! A connected socket, readable by reference. What writes to it has its descriptor.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use shared::sys;
use socket2::SockRef;

/// An accepted socket. Nothing waits for it, also where another process that has it says that it blocks; but a file that is sent.
#[derive(Debug)]
pub struct Stream(OwnedFd);

/// Who is at the other end, for messages: an IP address, or a Unix socket, which has no name at its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerName(pub Option<SocketAddr>);

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(address)) => address.fmt(f),
            Self(None) => f.write_str("unix socket"),
        }
    }
}

impl Stream {
    /// Of a connected socket that does not block.
    pub fn new(socket: impl Into<OwnedFd>) -> Self {
        Self(socket.into())
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is, and those of the socket.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::fd::receive(self.as_fd(), buffer)
    }

    /// What is there, which stays there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::fd::peek(self.as_fd(), buffer)
    }

    /// Ends one or both directions. An error means that the peer was faster.
    pub fn shutdown(&self, how: Shutdown) {
        drop(SockRef::from(self).shutdown(how));
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// What open files are like is said in one place for all processes that have them.
    #[test]
    fn what_a_sibling_has_made_blocking_waits_for_nothing() {
        let (near, _far) = UnixStream::pair().unwrap();
        near.set_nonblocking(false).unwrap();
        let stream = Stream::new(near);
        let (sender, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            let read = stream.read(&mut [0; 16]).unwrap_err();
            let piece = vec![0; 1 << 16];
            let full =
                |more| (0..1000).find_map(|_| sys::fd::send(stream.as_fd(), &[IoSlice::new(&piece)], more).err()).unwrap();
            sender.send([read, full(false), full(true)].map(|error| error.kind())).unwrap();
        });
        let outcome = outcome.recv_timeout(Duration::from_secs(10)).expect("it does not block");
        assert_eq!(outcome, [io::ErrorKind::WouldBlock; 3]);
    }
}
