//! Where connections go from one child to another: a pair of sockets that all children of a pool share, and that holds what nobody
//! has taken yet.
//!
//! A connection travels between requests, with the bytes that were read of it and belong to the next one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use socket2::{Domain, Socket, Type};

use super::listener::Purpose;
use super::stream::{PeerName, Stream};
use fastcgi_codec::MAX_RECORD_LEN;
use shared::scoreboard::SINCE_LEN;
use shared::sys::fd::{self, Spare};
use shared::sys::passing;

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
    /// What it is for.
    pub purpose: Purpose,
    /// What was read and not used.
    pub unread: Vec<u8>,
    /// Whether anything was ever read.
    pub has_read: bool,
}

/// Why no connection came out of the passage or the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// None is there.
    Nothing,
    /// It has ended on the way.
    Ended,
    /// It was something else.
    Stray,
    /// None can come any more.
    Door,
}

impl Passage {
    /// The passage with these ends, see [`passing::pair`].
    pub fn new(give: OwnedFd, take: OwnedFd) -> Self {
        Self { give, take }
    }

    /// Sends a copy of a connection on its way, with whether anything was ever read and what it is for.
    ///
    /// # Errors
    /// Those of sendmsg(2), `WouldBlock` among them: then nobody else has it.
    pub fn give(&self, stream: &Stream, unread: &[u8], (has_read, purpose): (bool, Purpose)) -> io::Result<()> {
        let of_purpose = if purpose == Purpose::Probes { FOR_PROBES } else { 0 };
        let mut message = vec![if has_read { HAS_READ } else { 0 } | of_purpose];
        message.extend_from_slice(unread);
        passing::send(self.give.as_fd(), &message, stream.as_fd())
    }

    /// Takes a connection that waits, for which `spare` makes room. What comes is an enemy's until it was looked at: the application has
    /// the passage, too.
    ///
    /// # Errors
    /// `WouldBlock` when there is none, `UnexpectedEof` when none can come any more, `InvalidData` when what has come is no connection,
    /// `NotConnected` when it is one that has ended, `EMFILE` when one is lost, and those of recvmsg(2).
    pub fn take(&self, spare: &mut Spare) -> io::Result<Traveller> {
        spare.make_room();
        let received = passing::receive(self.take.as_fd(), MAX_MESSAGE_LEN);
        spare.is_kept();
        let (message, descriptor) = received?;
        let (first, unread) = message.split_first().ok_or(io::ErrorKind::InvalidData)?;
        if *first > HAS_READ | FOR_PROBES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let purpose = if first & FOR_PROBES != 0 { Purpose::Probes } else { Purpose::Site };
        let (stream, peer) = connection(descriptor)?;
        Ok(Traveller { stream, peer, purpose, unread: unread.to_vec(), has_read: first & HAS_READ != 0 })
    }
}

/// What the first byte of a message is made of.
const HAS_READ: u8 = 1;
const FOR_PROBES: u8 = 2;
/// These flags, the time that [`Line`](super::line::Line) says, and what was read.
const MAX_MESSAGE_LEN: usize = 1 + SINCE_LEN + MAX_RECORD_LEN;

/// The descriptor as a connection, if it is one. The flags of an open socket are everybody's who has it.
fn connection(descriptor: OwnedFd) -> io::Result<(Stream, PeerName)> {
    let socket = Socket::from(descriptor);
    let no_connection = |_| io::Error::from(io::ErrorKind::InvalidData);
    let domain = socket.domain().map_err(no_connection)?;
    let is_stream = socket.r#type().map_err(no_connection)? == Type::STREAM && !socket.is_listener().map_err(no_connection)?;
    if !is_stream || ![Domain::UNIX, Domain::IPV4, Domain::IPV6].contains(&domain) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let peer = socket.peer_addr().map_err(|_| io::ErrorKind::NotConnected)?;
    socket.set_nonblocking(true)?;
    Ok((Stream::new(socket), PeerName(peer.as_socket())))
}

impl Passage {
    /// How the next message begins, which stays.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        fd::peek(self.take.as_fd(), bytes)
    }

    /// Whether somebody waits to be taken.
    pub fn is_readable(&self) -> bool {
        fd::is_readable(self.take.as_fd())
    }
}

impl AsRawFd for Passage {
    /// The end that is watched.
    fn as_raw_fd(&self) -> RawFd {
        self.take.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    fn passage() -> Passage {
        let (give, take) = passing::pair().unwrap();
        Passage::new(give, take)
    }

    fn fault(passage: &Passage, message: &[u8], descriptor: impl AsFd) -> io::ErrorKind {
        passing::send(passage.give.as_fd(), message, descriptor.as_fd()).unwrap();
        passage.take(&mut Spare::default()).unwrap_err().kind()
    }

    #[test]
    fn nothing_but_a_connected_stream_is_taken() {
        let passage = passage();
        let directory = tempfile::tempdir().unwrap();
        let no_connections: [OwnedFd; 8] = [
            tempfile::tempfile().unwrap().into(),
            File::open("/dev/null").unwrap().into(),
            std::io::pipe().unwrap().0.into(),
            passing::pair().unwrap().0,
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            UnixDatagram::pair().unwrap().0.into(),
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
            UnixListener::bind(directory.path().join("s")).unwrap().into(),
        ];
        for (index, descriptor) in no_connections.into_iter().enumerate() {
            assert_eq!(fault(&passage, b"\0", descriptor), io::ErrorKind::InvalidData, "number {index}");
        }
        let unconnected = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        assert_eq!(fault(&passage, b"\0", unconnected), io::ErrorKind::NotConnected);
    }

    #[test]
    fn a_message_that_says_nothing_known_is_not_taken() {
        let passage = passage();
        for message in [&b""[..], b"\x04", b"x\0"] {
            assert_eq!(fault(&passage, message, UnixStream::pair().unwrap().0), io::ErrorKind::InvalidData, "{message:?}");
        }
    }

    #[test]
    fn what_is_taken_does_not_block_and_has_its_bytes() {
        let passage = passage();
        let (near, _far) = UnixStream::pair().unwrap();
        passing::send(passage.give.as_fd(), b"\x01bytes", near.as_fd()).unwrap();
        let mut spare = Spare::default();
        let traveller = passage.take(&mut spare).unwrap();
        assert_eq!((&traveller.unread[..], traveller.has_read), (&b"bytes"[..], true));
        assert_eq!(traveller.stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        passing::send(passage.give.as_fd(), b"\0", stream.as_fd()).unwrap();
        let traveller = passage.take(&mut spare).unwrap();
        assert_eq!(traveller.peer, PeerName(listener.local_addr().ok()));
        assert!(!traveller.has_read && traveller.unread.is_empty());
        assert_eq!(traveller.purpose, Purpose::Site);
        passage.give(&traveller.stream, b"x", (true, Purpose::Probes)).unwrap();
        let traveller = passage.take(&mut spare).unwrap();
        assert_eq!((traveller.purpose, traveller.has_read, &traveller.unread[..]), (Purpose::Probes, true, &b"x"[..]));
    }
}
