//! The event loop in the hands of whoever has time for it.
//!
//! While requests are answered quickly, a worker without one turns the loop itself and answers what it finds: no other thread
//! is woken. The standby, a thread that runs no application code, takes over when nobody has turned the loop for a moment
//! because the application is slow or waits for something, and calls the workers as requests come in. It gives the loop back
//! when all workers have been seen idle.
//!
//! ```text
//!            ┌──────────── nobody has turned it for two ticks ────────────┐
//!            │                                                            ▼
//!     a worker turns it                                          the standby turns it
//!            ▲                                                            │
//!            └── after HOLD, a request comes while every worker sits ─────┘
//! ```

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::handover::Shut;
use super::{EventLoop, Stopped, Turned};
use crate::workers::{Looked, Source};

/// An event loop that several threads turn, one at a time.
#[derive(Debug)]
pub struct SharedLoop {
    /// `None` once it has ended.
    event_loop: Mutex<Option<EventLoop>>,
    outcome: Mutex<Option<io::Result<Stopped>>>,
    standby: Mutex<Standby>,
    alarm: Condvar,
    /// Turns by workers so far.
    turns: AtomicU64,
    /// Whether a worker waits in `poll`, so that nothing can be missed.
    waiting: AtomicBool,
    /// Whether the standby sleeps until it is woken.
    asleep: AtomicBool,
    /// Whether the last turn by a worker handled several events, in no time.
    busy: AtomicBool,
    shut: Arc<Shut>,
}

/// While it is there, no request is taken in.
#[derive(Debug)]
#[must_use]
pub struct Hold<'a> {
    _guard: MutexGuard<'a, Option<EventLoop>>,
}

#[derive(Debug, Default)]
struct Standby {
    woken: bool,
}

impl SharedLoop {
    /// Shares `event_loop`.
    pub fn new(event_loop: EventLoop) -> Self {
        Self {
            shut: event_loop.saturation.shut(),
            event_loop: Mutex::new(Some(event_loop)),
            outcome: Mutex::new(None),
            standby: Mutex::new(Standby::default()),
            alarm: Condvar::new(),
            turns: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            busy: AtomicBool::new(false),
        }
    }

    /// Nobody takes a request in before what is returned is dropped.
    pub fn hold(&self) -> Hold<'_> {
        Hold { _guard: lock(&self.event_loop) }
    }

    /// Stands by until the event loop has ended, and says how. The loop, its connections and its queue are then gone.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn stand_by(&self) -> io::Result<Stopped> {
        let mut watch = Watch { turns: 0, quiet_ticks: 0, missed_ticks: 0 };
        loop {
            if let Some(outcome) = lock(&self.outcome).take() {
                return outcome;
            }
            self.tick(watch.may_sleep());
            let (turns, waiting) = (self.turns.load(Ordering::SeqCst), self.waiting.load(Ordering::SeqCst));
            if watch.is_missed(turns, waiting) {
                self.take_over();
            }
        }
    }

    /// Waits for a tick, or while a worker waits in `poll` and nothing has happened for long until something has.
    fn tick(&self, may_sleep: bool) {
        let mut standby = lock(&self.standby);
        if may_sleep {
            self.asleep.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            while !standby.woken && self.waiting.load(Ordering::SeqCst) {
                standby = self.alarm.wait(standby).unwrap_or_else(PoisonError::into_inner);
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
        if !standby.woken {
            standby = self.alarm.wait_timeout(standby, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        standby.woken = false;
    }

    /// Turns the loop until it can be given back or has ended.
    fn take_over(&self) {
        let Some(mut guard) = self.try_lock() else {
            return;
        };
        let until = Instant::now() + HOLD;
        if let Some(event_loop) = guard.as_ref() {
            event_loop.queue.call_worker();
        }
        while let Some(event_loop) = guard.as_mut() {
            let was_idle = event_loop.queue.is_idle();
            let turned = event_loop.turn(None);
            let called = event_loop.queue.call_worker();
            if self.has_ended(&mut guard, turned) || (was_idle && called && Instant::now() > until) {
                return;
            }
        }
    }

    /// Takes note of an end, which is everybody's.
    fn has_ended(&self, event_loop: &mut Option<EventLoop>, turned: io::Result<Turned>) -> bool {
        let outcome = match turned {
            Ok(Turned::Handled(_)) => return false,
            Ok(Turned::Stopped(stopped)) => Ok(stopped),
            Err(error) => Err(error),
        };
        *event_loop = None;
        *lock(&self.outcome) = Some(outcome);
        self.wake_standby();
        true
    }

    fn turn(&self, event_loop: &mut Option<EventLoop>, limit: Option<Duration>) -> Looked {
        // Queued by somebody else since this worker looked: it must not wait beside it. Nothing is queued without the lock.
        if event_loop.as_ref().is_some_and(|event_loop| event_loop.queue.has_work()) {
            return Looked::Found;
        }
        let Some(turned) = event_loop.as_mut().map(|event_loop| event_loop.turn(limit)) else {
            return Looked::Taken;
        };
        self.turns.fetch_add(1, Ordering::SeqCst);
        let handled = if let Ok(Turned::Handled(count)) = turned { count } else { 0 };
        // A long turn, such as one that stores an upload, is not to be repeated with the GIL held.
        let was_brief = event_loop.as_ref().is_some_and(|event_loop| event_loop.now.elapsed() < BRIEF);
        self.busy.store(handled > 1 && was_brief, Ordering::Relaxed);
        match self.has_ended(event_loop, turned) {
            true => Looked::Taken,
            false if handled == 0 => Looked::Quiet,
            false => Looked::Found,
        }
    }

    /// Somebody else turns the loop. If it takes nothing in because no worker had time, that is over now.
    fn taken(&self) -> Looked {
        self.shut.open();
        Looked::Taken
    }

    fn wake_standby(&self) {
        lock(&self.standby).woken = true;
        self.alarm.notify_one();
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Option<EventLoop>>> {
        match self.event_loop.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Source for SharedLoop {
    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    fn look(&self) -> Looked {
        self.try_lock().map_or_else(|| self.taken(), |mut guard| self.turn(&mut guard, Some(Duration::ZERO)))
    }

    fn wait(&self) -> Looked {
        let Some(mut guard) = self.try_lock() else {
            return self.taken();
        };
        self.waiting.store(true, Ordering::SeqCst);
        let looked = self.turn(&mut guard, None);
        self.waiting.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake_standby();
        }
        looked
    }
}

/// What the standby has seen of the workers' turns.
struct Watch {
    turns: u64,
    quiet_ticks: u32,
    missed_ticks: u32,
}

impl Watch {
    fn may_sleep(&self) -> bool {
        self.quiet_ticks >= QUIET_TICKS
    }

    /// Whether nobody has turned the loop for two ticks, and nobody is about to.
    fn is_missed(&mut self, turns: u64, waiting: bool) -> bool {
        let has_turned = std::mem::replace(&mut self.turns, turns) != turns;
        self.quiet_ticks = if waiting && !has_turned { self.quiet_ticks + 1 } else { 0 };
        self.missed_ticks = if waiting || has_turned { 0 } else { self.missed_ticks + 1 };
        if self.missed_ticks < MISSED_TICKS {
            return false;
        }
        self.missed_ticks = 0;
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A turn that is shorter than this may be taken with the GIL held.
const BRIEF: Duration = Duration::from_micros(500);
/// How often the standby looks, while there is something to see.
const TICK: Duration = Duration::from_millis(1);
/// Nobody has turned the loop for this long: take over. Two, because one may have begun just before.
const MISSED_TICKS: u32 = 2;
/// Nothing has happened for this long: sleep.
const QUIET_TICKS: u32 = 10;
/// The standby turns the loop for this long at least, because an application that was slow once will be slow again.
const HOLD: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch { turns: 0, quiet_ticks: 0, missed_ticks: 0 }
    }

    #[test]
    fn a_loop_that_nobody_turns_is_missed_after_two_ticks() {
        let mut watch = watch();
        assert!(!watch.is_missed(1, false));
        assert!(!watch.is_missed(1, false));
        assert!(watch.is_missed(1, false));
        assert!(!watch.is_missed(1, false));
    }

    #[test]
    fn a_turn_or_a_worker_that_waits_for_events_is_not_missed() {
        let mut watch = watch();
        for turns in 1..10 {
            assert!(!watch.is_missed(turns, false));
        }
        for _ in 0..10 {
            assert!(!watch.is_missed(9, true));
        }
    }

    #[test]
    fn the_standby_sleeps_when_nothing_happens_for_long_and_a_worker_waits_for_it() {
        let mut watch = watch();
        for _ in 0..QUIET_TICKS {
            assert!(!watch.may_sleep());
            watch.is_missed(0, true);
        }
        assert!(watch.may_sleep());
        watch.is_missed(1, true);
        assert!(!watch.may_sleep());
    }
}
