//! What the threads of a child have in common of one worker: who looks after the time, interrupts or tells stacks finds here what the
//! worker answers.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::interpreter::Attendant;
use super::interruption::Interruption;
use super::start_response::StartResponse;
use super::thread;
use crate::without_python::course::Times;
use connections::exchange::TimedOut;
use shared::scoreboard::slot::{Phase, Said, Slot, ThreadNumbers};
use shared::settings::{PoolSettings, RequestLimits};
use shared::sys::timeline::{Timeline, nanoseconds};

/// One worker. It is there as long as the process.
#[derive(Debug)]
pub(super) struct Station {
    /// Its number in this process, from 1.
    pub(super) number: usize,
    pub(super) thread: ThreadNumbers,
    pub(super) interruption: Interruption,
    /// Who interrupts it.
    pub(super) attendant: Arc<Attendant>,
    /// Its pool's.
    pub(super) settings: Arc<PoolSettings>,
    /// Where it says what it does, if there is room for that.
    slot: Option<Slot>,
    /// What follows are its numbers.
    timeline: Timeline,
    taken: AtomicU64,
    slow: AtomicU64,
    due: AtomicU64,
    /// What was answered without the application last, or broken off.
    overdue: AtomicU64,
    /// Whose worker was woken for that last, while it sent.
    woken: AtomicU64,
    /// Whether it waits while it sends.
    is_sending: AtomicBool,
    /// What it answers. Put there and taken away with the GIL.
    current: Mutex<Option<(u64, Py<StartResponse>)>>,
}

impl Station {
    /// On the worker's thread, whose station it is from now on.
    pub(super) fn new(
        number: usize,
        settings: &Arc<PoolSettings>,
        attendant: &Arc<Attendant>,
        slot: Option<Slot>,
    ) -> &'static Self {
        let thread = thread::numbers();
        slot.iter().for_each(|slot| slot.set_thread(thread));
        let station: &Self = Box::leak(Box::new(Self {
            number,
            thread,
            interruption: Interruption::new(),
            attendant: Arc::clone(attendant),
            settings: Arc::clone(settings),
            slot,
            timeline: Timeline::default(),
            taken: AtomicU64::new(0),
            slow: AtomicU64::new(NEVER),
            due: AtomicU64::new(NEVER),
            overdue: AtomicU64::new(0),
            woken: AtomicU64::new(0),
            is_sending: AtomicBool::new(false),
            current: Mutex::default(),
        }));
        attendant.attend(station);
        OWN.set(Some(station));
        station
    }

    /// That of the thread that calls, if it is a worker.
    pub(super) fn own() -> Option<&'static Self> {
        OWN.get()
    }

    pub(super) fn slot(&self) -> Option<&Slot> {
        self.slot.as_ref()
    }

    /// The request of this number, taken at that time, is answered within these limits from now on. Says when that was, and when it is
    /// due, as numbers.
    pub(super) fn begin(&self, request: u64, taken: Instant, limits: RequestLimits) -> (u64, Option<u64>) {
        self.interruption.state.begin(request);
        let taken = self.timeline.number(taken);
        let at = |limit: Duration| taken.saturating_add(nanoseconds(limit));
        let due = limits.request.map(at);
        self.taken.store(taken, Ordering::Relaxed);
        self.slow.store(limits.slow.map_or(NEVER, at), Ordering::Relaxed);
        self.due.store(due.unwrap_or(NEVER), Ordering::Relaxed);
        (taken, due)
    }

    /// It is answered by this.
    pub(super) fn answer_with(&self, request: u64, start_response: Py<StartResponse>) {
        *self.current() = Some((request, start_response));
    }

    /// It has ended.
    pub(super) fn end(&self) {
        self.slow.store(NEVER, Ordering::Relaxed);
        self.due.store(NEVER, Ordering::Relaxed);
        let ended = self.current().take();
        drop(ended);
    }

    /// The request that is answered, and when it is slow and due.
    pub(super) fn times(&self) -> Option<Times> {
        let request = self.current().as_ref()?.0;
        let at = |moment: &AtomicU64| self.moment(moment.load(Ordering::Relaxed));
        Some(Times { request, slow: at(&self.slow), due: at(&self.due) })
    }

    /// The number of the request that is answered.
    pub(super) fn request(&self) -> Option<u64> {
        self.current().as_ref().map(|(request, _)| *request)
    }

    /// How the request that is answered is named in messages.
    pub(super) fn name(&self) -> String {
        let number = self.interruption.state.request();
        let said = self.slot().map_or_else(|| Said { number, ..Said::default() }, Slot::said);
        said.name(std::process::id())
    }

    /// For how long it is answered by now.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.timeline.moment(self.taken.load(Ordering::Relaxed)))
    }

    /// How much time the request has left, if it has a limit.
    pub(super) fn left(&self) -> Option<Duration> {
        if self.is_overdue(self.interruption.state.request()) {
            return Some(Duration::ZERO);
        }
        let due = self.moment(self.due.load(Ordering::Relaxed))?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// The request has so much time from now on. What is over stays over.
    pub(super) fn set_left(&self, left: Option<Duration>) {
        if self.left() == Some(Duration::ZERO) {
            return;
        }
        let due = left.map(|left| self.timeline.number(Instant::now() + left));
        self.due.store(due.unwrap_or(NEVER), Ordering::Relaxed);
        self.slot.iter().for_each(|slot| slot.set_due(due));
    }

    /// Whether the time of the request was over.
    pub(super) fn is_overdue(&self, request: u64) -> bool {
        self.overdue.load(Ordering::Acquire) == request
    }

    /// Whether the web server has given the request up.
    pub(super) fn is_aborted(&self, request: u64) -> bool {
        self.with_current(request, |start_response| start_response.probe.is_aborted()).unwrap_or(false)
    }

    /// Ends the answer of this request without its worker, and says what has come of it; `None` if the request has ended by itself, or its
    /// worker is using the answer. To be called by whoever turns the event loop, and again if it is not yet possible: a worker that waits
    /// for the peer is woken for it.
    pub(super) fn end_answer(&self, request: u64) -> Option<TimedOut> {
        self.with_current(request, |start_response| {
            self.overdue.store(request, Ordering::Release);
            let is_woken = self.woken.load(Ordering::Acquire) == request;
            let outcome = start_response.time_out(is_woken);
            if outcome.is_some() {
                // The supervisor counts from there, too, how long the worker has to come back.
                self.slot.iter().for_each(|slot| slot.set_due(Some(self.timeline.number(Instant::now()))));
            } else if self.is_sending.load(Ordering::Acquire) {
                self.woken.store(request, Ordering::Release);
                start_response.probe.give_up();
            }
            outcome
        })?
    }

    /// Waits while it sends, and says so meanwhile.
    pub(super) fn saying_that_it_sends(&self, wait: impl FnOnce()) {
        self.slot.iter().for_each(|slot| slot.set_phase(Phase::Sending));
        self.is_sending.store(true, Ordering::Release);
        wait();
        self.is_sending.store(false, Ordering::Release);
        self.slot.iter().for_each(|slot| slot.set_phase(Phase::Application));
    }

    fn with_current<T>(&self, request: u64, run: impl FnOnce(&StartResponse) -> T) -> Option<T> {
        // Held meanwhile, so that the request cannot end.
        let current = self.current();
        let (_, start_response) = current.as_ref().filter(|(number, _)| *number == request)?;
        Some(run(start_response.get()))
    }

    fn current(&self) -> MutexGuard<'_, Option<(u64, Py<StartResponse>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self, number: u64) -> Option<Instant> {
        (number != NEVER).then(|| self.timeline.moment(number))
    }
}

thread_local! {
    static OWN: Cell<Option<&'static Station>> = const { Cell::new(None) };
}

const NEVER: u64 = u64::MAX;
