//! Where connections go from one child to another: a pair of sockets that all children of a pool share, and that holds what nobody
//! has taken yet.
//!
//! A connection travels between requests, with the bytes that were read of it and belong to the next one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use socket2::{Domain, Socket};

use super::stream::{PeerName, Stream};
use crate::protocol::MAX_RECORD_LEN;
use crate::sys::passing;

/// Both ends. What is given into one comes out of the other, in whichever process takes it first.
#[derive(Debug)]
pub struct Passage {
    give: OwnedFd,
    take: OwnedFd,
}

/// A connection as it travels.
#[derive(Debug)]
pub struct Traveller {
    /// The socket.
    pub stream: Stream,
    /// Who is at its other end.
    pub peer: PeerName,
    /// What was read and not used.
    pub unread: Vec<u8>,
    /// Whether anything was ever read.
    pub has_read: bool,
}

impl Passage {
    /// The passage with these ends, see [`passing::pair`].
    pub fn new(give: OwnedFd, take: OwnedFd) -> Self {
        Self { give, take }
    }

    /// Sends a copy of a connection on its way.
    ///
    /// # Errors
    /// Those of sendmsg(2), `WouldBlock` among them: then nobody else has it.
    pub fn give(&self, stream: &Stream, unread: &[u8], has_read: bool) -> io::Result<()> {
        let mut message = vec![u8::from(has_read)];
        message.extend_from_slice(unread);
        passing::send(self.give.as_fd(), &message, stream.as_fd())
    }

    /// Takes a connection that waits.
    ///
    /// # Errors
    /// `WouldBlock` when there is none, and those of recvmsg(2).
    pub fn take(&self) -> io::Result<Traveller> {
        let mut message = vec![0; 1 + MAX_RECORD_LEN];
        let (count, descriptor) = passing::receive(self.take.as_fd(), &mut message)?;
        let socket = Socket::from(descriptor);
        let (stream, peer) = match socket.domain()? {
            Domain::UNIX => (Stream::Unix(mio::net::UnixStream::from_std(socket.into())), PeerName::Unix),
            _ => {
                let address = socket.peer_addr().ok().and_then(|address| address.as_socket());
                let peer = address.map_or(PeerName::Unix, PeerName::Tcp);
                (Stream::Tcp(mio::net::TcpStream::from_std(socket.into())), peer)
            }
        };
        Ok(Traveller { stream, peer, unread: message[1..count.max(1)].to_vec(), has_read: message[0] != 0 })
    }
}

impl AsRawFd for Passage {
    /// The end that is watched.
    fn as_raw_fd(&self) -> RawFd {
        self.take.as_raw_fd()
    }
}
