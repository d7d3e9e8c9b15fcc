//! The threads that answer requests, and the bounded channel that feeds them.
//!
//! Owns who runs what, who is woken when, and the panic barrier. Knows nothing of what a handler does, nor where requests come
//! from.
//!
//! Waking a thread costs more than a small request, so it is avoided in two ways. A worker without a request turns the event
//! loop itself, if nobody else does, and then answers what it found. And of the workers that sit and wait at most one at a time
//! is on its way: the scout, who calls the next one if there is more to do.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use crate::exchange::{Exchange, Pause};
use shared::scoreboard::Seat;

/// Answers requests on one worker. Waiting for the next request happens in [`Pause::pause`].
pub trait Handler: Pause {
    /// Answers one request. Dropping the exchange unanswered answers 500.
    fn handle(&mut self, exchange: Exchange);
}

/// Where requests come from: the event loop, as a worker sees it.
pub trait Source: fmt::Debug + Send + Sync {
    /// Whether it is likely that requests are there now.
    fn is_busy(&self) -> bool;

    /// Puts the requests that are there now into the queue.
    fn look(&self) -> Looked;

    /// The same, but waits until there is something. Never called with anything held, see [`Pause`].
    fn wait(&self) -> Looked;
}

/// What came of looking for requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing happened.
    Quiet,
    /// Something happened, a request perhaps.
    Found,
    /// Somebody else is at it.
    Taken,
}

/// Where the event loop puts complete requests. When it is dropped the workers finish what is queued and end.
#[derive(Debug)]
pub struct Queue {
    sender: Option<Sender<Queued>>,
    /// To take out again what nobody waits for any more.
    receiver: Receiver<Queued>,
    most: usize,
    /// Requests to be refused before that is tried again, after it has helped nothing.
    in_vain: AtomicUsize,
    bench: Arc<Bench>,
}

/// A request in the queue.
#[derive(Debug)]
struct Queued {
    exchange: Exchange,
    /// Whether no worker had time for it when it came, so that it is counted among those that wait.
    waits: bool,
}

impl Queue {
    /// Hands a request to whichever worker looks next; never blocks. Those that sit have to be [called](Self::call_worker).
    ///
    /// # Errors
    /// Gives the exchange back when as many requests wait as may, and somebody waits for them.
    pub fn try_dispatch(&self, exchange: Exchange) -> Result<(), Box<Exchange>> {
        let Some(sender) = &self.sender else {
            return Err(Box::new(exchange));
        };
        let waits = self.is_saturated();
        if waits && !self.begin_to_wait() && !(self.drop_aborted(sender) && self.begin_to_wait()) {
            return Err(Box::new(exchange));
        }
        // Before it is sent, because it may be answered at once.
        self.bench.unanswered.fetch_add(1, Ordering::SeqCst);
        let sent = sender.try_send(Queued { exchange, waits });
        let sent = sent.map_err(|error| Box::new(error.into_inner().exchange));
        match sent {
            Ok(()) => self.bench.dispatched.fetch_add(1, Ordering::Relaxed),
            Err(_) => {
                self.bench.end_to_wait(waits);
                self.bench.unanswered.fetch_sub(1, Ordering::SeqCst) as u64
            }
        };
        sent
    }

    /// Whether one more request may wait in the pool; if so it is counted.
    fn begin_to_wait(&self) -> bool {
        self.bench.seat.as_ref().map_or_else(|| self.receiver.len() < self.most, |seat| seat.begin_to_wait(self.most))
    }

    /// A request is refused because as many wait as may.
    pub fn note_refusal(&self) {
        self.bench.seat.iter().for_each(Seat::note_refusal);
    }

    /// How many requests workers have taken so far.
    pub fn taken(&self) -> u64 {
        self.bench.taken.load(Ordering::Relaxed)
    }

    /// Takes requests that were given up out of the queue; whether there were any. Nobody else puts requests in, so the others keep
    /// their order. To look through a long queue for each request that is refused would make an overload worse.
    fn drop_aborted(&self, sender: &Sender<Queued>) -> bool {
        if self.in_vain.load(Ordering::Relaxed) > 0 {
            self.in_vain.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let queued = self.receiver.try_iter().take(self.receiver.len());
        let (aborted, wanted): (Vec<_>, Vec<_>) = queued.partition(|queued| queued.exchange.reply.is_aborted());
        for queued in wanted {
            // There is room: it was there before.
            drop(sender.try_send(queued));
        }
        aborted.iter().for_each(|queued| self.bench.end_to_wait(queued.waits));
        self.in_vain.store(if aborted.is_empty() { self.receiver.len() / 16 } else { 0 }, Ordering::Relaxed);
        self.bench.unanswered.fetch_sub(aborted.len(), Ordering::SeqCst);
        !aborted.is_empty()
    }

    /// Whether there are as many requests as workers, or more.
    pub fn is_saturated(&self) -> bool {
        self.bench.unanswered.load(Ordering::SeqCst) >= self.bench.workers.load(Ordering::SeqCst)
    }

    /// How many requests were dispatched so far.
    pub fn dispatched(&self) -> u64 {
        self.bench.dispatched.load(Ordering::Relaxed)
    }

    /// How many requests wait, and how many are being answered.
    pub fn waiting_and_running(&self) -> (usize, usize) {
        let waiting = self.sender.as_ref().map_or(0, Sender::len);
        (waiting, self.bench.unanswered.load(Ordering::SeqCst).saturating_sub(waiting))
    }

    /// Calls a worker that sits, if there is something to do; says whether there was.
    pub fn call_worker(&self) -> bool {
        let is_work = self.has_work();
        if is_work {
            self.bench.send_scout();
        }
        is_work
    }

    /// For workers that are busy for long.
    pub fn relief(&self) -> Relief {
        Relief(Arc::clone(&self.bench))
    }

    /// Whether requests are queued.
    pub fn has_work(&self) -> bool {
        self.sender.as_ref().is_some_and(|sender| !sender.is_empty())
    }

    /// Whether every worker sits and waits to be called.
    pub fn is_idle(&self) -> bool {
        self.bench.sitting.load(Ordering::SeqCst) == self.bench.workers.load(Ordering::SeqCst)
    }
}

/// Calls a worker that sits to where requests come from, when one that was there will not be back soon.
#[derive(Clone, Debug)]
pub struct Relief(Arc<Bench>);

impl Relief {
    /// Calls one, if there is one.
    pub fn call(&self) {
        self.0.send_scout();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.sender = None;
        self.bench.close();
    }
}

/// One worker's end of the queue. Run it on a thread of its own.
#[derive(Clone, Debug)]
pub struct Worker {
    receiver: Receiver<Queued>,
    bench: Arc<Bench>,
    source: Option<Arc<dyn Source>>,
}

impl Worker {
    /// The same worker, but it looks for requests itself when it has none. Without a source it has to be called.
    pub fn with_source(self, source: Arc<dyn Source>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Answers requests until the queue is closed and empty. A panic in the handler costs its request, not the worker.
    pub fn run(self, handler: &mut impl Handler) {
        self.bench.workers.fetch_add(1, Ordering::SeqCst);
        while let Some(exchange) = self.next(handler) {
            answer(handler, exchange);
            self.bench.unanswered.fetch_sub(1, Ordering::SeqCst);
        }
        self.bench.workers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes what is queued without putting anything down, so that under load a worker keeps what it holds.
    fn next(&self, handler: &impl Handler) -> Option<Exchange> {
        let (mut is_scout, mut may_keep) = (false, true);
        handler.give_way();
        loop {
            match self.receiver.try_recv() {
                Ok(Queued { exchange, waits }) => {
                    self.bench.taken.fetch_add(1, Ordering::Relaxed);
                    self.bench.end_to_wait(waits);
                    self.bench.report_back(is_scout, || !self.receiver.is_empty());
                    return Some(exchange);
                }
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            // What was queued while this worker was the scout has called nobody else, so it looks once more.
            if std::mem::take(&mut is_scout) {
                self.bench.report_back(true, || false);
                continue;
            }
            if self.look(handler, std::mem::take(&mut may_keep)) == Looked::Taken {
                handler.pause(&mut || self.bench.sit(|| !self.receiver.is_empty()));
                is_scout = true;
            }
        }
    }

    /// Looks at the source. Right after a request, under load, that takes no time and finds another, so nothing is put down for
    /// it; but only once, because what happens may be no request.
    fn look(&self, handler: &impl Handler, may_keep: bool) -> Looked {
        let Some(source) = &self.source else {
            return Looked::Taken;
        };
        if may_keep && source.is_busy() {
            let looked = source.look();
            if looked != Looked::Quiet {
                return looked;
            }
        }
        let mut looked = Looked::Taken;
        handler.pause(&mut || looked = source.wait());
        looked
    }
}

fn answer(handler: &mut impl Handler, exchange: Exchange) {
    if exchange.reply.is_aborted() {
        let mut reply = exchange.reply;
        return reply.end_aborted();
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| handler.handle(exchange)));
    if outcome.is_err() {
        log::error!("a request handler panicked; its request was answered 500 or cut");
    }
}

/// Where workers without a request wait.
#[derive(Debug, Default)]
struct Bench {
    workers: AtomicUsize,
    /// Requests that are queued or being answered.
    unanswered: AtomicUsize,
    dispatched: AtomicU64,
    taken: AtomicU64,
    /// Where those that wait are counted, if not here alone.
    seat: Option<Seat>,
    sitting: AtomicUsize,
    scouting: AtomicBool,
    calls: Mutex<Calls>,
    called: Condvar,
}

#[derive(Debug, Default)]
struct Calls {
    /// Workers that were called and have not stood up.
    pending: usize,
    closed: bool,
}

impl Bench {
    /// A request that may have waited does so no longer.
    fn end_to_wait(&self, waits: bool) {
        if let (true, Some(seat)) = (waits, &self.seat) {
            seat.end_to_wait();
        }
    }

    /// Calls one worker, unless one is on its way or none is sitting.
    fn send_scout(&self) {
        // The worker that sits down counts itself before it looks at the queue for the last time, and here the request was
        // queued before the count is read: one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.sitting.load(Ordering::SeqCst) > 0 && !self.scouting.swap(true, Ordering::SeqCst) {
            self.calls.lock().unwrap_or_else(PoisonError::into_inner).pending += 1;
            self.called.notify_one();
        }
    }

    /// A scout has found something, or nothing. It looks for more after it has stopped being the scout: a request that was
    /// queued before woke nobody.
    fn report_back(&self, is_scout: bool, is_more: impl Fn() -> bool) {
        if is_scout {
            self.scouting.store(false, Ordering::SeqCst);
            if is_more() {
                self.send_scout();
            }
        }
    }

    /// Waits to be called; not at all if there is work after all. Whoever returns is the scout.
    fn sit(&self, is_work: impl Fn() -> bool) {
        self.sitting.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if is_work() && calls.pending == 0 {
            self.scouting.store(true, Ordering::SeqCst);
        } else {
            while calls.pending == 0 && !calls.closed {
                calls = self.called.wait(calls).unwrap_or_else(PoisonError::into_inner);
            }
            calls.pending = calls.pending.saturating_sub(1);
        }
        drop(calls);
        self.sitting.fetch_sub(1, Ordering::SeqCst);
    }

    fn close(&self) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.called.notify_all();
    }
}

/// A queue in which up to `max_queue` requests (at least one) wait for a worker, and the workers' end of it, to be cloned for each.
pub fn queue(max_queue: usize) -> (Queue, Worker) {
    queue_of(max_queue, None)
}

/// The same, but those that wait are counted for the pool.
pub fn queue_of_pool(max_queue: usize, seat: Seat) -> (Queue, Worker) {
    queue_of(max_queue, Some(seat))
}

/// One that nothing is put into, since there are no workers.
pub fn queue_without_workers(seat: Seat) -> Queue {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let bench = Arc::new(Bench { seat: Some(seat), ..Bench::default() });
    Queue { sender: Some(sender), receiver, most: 1, in_vain: AtomicUsize::new(0), bench }
}

fn queue_of(max_queue: usize, seat: Option<Seat>) -> (Queue, Worker) {
    let most = max_queue.max(1);
    // Those for which workers have time pass through it, too.
    let (sender, receiver) = crossbeam_channel::bounded(most.saturating_add(PASSING));
    let bench = Arc::new(Bench { seat, ..Bench::default() });
    let worker = Worker { receiver: receiver.clone(), bench: Arc::clone(&bench), source: None };
    (Queue { sender: Some(sender), receiver, most, in_vain: AtomicUsize::new(0), bench }, worker)
}

/// The most threads a process can have.
const PASSING: usize = 1024;
