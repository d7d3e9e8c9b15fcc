//! What the scheduler knows, and every step from one state to the next. No thread, no lock and no clock: times come in.

use std::collections::VecDeque;
use std::time::Instant;

/// Requests, workers, and who turns the event loop.
#[derive(Debug, Default)]
pub struct State {
    /// Since when each of the requests waits that are in the channel: who has waited for longest is first, as there.
    queue: VecDeque<Instant>,
    /// Whether one was there when the event loop looked last, so that those in there may have waited.
    lingers: bool,
    /// Since when the first of those waits that the event loop has not taken in, if it is to hear when that one's turn comes.
    waits_outside: Option<Instant>,
    /// Requests that are being answered.
    running: usize,
    dispatched: u64,
    taken: u64,
    /// Requests to be refused before the queue is looked through again for those that were given up, which has helped nothing.
    in_vain: usize,
    workers: usize,
    /// Workers that wait to be called.
    sitting: usize,
    scout: Scout,
    turner: Turner,
    standby: Standby,
    /// Turns by workers so far.
    turns: u64,
    /// Whether the last of them handled several events, in no time.
    is_busy: bool,
    is_shut: bool,
    is_closed: bool,
}

/// Of the workers that sit at most one at a time is on its way, because it calls the next one if there is more to do.
///
/// ```text
///   Nobody ── a request, and somebody sits ──▶ Called ── stands up ──▶ Looking ── has found something, or nothing ──▶ Nobody
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scout {
    #[default]
    Nobody,
    Called,
    Looking,
}

/// Who turns the event loop. The diagram is the scheduler's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turner {
    /// It is not shared yet, or no request is to be taken in yet.
    #[default]
    NotBegun,
    Nobody,
    Worker,
    /// A worker that waits for events, so that nothing can be missed.
    WaitingWorker,
    Standby,
    Ended,
}

/// The thread that runs no application code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standby {
    /// It looks again in a moment.
    #[default]
    Watching,
    /// It does not look before it is called.
    Asleep,
    Called,
}

/// What a worker does next, which still holds whatever it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It takes a request.
    Take,
    /// It looks for requests, for no time, and holds on to what it holds.
    Look,
    /// It puts down what it holds and turns the event loop, which nobody else does.
    Turn,
    /// It puts down what it holds and waits, as the state is by then.
    Wait,
    /// It ends.
    End,
}

/// How a worker waits, which holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Not at all: there is a request. `is_scout`: it is on its way to it, so nobody else need be called.
    Not { is_scout: bool },
    /// It turns the event loop.
    Turn,
    /// It sits down. `opens`: it is the first to have time since the loop was shut.
    Sit { opens: bool },
}

/// What a turn of the event loop by a worker came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Events.
    pub handled: usize,
    /// Whether it took no time, so that another may be taken with something held.
    pub was_brief: bool,
}

/// What the standby does after it has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    Watch,
    /// It turns the event loop from now on.
    TakeOver,
    End,
}

/// What becomes of the first request in the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A worker answers it.
    ToAnswer,
    /// The event loop refuses it.
    Late,
}

/// How busy the workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many requests workers have taken so far.
    pub taken: u64,
    /// Whether requests are queued.
    pub has_work: bool,
    /// Whether there are as many requests as workers, or more.
    pub is_saturated: bool,
    /// Whether some are queued although a worker has time.
    pub is_held: bool,
    /// Since when the first one waits that is queued.
    pub oldest: Option<Instant>,
}

/// What the standby learns when it has called a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whether there was something to do.
    pub has_work: bool,
    /// Whether every worker sits, also those that are called.
    pub is_idle: bool,
    /// Whether somebody has to be woken.
    pub wakes: bool,
}

// Requests.
impl State {
    /// With room for so many requests.
    pub fn with_room(most: usize) -> Self {
        Self { queue: VecDeque::with_capacity(most), ..Self::default() }
    }

    /// As the event loop sees it.
    pub fn load(&mut self) -> Load {
        let has_work = self.has_work();
        self.lingers = has_work;
        let (is_saturated, is_held) = (self.is_saturated(), self.is_held());
        Load { taken: self.taken, has_work, is_saturated, is_held, oldest: self.oldest() }
    }

    /// Since when the first one waits.
    pub fn oldest(&self) -> Option<Instant> {
        self.queue.front().copied()
    }

    pub fn is_saturated(&self) -> bool {
        self.queue.len() + self.running >= self.workers
    }

    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    #[cfg(test)]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    #[cfg(test)]
    pub fn running(&self) -> usize {
        self.running
    }

    pub fn dispatched(&self) -> u64 {
        self.dispatched
    }

    /// A request that waits since then comes behind those that have waited for as long. Says before how many it comes: none, as a rule.
    pub fn dispatch(&mut self, since: Instant) -> usize {
        let behind = self.queue.iter().rev().take_while(|other| **other > since).count();
        self.queue.insert(self.queue.len() - behind, since);
        self.dispatched += 1;
        behind
    }

    /// A worker takes the first one out, unless `is_late` says that it has waited for too long: then it is to be refused.
    pub fn take(&mut self, is_late: impl FnOnce(Instant) -> bool) -> Option<Taken> {
        let since = self.queue.pop_front()?;
        if self.lingers && is_late(since) {
            return Some(Taken::Late);
        }
        self.running += 1;
        self.taken += 1;
        Some(Taken::ToAnswer)
    }

    /// These are left in the channel, in this order, when some were taken out.
    pub fn keep(&mut self, kept: impl Iterator<Item = Instant>) {
        self.queue.clear();
        self.queue.extend(kept);
    }

    pub fn note_answer(&mut self) {
        self.running -= 1;
    }

    /// Whether to look through the queue for requests that were given up. To look through a long one for each request that is refused
    /// would make an overload worse.
    pub fn begin_to_look_through(&mut self) -> bool {
        let begins = self.in_vain == 0;
        self.in_vain = self.in_vain.saturating_sub(1);
        begins
    }

    /// None is there while they are looked through.
    pub fn take_all_out(&mut self) {
        self.queue.clear();
    }

    /// These are back in the channel, and so many were dropped.
    pub fn put_back(&mut self, kept: impl Iterator<Item = Instant>, dropped: usize) {
        self.keep(kept);
        self.in_vain = if dropped == 0 { self.queue.len() / 16 } else { 0 };
    }

    /// Whether one whom the event loop has not taken in, and who waits since then, comes before all that are queued while all workers are
    /// busy. If not, the loop is to hear when. A worker that has time takes what is queued at once: one more would be in nobody's way, but
    /// wait here, although others may be sooner.
    pub fn is_turn_of(&mut self, since: Instant) -> bool {
        let is_turn = self.is_before_all(since) && !self.is_held();
        self.waits_outside = (!is_turn).then_some(since);
        is_turn
    }

    /// Whether that one does now, which is said once. Whoever turns the loop next looks without that.
    pub fn is_turn_outside(&mut self) -> bool {
        let is_turn = self.turner != Turner::Nobody && self.waits_outside.is_some_and(|since| self.is_before_all(since));
        if is_turn {
            self.waits_outside = None;
        }
        is_turn
    }

    fn is_held(&self) -> bool {
        self.has_work() && self.running < self.workers
    }

    fn is_before_all(&self, since: Instant) -> bool {
        self.oldest().is_some_and(|oldest| since < oldest)
    }
}

// Workers.
impl State {
    pub fn add_worker(&mut self) {
        self.workers += 1;
    }

    pub fn remove_worker(&mut self) {
        self.workers -= 1;
    }

    /// What a worker does that has no request. If it may turn the loop, `may_look` says that it may do so with something held, if
    /// requests are likely to be there.
    pub fn step(&mut self, may_turn: bool, may_look: bool) -> Step {
        match self.turner {
            _ if self.has_work() => Step::Take,
            _ if self.is_closed => Step::End,
            Turner::Nobody if may_turn && may_look && self.is_busy => {
                self.give_to_worker(Turner::Worker);
                Step::Look
            }
            Turner::Nobody if may_turn => {
                self.give_to_worker(Turner::WaitingWorker);
                Step::Turn
            }
            _ => Step::Wait,
        }
    }

    /// How a worker waits that has put down what it held.
    pub fn wait(&mut self, may_turn: bool) -> Waiting {
        match self.turner {
            Turner::Nobody if self.has_work() => Waiting::Not { is_scout: false },
            _ if self.has_work() => Waiting::Not { is_scout: self.begin_to_scout() },
            Turner::Nobody if may_turn => {
                self.give_to_worker(Turner::WaitingWorker);
                Waiting::Turn
            }
            _ => {
                self.sitting += 1;
                Waiting::Sit { opens: std::mem::take(&mut self.is_shut) }
            }
        }
    }

    /// Whoever turns the loop has time. So it is shut no longer, and who turns it next need not be told.
    fn give_to_worker(&mut self, turner: Turner) {
        (self.turner, self.is_shut) = (turner, false);
    }

    fn begin_to_scout(&mut self) -> bool {
        let begins = self.scout == Scout::Nobody;
        if begins {
            self.scout = Scout::Looking;
        }
        begins
    }

    /// Calls a worker that sits, unless one is on its way; whether it has to be woken.
    pub fn call(&mut self) -> bool {
        let calls = self.sitting > 0 && self.scout == Scout::Nobody;
        if calls {
            self.scout = Scout::Called;
        }
        calls
    }

    /// The same if there is something to do.
    pub fn call_for_work(&mut self) -> Call {
        let has_work = self.has_work();
        Call { has_work, wakes: has_work && self.call(), is_idle: self.sitting == self.workers }
    }

    /// Whether whoever sits may stand up.
    pub fn is_called(&self) -> bool {
        self.scout == Scout::Called || self.is_closed
    }

    /// Whoever stands up is the scout.
    pub fn stand_up(&mut self) {
        self.sitting -= 1;
        self.scout = Scout::Looking;
    }

    /// The scout has found something, or nothing. A request that comes later calls another one.
    pub fn report_back(&mut self) {
        if self.scout == Scout::Looking {
            self.scout = Scout::Nobody;
        }
    }

    /// The workers finish what is queued, and end.
    pub fn close(&mut self) {
        self.is_closed = true;
    }
}

// The event loop.
impl State {
    /// It is shared from now on.
    pub fn begin(&mut self) {
        if self.turner == Turner::NotBegun {
            self.turner = Turner::Nobody;
        }
    }

    /// Whether all workers are busy: the first that has time says so.
    pub fn set_shut(&mut self, is_shut: bool) {
        self.is_shut = is_shut;
    }

    pub fn is_shut(&self) -> bool {
        self.is_shut
    }

    /// A worker has turned the loop, and puts it down; whether the standby has to be woken.
    pub fn end_turn(&mut self, turn: Turn) -> bool {
        self.turns += 1;
        self.is_busy = turn.handled > 1 && turn.was_brief;
        self.put_down();
        self.wake_standby()
    }

    /// Whoever turned the loop does so no longer.
    pub fn put_down(&mut self) {
        if self.turner != Turner::Ended {
            self.turner = Turner::Nobody;
        }
    }

    fn wake_standby(&mut self) -> bool {
        let wakes = self.standby == Standby::Asleep;
        if wakes {
            self.standby = Standby::Called;
        }
        wakes
    }

    /// The event loop has ended, which is everybody's end.
    pub fn end(&mut self) {
        (self.turner, self.standby) = (Turner::Ended, Standby::Called);
    }
}

// The standby.
impl State {
    /// It sleeps until it is called, or until no worker waits for events.
    pub fn sleep(&mut self) {
        if self.standby != Standby::Called {
            self.standby = Standby::Asleep;
        }
    }

    pub fn sleeps_on(&self) -> bool {
        self.standby == Standby::Asleep && self.turner == Turner::WaitingWorker
    }

    pub fn is_standby_called(&self) -> bool {
        self.standby == Standby::Called
    }

    /// What it has seen: how often workers have turned the loop, and whether one waits for events.
    pub fn seen(&mut self) -> (u64, bool) {
        self.standby = Standby::Watching;
        (self.turns, self.turner == Turner::WaitingWorker)
    }

    /// What it does about it.
    pub fn duty(&mut self, is_missed: bool) -> Duty {
        match self.turner {
            Turner::Ended => Duty::End,
            Turner::Nobody if is_missed => {
                self.turner = Turner::Standby;
                Duty::TakeOver
            }
            Turner::NotBegun | Turner::Nobody | Turner::Worker | Turner::WaitingWorker | Turner::Standby => Duty::Watch,
        }
    }
}

#[cfg(test)]
mod tests;
