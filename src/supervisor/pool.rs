//! One pool at run time: its sockets, its settings by generation, its children and their processes.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use log::Level;

mod asked;
mod desks;
mod figures;
mod lost;
mod roster;
mod shortage;
mod standstill;
mod starting;
mod wear;

use super::children::{Action, ChildId, Children, Event, Limits, Outcome, Policy, Stand, Stop};
use super::counts::{self, End, Exits};
use super::process::{Process, Voices};
use super::queue_process::{QUEUE, Queue};
use super::rehearsal::Owner;
use super::saturation::{Load, News, Saturation};
use super::sockets::{self, Sockets, Ties};
use crate::config::{self, Config, EX_CONFIG};
use crate::launch::Module;
pub use asked::Asked;
pub use desks::Desk;
pub use figures::Figures;
use roster::Ledger;
use shared::link::{Command, Failure, Report};
use shared::logging::codes::{self, Code};
use shared::scoreboard::refused::RefusedFor;
use shared::scoreboard::tally::Tally;
use shared::sys::poll::Interest;
use shared::sys::process::{EX_SOFTWARE, ExitReason};
use shared::sys::signal;
pub use shortage::tells_of_shortage;

/// A running pool.
#[derive(Debug)]
pub struct RunningPool {
    /// Its name.
    pub name: String,
    /// What children of the generation that serves are started with.
    serving: Service,
    /// What a reload tries, with the sockets of that.
    tried: Option<(Service, Sockets)>,
    /// The sockets it listens on.
    pub sockets: Sockets,
    /// What its processes share.
    pub ties: Ties,
    queue: Queue,
    saturation: Saturation,
    /// The state of its children.
    pub children: Children,
    /// The queue process among them.
    processes: BTreeMap<ChildId, Process>,
    /// What they were asked, and have answered.
    pub asked: Asked,
    /// What children have counted that have gone.
    pub past: Tally,
    /// How they have ended.
    pub exits: Exits,
    /// What else is counted.
    pub ledger: Ledger,
    /// Whether all of its children have gone, for good.
    has_stopped: bool,
}

/// What a child is started with: the settings of its pool, and those of the whole process.
#[derive(Clone, Debug)]
pub struct Service {
    /// Of the pool.
    pub settings: config::Pool,
    /// Of the process.
    pub config: Rc<Config>,
    /// Who is to own the sockets of a pool that is reloaded.
    pub owner: Owner,
}

impl RunningPool {
    /// A pool whose children are to be started, on sockets that are bound already.
    pub fn new(service: Service, sockets: Sockets, ties: Ties, now: Instant) -> Self {
        let children = Children::new(policy(&service.settings), now);
        Self::with_children(service, sockets, ties, children)
    }

    /// A pool whose children serve already.
    pub fn adopt(
        service: Service,
        sockets: Sockets,
        ties: Ties,
        processes: Vec<(Process, Option<Stand>)>,
        now: Instant,
    ) -> Self {
        let policy = policy(&service.settings);
        let (processes, stands): (Vec<_>, Vec<_>) = processes.into_iter().unzip();
        let unknown = Stand { is_leaving: false, age: Duration::ZERO, graceful_timeout: policy.limits.graceful_timeout };
        let stands: Vec<_> = stands.into_iter().map(|stand| stand.unwrap_or(unknown)).collect();
        let (children, ids) = Children::adopt(policy, &stands, now);
        let mut pool = Self::with_children(service, sockets, ties, children);
        pool.processes = ids.into_iter().zip(processes).collect();
        pool.queue.want();
        pool
    }

    fn with_children(serving: Service, sockets: Sockets, ties: Ties, children: Children) -> Self {
        Self {
            name: serving.settings.name.clone(),
            serving,
            tried: None,
            sockets,
            ledger: Ledger::after(&ties.roster.record()),
            ties,
            queue: Queue::default(),
            saturation: Saturation::Calm(0),
            children,
            processes: BTreeMap::new(),
            asked: Asked::default(),
            past: Tally::default(),
            exits: Exits::default(),
            has_stopped: false,
        }
    }

    /// The processes of its children.
    pub fn processes(&self) -> impl Iterator<Item = (ChildId, &Process)> {
        self.processes.iter().filter(|(id, _)| **id != QUEUE).map(|(id, process)| (*id, process))
    }

    /// Its queue process, if it has one now.
    pub fn queue_process(&self) -> Option<&Process> {
        self.processes.get(&QUEUE)
    }

    /// The settings of the children that serve.
    pub fn settings(&self) -> &config::Pool {
        &self.serving.settings
    }

    /// What to wait for, and which child has something to say or to hear then; none means that a sleeping pool is wanted.
    pub fn watched(&self, now: Instant) -> Vec<(RawFd, Interest, Option<ChildId>)> {
        let of_child = |(id, process): (&ChildId, &Process)| {
            process.watched(now).map(|(fd, interest)| (fd, interest, Some(*id))).collect::<Vec<_>>()
        };
        let mut descriptors: Vec<_> = self.processes.iter().flat_map(of_child).collect();
        if self.children.is_asleep() {
            // The queue process lines up who comes, and answers probes itself. What was shut down is ready for ever, and nothing comes
            // from there.
            let line = sockets::is_open(&self.ties.line).then(|| self.ties.line.1.as_raw_fd());
            let listen = if self.queue.is_there() { &[][..] } else { &self.serving.settings.listen };
            let open = self.sockets.listeners_of(listen).filter(|listener| listener.is_open()).map(AsRawFd::as_raw_fd);
            descriptors.extend(line.into_iter().chain(open).map(|descriptor| (descriptor, Interest::Readable, None)));
        }
        descriptors
    }

    /// Tries one child with this, whose sockets are bound. What serves stays as it is.
    pub fn reload(&mut self, service: Service, sockets: Sockets, now: Instant) {
        self.children.handle_reload(policy(&service.settings), now);
        self.tried = Some((service, sockets));
    }

    /// What was tried serves from now on. Old children listen where they did until they go.
    pub fn commit(&mut self, now: Instant) {
        if let Some((service, sockets)) = self.tried.take() {
            // Only what has changed: somebody may have changed something else by hand.
            self.sockets.follow(&self.serving.settings, &service.settings, service.owner);
            self.sockets.replace(sockets);
            self.serving = service;
            // A queue process with other settings comes as soon as this one has gone.
            self.queue.renew(now, self.serving.settings.graceful_timeout);
            self.tell(QUEUE, Command::Retire);
        }
        self.queue.want();
        self.children.handle_commit(now);
    }

    /// What was tried is not wanted. Its own sockets go.
    pub fn abandon(&mut self, now: Instant) {
        self.tried = None;
        self.children.handle_abandon(now);
    }

    /// Ends its children, and stops listening: who connects from now on is told so, and does not wait for nobody. What waits in the
    /// backlog is still the children's, who have the sockets too.
    pub fn stop(&mut self, stop: Stop, now: Instant) {
        (self.sockets, self.tried) = (Sockets::default(), None);
        let patience = if stop == Stop::Now { Duration::ZERO } else { self.serving.settings.graceful_timeout };
        self.queue.dismiss(now, patience);
        self.tell(QUEUE, if stop == Stop::Now { Command::StopNow } else { Command::StopGracefully });
        self.children.handle_stop(stop, now);
    }

    fn tell(&mut self, id: ChildId, command: Command) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.tell(command);
        }
    }

    /// Reads what all children have said, and looks whether one has ended.
    pub fn listen(&mut self, now: Instant) {
        for id in self.processes.keys().copied().collect::<Vec<_>>() {
            self.listen_to(id, now);
        }
    }

    /// The same for one child, which may also take the commands that wait for it.
    pub fn listen_to(&mut self, id: ChildId, now: Instant) {
        let share = self.processes.values().filter(|process| process.rests_until.is_some()).count().max(1);
        let voices = voices(self.settings());
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.send_commands();
        // In this order: what a child said before its end is read after its end is known.
        let exit = process.reap();
        let heard = match exit {
            Some(_) => process.listen_to_last_words(&self.name, voices),
            None => process.listen(&self.name, voices, u32::try_from(share).unwrap_or(u32::MAX)),
        };
        for report in heard.reports {
            self.handle_report(id, report, now);
        }
        match (exit, heard.broken) {
            (Some(reason), _) => self.bury(id, reason, now),
            (None, Some(what)) if id == QUEUE => {
                self.log(Level::Warn, codes::QUEUE_PROCESS_NOT_TRUSTED, &format!("killing its queue process: {what}"));
                self.signal(QUEUE, signal::KILL);
            }
            (None, Some(what)) => {
                if let Some(process) = self.processes.get(&id) {
                    let how = format!("process {}: {what}", process.id);
                    self.children.handle(id, Event::Broken(how), now);
                }
            }
            (None, None) => {}
        }
    }

    /// It has ended, and has said its last words.
    fn bury(&mut self, id: ChildId, reason: ExitReason, now: Instant) {
        let Some(process) = self.processes.remove(&id) else { return };
        if reason == ExitReason::Untold {
            let id = process.id;
            let text = format!("process {id} was killed, but a tracer or the system keeps it alive; not waiting for it");
            self.log(Level::Warn, codes::CHILD_KEPT_ALIVE, &text);
        }
        if let Some(failure) = self.unloaded(&process, reason).filter(|_| id != QUEUE) {
            self.children.handle(id, Event::Said(Report::Failed(failure)), now);
        }
        let limit = self.settings().memory_limit.filter(|_| id != QUEUE);
        let (shortage, lost) = (shortage::of(&process, limit, reason), self.note_lost(&process));
        let how = format!("process {}, {reason}{shortage}{lost}", process.id);
        if let Some((state, _)) = self.children.describe(id) {
            counts::note(&mut self.exits, End::of(&process, state, reason) as usize);
        }
        self.asked.forget(id);
        let Process { told, desk, .. } = process;
        desk.into_iter().for_each(|desk| self.clear(desk));
        if id == QUEUE && self.queue.note_end() {
            self.say_that_queue_ended(told, &how);
        }
        self.children.handle(id, Event::Exited { how, told }, now);
    }

    fn say_that_queue_ended(&self, told: Option<&str>, how: &str) {
        let (level, code, why) = match told {
            Some(signal) => (Level::Info, codes::QUEUE_PROCESS_WAS_SIGNALLED, format!("on {signal}")),
            None => (Level::Warn, codes::QUEUE_PROCESS_EXITED, "unexpectedly".to_owned()),
        };
        self.log(level, code, &format!("its queue process exited {why} ({how}); starting another"));
    }

    /// Why a Python has ended before our module ran in it, if it has.
    fn unloaded(&self, process: &Process, reason: ExitReason) -> Option<Failure> {
        let words = process.last_words.as_ref()?;
        let settings = &self.tried.as_ref().map_or(&self.serving, |(service, _)| service).settings;
        let python = settings.interpreter.as_ref().map_or_else(String::new, ToString::to_string);
        let fault = words.fault(reason, settings.memory_limit);
        Some(Failure { code: EX_CONFIG, text: format!("the Python {python} {fault}") })
    }

    fn handle_report(&mut self, id: ChildId, report: Report, now: Instant) {
        let report = match report {
            // Whoever waits for it looks.
            Report::Looked => return,
            Report::Loaded => return self.processes.get_mut(&id).into_iter().for_each(|process| process.last_words = None),
            Report::Stacks(text) => return self.asked.hear(id, text, now),
            // It counts them itself.
            Report::Worn => return self.wear_out(id, Event::Worn, "max-requests", now),
            Report::Overdue => return self.wear_out(id, Event::Overdue, "interrupt-timeout", now),
            Report::Deadlocked => return self.handle_deadlock(id, now),
            Report::Terminated => return self.note_told(id, "SIGTERM"),
            Report::Quit => return self.note_told(id, "SIGQUIT"),
            // Failing is no success, whatever the application says.
            Report::Failed(Failure { code: 0, text }) => Report::Failed(Failure { code: EX_SOFTWARE, text }),
            report => report,
        };
        self.children.handle(id, Event::Said(report), now);
    }

    /// It has said itself where it is.
    fn handle_deadlock(&mut self, id: ChildId, now: Instant) {
        if let Some(process) = self.processes.get(&id).filter(|_| self.settings().deadlock_kill) {
            let what = format!("process {}: nobody there gets Python's GIL (deadlock-kill)", process.id);
            self.children.handle(id, Event::Hung(what), now);
        }
    }

    fn note_told(&mut self, id: ChildId, signal: &'static str) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.told = Some(signal);
        }
    }

    /// Whether a child that is to go when it has nothing to do has had nothing for long enough.
    fn look_for_use(&mut self, id: ChildId, now: Instant) {
        let Some(figures) = self.processes.get(&id).and_then(|process| self.figures(process)) else {
            return;
        };
        let counted = figures.tally.requests();
        let Some(process) = self.processes.get_mut(&id) else { return };
        let (since, requests) = *process.unused.get_or_insert((now, counted));
        if requests != counted || figures.busy > 0 || figures.queued > 0 {
            process.unused = Some((now, counted));
            return;
        }
        let timeout = self.settings().idle_timeout;
        if figures.connections == 0 && timeout.is_some_and(|timeout| now.duration_since(since) >= timeout) {
            self.children.handle(id, Event::Unused, now);
        }
    }

    /// Time has passed; `tick` says that about a second has.
    pub fn handle_timeout(&mut self, tick: bool, now: Instant) {
        if tick && self.may_sleep() {
            self.children.serving().collect::<Vec<_>>().into_iter().for_each(|id| self.look_for_use(id, now));
        }
        if tick {
            self.replace_worn(now);
        }
        let is_due = |(id, process): (&ChildId, &Process)| process.next_deadline().filter(|due| *due <= now).map(|_| *id);
        let due: Vec<ChildId> = self.processes.iter().filter_map(is_due).collect();
        due.into_iter().for_each(|id| self.listen_to(id, now));
        if self.queue.is_late(now) {
            self.signal(QUEUE, signal::KILL);
        }
        self.look_at_load(now);
        self.children.handle_timeout(now);
    }

    /// Says when it has more requests than workers, and when that is over.
    fn look_at_load(&mut self, now: Instant) {
        let scoreboard = &self.ties.scoreboard;
        let refused = RefusedFor::ALL.map(|reason| scoreboard.refused(reason));
        let refused = refused.into_iter().fold(0, u64::saturating_add);
        let load = Load { all_full: self.children.are_all_full(), waiting: scoreboard.waiting(), refused };
        match self.saturation.look(load, now) {
            Some(News::Begun { waiting }) => {
                self.ledger.saturations += 1;
                let (full, most) = (self.children.serving().count(), self.serving.settings.max_queue);
                let processes = if full == 1 { "the process is" } else { "all processes are" };
                let text = format!("saturated: {processes} busy, {waiting} of at most {most} requests waiting (max-queue)");
                self.log(Level::Warn, codes::SATURATED, &text);
            }
            Some(News::Over { lasted, most, refused }) => {
                let seconds = lasted.as_secs_f64();
                let counts = format!("{most} waited at most, {refused} were answered 503");
                self.log(
                    Level::Info,
                    codes::NO_LONGER_SATURATED,
                    &format!("no longer saturated, after {seconds:.1} s: {counts}"),
                );
            }
            None => {}
        }
    }

    /// Whether it needs to be looked after every second.
    pub fn needs_ticks(&self) -> bool {
        self.may_sleep() || self.settings().max_rss.is_some() || self.limits_requests()
    }

    /// Whether its last child is to go when it has nothing to do.
    fn may_sleep(&self) -> bool {
        self.children.may_shrink() && self.children.wanted() == 1
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        let own = [self.children.next_deadline(), self.queue.next_deadline(), self.saturation.next_deadline(Instant::now())];
        self.processes.values().filter_map(Process::next_deadline).chain(own.into_iter().flatten()).min()
    }

    /// Does what the state of the children asks for, until there is nothing more; returns what has come of it all. Children may open so
    /// many files at first.
    pub fn perform(&mut self, module: &Module, open_files: u64, now: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            let actions = self.children.take_actions();
            if actions.is_empty() {
                self.look_after_queue(open_files, now);
                outcomes.extend((self.has_stopped && !self.queue.is_there()).then_some(Outcome::Stopped));
                return outcomes;
            }
            for action in actions {
                match action {
                    Action::Spawn(id, generation) => self.spawn(id, generation, (module, open_files), now),
                    Action::Tell(id, command) => self.tell(id, command),
                    Action::Terminate(id) => self.signal(id, signal::TERM),
                    Action::Kill(id) => self.signal(id, signal::KILL),
                    Action::Log(level, code, text) => self.log(level, code, &text),
                    // Its queue process may still have somebody to answer.
                    Action::Report(Outcome::Stopped) => self.has_stopped = true,
                    Action::Report(outcome) => {
                        // Once the new children serve, addresses that only the old ones had are given back.
                        if matches!(outcome, Outcome::Rolled | Outcome::Short(_)) {
                            self.sockets.keep_only(&self.serving.settings);
                        }
                        outcomes.push(outcome);
                    }
                }
            }
        }
    }

    fn log(&self, level: Level, code: Code, text: &str) {
        log::log!(target: code, level, "pool {}: {text}", self.name);
    }

    fn signal(&mut self, id: ChildId, number: i32) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.signal(number);
        }
    }
}

fn voices(settings: &config::Pool) -> Voices {
    Voices { form: settings.app_log, levels: [settings.stdout_level, settings.stderr_level] }
}

fn policy(settings: &config::Pool) -> Policy {
    Policy {
        min: settings.processes.min,
        max: settings.processes.max,
        limits: Limits { startup_timeout: settings.startup_timeout, graceful_timeout: settings.graceful_timeout },
        idle_timeout: settings.idle_timeout,
        max_lifetime: settings.max_lifetime,
    }
}
