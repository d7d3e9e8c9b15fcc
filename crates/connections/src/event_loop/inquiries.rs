//! What the supervisor asks, and nobody who turns the event loop can answer: they never wait for Python.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io};

use mio::{Registry, Token, Waker};

use super::controls::Controls;
use super::{EventLoop, handover};
use crate::exchange::Params;
use crate::scheduler::Queue;
use shared::link::Report;

/// Who can. It is called by whoever turns the event loop, so it hands everything on to another thread.
pub trait Attendant: fmt::Debug + Send + Sync {
    /// The slots of the workers may say that a request is to be interrupted. [`Report::Looked`] is to be said when that is done.
    fn look(&self, speaker: &Speaker);
    /// [`Report::Stacks`] is to be said.
    fn tell_stacks(&self, speaker: &Speaker);
    /// Looks after requests that take too long; when it is to look again. It must not wait either.
    fn keep_time(&self, now: Instant, speaker: &Speaker) -> Option<Instant>;
    /// How many requests run on that have no answer to wait for any more.
    fn overdue(&self) -> usize;
    /// How long the request of these parameters may take; `None` for ever.
    fn request_timeout(&self, params: &Params) -> Option<Duration>;
}

/// How other threads report: the link is the event loop's.
#[derive(Clone, Debug)]
pub struct Speaker {
    said: Arc<Mutex<Vec<Report>>>,
    /// Whether the time is to be looked after at once.
    is_hastened: Arc<AtomicBool>,
    /// Whether none that waits here will be begun.
    is_nobody_served: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl EventLoop {
    /// The same with somebody who can answer what the supervisor asks of Python.
    pub fn with_attendant(mut self, attendant: Arc<dyn Attendant>) -> Self {
        (self.inquiries.attendant, self.inquiries.next_look) = (Some(attendant), Some(self.now));
        self
    }
}

/// Those of one event loop.
#[derive(Debug)]
pub struct Inquiries {
    attendant: Option<Arc<dyn Attendant>>,
    speaker: Speaker,
    /// When the time is to be looked after.
    next_look: Option<Instant>,
}

impl Inquiries {
    /// Nobody answers. The queue, too, wakes who waits for this registry's events.
    ///
    /// # Errors
    /// Those of eventfd(2).
    pub fn new(registry: &Registry, queue: &Queue) -> io::Result<Self> {
        let waker = Arc::new(Waker::new(registry, Token(handover::WAKE_UP))?);
        let speaker = Speaker {
            said: Arc::default(),
            is_hastened: Arc::default(),
            is_nobody_served: Arc::default(),
            waker: Arc::clone(&waker),
        };
        queue.ring_with(move || waker.wake());
        Ok(Self { attendant: None, speaker, next_look: None })
    }

    /// Hands on [`Command::Look`](shared::link::Command::Look).
    pub fn look(&self) {
        self.attendant.iter().for_each(|attendant| attendant.look(&self.speaker));
    }

    /// Hands on [`Command::TellStacks`](shared::link::Command::TellStacks).
    pub fn tell_stacks(&self) {
        self.attendant.iter().for_each(|attendant| attendant.tell_stacks(&self.speaker));
    }

    /// Has requests that take too long looked after, if it is time for that.
    pub fn keep_time(&mut self, now: Instant) {
        let is_time = self.next_look.is_some_and(|next| next <= now);
        if let Some(attendant) = self.attendant.as_ref().filter(|_| is_time || self.speaker.is_hastened()) {
            self.next_look = attendant.keep_time(now, &self.speaker);
        }
    }

    /// After how long that is.
    pub fn next_in(&self, now: Instant) -> Option<Duration> {
        self.next_look.map(|next| next.saturating_duration_since(now))
    }

    /// Whether none of those that wait will be begun. Said once.
    pub fn is_nobody_served(&self) -> bool {
        let said = &self.speaker.is_nobody_served;
        said.load(Ordering::Relaxed) && said.swap(false, Ordering::AcqRel)
    }

    /// How many requests run on that have no answer to wait for any more.
    pub fn overdue(&self) -> usize {
        self.attendant.as_ref().map_or(0, |attendant| attendant.overdue())
    }

    /// How long the request of these parameters may take; `None` for ever.
    pub fn request_timeout(&self, params: &Params) -> Option<Duration> {
        self.attendant.as_ref()?.request_timeout(params)
    }

    /// Tells the supervisor what was said since.
    pub fn pass_on(&self, controls: &mut Controls) {
        self.speaker.take().iter().for_each(|report| controls.report(report));
    }
}

impl Speaker {
    /// Tells the supervisor.
    pub fn say(&self, report: Report) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|earlier| !report.supersedes(earlier));
        said.push(report);
        drop(said);
        // Without a loop there is no supervisor either.
        drop(self.waker.wake());
    }

    /// Has the time looked after at once, since something is due sooner than was known.
    pub fn hasten(&self) {
        self.is_hastened.store(true, Ordering::Release);
        // Without a loop nothing is due.
        drop(self.waker.wake());
    }

    /// None that waits here will be begun: they are answered so.
    pub fn serve_nobody(&self) {
        self.is_nobody_served.store(true, Ordering::Release);
        drop(self.waker.wake());
    }

    fn is_hastened(&self) -> bool {
        self.is_hastened.load(Ordering::Relaxed) && self.is_hastened.swap(false, Ordering::AcqRel)
    }

    fn take(&self) -> Vec<Report> {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
