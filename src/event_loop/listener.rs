//! Accepting from a listening socket.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Socket};

use super::stream::{PeerName, Stream};
use crate::listener::{self, SocketFile};

/// A listening socket as the event loop holds it.
#[derive(Debug)]
pub struct Listener {
    acceptor: Acceptor,
    /// Kept for its drop.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Acceptor {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

impl Listener {
    /// Accepts one connection.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, and those of accept(2).
    pub fn accept(&self) -> io::Result<(Stream, PeerName)> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => listener.accept().map(|(stream, peer)| (Stream::Tcp(stream), PeerName::Tcp(peer))),
            Acceptor::Unix(listener) => listener.accept().map(|(stream, _)| (Stream::Unix(stream), PeerName::Unix)),
        }
    }
}

impl TryFrom<listener::Listener> for Listener {
    type Error = io::Error;

    fn try_from(listener: listener::Listener) -> io::Result<Self> {
        let (descriptor, file) = listener.into_parts();
        let socket = Socket::from(descriptor);
        let acceptor = match socket.domain()? {
            Domain::UNIX => Acceptor::Unix(mio::net::UnixListener::from_std(socket.into())),
            _ => Acceptor::Tcp(mio::net::TcpListener::from_std(socket.into())),
        };
        Ok(Self { acceptor, _file: file })
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        match &self.acceptor {
            Acceptor::Tcp(listener) => listener.as_raw_fd(),
            Acceptor::Unix(listener) => listener.as_raw_fd(),
        }
    }
}
