//! Accepting from a listening socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

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
    /// The address, for messages.
    pub fn name(&self) -> String {
        match &self.acceptor {
            Acceptor::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "a TCP socket".to_owned(), |address| address.to_string())
            }
            Acceptor::Unix(listener) => {
                let path =
                    listener.local_addr().ok().and_then(|address| address.as_pathname().map(|path| path.display().to_string()));
                path.map_or_else(|| "a Unix socket".to_owned(), |path| format!("unix:{path}"))
            }
        }
    }

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

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => listener.as_fd(),
            Acceptor::Unix(listener) => listener.as_fd(),
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
