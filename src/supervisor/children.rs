//! The children of one pool: which are to be started, retired and killed when. Pure: what happened and the time come in,
//! [`Action`]s go out. Knows no process, only [`ChildId`]s.
//!
//! ```text
//!           Spawn             Ready           Tell(Begin)          Tell(Retire)            exit
//!   (none) ───────▶ Booting ─────────▶ Ready ────────────▶ Serving ────────────▶ Retiring ──────▶ (gone)
//!                      │                 │ not wanted         │ exit: a crash       │ too slow
//!                      │ failed, too     │ after all          ▼                     ▼ Kill
//!                      ▼ slow            ▼                  (gone, another one    Ending
//!                   Ending ◀─────────────┘                   is started)
//!                      └────exit──▶ (gone)
//! ```
//!
//! The pool as a whole, at a start and in a reload:
//!
//! ```text
//!   start ────────▶ Trying ──────▶ Tried ────────▶ Rolling ─────────────▶ Steady
//!   reload            │  its first    │   handle_commit    its others, too   ▲
//!   (from Steady)     │  child is     │                                      │
//!                     ▼  ready        ▼ handle_abandon                       │
//!                  refused ───────────┴──────────────────────────────────────┘  a pool that is new: Refused, until it is stopped
//! ```
//!
//! Everything else follows from three numbers: how many children are wanted, how many of the newest kind serve, and how many
//! serve at all. A child that is outdated (by a reload) or worn (by its requests, age or memory) is retired when enough others
//! serve, so that a new one that does not come up costs nothing.

use std::time::{Duration, Instant};

use log::Level;

use shared::link::{Command, Failure, Report};
use shared::logging::codes::{self, Code};
use shared::sys::process::EX_SOFTWARE;

mod backoff;
mod child;
mod condition;
mod events;
mod time;

pub use self::time::END_SLACK;
use backoff::Backoff;
use child::{Child, ChildState};
pub use condition::{Condition, Failing};
pub use events::{Action, ChildId, Event, Generation, Limits, Outcome, Policy, Stand, Stop};

/// What is going on beside keeping the number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PoolPhase {
    Steady,
    /// The first child of this generation is tried.
    Trying(Generation),
    /// It is ready, and does not begin before that is decided.
    Tried(Generation),
    /// It serves; the others are replaced.
    Rolling,
    /// The first child of a pool that is new does not come up: it waits for its stop.
    Refused,
    Stopping(Stop),
    Stopped,
}

/// The children of one pool.
#[derive(Debug)]
pub struct Children {
    policy: Policy,
    /// That of the generation that is tried. Invariant: only while one is.
    tried: Option<Policy>,
    phase: PoolPhase,
    wanted: usize,
    generation: Generation,
    /// The newest that was tried.
    newest: Generation,
    children: Vec<Child>,
    next_id: u32,
    backoff: Backoff,
    /// Why no child has come up since then, if that is so.
    failing: Option<Failing>,
    last_need: Instant,
    actions: Vec<Action>,
}

impl Children {
    /// A pool that is to be started, with one child first. One that starts on demand has nothing to try.
    pub fn new(policy: Policy, now: Instant) -> Self {
        let mut children = Self::of(policy, PoolPhase::Trying(Generation(0)), now);
        children.wanted = policy.min;
        if policy.min == 0 {
            children.report(Outcome::Tried, PoolPhase::Tried(Generation(0)));
        }
        children.plan(now);
        children
    }

    /// A pool whose children serve already, started by the program that this one has replaced; it is reloaded.
    pub fn adopt(policy: Policy, stands: &[Stand], now: Instant) -> (Self, Vec<ChildId>) {
        let mut children = Self::of(policy, PoolPhase::Steady, now);
        let ids = stands.iter().map(|stand| children.take_over(stand, now)).collect();
        children.wanted = children.serving().count().clamp(policy.min, policy.max);
        (children, ids)
    }

    fn take_over(&mut self, stand: &Stand, now: Instant) -> ChildId {
        let state = if stand.is_leaving { ChildState::Retiring(true) } else { ChildState::Serving };
        let mut child = self.next_child(state, Generation(0), now.checked_sub(stand.age).unwrap_or(now));
        child.limits.graceful_timeout = stand.graceful_timeout;
        let id = child.id;
        self.children.push(child);
        id
    }

    fn of(policy: Policy, phase: PoolPhase, now: Instant) -> Self {
        Self {
            policy,
            tried: None,
            phase,
            wanted: 0,
            generation: Generation(0),
            newest: Generation(0),
            children: Vec::new(),
            next_id: 1,
            backoff: Backoff::default(),
            failing: None,
            last_need: now,
            actions: Vec::new(),
        }
    }

    /// What is to be done now.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Whether there is something to be done.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// The children that serve.
    pub fn serving(&self) -> impl Iterator<Item = ChildId> + '_ {
        self.children.iter().filter(|child| child.state == ChildState::Serving).map(|child| child.id)
    }

    /// The generation that serves, or is to in a pool that is new.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// What a program that takes over is told of a child.
    pub fn stand(&self, id: ChildId, now: Instant) -> Option<Stand> {
        self.children.iter().find(|child| child.id == id).map(|child| child.stand(now))
    }

    /// Whether nobody serves nor is about to, so that a request has to be looked for by the supervisor.
    pub fn is_asleep(&self) -> bool {
        self.phase == PoolPhase::Steady && self.wanted == 0 && self.count(|child| child.is_fresh(self.generation)) == 0
    }

    /// A word for what a child is doing, and its generation.
    pub fn describe(&self, id: ChildId) -> Option<(&'static str, Generation)> {
        let child = self.children.iter().find(|child| child.id == id)?;
        Some((word_of(child.state), child.generation))
    }

    /// The same of all of them.
    pub fn describe_all(&self) -> impl Iterator<Item = (ChildId, &'static str, Generation)> + '_ {
        self.children.iter().map(|child| (child.id, word_of(child.state), child.generation))
    }

    /// Whether a child is to be replaced.
    pub fn is_worn(&self, id: ChildId) -> bool {
        self.children.iter().any(|child| child.id == id && child.worn)
    }

    /// How many children there should be now.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether the pool shrinks when it is not needed.
    pub fn may_shrink(&self) -> bool {
        self.phase == PoolPhase::Steady && self.wanted > self.policy.min && self.policy.idle_timeout.is_some()
    }

    /// Something has happened to a child.
    pub fn handle(&mut self, id: ChildId, event: Event, now: Instant) {
        let Some(index) = self.children.iter().position(|child| child.id == id) else {
            return;
        };
        let state = self.children[index].state;
        match (state, event) {
            (ChildState::Booting, Event::Said(Report::Ready)) => self.be_ready(index, now),
            (ChildState::Booting, Event::Said(Report::Failed(failure))) => {
                self.children[index].enter(ChildState::Ending, now);
                self.fail(index, failure, now);
            }
            (ChildState::Booting | ChildState::Ready, Event::Exited { how, .. }) => {
                let when = if state == ChildState::Booting { "while starting" } else { "before it began to serve" };
                self.fail(index, Failure::new(EX_SOFTWARE, format!("a child exited {when}: {how}")), now);
                self.children.remove(index);
            }
            // It was adopted before it was ready.
            (ChildState::Serving, Event::Said(Report::Ready)) => self.actions.push(Action::Tell(id, Command::Begin)),
            (ChildState::Serving, Event::Exited { how, told }) => {
                let (level, code, why) = match told {
                    Some(name) => (Level::Info, codes::CHILD_WAS_SIGNALLED, format!("on {name}")),
                    None => (Level::Warn, codes::CHILD_EXITED, "unexpectedly".to_owned()),
                };
                self.actions.push(Action::Log(level, code, format!("a child exited {why} ({how}); starting another")));
                self.backoff.note_end(now.duration_since(self.children[index].since), now);
                self.children.remove(index);
            }
            (ChildState::Retiring(_) | ChildState::Ending, Event::Exited { .. }) => drop(self.children.remove(index)),
            (_, Event::Broken(what)) => self.kill_one(index, (codes::CHILD_NOT_TRUSTED, what), now),
            (_, Event::Hung(what)) => self.kill_one(index, (codes::CHILD_OVER_DEADLINE_KILLED, what), now),
            // It may have answered enough before its readiness was heard of.
            (ChildState::Booting | ChildState::Ready | ChildState::Serving, Event::Worn) => self.children[index].worn = true,
            (ChildState::Serving, Event::Overdue) => (self.children[index].worn, self.children[index].overdue) = (true, true),
            (ChildState::Serving, Event::Said(Report::Saturated)) => self.children[index].saturated = true,
            (ChildState::Serving, Event::Said(Report::Relieved)) => self.children[index].saturated = false,
            (ChildState::Serving, Event::Unused) if self.may_sleep() => self.wanted = 0,
            (ChildState::Retiring(_), Event::Said(Report::Retired)) => self.children[index].state = ChildState::Retiring(true),
            _ => {}
        }
        self.grow_by_need(now);
        self.plan(now);
    }

    /// Somebody connects while nobody serves.
    pub fn handle_demand(&mut self, now: Instant) {
        if self.is_asleep() {
            self.wanted = 1;
            self.last_need = now;
            self.plan(now);
        }
    }

    /// Loads the new code in one child. Nothing else changes before [`Self::handle_commit`].
    pub fn handle_reload(&mut self, policy: Policy, now: Instant) {
        self.tried = Some(policy);
        self.newest = Generation(self.newest.0 + 1);
        self.phase = PoolPhase::Trying(self.newest);
        self.plan(now);
    }

    /// The first child begins, if it is ready, and the others follow it.
    pub fn handle_commit(&mut self, now: Instant) {
        let PoolPhase::Tried(generation) = self.phase else {
            return;
        };
        if let Some(policy) = self.tried.take() {
            self.policy = policy;
            self.wanted = self.wanted.clamp(policy.min, policy.max);
            self.backoff = Backoff::default();
        }
        self.generation = generation;
        self.phase = PoolPhase::Rolling;
        self.end_starting(now, |child| child.generation != generation);
        if let Some(index) = self.children.iter().position(|child| child.state == ChildState::Ready) {
            self.begin(index, now);
        }
        self.plan(now);
    }

    /// The new code is not wanted after all: everything is as before it was tried.
    pub fn handle_abandon(&mut self, now: Instant) {
        let (PoolPhase::Trying(generation) | PoolPhase::Tried(generation)) = self.phase else {
            return;
        };
        (self.tried, self.phase) = (None, PoolPhase::Steady);
        self.end_starting(now, |child| child.generation == generation);
        self.plan(now);
    }

    /// Nobody wants these any more, and they have not begun.
    fn end_starting(&mut self, now: Instant, which: impl Fn(&Child) -> bool) {
        for child in self.children.iter_mut().filter(|child| which(child)) {
            if matches!(child.state, ChildState::Booting | ChildState::Ready) {
                child.enter(ChildState::Ending, now);
                self.actions.push(Action::Terminate(child.id));
            }
        }
    }

    /// Whether a reload may begin.
    pub fn is_steady(&self) -> bool {
        self.phase == PoolPhase::Steady
    }

    /// One child more, whatever the load is, until the next reload.
    pub fn handle_more(&mut self, now: Instant) {
        let Policy { min, max, .. } = &mut self.policy;
        (*min, *max) = ((*min + 1).min(MAX_CHILDREN), (*max + 1).min(MAX_CHILDREN));
        self.resize(self.wanted + 1, now);
    }

    /// One child less, likewise; the last one stays.
    pub fn handle_fewer(&mut self, now: Instant) {
        let Policy { min, max, .. } = &mut self.policy;
        (*min, *max) = (if *min > 1 { *min - 1 } else { *min }, (*max - 1).max(1));
        self.resize(self.wanted.saturating_sub(1), now);
    }

    fn resize(&mut self, wanted: usize, now: Instant) {
        if !matches!(self.phase, PoolPhase::Stopping(_) | PoolPhase::Stopped) {
            self.wanted = wanted.clamp(self.policy.min, self.policy.max);
            self.last_need = now;
            self.plan(now);
        }
    }

    /// Ends them all.
    pub fn handle_stop(&mut self, stop: Stop, now: Instant) {
        if [PoolPhase::Stopped, PoolPhase::Stopping(Stop::Now), PoolPhase::Stopping(stop)].contains(&self.phase) {
            return;
        }
        self.phase = PoolPhase::Stopping(stop);
        self.wanted = 0;
        let command = if stop == Stop::Now { Command::StopNow } else { Command::StopGracefully };
        for child in &mut self.children {
            self.actions.push(match child.state {
                ChildState::Booting | ChildState::Ready => Action::Terminate(child.id),
                _ => Action::Tell(child.id, command),
            });
            if child.state != ChildState::Ending || stop == Stop::Now {
                child.enter(ChildState::Ending, now);
            }
        }
        self.plan(now);
    }

    fn saturated(&self) -> usize {
        self.count(|child| child.state == ChildState::Serving && child.saturated)
    }

    fn be_ready(&mut self, index: usize, now: Instant) {
        self.backoff.note_success();
        match self.phase {
            PoolPhase::Trying(tried) if tried == self.children[index].generation => {
                self.children[index].enter(ChildState::Ready, now);
                self.report(Outcome::Tried, PoolPhase::Tried(tried));
            }
            _ => self.begin(index, now),
        }
    }

    fn begin(&mut self, index: usize, now: Instant) {
        self.failing = None;
        self.children[index].enter(ChildState::Serving, now);
        self.actions.push(Action::Tell(self.children[index].id, Command::Begin));
    }

    /// It is not as it should be, and does not end by itself.
    fn kill_one(&mut self, index: usize, (code, what): (Code, String), now: Instant) {
        let child = &mut self.children[index];
        if std::mem::replace(&mut child.killed, true) {
            return;
        }
        let (id, state, since) = (child.id, child.state, child.since);
        self.actions.push(Action::Kill(id));
        let text = format!("killing a child: {what}");
        match state {
            ChildState::Booting | ChildState::Ready => self.fail(index, Failure::new(EX_SOFTWARE, text), now),
            ChildState::Serving => {
                self.actions.push(Action::Log(Level::Warn, code, format!("{text}; starting another")));
                self.backoff.note_end(now.duration_since(since), now);
            }
            ChildState::Retiring(_) | ChildState::Ending => self.actions.push(Action::Log(Level::Warn, code, text)),
        }
        if let Some(child) = self.children.get_mut(index) {
            child.enter(ChildState::Ending, now);
        }
    }

    /// A child does not come up. What that means depends on what it was started for.
    fn fail(&mut self, index: usize, failure: Failure, now: Instant) {
        let generation = self.children[index].generation;
        match self.phase {
            PoolPhase::Trying(tried) | PoolPhase::Tried(tried) if tried == generation => {
                let is_new = self.tried.take().is_none();
                self.report(Outcome::Refused(failure), if is_new { PoolPhase::Refused } else { PoolPhase::Steady });
            }
            PoolPhase::Rolling => {
                self.note_failing(&failure, now);
                self.report(Outcome::Short(failure), PoolPhase::Steady);
            }
            PoolPhase::Refused | PoolPhase::Stopping(_) | PoolPhase::Stopped => {}
            PoolPhase::Steady | PoolPhase::Trying(_) | PoolPhase::Tried(_) => {
                self.note_failing(&failure, now);
                let wait = self.backoff.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
                let text = format!("{}; trying again in {:.1} s", failure.text, wait.as_secs_f64());
                let (level, code) = match self.serving().next() {
                    Some(_) => (Level::Warn, codes::CHILD_NOT_STARTED),
                    None => (Level::Error, codes::POOL_NOT_SERVING),
                };
                self.actions.push(Action::Log(level, code, text));
            }
        }
    }

    fn report(&mut self, outcome: Outcome, next: PoolPhase) {
        self.phase = next;
        self.actions.push(Action::Report(outcome));
    }

    /// One that saturates all that serve is answered with another child, if there may be one.
    fn grow_by_need(&mut self, now: Instant) {
        let (serving, saturated) = (self.serving().count(), self.saturated());
        if serving == 0 || saturated < serving {
            return;
        }
        self.last_need = now;
        if self.phase == PoolPhase::Steady && serving >= self.wanted && self.wanted < self.policy.max {
            self.wanted += 1;
        }
    }

    fn may_sleep(&self) -> bool {
        self.policy.min == 0 && self.wanted == 1 && self.phase == PoolPhase::Steady
    }

    /// Brings the number of children to what is wanted, and sees whether that is so.
    fn plan(&mut self, now: Instant) {
        match self.phase {
            PoolPhase::Stopped | PoolPhase::Refused => {}
            PoolPhase::Stopping(_) if self.children.is_empty() => self.report(Outcome::Stopped, PoolPhase::Stopped),
            PoolPhase::Stopping(_) => {}
            PoolPhase::Trying(generation) | PoolPhase::Tried(generation) => {
                let is_trying = self.phase == PoolPhase::Trying(generation);
                if is_trying && self.count(|child| child.generation == generation) == 0 {
                    self.spawn(generation, now);
                }
                self.refill(now);
            }
            PoolPhase::Steady | PoolPhase::Rolling => {
                self.refill(now);
                self.retire_surplus(now);
                self.finish_rolling();
            }
        }
    }

    fn refill(&mut self, now: Instant) {
        while self.is_to_refill() && self.backoff.until().is_none_or(|until| until <= now) {
            self.spawn(self.generation, now);
        }
    }

    /// Whether another child is started as soon as that may be. If not, whatever changes that makes a plan.
    fn is_to_refill(&self) -> bool {
        let may = match self.phase {
            PoolPhase::Steady | PoolPhase::Rolling => true,
            // What is tried is not what serves.
            PoolPhase::Trying(generation) | PoolPhase::Tried(generation) => generation != self.generation,
            PoolPhase::Stopping(_) | PoolPhase::Stopped | PoolPhase::Refused => false,
        };
        let is_short = || self.count(|child| child.is_fresh(self.generation)) < self.wanted;
        may && is_short() && self.may_boot()
    }

    /// What an import does once (it makes a database, say) several at a time would do against each other: while none serves, one
    /// imports, and the others come after it.
    fn may_boot(&self) -> bool {
        let serves = |child: &Child| child.state == ChildState::Serving && child.generation == self.generation;
        let imports = |child: &Child| child.state == ChildState::Booting && child.is_fresh(self.generation);
        self.count(serves) > 0 || self.count(imports) == 0
    }

    fn spawn(&mut self, generation: Generation, now: Instant) {
        self.limit_held_up();
        let child = self.next_child(ChildState::Booting, generation, now);
        self.actions.push(Action::Spawn(child.id, generation));
        self.children.push(child);
    }

    /// However many requests do not end, the pool does not have more than twice as many children as it may. The oldest has had the
    /// most time.
    fn limit_held_up(&mut self) {
        let mut count = self.count(Child::is_held_up);
        for child in self.children.iter_mut().filter(|child| child.is_held_up()) {
            if count < self.policy.max {
                return;
            }
            count -= 1;
            child.killed = true;
            let text = "as many children as there may be have requests that do not end; killing the oldest of them";
            self.actions.push(Action::Log(Level::Warn, codes::CHILD_OVER_DEADLINE_KILLED, text.to_owned()));
            self.actions.push(Action::Kill(child.id));
        }
    }

    fn next_child(&mut self, state: ChildState, generation: Generation, since: Instant) -> Child {
        let id = ChildId(self.next_id);
        self.next_id += 1;
        let Policy { limits, .. } = self.tried.filter(|_| generation == self.newest).unwrap_or(self.policy);
        let (has_served, worn, overdue, saturated, killed) = (state != ChildState::Booting, false, false, false, false);
        Child { id, generation, limits, state, since, worn, overdue, saturated, has_served, killed }
    }

    /// The outdated and the worn go first, the oldest before the others, and then the youngest, whose memory is the least warm.
    fn retire_surplus(&mut self, now: Instant) {
        let generation = self.generation;
        while self.serving().count() > self.wanted {
            let serving = self.children.iter_mut().filter(|child| child.state == ChildState::Serving);
            let Some(child) = serving.min_by_key(|child| child.retirement_rank(generation)) else {
                return;
            };
            child.enter(ChildState::Retiring(false), now);
            self.actions.push(Action::Tell(child.id, Command::Retire));
        }
        let surplus = self.count(|child| child.is_fresh(generation)).saturating_sub(self.wanted);
        let booting = self.children.iter_mut().rev().filter(|child| child.state == ChildState::Booting);
        for child in booting.take(surplus) {
            child.enter(ChildState::Ending, now);
            self.actions.push(Action::Terminate(child.id));
        }
    }

    fn finish_rolling(&mut self) {
        let generation = self.generation;
        let fresh = self.count(|child| child.is_fresh(generation) && child.state == ChildState::Serving);
        if fresh < self.wanted {
            return;
        }
        let begins_requests = |child: &Child| match child.state {
            ChildState::Serving => child.generation != generation,
            ChildState::Retiring(retired) => !retired,
            ChildState::Booting | ChildState::Ready | ChildState::Ending => false,
        };
        if self.phase == PoolPhase::Rolling && self.count(begins_requests) == 0 {
            self.report(Outcome::Rolled, PoolPhase::Steady);
        }
    }

    fn count(&self, is: impl Fn(&Child) -> bool) -> usize {
        self.children.iter().filter(|child| is(child)).count()
    }
}

fn word_of(state: ChildState) -> &'static str {
    match state {
        ChildState::Booting => "starting",
        ChildState::Ready => "ready",
        ChildState::Serving => "serving",
        ChildState::Retiring(_) => "retiring",
        ChildState::Ending => "ending",
    }
}

/// As for the option.
const MAX_CHILDREN: usize = 1024;

#[cfg(test)]
mod tests;
