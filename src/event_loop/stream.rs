//! A connected socket of either kind, readable and writable by reference.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::sys;

/// An accepted, non-blocking socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP, version 4 or 6.
    Tcp(mio::net::TcpStream),
    /// Unix.
    Unix(mio::net::UnixStream),
}

/// Who is at the other end, for messages.
#[derive(Clone, Copy, Debug)]
pub enum PeerName {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket, which has no name at its other end.
    Unix,
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix socket"),
        }
    }
}

impl Stream {
    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is, and those of the socket.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
        }
    }

    /// What is there, which stays there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::fd::peek(self.as_fd(), buffer)
    }

    /// Writes as much as the socket takes; `more` says that other bytes follow at once, so that no small packet is sent.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing, and those of the socket.
    pub fn write(&self, pieces: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        if more {
            return sys::fd::send_with_more(self.as_fd(), pieces);
        }
        match self {
            Self::Tcp(stream) => (&*stream).write_vectored(pieces),
            Self::Unix(stream) => (&*stream).write_vectored(pieces),
        }
    }

    /// Ends one or both directions. An error means that the peer was faster.
    pub fn shutdown(&self, how: Shutdown) {
        let result = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
        drop(result);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
