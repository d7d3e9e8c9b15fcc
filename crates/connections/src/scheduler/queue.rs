//! The event loop's end of the channel, and what it learns of the workers.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::state::State;
use super::{Bell, Load, Patience, Place, Scheduler, Worker, locking};
use crate::exchange::Exchange;
use shared::scoreboard::Seat;
use shared::scoreboard::refused::RefusedFor;

/// Where the event loop puts complete requests. When it is dropped the workers finish what is queued and end.
#[derive(Debug)]
pub struct Queue {
    sender: Sender<Queued>,
    /// To take out again what nobody waits for any more, and to put who has waited for longer before others.
    receiver: Receiver<Queued>,
    /// How many of the pool may wait.
    most: usize,
    patience: Patience,
    /// Where those that wait are counted.
    seat: Seat,
    scheduler: Arc<Scheduler>,
}

/// A request in the queue.
#[derive(Debug)]
pub struct Queued {
    /// Its place among those that wait, if no worker had time for it when it came. Given back before it is answered.
    pub place: Option<Place>,
    /// Since when it has waited for a worker.
    pub since: Instant,
    /// The request.
    pub exchange: Exchange,
}

impl Queue {
    /// Hands a request, which has waited for one since then and perhaps has a place, to whichever worker looks next; never blocks. Those
    /// that sit have to be called.
    ///
    /// # Errors
    /// Gives the exchange back when as many requests wait as may, and somebody waits for them.
    pub fn try_dispatch(&self, exchange: Exchange, since: Instant, place: Option<Place>) -> Result<(), Box<Exchange>> {
        let mut state = self.scheduler.lock();
        let waits = state.is_saturated();
        let mut place = if waits { place.or_else(|| self.place()) } else { None };
        if waits && place.is_none() {
            drop(state);
            place = if self.drop_aborted() { self.place() } else { None };
            if place.is_none() {
                return Err(Box::new(exchange));
            }
            state = self.scheduler.lock();
        }
        if self.sender.is_full() {
            return Err(Box::new(exchange));
        }
        self.put(&mut state, Queued { place, since, exchange });
        Ok(())
    }

    fn put(&self, state: &mut State, queued: Queued) {
        match state.dispatch(queued.since) {
            0 => self.send(queued),
            behind => {
                let mut all: Vec<_> = self.receiver.try_iter().collect();
                all.insert(all.len() - behind, queued);
                all.into_iter().for_each(|queued| self.send(queued));
            }
        }
    }

    /// There is room, as whoever has the state's lock has seen.
    fn send(&self, queued: Queued) {
        drop(self.sender.try_send(queued));
    }

    /// A place for one more request that waits, if there may be one.
    fn place(&self) -> Option<Place> {
        Place::take(&self.seat, self.most)
    }

    /// A request is refused.
    pub fn note_refusal(&self, reason: RefusedFor) {
        self.seat.note_refusal(reason);
    }

    /// When one may have waited for too long, as the queue was when this was said of it.
    pub fn late_at(&self, load: Load) -> Option<Instant> {
        self.patience.due(load.oldest?)
    }

    /// Takes out those that have waited for too long, and what workers have found so.
    pub fn take_late(&self, now: Instant) -> Vec<Exchange> {
        let mut late = std::mem::take(&mut *locking::lock(&self.scheduler.late));
        let oldest = self.scheduler.lock().oldest();
        if oldest.is_some_and(|oldest| self.patience.is_over(oldest, now)) {
            late.extend(self.take_out(|_, since| self.patience.is_over(since, now)));
        }
        late
    }

    /// Takes out those for which that is so, as they and the time since which they have waited say. The others keep their order.
    pub fn take_out(&self, mut is_over: impl FnMut(&Exchange, Instant) -> bool) -> Vec<Exchange> {
        let mut state = self.scheduler.lock();
        let (over, kept): (Vec<_>, Vec<_>) =
            self.receiver.try_iter().partition(|queued| is_over(&queued.exchange, queued.since));
        state.keep(kept.iter().map(|queued| queued.since));
        kept.into_iter().for_each(|queued| self.send(queued));
        drop(state);
        over.into_iter().map(|queued| queued.exchange).collect()
    }

    /// Takes requests that were given up out of the queue; whether there were any.
    fn drop_aborted(&self) -> bool {
        let begins = self.scheduler.lock().begin_to_look_through();
        begins && self.sift(|queued| (!queued.exchange.reply.is_aborted()).then_some(queued)) > 0
    }

    /// Looks through those that no worker has taken: `keeps` gives back what stays; how many do not. Nobody else puts requests in, so those
    /// that stay keep their order. It may take locks of connections, so the scheduler's is not held meanwhile.
    pub fn sift(&self, keeps: impl FnMut(Queued) -> Option<Queued>) -> usize {
        let queued = self.take_all();
        let count = queued.len();
        let kept: Vec<_> = queued.into_iter().filter_map(keeps).collect();
        let gone = count - kept.len();
        let mut state = self.scheduler.lock();
        state.put_back(kept.iter().map(|queued| queued.since), gone);
        kept.into_iter().for_each(|queued| self.send(queued));
        gone
    }

    /// Takes all requests out of the queue, which no worker has taken.
    pub fn take_all_out(&self) -> impl Iterator<Item = Exchange> {
        self.take_all().into_iter().map(|queued| queued.exchange)
    }

    fn take_all(&self) -> Vec<Queued> {
        let mut state = self.scheduler.lock();
        state.take_all_out();
        self.receiver.try_iter().collect()
    }

    /// Whether one who is not queued here, and waits since then, comes before all that are, for which no worker has time. If not, the bell
    /// rings when a worker has taken the last of those that have waited for longer, and others are left.
    pub fn is_turn_of(&self, since: Instant) -> bool {
        self.scheduler.lock().is_turn_of(since)
    }

    /// How busy the workers are.
    pub fn load(&self) -> Load {
        self.scheduler.lock().load()
    }

    /// Whether there are as many requests as workers, or more.
    pub fn is_saturated(&self) -> bool {
        self.scheduler.lock().is_saturated()
    }

    /// Shuts the event loop if they are, or as good as: the first worker that has time rings the bell. Whether it is shut for that.
    pub fn shut_if_saturated(&self, is_stalled: bool) -> bool {
        let mut state = self.scheduler.lock();
        let is_saturated = is_stalled || state.is_saturated();
        state.set_shut(is_saturated);
        is_saturated
    }

    /// Whether it was shut and no worker has had time since.
    pub fn is_shut(&self) -> bool {
        self.scheduler.lock().is_shut()
    }

    /// What wakes whoever waits in the event loop. To be said once.
    pub fn ring_with(&self, ring: impl Fn() -> io::Result<()> + Send + Sync + 'static) {
        // A second one would not be heard.
        self.scheduler.bell.set(Bell(Box::new(ring))).ok();
    }

    /// How many requests were dispatched so far.
    pub fn dispatched(&self) -> u64 {
        self.scheduler.lock().dispatched()
    }

    /// Calls a worker that sits, if there is something to do.
    #[cfg(test)]
    pub fn call_worker(&self) {
        self.scheduler.call_for_work();
    }

    /// For workers that are busy for long.
    pub fn relief(&self) -> Relief {
        Relief(Arc::clone(&self.scheduler))
    }

    pub(super) fn scheduler(&self) -> Arc<Scheduler> {
        Arc::clone(&self.scheduler)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.scheduler.close();
    }
}

/// Calls a worker that sits to where requests come from, when one that was there will not be back soon.
#[derive(Clone, Debug)]
pub struct Relief(Arc<Scheduler>);

impl Relief {
    /// Calls one, if there is one.
    pub fn call(&self) {
        self.0.call();
    }
}

/// A queue in which up to `max_queue` requests of the pool (at least one) wait for a worker, each for `queue_timeout`, counted by `seat`,
/// and the workers' end of it, to be cloned for each.
pub fn queue_of_pool((max_queue, queue_timeout): (usize, Option<Duration>), seat: Seat) -> (Queue, Worker) {
    queue_of((max_queue, PASSING), Patience(queue_timeout), seat)
}

/// One that nothing is put into, since there are no workers.
pub fn queue_without_workers(seat: Seat) -> Queue {
    queue_of((1, 0), Patience(None), seat).0
}

/// Up to `passing` for which workers have time pass through it, too. The channel takes the memory for all of them.
fn queue_of((max_queue, passing): (usize, usize), patience: Patience, seat: Seat) -> (Queue, Worker) {
    let most = max_queue.max(1);
    let room = most.saturating_add(passing);
    let (sender, receiver) = crossbeam_channel::bounded(room);
    let scheduler = Arc::new(Scheduler::with_room(room));
    let worker = Worker::new(receiver.clone(), patience, Arc::clone(&scheduler));
    (Queue { sender, receiver, most, patience, seat, scheduler }, worker)
}

/// The most threads a process can have.
const PASSING: usize = 1024;
