//! Where connections come in: the listening sockets and the passage. Several processes wait at them, and one is woken for each
//! connection, so whoever is woken takes at least one, and who is busy does not wait there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::listener::{Listener, Purpose};
use super::passage::{Passage, Traveller};
use super::stream::{PeerName, Stream};
use shared::sys::fd::Spare;
use shared::sys::{self, epoll};

/// The listening sockets and the passage of one event loop.
#[derive(Debug)]
pub struct Acceptor {
    epoll: RawFd,
    first_token: usize,
    /// The first token that is nobody's here, also when there are no listeners any more.
    end_token: usize,
    listeners: Vec<Listener>,
    passage: Passage,
    /// Doors through which nothing comes any more: somebody has shut them down.
    broken: Vec<Door>,
    /// Whether they are watched.
    open: bool,
    closed: bool,
}

/// A door of the acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The listening socket of this number.
    Listener(usize),
    /// The passage.
    Passage,
}

impl Acceptor {
    /// An acceptor that is not watched yet. `epoll` outlives it.
    pub fn new(epoll: RawFd, first_token: usize, listeners: Vec<Listener>, passage: Passage) -> Self {
        let end_token = first_token + listeners.len() + 1;
        Self { epoll, first_token, end_token, listeners, passage, broken: Vec::new(), open: false, closed: false }
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
        let doors = (0..self.listeners.len()).map(Door::Listener).chain([Door::Passage]);
        doors.filter(|door| !self.closed && !self.broken.contains(door)).collect()
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
        for door in self.doors() {
            self.watch_door(door, open)?;
        }
        Ok(())
    }

    fn watch_door(&self, door: Door, open: bool) -> io::Result<()> {
        let (descriptor, number) = match door {
            Door::Listener(index) => (self.listeners[index].as_raw_fd(), index + 1),
            Door::Passage => (self.passage.as_raw_fd(), 0),
        };
        match open {
            true => epoll::add_exclusive(self.epoll, descriptor, self.first_token + number),
            false => epoll::remove(self.epoll, descriptor),
        }
    }

    /// Nothing comes through this door any more. Watched on, it would say so for ever.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn give_up(&mut self, door: Door) -> io::Result<()> {
        let is_watched = self.open && self.doors().contains(&door);
        let result = if is_watched { self.watch_door(door, false) } else { Ok(()) };
        self.broken.push(door);
        result
    }

    /// What a door is called in the log.
    pub fn name(&self, door: Door) -> String {
        match door {
            Door::Listener(index) => self.listeners.get(index).map_or_else(|| "a listening socket".to_owned(), Listener::name),
            Door::Passage => "the passage between the processes of the pool".to_owned(),
        }
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
    pub fn accept(&self, index: usize) -> io::Result<(Stream, PeerName, Purpose)> {
        self.listeners.get(index).map_or(Err(io::ErrorKind::WouldBlock.into()), Listener::accept)
    }

    /// Whether somebody has connected whom nobody has taken in.
    pub fn somebody_waits(&self) -> bool {
        !self.closed && self.listeners.iter().any(|listener| sys::fd::is_readable(listener.as_fd()))
    }

    /// Whether a listening socket was shut down, so that none can come.
    pub fn is_shut(&self, index: usize) -> bool {
        self.listeners.get(index).is_some_and(|listener| sys::fd::is_shut(listener.as_fd()))
    }

    /// Takes a connection out of the passage.
    ///
    /// # Errors
    /// As [`Passage::take`].
    pub fn take(&self, spare: &mut Spare) -> io::Result<Traveller> {
        let passage = self.passage().filter(|_| !self.closed);
        passage.map_or(Err(io::ErrorKind::WouldBlock.into()), |passage| passage.take(spare))
    }

    /// Where the doors are watched.
    pub fn epoll(&self) -> RawFd {
        self.epoll
    }

    /// The passage, if it is not shut.
    pub fn passage(&self) -> Option<&Passage> {
        (!self.broken.contains(&Door::Passage)).then_some(&self.passage)
    }
}
