//! What the acceptor does when something is missing there: descriptors for what comes in, or the door itself.

use std::io;
use std::time::{Duration, Instant};

use super::EventLoop;
use super::acceptor::Door;
use super::lifecycle::Entrance;
use shared::logging::codes;

impl EventLoop {
    /// No descriptor is left here. What waits goes to a process of the pool that has one, as far as the passage takes it: none of them was
    /// woken for it.
    pub(super) fn pass_on(&mut self, index: usize, error: &io::Error) {
        self.pause_accepting(error);
        if !self.settings.spread {
            return;
        }
        self.spare.make_room();
        while let Some(passage) = self.acceptor.passage()
            && let Ok((stream, peer, purpose)) = self.acceptor.accept(index)
        {
            if passage.give(&stream, &[], (false, purpose)).is_err() {
                return self.open(stream, peer, purpose);
            }
        }
        self.spare.is_kept();
    }

    /// Takes nothing in for a moment. Others may.
    pub(super) fn pause_accepting(&mut self, error: &io::Error) {
        if is_due(&mut self.accept_error_said, self.now) {
            log::error!(
                target: codes::CANNOT_ACCEPT,
                "cannot accept connections: {error}; trying again every {} ms",
                ACCEPT_PAUSE.as_millis()
            );
        }
        self.accept_again_at = Some(self.now + ACCEPT_PAUSE);
    }

    /// Said once: at the limit it would otherwise be said for each connection.
    pub(super) fn reach_limit(&mut self) {
        self.lifecycle.set_entrance(Entrance::Full);
        if !std::mem::replace(&mut self.limit_reported, true) {
            log::warn!(
                target: codes::MAX_CONNECTIONS_REACHED,
                "max-connections ({}) reached: new connections wait until one closes",
                self.settings.max_connections
            );
        }
    }

    /// Somebody has connected who may not. Not said each time: it would be easy to fill a disk.
    pub(super) fn say_who_may_not_connect(&mut self, error: &io::Error) {
        if is_due(&mut self.refused_said, self.now) {
            log::warn!(target: codes::CLIENT_NOT_ALLOWED, "{error}");
        }
    }

    /// Whether there is room for what comes through the passage: the kernel throws away what it finds no descriptor for.
    pub(super) fn has_room(&mut self) -> bool {
        let has_room = self.spare.is_kept();
        if !has_room {
            self.pause_accepting(&io::Error::last_os_error());
        }
        has_room
    }

    pub(super) fn continue_accepting(&mut self) {
        if self.accept_again_at.is_some_and(|when| when <= self.now) && self.has_room() {
            self.accept_again_at = None;
            self.lifecycle.set_entrance(Entrance::Open);
            self.enter_all();
        }
    }

    /// Somebody has shut it down, which a reload finds out and mends.
    pub(super) fn give_up(&mut self, door: Door) {
        let name = self.acceptor.name(door);
        log::error!(
            target: codes::SOCKET_SHUT_DOWN,
            "{name} was shut down, perhaps by the application: nothing comes from there until a reload"
        );
        if let Err(error) = self.acceptor.give_up(door) {
            log::debug!("{name} was not watched any more: {error}");
        }
    }

    /// What has come through the passage is no connection.
    pub(super) fn note_stray(&mut self) {
        if is_due(&mut self.stray_said, self.now) {
            log::error!(
                target: codes::STRAY_MESSAGE,
                "something from another process of the pool was not a connection and was discarded: the application must have \
                 sent it"
            );
        }
    }
}

/// Whether something may be said again, which is then taken to be said.
fn is_due(said: &mut Option<Instant>, now: Instant) -> bool {
    let is_due = said.is_none_or(|said| now.duration_since(said) >= SAID_AGAIN_AFTER);
    if is_due {
        *said = Some(now);
    }
    is_due
}

/// However often it happens meanwhile.
const SAID_AGAIN_AFTER: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
