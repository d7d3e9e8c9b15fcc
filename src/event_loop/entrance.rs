//! Where connections come in: the listening sockets and the passage. Several processes wait at them, and one is woken for each
//! connection, so whoever is woken takes at least one, and who is busy does not wait there.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::listener::Listener;
use super::passage::{Passage, Traveller};
use super::stream::{PeerName, Stream};
use crate::sys::epoll;

/// The listening sockets and the passage of one event loop.
#[derive(Debug)]
pub struct Entrance {
    epoll: RawFd,
    first_token: usize,
    /// The first token that is nobody's here, also when there are no listeners any more.
    end_token: usize,
    listeners: Vec<Listener>,
    passage: Option<Passage>,
    /// Whether they are watched.
    open: bool,
    closed: bool,
}

/// A door of the entrance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The listening socket of this number.
    Listener(usize),
    /// The passage.
    Passage,
}

impl Entrance {
    /// An entrance that is not watched yet. `epoll` outlives it.
    pub fn new(epoll: RawFd, first_token: usize, listeners: Vec<Listener>, passage: Option<Passage>) -> Self {
        let end_token = first_token + listeners.len() + 1;
        Self { epoll, first_token, end_token, listeners, passage, open: false, closed: false }
    }

    /// The first token that is nobody's here.
    pub fn end_token(&self) -> usize {
        self.end_token
    }

    /// Which door an event of this token is about.
    pub fn door(&self, token: usize) -> Option<Door> {
        match token.checked_sub(self.first_token)? {
            0 => Some(Door::Passage),
            number if token < self.end_token => Some(Door::Listener(number - 1)),
            _ => None,
        }
    }

    /// The doors there are.
    pub fn doors(&self) -> Vec<Door> {
        let passage = (self.passage.is_some() && !self.closed).then_some(Door::Passage);
        let count = if self.closed { 0 } else { self.listeners.len() };
        (0..count).map(Door::Listener).chain(passage).collect()
    }

    /// Watches the doors, or does so no longer.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn watch(&mut self, open: bool) -> io::Result<()> {
        if open == self.open || self.closed {
            return Ok(());
        }
        self.open = open;
        let listeners = self.listeners.iter().enumerate().map(|(index, listener)| (listener.as_raw_fd(), index + 1));
        let passage = self.passage.iter().map(|passage| (passage.as_raw_fd(), 0));
        for (descriptor, number) in listeners.chain(passage) {
            match open {
                true => epoll::add_exclusive(self.epoll, descriptor, self.first_token + number)?,
                false => epoll::remove(self.epoll, descriptor)?,
            }
        }
        Ok(())
    }

    /// Nothing comes in any more. Connections can still be given away.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn close(&mut self) -> io::Result<()> {
        let result = self.watch(false);
        self.closed = true;
        self.listeners.clear();
        result
    }

    /// Accepts a connection.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, and those of accept(2).
    pub fn accept(&self, index: usize) -> io::Result<(Stream, PeerName)> {
        self.listeners.get(index).map_or(Err(io::ErrorKind::WouldBlock.into()), Listener::accept)
    }

    /// Takes a connection out of the passage.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, and those of recvmsg(2).
    pub fn take(&self) -> io::Result<Traveller> {
        let passage = self.passage.as_ref().filter(|_| !self.closed);
        passage.map_or(Err(io::ErrorKind::WouldBlock.into()), Passage::take)
    }

    /// The passage, if there is one.
    pub fn passage(&self) -> Option<&Passage> {
        self.passage.as_ref()
    }
}
