//! A connection whose every wait has an end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{Error, ListenAddress};

/// When everything must be over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// So long from now; `None` is never.
    pub(super) fn after(limit: Option<Duration>) -> Self {
        Self(limit.and_then(|limit| Instant::now().checked_add(limit)))
    }

    /// What is left, as sockets want it: never zero, since that means for ever to them.
    fn remaining(self) -> Result<Option<Duration>, Error> {
        let Some(end) = self.0 else {
            return Ok(None);
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Error::Timeout) } else { Ok(Some(left.max(SHORTEST_WAIT))) }
    }
}

/// A blocking connection whose every wait ends at the deadline.
pub(super) struct Connection {
    socket: Socket,
    deadline: Deadline,
}

impl Connection {
    /// Connects, to each of a host's addresses in turn.
    pub(super) fn open(address: &ListenAddress, deadline: Deadline) -> Result<Self, Error> {
        let failed = |source| Error::Connect { address: address.clone(), source };
        let socket = match address {
            ListenAddress::Unix(path) => connect_unix(path, deadline, failed)?,
            ListenAddress::Tcp { host, port } => {
                let found = if host == "*" { Ok(loopback(*port)) } else { (host.as_str(), *port).to_socket_addrs() };
                connect_first(found.map_err(|error| Error::Resolve(address.clone(), error))?, deadline, failed)?
            }
            ListenAddress::Fd(_) => return Err(failed(ErrorKind::Unsupported.into())),
        };
        Ok(Self { socket, deadline })
    }

    /// The port of this end; `None` for a Unix socket.
    pub(super) fn local_port(&self) -> Option<u16> {
        self.socket.local_addr().ok()?.as_socket().map(|address| address.port())
    }

    /// Writes all of it.
    pub(super) fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let remaining = self.deadline.remaining().map_err(|_| ErrorKind::TimedOut)?;
            self.socket.set_write_timeout(remaining)?;
            match (&self.socket).write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if is_retry(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what there is; 0 is the end. `failed` makes the error of a broken connection.
    pub(super) fn receive(&self, space: &mut [u8], failed: impl Fn(io::Error) -> Error) -> Result<usize, Error> {
        loop {
            self.socket.set_read_timeout(self.deadline.remaining()?).map_err(&failed)?;
            match (&self.socket).read(space) {
                Err(error) if is_retry(&error) => {}
                other => return other.map_err(failed),
            }
        }
    }

    /// Ends both directions, and with them every wait.
    pub(super) fn shut_down(&self) {
        // It fails only when the peer has closed already, which ends the waits as well.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn connect_unix(path: &Path, deadline: Deadline, failed: impl Fn(io::Error) -> Error) -> Result<Socket, Error> {
    let address = SockAddr::unix(path).map_err(&failed)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(&failed)?;
    // Linux waits for room in the backlog as long as for room to send.
    socket.set_write_timeout(deadline.remaining()?).map_err(&failed)?;
    match socket.connect(&address) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Error::Timeout),
        other => other.map(|()| socket).map_err(failed),
    }
}

/// This machine, of which a name server need not know.
fn loopback(port: u16) -> std::vec::IntoIter<SocketAddr> {
    vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()].into_iter()
}

fn connect_first(
    addresses: impl Iterator<Item = SocketAddr>,
    deadline: Deadline,
    failed: impl Fn(io::Error) -> Error,
) -> Result<Socket, Error> {
    let mut last = failed(ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        match connect_tcp(address, deadline.remaining()?) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == ErrorKind::TimedOut => deadline.remaining().map(|_| last = failed(error))?,
            Err(error) => last = failed(error),
        }
    }
    Err(last)
}

fn connect_tcp(address: SocketAddr, limit: Option<Duration>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    match limit {
        Some(limit) => socket.connect_timeout(&address.into(), limit)?,
        None => socket.connect(&address.into())?,
    }
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Whether to look at the clock and wait again.
fn is_retry(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

const SHORTEST_WAIT: Duration = Duration::from_millis(1);
