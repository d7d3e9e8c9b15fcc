//! One pool at run time: its sockets, its settings by generation, its children and their processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

use super::children::{Action, ChildId, Children, Failure, Generation, Outcome, Policy, Said, Stop};
use super::process::{ChildEnds, Process};
use super::sockets::{Passage, Sockets};
use super::{Inherited, Program};
use crate::config::{self, Config};
use crate::link::{Command, Numbers, Report};
use crate::sys::poll::Interest;
use crate::sys::process::{EX_OSERR, EX_SOFTWARE};
use crate::sys::signal;

/// A pool that runs.
#[derive(Debug)]
pub struct RunningPool {
    name: String,
    settings: BTreeMap<Generation, config::Pool>,
    sockets: Sockets,
    passage: Passage,
    children: Children,
    processes: BTreeMap<ChildId, Process>,
    /// Children that were asked for their numbers and have not answered.
    asked: BTreeSet<ChildId>,
    /// Since when a child that may be the last has had no request, and how many it had then.
    unused: BTreeMap<ChildId, (Instant, u64)>,
}

impl RunningPool {
    /// A pool whose children are to be started, on sockets that are bound already.
    pub fn new(settings: config::Pool, sockets: Sockets, passage: Passage, now: Instant) -> Self {
        let children = Children::new(policy(&settings), now);
        Self::with_children(settings, sockets, passage, children)
    }

    /// A pool whose children serve already.
    pub fn adopt(settings: config::Pool, sockets: Sockets, passage: Passage, processes: Vec<Process>, now: Instant) -> Self {
        let (children, ids) = Children::adopt(policy(&settings), processes.len(), now);
        let mut pool = Self::with_children(settings, sockets, passage, children);
        pool.processes = ids.into_iter().zip(processes).collect();
        pool
    }

    fn with_children(settings: config::Pool, sockets: Sockets, passage: Passage, children: Children) -> Self {
        let (name, unused, processes, asked) = (settings.name.clone(), BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let settings = BTreeMap::from([(Generation(0), settings)]);
        Self { name, settings, sockets, passage, children, processes, asked, unused }
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

    /// The state of its children.
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// Its processes.
    pub fn processes(&self) -> impl Iterator<Item = (ChildId, &Process)> {
        self.processes.iter().map(|(id, process)| (*id, process))
    }

    /// The settings that the newest children were started with.
    pub fn settings(&self) -> Option<&config::Pool> {
        self.settings.last_key_value().map(|(_, settings)| settings)
    }

    /// What to wait for, and which child has something to say or to hear then; none means that a sleeping pool is wanted.
    pub fn watched(&self, now: Instant) -> Vec<(RawFd, Interest, Option<ChildId>)> {
        let of_child = |(id, process): (&ChildId, &Process)| {
            process.watched(now).map(|(fd, interest)| (fd, interest, Some(*id))).collect::<Vec<_>>()
        };
        let mut descriptors: Vec<_> = self.processes.iter().flat_map(of_child).collect();
        if self.children.is_asleep() {
            let calls = self.sockets.descriptors().chain([self.passage.1.as_raw_fd()]);
            descriptors.extend(calls.map(|descriptor| (descriptor, Interest::Readable, None)));
        }
        descriptors
    }

    /// Somebody connects while no child serves.
    pub fn wake(&mut self, now: Instant) {
        self.children.handle_demand(now);
    }

    /// Begins a reload with these settings, whose sockets are bound.
    pub fn reload(&mut self, settings: config::Pool, sockets: Sockets, now: Instant) {
        self.sockets.replace(sockets);
        let generation = self.children.handle_reload(policy(&settings), now);
        self.settings.insert(generation, settings);
    }

    /// Drops what only one side of a finished reload needs.
    fn forget(&mut self, succeeded: bool) {
        if succeeded {
            self.follow_settings();
        }
        while self.settings.len() > 1 {
            if succeeded {
                self.settings.pop_first()
            } else {
                self.settings.pop_last()
            };
        }
        if let Some((_, settings)) = self.settings.last_key_value() {
            self.sockets.keep_only(&settings.listen);
        }
    }

    /// Only what has changed: somebody may have changed something else by hand.
    fn follow_settings(&self) {
        if let (Some((_, old)), Some((_, new))) = (self.settings.first_key_value(), self.settings.last_key_value()) {
            self.sockets.follow(old, new);
        }
    }

    /// Ends its children, and stops listening: who connects from now on is told so, and does not wait for nobody. What waits in the
    /// backlog is still the children's, who have the sockets too.
    pub fn stop(&mut self, stop: Stop, now: Instant) {
        self.sockets = Sockets::default();
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
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.send_commands();
        // In this order: what a child said before its end is read after its end is known.
        let exit = process.reap();
        let heard = match exit {
            Some(_) => process.listen_to_last_words(&self.name),
            None => process.listen(&self.name, u32::try_from(share).unwrap_or(u32::MAX)),
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
        let timeout = self.settings().and_then(|settings| settings.idle_timeout);
        if numbers.connections == 0 && timeout.is_some_and(|timeout| now.duration_since(since) >= timeout) {
            self.children.handle(id, Said::Unused, now);
        }
    }

    /// Time has passed; `tick` says that about a second has.
    pub fn handle_timeout(&mut self, tick: bool, now: Instant) {
        if tick && self.children.may_shrink() && self.children.wanted() == 1 {
            self.count();
        }
        if tick && let Some(limit) = self.settings().and_then(|settings| settings.max_rss) {
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
        asks || self.settings().is_some_and(|settings| settings.max_rss.is_some())
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
    pub fn perform(&mut self, program: &dyn Program, config: &Config, now: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            let actions = self.children.take_actions();
            if actions.is_empty() {
                return outcomes;
            }
            for action in actions {
                match action {
                    Action::Spawn(id, generation) => self.spawn(id, generation, (program, config), now),
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
        match &outcome {
            Outcome::Reloaded => self.forget(true),
            // The settings of children that serve must stay, so only what nobody was started with goes.
            Outcome::NotReloaded(_) if self.children.serves_newest() => self.forget(true),
            Outcome::NotReloaded(_) => self.forget(false),
            Outcome::Started | Outcome::NotStarted(_) | Outcome::Stopped => {}
        }
        outcome
    }

    fn signal(&self, id: ChildId, number: i32) {
        if let Some(process) = self.processes.get(&id) {
            process.signal(number);
        }
    }

    fn spawn(&mut self, id: ChildId, generation: Generation, (program, config): (&dyn Program, &Config), now: Instant) {
        let spawned = match self.settings.get(&generation) {
            Some(settings) => {
                let listeners = self.sockets.descriptors_of(&settings.listen);
                let passage = self.passage();
                Process::spawn(|ends: ChildEnds| program.run_child(settings, config, Inherited { listeners, passage, ends }))
            }
            None => Err(io::Error::other("its settings are gone")),
        };
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
