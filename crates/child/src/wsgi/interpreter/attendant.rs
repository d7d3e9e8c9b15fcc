//! What the supervisor and the event loop want of Python, for which they do not wait: a thread of its own waits for the GIL.
//!
//! ```text
//! whoever turns the event loop ──abort, look──▶ pyfcgid-attendant   waits for the GIL: raises exceptions, looks at stacks
//!                              ──stacks──▶ pyfcgid-stacks ──ask──▶──┘
//!                                               └─ not for longer than a moment; then signals tell what they can
//! ```
//!
//! Both threads are started when they are needed first, or the attendant earlier, where memory has a limit. Of what waits for the GIL there is no more than is asked for at once: an abort of
//! each request, a look for each command, and one look at the stacks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::interruption::Interruption;
use super::stacks::{self, Call, Raw, Signals};
use super::{attach, worker_name};
use crate::without_python::interruption::Cause;
use crate::without_python::stack::Sources;
use connections::event_loop::{self, Speaker};
use shared::link::{MAX_PAYLOAD_LEN, Report};
use shared::logging::codes;
use shared::scoreboard::slot::{Slot, ThreadNumbers};
use shared::stacks::{Stacks, Thread};

/// Who does it. One for a process.
#[derive(Debug, Default)]
pub struct Attendant {
    workers: Mutex<Vec<Attended>>,
    tasks: OnceLock<Option<Sender<Task>>>,
    /// Whether somebody is telling the stacks.
    is_telling: AtomicBool,
    /// Whether a look at the stacks waits for the GIL, perhaps for nobody any more.
    waits_for_gil: AtomicBool,
    signals: OnceLock<Signals>,
}

/// One worker.
#[derive(Clone, Debug)]
pub(super) struct Attended {
    pub(super) name: String,
    pub(super) interruption: Arc<Interruption>,
    pub(super) thread: ThreadNumbers,
    slot: Option<Slot>,
}

impl Attended {
    /// The number of the request that it answers, if its slot says so.
    pub(super) fn request(&self) -> Option<u64> {
        self.slot.as_ref()?.answers()
    }
}

/// What takes the GIL.
enum Task {
    Abort(Arc<Interruption>, u64),
    Look(Speaker),
    Stacks(Sender<Vec<Raw>>),
}

impl Attendant {
    /// The worker of this number runs, on this thread and with this slot.
    pub(in crate::wsgi) fn attend(
        &self,
        number: usize,
        interruption: Arc<Interruption>,
        thread: ThreadNumbers,
        slot: Option<Slot>,
    ) {
        let attended = Attended { name: worker_name(number), interruption, thread, slot };
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(attended);
    }

    /// From now on stacks can be told of threads that keep the GIL, too.
    pub(super) fn signal_with(&self, signals: Signals) {
        drop(self.signals.set(signals));
    }

    /// The peer has given this request up.
    pub(in crate::wsgi) fn abort(self: &Arc<Self>, interruption: Arc<Interruption>, request: u64) {
        self.ask(Task::Abort(interruption, request));
    }

    fn workers(&self) -> Vec<Attended> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts the thread that has the GIL for others, before there may be no memory for it.
    pub fn start(self: &Arc<Self>) {
        let _ = self.tasks();
    }

    fn ask(self: &Arc<Self>, task: Task) {
        if let Some(sender) = self.tasks() {
            drop(sender.send(task));
        }
    }

    fn tasks(self: &Arc<Self>) -> Option<&Sender<Task>> {
        let tasks = self.tasks.get_or_init(|| {
            let (sender, tasks) = mpsc::channel();
            let this = Arc::clone(self);
            let started = spawn("pyfcgid-attendant", move || this.attend_to(&tasks));
            started.then_some(sender)
        });
        tasks.as_ref()
    }

    fn attend_to(&self, tasks: &Receiver<Task>) {
        for task in tasks {
            match task {
                Task::Abort(interruption, request) => {
                    attach(|py| interruption.raise(py, request, Cause::Abort));
                }
                Task::Look(speaker) => {
                    self.look_at_slots();
                    speaker.say(Report::Looked);
                }
                Task::Stacks(to) => {
                    let workers = self.workers();
                    let threads = attach(|py| stacks::look(py, &workers));
                    self.waits_for_gil.store(false, Ordering::Release);
                    // Nobody may be waiting any more.
                    drop(to.send(threads));
                }
            }
        }
    }

    /// Raises in those workers whose slots say so. No worker ends or begins a request while this has the GIL.
    fn look_at_slots(&self) {
        let workers = self.workers();
        attach(|py| {
            for Attended { interruption, slot, .. } in &workers {
                let Some(slot) = slot else { continue };
                if let Some(request) = slot.take_interrupt()
                    && interruption.raise(py, request, Cause::Administrator)
                {
                    slot.note_interrupted(request);
                }
            }
        });
    }

    fn stacks(self: &Arc<Self>) -> Stacks {
        let until = Instant::now() + PATIENCE;
        let (without_gil, raw) = match self.with_gil() {
            Some(raw) => (false, raw),
            None => (true, self.signals.get().map_or_else(Vec::new, |signals| signals.look(&self.workers(), until))),
        };
        let mut sources = Sources::default();
        let told = |Raw { request, name, calls }: Raw| Thread { request, name, lines: lines(&mut sources, &calls) };
        Stacks { without_gil, threads: raw.into_iter().map(told).collect() }
    }

    fn with_gil(self: &Arc<Self>) -> Option<Vec<Raw>> {
        if self.waits_for_gil.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (to, threads) = mpsc::channel();
        self.ask(Task::Stacks(to));
        threads.recv_timeout(GIL_PATIENCE).ok()
    }
}

fn lines(sources: &mut Sources, calls: &Call) -> Vec<String> {
    match calls {
        Call::Stack(frames) => sources.lines(frames),
        Call::Silent(why) => vec![(*why).to_owned()],
    }
}

/// What the event loop, which never waits for the GIL, hands on.
#[derive(Debug)]
pub struct Attending(pub Arc<Attendant>);

impl event_loop::Attendant for Attending {
    fn look(&self, speaker: &Speaker) {
        self.0.ask(Task::Look(speaker.clone()));
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
}

/// Whether it has started.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> bool {
    let started = thread::Builder::new().name(name.to_owned()).spawn(run);
    if let Err(error) = &started {
        log::warn!(
            target: codes::ATTENDANT_NOT_STARTED,
            "the thread {name} cannot be started, so nothing is interrupted and no stack told: {error}");
    }
    started.is_ok()
}

/// For how long the GIL is waited for.
const GIL_PATIENCE: Duration = Duration::from_millis(100);
/// The supervisor waits a little longer for all.
const PATIENCE: Duration = Duration::from_millis(180);
