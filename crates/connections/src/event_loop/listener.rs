//! Accepting from a listening socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use socket2::SockRef;

use super::stream::{PeerName, Stream};
use crate::exchange::Refusal;
use shared::listener::{self, SocketFile};
use shared::network::Network;
use shared::sys;

/// A listening socket as the event loop holds it.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
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
            (Self::Probes, Refusal::Overloaded | Refusal::WaitedTooLong | Refusal::NotServing) => Refusal::NoProbe,
            _ => refusal,
        }
    }
}

impl Listener {
    /// The address, for messages.
    pub fn name(&self) -> String {
        let address = SockRef::from(self).local_addr().ok();
        let tcp = address.as_ref().and_then(|address| address.as_socket()).map(|address| address.to_string());
        let unix = || Some(format!("unix:{}", address.as_ref()?.as_pathname()?.display()));
        tcp.or_else(unix).unwrap_or_else(|| "a listening socket".to_owned())
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
        let (socket, peer) = sys::fd::accept(self.as_fd())?;
        match (&self.allowed, peer) {
            (Some(allowed), Some(peer)) if !allowed.iter().any(|network| network.contains(peer.ip())) => Err(not_allowed(peer)),
            _ => Ok((Stream::new(socket), PeerName(peer), self.purpose)),
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

impl From<listener::Listener> for Listener {
    fn from(listener: listener::Listener) -> Self {
        let (socket, file) = listener.into_parts();
        Self { socket, allowed: None, purpose: Purpose::Site, _file: file }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_listener_that_a_sibling_has_made_blocking_waits_for_nobody() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener::from(listener::Listener::adopt(OwnedFd::from(socket)).unwrap());
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
