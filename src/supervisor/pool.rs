//! One pool at run time: its sockets, its settings by generation, its children and their processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Instant;

use super::children::{Action, ChildId, Children, Failure, Generation, Outcome, Policy, Said, Stop};
use super::process::{ChildEnds, Process, Voices};
use super::sockets::{self, Passage, Sockets};
use super::{Inherited, Program};
use crate::config::{self, Config};
use crate::link::{Command, Numbers, Report};
use crate::sys::poll::Interest;
use crate::sys::process::{EX_OSERR, EX_SOFTWARE};
use crate::sys::{passing, signal};

/// A pool that runs.
#[derive(Debug)]
pub struct RunningPool {
    name: String,
    /// What children of the generation that serves are started with.
    serving: Service,
    /// What a reload tries, with the sockets of that.
    tried: Option<(Service, Sockets)>,
    sockets: Sockets,
    passage: Passage,
    children: Children,
    processes: BTreeMap<ChildId, Process>,
    /// Children that were asked for their numbers and have not answered.
    asked: BTreeSet<ChildId>,
    /// Since when a child that may be the last has had no request, and how many it had then.
    unused: BTreeMap<ChildId, (Instant, u64)>,
}

/// What a child is started with: the settings of its pool, and those of the whole process.
#[derive(Clone, Debug)]
pub struct Service {
    /// Of the pool.
    pub settings: config::Pool,
    /// Of the process.
    pub config: Rc<Config>,
}

impl RunningPool {
    /// A pool whose children are to be started, on sockets that are bound already.
    pub fn new(service: Service, sockets: Sockets, passage: Passage, now: Instant) -> Self {
        let children = Children::new(policy(&service.settings), now);
        Self::with_children(service, sockets, passage, children)
    }

    /// A pool whose children serve already.
    pub fn adopt(service: Service, sockets: Sockets, passage: Passage, processes: Vec<Process>, now: Instant) -> Self {
        let (children, ids) = Children::adopt(policy(&service.settings), processes.len(), now);
        let mut pool = Self::with_children(service, sockets, passage, children);
        pool.processes = ids.into_iter().zip(processes).collect();
        pool
    }

    fn with_children(serving: Service, sockets: Sockets, passage: Passage, children: Children) -> Self {
        let (name, unused, processes) = (serving.settings.name.clone(), BTreeMap::new(), BTreeMap::new());
        let (tried, asked) = (None, BTreeSet::new());
        Self { name, serving, tried, sockets, passage, children, processes, asked, unused }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sockets it listens on.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Both ends of the passage.
    pub fn passage(&self) -> [RawFd; 2] {
        [self.passage.0.as_raw_fd(), self.passage.1.as_raw_fd()]
    }

    /// Children that have the one that was shut down keep their connections.
    fn renew_passage(&mut self) -> io::Result<()> {
        if !sockets::is_open(&self.passage) {
            self.passage = passing::pair()?;
            log::warn!("pool {}: the passage between its processes had been shut down, and is made again", self.name);
        }
        Ok(())
    }

    /// The state of its children.
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// Its processes.
    pub fn processes(&self) -> impl Iterator<Item = (ChildId, &Process)> {
        self.processes.iter().map(|(id, process)| (*id, process))
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
            // What was shut down is ready for ever, and nothing comes from there.
            let passage = sockets::is_open(&self.passage).then(|| self.passage.1.as_raw_fd());
            let calls = self.sockets.open_descriptors().chain(passage);
            descriptors.extend(calls.map(|descriptor| (descriptor, Interest::Readable, None)));
        }
        descriptors
    }

    /// Somebody connects while no child serves.
    pub fn wake(&mut self, now: Instant) {
        self.children.handle_demand(now);
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
            self.sockets.follow(&self.serving.settings, &service.settings);
            self.sockets.replace(sockets);
            self.serving = service;
        }
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
        self.children.handle_stop(stop, now);
    }

    /// One child more.
    pub fn grow(&mut self, now: Instant) {
        self.children.handle_more(now);
    }

    /// One child less.
    pub fn shrink(&mut self, now: Instant) {
        self.children.handle_fewer(now);
    }

    /// Asks the children that serve for their numbers; not again those that have not answered yet.
    pub fn count(&mut self) {
        for id in self.children.serving().collect::<Vec<_>>() {
            if self.asked.insert(id) {
                self.tell(id, Command::Count);
            }
        }
    }

    /// Whether all who were asked have answered.
    pub fn is_counted(&self) -> bool {
        self.asked.is_empty()
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
        let share = self.processes.values().filter(|process| process.is_resting()).count().max(1);
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
        if let Some(reason) = exit {
            let how =
                self.processes.remove(&id).map_or_else(String::new, |process| format!("process {}, {reason}", process.id));
            self.unused.remove(&id);
            self.asked.remove(&id);
            self.children.handle(id, Said::Exited(how), now);
        } else if let (Some(what), Some(process)) = (heard.broken, self.processes.get(&id)) {
            let how = format!("process {}: {what}", process.id);
            self.children.handle(id, Said::Broken(how), now);
        }
    }

    fn handle_report(&mut self, id: ChildId, report: Report, now: Instant) {
        let said = match report {
            Report::Ready => Said::Ready,
            // Failing is no success, whatever the application says.
            Report::Failed { code, text } => Said::Failed(Failure { code: if code == 0 { EX_SOFTWARE } else { code }, text }),
            Report::Saturated => Said::Saturated,
            Report::Relieved => Said::Relieved,
            Report::Worn if self.children.is_worn(id) => return,
            Report::Worn => {
                self.say_why(id, "max-requests");
                Said::Worn
            }
            Report::Retired => Said::Retired,
            Report::Numbers(numbers) => return self.handle_numbers(id, numbers, now),
        };
        self.children.handle(id, said, now);
    }

    fn say_why(&self, id: ChildId, limit: &str) {
        if let Some(process) = self.processes.get(&id) {
            log::info!("pool {}: process {} has reached {limit} and is replaced", self.name, process.id);
        }
    }

    fn handle_numbers(&mut self, id: ChildId, numbers: Numbers, now: Instant) {
        self.asked.remove(&id);
        if let Some(process) = self.processes.get_mut(&id) {
            process.numbers = Some(numbers);
        }
        let (since, requests) = *self.unused.entry(id).or_insert((now, numbers.requests));
        if requests != numbers.requests || numbers.busy > 0 || numbers.queued > 0 {
            self.unused.insert(id, (now, numbers.requests));
            return;
        }
        let timeout = self.settings().idle_timeout;
        if numbers.connections == 0 && timeout.is_some_and(|timeout| now.duration_since(since) >= timeout) {
            self.children.handle(id, Said::Unused, now);
        }
    }

    /// Time has passed; `tick` says that about a second has.
    pub fn handle_timeout(&mut self, tick: bool, now: Instant) {
        if tick && self.children.may_shrink() && self.children.wanted() == 1 {
            self.count();
        }
        if tick && let Some(limit) = self.settings().max_rss {
            self.weigh(limit, now);
        }
        let is_due = |(id, process): (&ChildId, &Process)| process.next_deadline().filter(|due| *due <= now).map(|_| *id);
        let due: Vec<ChildId> = self.processes.iter().filter_map(is_due).collect();
        due.into_iter().for_each(|id| self.listen_to(id, now));
        self.children.handle_timeout(now);
    }

    /// Whether it needs to be looked after every second.
    pub fn needs_ticks(&self) -> bool {
        let asks = self.children.may_shrink() && self.children.wanted() == 1;
        asks || self.settings().max_rss.is_some()
    }

    fn weigh(&mut self, limit: u64, now: Instant) {
        for id in self.children.serving().collect::<Vec<_>>() {
            let memory = self.processes.get(&id).and_then(Process::resident_memory);
            if memory.is_some_and(|memory| memory > limit) && !self.children.is_worn(id) {
                self.say_why(id, "max-rss");
                self.children.handle(id, Said::Worn, now);
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.processes.values().filter_map(Process::next_deadline).chain(self.children.next_deadline()).min()
    }

    /// Does what the state of the children asks for, until there is nothing more; returns what has come of it all.
    pub fn perform(&mut self, program: &dyn Program, now: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            let actions = self.children.take_actions();
            if actions.is_empty() {
                return outcomes;
            }
            for action in actions {
                match action {
                    Action::Spawn(id, generation) => self.spawn(id, generation, program, now),
                    Action::Tell(id, command) => self.tell(id, command),
                    Action::Terminate(id) => self.signal(id, signal::TERM),
                    Action::Kill(id) => self.signal(id, signal::KILL),
                    Action::Note(text) => log::warn!("pool {}: {text}", self.name),
                    Action::Inform(text) => log::info!("pool {}: {text}", self.name),
                    Action::Report(outcome) => outcomes.push(self.conclude(outcome)),
                }
            }
        }
    }

    fn conclude(&mut self, outcome: Outcome) -> Outcome {
        if matches!(outcome, Outcome::Rolled | Outcome::Short(_)) {
            self.sockets.keep_only(&self.serving.settings.listen);
        }
        outcome
    }

    fn signal(&self, id: ChildId, number: i32) {
        if let Some(process) = self.processes.get(&id) {
            process.signal(number);
        }
    }

    fn spawn(&mut self, id: ChildId, generation: Generation, program: &dyn Program, now: Instant) {
        if let Err(error) = self.renew_passage() {
            log::error!("pool {}: the passage between its processes is shut, and cannot be made again: {error}", self.name);
        }
        let (service, sockets) = match &self.tried {
            Some((service, sockets)) if generation != self.children.generation() => (service, sockets),
            _ => (&self.serving, &self.sockets),
        };
        let Service { settings, config } = service;
        let listeners = sockets.descriptors_of(&settings.listen);
        let passage = self.passage();
        let spawned =
            Process::spawn(|ends: ChildEnds| program.run_child(settings, config, Inherited { listeners, passage, ends }));
        match spawned {
            Ok(process) => {
                log::debug!("pool {}: child {} is process {}", self.name, id.0, process.id);
                self.processes.insert(id, process);
            }
            Err(error) => {
                let failure = Failure { code: EX_OSERR, text: format!("cannot start a child: {error}") };
                self.children.handle(id, Said::Failed(failure), now);
                self.children.handle(id, Said::Exited("it was never started".to_owned()), now);
            }
        }
    }
}

fn voices(settings: &config::Pool) -> Voices {
    [settings.stdout_level, settings.stderr_level].map(|level| (level, settings.app_log))
}

fn policy(settings: &config::Pool) -> Policy {
    Policy {
        min: settings.processes.min,
        max: settings.processes.max,
        startup_timeout: settings.startup_timeout,
        graceful_timeout: settings.graceful_timeout,
        idle_timeout: settings.idle_timeout,
        max_lifetime: settings.max_lifetime,
    }
}
