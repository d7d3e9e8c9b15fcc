//! The event loop in the hands of whoever has time for it: the workers, or the standby.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::locking::{self, Mutex, MutexGuard};
use super::state::{Duty, Turn};
use super::watch::Watch;
use super::{Queue, Scheduler, Source};

/// What several threads turn, one at a time. It puts requests into its queue, and calls no worker for them.
pub trait Loop: fmt::Debug + Send {
    /// How it has ended.
    type End: fmt::Debug + Send;

    /// Handles what has happened, after waiting for at most `limit` until something has.
    fn turn(&mut self, limit: Option<Duration>) -> Turned<Self::End>;

    /// For how long it has handled what had happened before the last turn was over.
    fn handled_for(&self) -> Duration;

    /// Where it puts requests.
    fn queue(&self) -> &Queue;
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned<E> {
    /// This many events were handled.
    Handled(usize),
    /// There are no more turns.
    Ended(E),
}

/// An event loop that several threads turn.
#[derive(Debug)]
pub struct SharedLoop<L: Loop> {
    scheduler: Arc<Scheduler>,
    /// Nobody waits for this lock: who turns the loop is the scheduler's state.
    place: Mutex<Place<L>>,
}

#[derive(Debug)]
enum Place<L: Loop> {
    Turning(L),
    /// `None` when that was said.
    Ended(Option<L::End>),
}

/// Gives the loop back when it is dropped, also by a panic.
struct Claim<'a> {
    scheduler: &'a Scheduler,
    /// `None` of the standby.
    turn: Option<Turn>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.scheduler.lock();
        let wakes = match self.turn {
            Some(turn) => state.end_turn(turn),
            None => {
                state.put_down();
                false
            }
        };
        drop(state);
        if wakes {
            self.scheduler.alarm.notify_one();
        }
    }
}

impl<L: Loop> SharedLoop<L> {
    /// Shares `event_loop`, which takes no request in before it is to [begin](Self::begin).
    pub fn new(event_loop: L) -> Self {
        Self { scheduler: event_loop.queue().scheduler(), place: Mutex::new(Place::Turning(event_loop)) }
    }

    /// Whoever has time turns it from now on.
    pub fn begin(&self) {
        self.scheduler.lock().begin();
    }

    /// Stands by until the event loop has ended, and says how. The loop, its connections and its queue are then gone.
    ///
    /// # Panics
    /// When it is called twice.
    pub fn stand_by(&self) -> L::End {
        let mut watch = Watch::default();
        loop {
            match self.tick(&mut watch) {
                Duty::Watch => {}
                Duty::TakeOver => self.take_over(),
                Duty::End => match &mut *locking::lock(&self.place) {
                    Place::Ended(end) => return end.take().expect("one thread stands by"),
                    Place::Turning(_) => unreachable!("it is put there before it is said to have ended"),
                },
            }
        }
    }

    /// Waits for a tick, or while a worker waits in `poll` and nothing has happened for long until something has.
    fn tick(&self, watch: &mut Watch) -> Duty {
        let mut state = self.scheduler.lock();
        if watch.may_sleep() {
            state.sleep();
            while state.sleeps_on() {
                state = locking::wait(&self.scheduler.alarm, state);
            }
        }
        if !state.is_standby_called() {
            state = locking::doze(&self.scheduler.alarm, &self.scheduler.state, state, TICK);
        }
        let (turns, is_waiting) = state.seen();
        state.duty(watch.is_missed(turns, is_waiting))
    }

    /// Turns the loop until it can be given back or has ended.
    fn take_over(&self) {
        let _claim = Claim { scheduler: &self.scheduler, turn: None };
        let until = Instant::now() + HOLD;
        let mut place = locking::lock(&self.place);
        let mut was_idle = self.scheduler.call_for_work().is_idle;
        while self.turn_once(&mut place, None).is_some() {
            let call = self.scheduler.call_for_work();
            if was_idle && call.has_work && Instant::now() > until {
                return;
            }
            was_idle = call.is_idle;
        }
    }

    /// How many events were handled; `None` if it has ended, which is everybody's end.
    fn turn_once(&self, place: &mut MutexGuard<'_, Place<L>>, limit: Option<Duration>) -> Option<usize> {
        let Place::Turning(event_loop) = &mut **place else { return None };
        match event_loop.turn(limit) {
            Turned::Handled(count) => Some(count),
            Turned::Ended(end) => {
                **place = Place::Ended(Some(end));
                self.scheduler.lock().end();
                self.scheduler.alarm.notify_one();
                None
            }
        }
    }
}

impl<L: Loop> Source for SharedLoop<L> {
    fn turn(&self, limit: Option<Duration>) -> bool {
        // What was not turned has handled nothing.
        let mut claim = Claim { scheduler: &self.scheduler, turn: Some(Turn::default()) };
        let mut place = locking::lock(&self.place);
        let handled = self.turn_once(&mut place, limit).unwrap_or(0);
        // A long turn, such as one that stores an upload, is not to be repeated with the GIL held.
        let was_brief = matches!(&*place, Place::Turning(event_loop) if event_loop.handled_for() < BRIEF);
        drop(place);
        claim.turn = Some(Turn { handled, was_brief });
        handled > 0
    }
}

/// A turn that is shorter than this may be taken with the GIL held.
const BRIEF: Duration = Duration::from_micros(500);
/// How often the standby looks, while there is something to see.
const TICK: Duration = Duration::from_millis(1);
/// The standby turns the loop for this long at least, because an application that was slow once will be slow again.
const HOLD: Duration = Duration::from_millis(if SHUTTLE_HAS_NO_CLOCK { 0 } else { 50 });
const SHUTTLE_HAS_NO_CLOCK: bool = cfg!(all(test, shuttle));
