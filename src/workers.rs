//! The threads that answer requests, and the bounded channel that feeds them.
//!
//! Owns who runs what and the panic barrier. Knows nothing of what a handler does, nor where requests come from.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError};

use crate::exchange::{Exchange, Pause};

/// Answers requests on one worker. Waiting for the next request happens in [`Pause::pause`].
pub trait Handler: Pause {
    /// Answers one request. Dropping the exchange unanswered answers 500.
    fn handle(&mut self, exchange: Exchange);
}

/// Where the event loop puts complete requests. When the last clone is dropped the workers finish what is queued and end.
#[derive(Clone, Debug)]
pub struct Queue {
    sender: Sender<Exchange>,
}

impl Queue {
    /// Hands a request to a worker, now or when one is free; never blocks.
    ///
    /// # Errors
    /// Gives the exchange back when the queue is full or no worker is left.
    pub fn try_dispatch(&self, exchange: Exchange) -> Result<(), Box<Exchange>> {
        self.sender.try_send(exchange).map_err(|error| match error {
            TrySendError::Full(exchange) | TrySendError::Disconnected(exchange) => Box::new(exchange),
        })
    }
}

/// One worker's end of the queue. Run it on a thread of its own.
#[derive(Clone, Debug)]
pub struct Worker {
    receiver: Receiver<Exchange>,
}

impl Worker {
    /// Answers requests until the queue is closed and empty. A panic in the handler costs its request, not the worker.
    pub fn run(self, handler: &mut impl Handler) {
        while let Some(exchange) = self.next(handler) {
            if exchange.reply.is_aborted() {
                let mut reply = exchange.reply;
                reply.end_aborted();
                continue;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| handler.handle(exchange)));
            if outcome.is_err() {
                log::error!("a request handler panicked; its request was answered 500 or cut");
            }
        }
    }

    /// Takes what is queued without putting anything down, so that under load a worker keeps what it holds.
    fn next(&self, handler: &impl Handler) -> Option<Exchange> {
        match self.receiver.try_recv() {
            Ok(exchange) => return Some(exchange),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        let mut next = None;
        handler.pause(&mut || next = self.receiver.recv().ok());
        next
    }
}

/// A queue for up to `max_queue` waiting requests (at least one), and the workers' end of it, to be cloned for each.
pub fn queue(max_queue: usize) -> (Queue, Worker) {
    let (sender, receiver) = crossbeam_channel::bounded(max_queue.max(1));
    (Queue { sender }, Worker { receiver })
}
