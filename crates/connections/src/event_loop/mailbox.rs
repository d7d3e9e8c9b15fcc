//! What the write sides of all connections share, and where they leave word for the event loop.

use std::sync::{Mutex, PoisonError};

use mio::{Registry, Token};

use crate::scheduler::Relief;

/// One for an event loop.
#[derive(Debug)]
pub struct Mailbox {
    /// Of the event loop's `Poll`.
    pub registry: Registry,
    /// Who turns the event loop while a worker that may have found its request there is busy with it for long.
    pub relief: Relief,
    half_closed: Mutex<Vec<Token>>,
}

impl Mailbox {
    /// Nothing has happened.
    pub fn new(registry: Registry, relief: Relief) -> Self {
        Self { registry, relief, half_closed: Mutex::default() }
    }

    /// A connection has become half-closed: the event loop is to look at it in its next turn.
    pub fn push_half_closed(&self, token: Token) {
        self.half_closed.lock().unwrap_or_else(PoisonError::into_inner).push(token);
    }

    /// Takes one out.
    pub fn pop_half_closed(&self) -> Option<Token> {
        self.half_closed.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
