//! What the supervisor and the event loop want of Python, for which they do not wait: a thread of its own waits for the GIL.
//!
//! ```text
//! whoever turns the event loop ──abort, look──▶ pyfcgid-attendant   waits for the GIL: raises exceptions, looks at stacks
//!                              ──stacks──▶ pyfcgid-stacks ──ask──▶──┘
//!                              ──late──▶ pyfcgid-late ─────ask──▶──┘
//!                                               └─ not for longer than a moment; then signals tell what they can
//! ```
//!
//! The threads are started when they are needed first, or before there may be no memory for them (`memory-limit`). Of what waits for the GIL there is no
//! more than is asked for at once: an abort and two looks at each request, a look for each command, one look at all stacks, and one probe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::super::station::Station;
use super::super::telling::limits;
use super::attach;
use super::stacks::{self, Calls, Raw, Signals};
use super::timekeeper::Timekeeper;
use crate::without_python::interruption::Cause;
use crate::without_python::stack::Sources;
use connections::event_loop::{self, Speaker};
use connections::exchange::Params;
use shared::link::{MAX_PAYLOAD_LEN, Report};
use shared::logging::codes;
use shared::settings::Deadlines;
use shared::stacks::{Stacks, Thread};

/// Who does it. One for a process.
#[derive(Debug)]
pub struct Attendant {
    /// Of each worker, once it has begun.
    pub(super) stations: Box<[OnceLock<&'static Station>]>,
    /// What takes the GIL.
    tasks: Tasks,
    /// What is to be said of requests, in this order.
    tellings: Tasks,
    /// Whether somebody is telling the stacks.
    is_telling: AtomicBool,
    /// Whether a look at the stacks waits for the GIL, perhaps for nobody any more.
    waits_for_gil: AtomicBool,
    /// With which stacks can be told of threads that keep the GIL, too.
    pub(super) signals: OnceLock<Signals>,
    pub(super) timekeeper: Timekeeper,
}

/// What one of its threads does.
type Task = Box<dyn FnOnce(&Arc<Attendant>) + Send>;

/// The tasks of a thread that is started with the first of them; `None` if it could not be.
type Tasks = OnceLock<Option<Sender<Task>>>;

impl Attendant {
    /// For so many workers, whose requests have these deadlines.
    pub fn new(workers: usize, deadlines: Deadlines) -> Self {
        Self {
            stations: (0..workers).map(|_| OnceLock::new()).collect(),
            tasks: Tasks::new(),
            tellings: Tasks::new(),
            is_telling: AtomicBool::new(false),
            waits_for_gil: AtomicBool::new(false),
            signals: OnceLock::new(),
            timekeeper: Timekeeper::new(workers, deadlines),
        }
    }

    /// A worker has this station.
    pub(in crate::wsgi) fn attend(&self, station: &'static Station) {
        if let Some(place) = self.stations.get(station.number - 1) {
            place.set(station).ok();
        }
    }

    /// The peer has given this request up.
    pub(in crate::wsgi) fn abort(self: &Arc<Self>, station: &'static Station, request: u64) {
        self.ask(move |_| {
            attach(|py| station.interruption.raise(py, request, Cause::Abort));
        });
    }

    /// A deadline has changed.
    pub(in crate::wsgi) fn hasten(&self) {
        self.timekeeper.hasten();
    }

    pub(super) fn stations(&self) -> impl Iterator<Item = &'static Station> + Clone {
        self.stations.iter().filter_map(OnceLock::get).copied()
    }

    /// Starts the threads that end requests and tell of them, before there may be no memory for that. What Python needs of a thread that
    /// attaches the attendant keeps from then on: Python crashes if it gets none for it.
    pub fn start(self: &Arc<Self>) {
        let attached: RunTasks = |this, tasks| attach(|py| py.detach(move || run_tasks(this, tasks)));
        let _ = (self.queue(&self.tasks, ATTENDANT, attached), self.queue(&self.tellings, TELLER, run_tasks));
    }

    /// Has this done by the thread that waits for the GIL.
    pub(super) fn ask(self: &Arc<Self>, task: impl FnOnce(&Arc<Self>) + Send + 'static) {
        if let Some(tasks) = self.queue(&self.tasks, ATTENDANT, run_tasks) {
            drop(tasks.send(Box::new(task)));
        }
    }

    /// Has this done by the thread that tells of requests which take too long, in its order.
    pub(super) fn tell(self: &Arc<Self>, task: impl FnOnce(&Arc<Self>) + Send + 'static) {
        if let Some(tellings) = self.queue(&self.tellings, TELLER, run_tasks) {
            drop(tellings.send(Box::new(task)));
        }
    }

    fn queue<'a>(self: &Arc<Self>, tasks: &'a Tasks, thread: &str, run: RunTasks) -> Option<&'a Sender<Task>> {
        let start = || {
            let (sender, tasks) = mpsc::channel();
            let this = Arc::clone(self);
            spawn(thread, move || run(&this, tasks)).then_some(sender)
        };
        tasks.get_or_init(start).as_ref()
    }

    /// Raises in those workers whose slots say so. No worker ends or begins a request while this has the GIL.
    fn look_at_slots(&self) {
        attach(|py| {
            for station in self.stations() {
                let Some(slot) = station.slot() else { continue };
                if let Some(request) = slot.take_interrupt()
                    && station.interruption.raise(py, request, Cause::Administrator)
                {
                    slot.note_interrupted(request);
                }
            }
        });
    }

    /// What all threads are doing; without the GIL, what workers are.
    pub fn stacks(self: &Arc<Self>) -> Stacks {
        let until = Instant::now() + PATIENCE;
        let (without_gil, raw) = match self.with_gil() {
            Some(raw) => (false, raw),
            None => (true, self.without_gil(until)),
        };
        let mut sources = Sources::default();
        Stacks { without_gil, threads: raw.into_iter().map(|raw| thread(&mut sources, raw)).collect() }
    }

    fn with_gil(self: &Arc<Self>) -> Option<Vec<Raw>> {
        if self.waits_for_gil.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (to, threads) = mpsc::channel();
        self.ask(move |this| {
            let threads = attach(|py| stacks::look(py, this.stations()));
            this.waits_for_gil.store(false, Ordering::Release);
            // Nobody may be waiting any more.
            drop(to.send(threads));
        });
        threads.recv_timeout(GIL_PATIENCE).ok()
    }

    fn without_gil(&self, until: Instant) -> Vec<Raw> {
        self.signals.get().map_or_else(Vec::new, |signals| signals.look(self.stations(), until))
    }

    /// What those threads are doing that may keep the GIL: the workers that answer something, and the application's own.
    pub(super) fn who_keeps_gil(&self) -> String {
        let mut sources = Sources::default();
        let workers = self.without_gil(Instant::now() + PATIENCE).into_iter().filter(|raw| raw.request != 0);
        let others = self.signals.get().map_or_else(Vec::new, |signals| signals.look_at_others(self.stations()));
        let process = std::process::id();
        workers.chain(others).map(|raw| thread(&mut sources, raw).told(process)).collect()
    }

    /// What the worker of a station is doing, as is found by who has the GIL, or by a signal when that takes too long.
    pub(super) fn stack_of(&self, station: &Station, calls: &Receiver<Calls>) -> Vec<String> {
        let calls = calls.recv_timeout(GIL_PATIENCE).ok();
        let calls = calls.or_else(|| Some(self.signals.get()?.look_at(station.thread.system, SIGNAL_PATIENCE)));
        calls.map_or_else(Vec::new, |calls| lines(&mut Sources::default(), &calls))
    }
}

/// How a thread does its tasks.
type RunTasks = fn(&Arc<Attendant>, Receiver<Task>);

fn run_tasks(this: &Arc<Attendant>, tasks: Receiver<Task>) {
    tasks.into_iter().for_each(|task| task(this));
}

fn thread(sources: &mut Sources, Raw { request, name, calls }: Raw) -> Thread {
    Thread { request, name, lines: lines(sources, &calls) }
}

fn lines(sources: &mut Sources, calls: &Calls) -> Vec<String> {
    match calls {
        Ok(frames) => sources.lines(frames),
        Err(why) => vec![(*why).to_owned()],
    }
}

/// What the event loop, which never waits for the GIL, hands on.
#[derive(Debug)]
pub struct Attending(pub Arc<Attendant>);

impl event_loop::Attendant for Attending {
    fn look(&self, speaker: &Speaker) {
        let speaker = speaker.clone();
        self.0.ask(move |this| {
            this.look_at_slots();
            speaker.say(Report::Looked);
        });
    }

    fn tell_stacks(&self, speaker: &Speaker) {
        // Who is telling them already tells them to both.
        if self.0.is_telling.swap(true, Ordering::AcqRel) {
            return;
        }
        let (attendant, teller) = (Arc::clone(&self.0), speaker.clone());
        let is_started = spawn("pyfcgid-stacks", move || {
            let stacks = attendant.stacks();
            attendant.is_telling.store(false, Ordering::Release);
            teller.say(Report::Stacks(stacks.encode(MAX_PAYLOAD_LEN)));
        });
        if !is_started {
            self.0.is_telling.store(false, Ordering::Release);
        }
    }

    fn keep_time(&self, now: Instant, speaker: &Speaker) -> Option<Instant> {
        self.0.keep_time(now, speaker)
    }

    fn overdue(&self) -> usize {
        let is_overdue = |station: &&Station| station.request().is_some_and(|request| station.is_overdue(request));
        self.0.stations().filter(is_overdue).count()
    }

    fn request_timeout(&self, params: &Params) -> Option<Duration> {
        limits(&self.0.timekeeper.deadlines, params).request
    }
}

/// Whether it has started.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> bool {
    let started = thread::Builder::new().name(name.to_owned()).spawn(run);
    if let Err(error) = &started {
        log::warn!(
            target: codes::ATTENDANT_NOT_STARTED,
            "the thread {name} cannot be started, so nothing is interrupted and no stack told: {error}");
    }
    started.is_ok()
}

const ATTENDANT: &str = "pyfcgid-attendant";
const TELLER: &str = "pyfcgid-late";
/// For how long the GIL is waited for.
const GIL_PATIENCE: Duration = Duration::from_millis(100);
/// For how long one thread is waited for, which others may keep from running, where nobody waits for the answer.
const SIGNAL_PATIENCE: Duration = Duration::from_millis(500);
/// The supervisor waits a little longer for all.
const PATIENCE: Duration = Duration::from_millis(180);
