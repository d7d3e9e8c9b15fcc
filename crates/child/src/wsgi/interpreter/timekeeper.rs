//! Requests that take too long, and a GIL that nobody gets. Whoever turns the event loop looks after them and never waits: what
//! `without_python/course.rs` says is done, and a thread of its own says what has been, with the stack.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::super::TURNS;
use super::super::station::Station;
use super::attendant::{Attendant, spawn};
use super::{attach, stacks};
use crate::without_python::course::{Course, Step, Times};
use crate::without_python::interruption::Cause;
use connections::event_loop::Speaker;
use connections::exchange::TimedOut;
use shared::link::Report;
use shared::logging::codes::{self, Code};
use shared::scoreboard::slot::Slot;
use shared::settings::Deadlines;

/// What is known of the time.
#[derive(Debug)]
pub(super) struct Timekeeper {
    pub(super) deadlines: Deadlines,
    /// Of each station.
    courses: Mutex<Vec<Course>>,
    gil: Mutex<Gil>,
    /// Whether the probe has got it.
    has_got_gil: AtomicBool,
    speaker: OnceLock<Speaker>,
}

/// Whether anybody gets the GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gil {
    /// Somebody does, as was found out then; nobody has asked yet without a time.
    Free(Option<Instant>),
    /// A probe waits for it since then, as was seen last at that time.
    Asked { since: Instant, seen: Instant },
    /// It has waited for too long, which was said.
    Kept(Instant),
}

impl Timekeeper {
    pub(super) fn new(workers: usize, deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            courses: Mutex::new((0..workers).map(|_| Course::default()).collect()),
            gil: Mutex::new(Gil::Free(None)),
            has_got_gil: AtomicBool::new(false),
            speaker: OnceLock::new(),
        }
    }

    /// A deadline has changed.
    pub(super) fn hasten(&self) {
        self.speaker.get().into_iter().for_each(Speaker::hasten);
    }

    /// The probe has got the GIL.
    pub(super) fn note_gil(&self) {
        self.has_got_gil.store(true, Ordering::Release);
        // Else it is seen at the next look: whoever is asked again at once would do nothing else.
        if matches!(*lock(&self.gil), Gil::Kept(_)) {
            self.hasten();
        }
    }
}

impl Attendant {
    /// Does what is due, and says when something is again. A request that begins later is due later than that.
    pub(super) fn keep_time(self: &Arc<Self>, now: Instant, speaker: &Speaker) -> Option<Instant> {
        let keeper = &self.timekeeper;
        keeper.speaker.get_or_init(|| speaker.clone());
        let mut courses = lock(&keeper.courses);
        let mut next = keeper.deadlines.shortest().map(|shortest| now + shortest);
        let mut oldest = TURNS.asked_for();
        for (station, course) in self.stations.iter().zip(courses.iter_mut()) {
            let Some(station) = station.get() else { continue };
            let Some(times) = station.times() else { continue };
            if let Some(step) = course.step(times, keeper.deadlines.interrupt, now) {
                self.take_step((station, times), step, course, now);
            }
            next = next.into_iter().chain(course.next(times, keeper.deadlines.interrupt)).min();
            let age = station.age(now);
            if age >= A_MOMENT && station.is_aborted(times.request) {
                station.slot().into_iter().for_each(|slot| slot.note_aborted(times.request));
            }
            oldest = oldest.max(Some(age));
        }
        drop(courses);
        // Whether its browser has left nobody else tells.
        let soon = oldest.filter(|oldest| *oldest >= A_MOMENT).and(next).map(|_| now + A_MOMENT);
        next.into_iter().chain(soon).chain(self.look_at_gil(oldest, now)).min()
    }

    fn take_step(self: &Arc<Self>, (station, times): (&'static Station, Times), step: Step, course: &mut Course, now: Instant) {
        let (request, seconds) = (times.request, station.age(now).as_secs_f64());
        match step {
            Step::TellSlow => {
                station.slot().into_iter().for_each(Slot::note_slow);
                let given_up = if station.is_aborted(request) { ", though the web server has given it up" } else { "" };
                let what = format!("is slow: it has run for {seconds:.1} s (slow-request-timeout){given_up}");
                self.say_late((station, request), false, (codes::REQUEST_SLOW, what));
            }
            Step::End => {
                let Some(outcome) = station.end_answer(request) else { return };
                course.note_ended(now);
                station.slot().into_iter().for_each(|slot| slot.note_overdue(request));
                let what = format!(
                    "has run for {seconds:.1} s (request-timeout): {}, raising RequestTimeout in its thread",
                    what_has_come_of_it(outcome)
                );
                self.say_late((station, request), true, (codes::REQUEST_TIMED_OUT, what));
            }
            Step::GiveUp => {
                station.slot().into_iter().for_each(Slot::note_given_up);
                let what = format!(
                    "still runs after {seconds:.1} s (interrupt-timeout): its thread is given up, replacing this process"
                );
                self.say_late((station, request), false, (codes::REQUEST_GIVEN_UP, what));
                self.timekeeper.speaker.get().into_iter().for_each(|speaker| speaker.say(Report::Overdue));
            }
        }
    }

    /// Has it said, with what the thread is doing; and raises the exception if the time is over.
    fn say_late(self: &Arc<Self>, (station, request): (&'static Station, u64), is_over: bool, (code, what): (Code, String)) {
        let (to, calls) = mpsc::channel();
        self.ask(move |_| {
            attach(|py| {
                drop(to.send(stacks::look_at(py, station, request)));
                if is_over {
                    station.interruption.raise(py, request, Cause::Deadline);
                }
            });
        });
        let name = station.name();
        self.tell(move |this| {
            let stack: String = this.stack_of(station, &calls).iter().map(|line| format!("\n  {line}")).collect();
            log::warn!(target: code, "{name} {what}, at:{stack}");
        });
    }

    /// Says how a request has ended whose time was over, behind what was said of that.
    pub(in crate::wsgi) fn say_ended(self: &Arc<Self>, how: String) {
        self.tell(move |_| log::info!(target: codes::REQUEST_TIMED_OUT_ENDED, "{how}"));
    }

    /// When somebody has worked for a moment, whoever wants the GIL is to get it.
    fn look_at_gil(self: &Arc<Self>, oldest: Option<Duration>, now: Instant) -> Option<Instant> {
        let keeper = &self.timekeeper;
        let limit = keeper.deadlines.deadlock?;
        let (mut gil, again) = (lock(&keeper.gil), now + limit / LOOKS);
        if keeper.has_got_gil.swap(false, Ordering::AcqRel) {
            if let Gil::Kept(since) = *gil {
                let seconds = now.duration_since(since).as_secs_f64();
                log::warn!(target: codes::GIL_FREE_AGAIN, "threads get Python's GIL again, after {seconds:.1} s");
            }
            *gil = Gil::Free(Some(now));
        }
        let may_ask = |since: Option<Instant>| since.is_none_or(|since| now >= since + limit / LOOKS);
        match *gil {
            Gil::Free(since) if may_ask(since) && oldest.is_some_and(|oldest| oldest >= A_MOMENT) => {
                *gil = Gil::Asked { since: now, seen: now };
                self.ask(|this| {
                    attach(|_| ());
                    this.timekeeper.note_gil();
                });
                Some(again)
            }
            Gil::Free(_) => Some(again),
            // The process was stopped meanwhile, and with it whoever has the GIL.
            Gil::Asked { seen, .. } if now >= seen + 2 * limit / LOOKS => {
                *gil = Gil::Asked { since: now, seen: now };
                Some(again)
            }
            Gil::Asked { since, .. } if now < since + limit => {
                *gil = Gil::Asked { since, seen: now };
                Some(again.min(since + limit))
            }
            Gil::Asked { since, .. } => {
                *gil = Gil::Kept(since);
                self.say_that_gil_is_kept(limit);
                None
            }
            Gil::Kept(_) => None,
        }
    }

    fn say_that_gil_is_kept(self: &Arc<Self>, limit: Duration) {
        let (this, speaker) = (Arc::clone(self), self.timekeeper.speaker.get().cloned());
        spawn("pyfcgid-stacks", move || {
            let (stacks, seconds) = (this.who_keeps_gil(), limit.as_secs_f64());
            log::error!(
                target: codes::GIL_KEPT,
                "no thread has got Python's GIL for {seconds} s (deadlock-timeout), though requests want it:{stacks}"
            );
            if let Some(speaker) = speaker {
                speaker.serve_nobody();
                speaker.say(Report::Deadlocked);
            }
        });
    }
}

fn what_has_come_of_it(outcome: TimedOut) -> &'static str {
    match outcome {
        TimedOut::Answered => "answered 504",
        TimedOut::Cut => "its response was cut",
        TimedOut::Whole => "its response had been sent",
        TimedOut::Unwanted => "the web server had given it up",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who has worked for less than this does not keep the GIL for long, and its browser need not be looked for.
const A_MOMENT: Duration = Duration::from_secs(1);
/// In the time after which it is said.
const LOOKS: u32 = 4;
