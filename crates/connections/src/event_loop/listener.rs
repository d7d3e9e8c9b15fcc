//! Accepting from a listening socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::{Domain, Socket};

use super::stream::{PeerName, Stream};
use crate::exchange::Refusal;
use shared::listener::{self, SocketFile};
use shared::network::Network;

/// A listening socket as the event loop holds it.
#[derive(Debug)]
pub struct Listener {
    acceptor: Acceptor,
    allowed: Option<Vec<Network>>,
    purpose: Purpose,
    /// Kept for its drop.
    _file: Option<SocketFile>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The application, and probes.
    Site,
    /// Probes, and nothing else.
    Probes,
}

impl Purpose {
    /// How what is no probe is refused that nobody has a worker for.
    pub fn refusal(self, refusal: Refusal) -> Refusal {
        match (self, refusal) {
            (Self::Probes, Refusal::Overloaded | Refusal::NotServing) => Refusal::NoProbe,
            _ => refusal,
        }
    }
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

    /// The same for peers of these networks only, if it is a TCP socket; `None` is everybody.
    pub fn allowing(self, allowed: Option<Vec<Network>>) -> Self {
        Self { allowed, ..self }
    }

    /// The same for probes only.
    pub fn for_probes(self) -> Self {
        Self { purpose: Purpose::Probes, ..self }
    }

    /// Accepts one connection.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, `PermissionDenied` when the peer may not connect, and those of accept(2).
    pub fn accept(&self) -> io::Result<(Stream, PeerName, Purpose)> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                match &self.allowed {
                    Some(allowed) if !allowed.iter().any(|network| network.contains(peer.ip())) => Err(not_allowed(peer)),
                    _ => Ok((Stream::Tcp(stream), PeerName::Tcp(peer), self.purpose)),
                }
            }
            Acceptor::Unix(listener) => {
                listener.accept().map(|(stream, _)| (Stream::Unix(stream), PeerName::Unix, self.purpose))
            }
        }
    }
}

/// What says so is not `io::Error::kind` alone: accept(2) fails with EPERM where a firewall forbids.
fn not_allowed(peer: SocketAddr) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("connection from {peer} closed: not in allowed-clients"))
}

/// Whether the error is about a peer that may not connect.
pub fn is_not_allowed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
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
        Ok(Self { acceptor, allowed: None, purpose: Purpose::Site, _file: file })
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::sync::mpsc;
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;

    #[test]
    fn a_listener_that_a_sibling_has_made_blocking_waits_for_nobody() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener::try_from(listener::Listener::adopt(OwnedFd::from(socket)).unwrap()).unwrap();
        SockRef::from(&listener).set_nonblocking(false).unwrap();
        let (sender, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            let nobody = listener.accept().map(drop).unwrap_err().kind();
            let _peer = TcpStream::connect(address).unwrap();
            sender.send((nobody, listener.accept().is_ok())).unwrap();
        });
        let outcome = outcome.recv_timeout(Duration::from_secs(10)).expect("it does not block");
        assert_eq!(outcome, (io::ErrorKind::WouldBlock, true));
    }
}
