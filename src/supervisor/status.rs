//! What `pyfcgid status` tells.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Supervisor;
use super::children::{ChildId, Condition, Failing, Generation};
use super::control_socket::{Client, no_such_pool};
use super::counts::{OUTCOMES, by_word};
use super::pool::{Figures, RunningPool};
use super::process::Process;
use crate::config::EX_USAGE;
use crate::control_protocol::{ControlRequest, Scope};
use crate::log_writer;
use crate::report::{self, ChildStatus, FailingStatus, PoolStatus, SCHEMA, Status, Times, Workers, seconds};
use shared::scoreboard::refused::RefusedFor;
use shared::scoreboard::roster::{EXITS, STOPPED};
use shared::scoreboard::tally::STEP_NAMES;
use shared::sys::process::{self, Usage, monotonic_time};
use shared::sys::terminal;

impl Supervisor<'_> {
    /// Answers at once, whatever the children are doing.
    pub(super) fn tell_status(&mut self, client: Client, scope: &Scope) {
        let status = self.status(scope, Instant::now());
        let code = if status.serves() { 0 } else { EX_NOT_SERVING };
        self.answer(client, &status, code);
    }

    /// The client again, unless it asks about a pool that there is not.
    pub(super) fn knows(&self, client: Client, request: &ControlRequest) -> Option<Client> {
        let names = self.pools.iter().map(|pool| &*pool.name);
        match request {
            ControlRequest::Status { scope: Scope::Pool(name) }
            | ControlRequest::Requests { scope: Scope::Pool(name) }
            | ControlRequest::Stacks { scope: Scope::Pool(name), .. }
                if !names.clone().any(|pool| pool == name) =>
            {
                client.end(EX_USAGE, &format!("pyfcgid: {}", no_such_pool(name, names)));
                None
            }
            _ => Some(client),
        }
    }

    /// Sends values, as soon as the client reads them.
    pub(super) fn answer(&mut self, client: Client, values: &impl Serialize, code: u8) {
        if let Some(control) = &mut self.control {
            control.finish(client, &report::json(values), code);
        }
    }

    fn status(&self, scope: &Scope, now: Instant) -> Status {
        let pools = self.pools.iter().filter(|pool| scope.has(&pool.name));
        Status {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: now.duration_since(self.started).as_secs(),
            advice: self.config.without_pool(),
            failed_reload: self.failed_reload.as_ref().map(|(_, reason)| reason.told(fault)),
            last_reload: self.reloads.last(now),
            reloads: by_word(OUTCOMES, self.reloads.counts),
            log_lines_lost: log_writer::lost_so_far(),
            bounds: report::bounds(),
            pools: pools.map(|pool| pool_status(pool, self.removes(pool), now)).collect(),
        }
    }

    fn removes(&self, pool: &RunningPool) -> bool {
        let is_there = self.config.pools.iter().any(|settings| settings.name == pool.name);
        !is_there && pool.children.condition() == Condition::Stopping
    }
}

fn pool_status(pool: &RunningPool, removed: bool, now: Instant) -> PoolStatus {
    let (waiting, first) = waiting(pool);
    let (children, tally, scoreboard) = (&pool.children, pool.tally(), &pool.ties.scoreboard);
    let (processes, all): (Vec<&Process>, Vec<ChildStatus>) =
        pool.processes().map(|(id, process)| (process, child_status(pool, id, process, now))).unzip();
    let serving = processes.into_iter().zip(&all).filter(|(_, child)| is_serving(child)).map(|(process, _)| process);
    let stuck = pool.standstill(serving);
    let workers = workers(&all);
    let state = condition_word(pool, &all);
    PoolStatus {
        name: pool.name.clone(),
        state: state.to_owned(),
        serves: ["serving", "saturated", "sleeping"].contains(&state),
        removed,
        listen: pool.sockets.names(pool.settings()),
        wanted: children.wanted(),
        processes: by_state(&all),
        workers,
        waiting,
        max_queue: pool.settings().max_queue,
        first_waits: first.map(seconds),
        stuck: stuck.map(seconds),
        answered: tally.requests(),
        requests: by_word(CLASSES, tally.classes),
        aborted: tally.aborted,
        slow: tally.slow,
        timeouts: by_word(STEP_NAMES, tally.timeouts),
        refused: scoreboard.refused(RefusedFor::QueueFull),
        refused_by: by_word(RefusedFor::ALL.map(RefusedFor::word), RefusedFor::ALL.map(|reason| scoreboard.refused(reason))),
        duration: Times::of(&tally.duration),
        queue_wait: Times::of(&tally.queue_wait),
        failing: children.failing().map(|(failing, next)| failing_status(failing, next, now)),
        exits: by_word(EXITS, pool.exits),
        memory: all.iter().filter_map(|child| child.memory).fold(0, u64::saturating_add),
        cpu: all.iter().filter_map(|child| child.cpu).sum(),
        queue_process: pool.queue_process().map(|process| process.id.number()),
        children: all,
    }
}

fn failing_status(Failing { since, text }: &Failing, next: Option<Instant>, now: Instant) -> FailingStatus {
    let next = next.map(|next| seconds(next.saturating_duration_since(now)));
    FailingStatus { r#for: seconds(now.duration_since(*since)), error: fault(text), next_try_in: next }
}

fn child_status(pool: &RunningPool, id: ChildId, process: &Process, now: Instant) -> ChildStatus {
    let (state, generation) = pool.children.describe(id).unwrap_or(("ended", Generation(0)));
    let (figures, usage) = (pool.figures(process), process::usage(process.id));
    let known = figures.is_some();
    let Figures { tally, busy, queued, connections } = figures.unwrap_or_default();
    ChildStatus {
        pid: process.id.number(),
        state: state.to_owned(),
        stopped: process.is_stopped,
        generation: generation.0,
        uptime: now.duration_since(process.started).as_secs(),
        known,
        requests: tally.requests().saturating_add(busy as u64),
        workers: process.desk.as_ref().map_or(0, |desk| desk.slots.len()),
        busy,
        oldest: oldest(pool, process).map(seconds),
        queued,
        connections,
        memory: usage.map(|Usage { memory, .. }| memory),
        cpu: usage.map(|Usage { cpu, .. }| seconds(cpu)),
    }
}

/// The age of the oldest request of a child.
fn oldest(pool: &RunningPool, process: &Process) -> Option<Duration> {
    pool.busy(process).map(|glance| monotonic_time().saturating_sub(glance.request.taken)).max()
}

fn by_state(children: &[ChildStatus]) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = STATES.iter().map(|state| ((*state).to_owned(), 0)).collect();
    let state = |child: &ChildStatus| if child.stopped { STOPPED.to_owned() } else { child.state.clone() };
    children.iter().for_each(|child| *counts.entry(state(child)).or_default() += 1);
    counts
}

fn workers(children: &[ChildStatus]) -> Workers {
    let serving = || children.iter().filter(|child| is_serving(child));
    let busy = serving().map(|child| child.busy).sum();
    Workers { busy, idle: serving().map(|child| child.workers.saturating_sub(child.busy)).sum() }
}

/// Whether it takes requests, and can answer them.
fn is_serving(child: &ChildStatus) -> bool {
    child.state == SERVING && !child.stopped
}

/// A pool all of whose children are stopped by a signal serves nobody, though they would if they could.
fn condition_word(pool: &RunningPool, children: &[ChildStatus]) -> &'static str {
    let serves = |child: &ChildStatus| !child.stopped && [SERVING, "retiring"].contains(&child.state.as_str());
    match pool.children.condition() {
        Condition::Serving if !children.iter().any(serves) => STOPPED,
        _ => pool.state_word(),
    }
}

/// How many requests wait, and for how long the first on the line has.
fn waiting(pool: &RunningPool) -> (usize, Option<Duration>) {
    let (in_children, first) = (pool.ties.scoreboard.waiting(), pool.ties.first_waits());
    (in_children.max(usize::from(first.is_some())), first)
}

/// What went wrong, without how it came to that: what we make of it, else the last line of a traceback. What an application says is an
/// application's.
pub(super) fn fault(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let own = text.lines().rev().find_map(|line| line.strip_prefix("pyfcgid: "));
    let last = text.lines().rfind(|line| !line.trim().is_empty()).filter(|_| first.starts_with("Traceback "));
    terminal::escaped(own.or(last).unwrap_or(first))
}

const SERVING: &str = "serving";
/// Of a child.
const STATES: [&str; 6] = ["starting", "ready", SERVING, "retiring", "ending", STOPPED];
/// Of statuses, as a tally has them.
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// A pool does not serve.
const EX_NOT_SERVING: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn child(state: &str, workers: usize, busy: usize) -> ChildStatus {
        ChildStatus { state: state.to_owned(), workers, busy, ..ChildStatus::default() }
    }

    #[test]
    fn workers_are_those_of_children_that_can_answer() {
        let stopped = ChildStatus { stopped: true, ..child(SERVING, 8, 1) };
        let children = [child(SERVING, 4, 3), child(SERVING, 2, 99), stopped, child("starting", 5, 0)];
        assert_eq!(workers(&children), Workers { busy: 102, idle: 1 });
        let counts = by_state(&children);
        assert_eq!((counts[SERVING], counts[STOPPED], counts["retiring"], counts.len()), (2, 1, 0, STATES.len()));
    }

    #[test]
    fn requests_are_counted_by_the_class_of_their_status() {
        let counts = by_word(CLASSES, [6, 1, 2, 3, 4, 5]);
        assert_eq!((counts["other"], counts["1xx"], counts["5xx"]), (6, 1, 5));
    }

    #[test]
    fn an_error_is_told_in_the_line_that_says_what_it_is() {
        let traceback = "Traceback (most recent call last):\n  File \"a.py\"\nE: no\npyfcgid: cannot load: E: no";
        assert_eq!(fault(traceback), "cannot load: E: no");
        assert_eq!(fault("Traceback (most recent call last):\n  File \"a.py\"\nE: \u{1b}\n\n"), "E: \\u{1b}");
        assert_eq!(fault("cannot start a child\nmore"), "cannot start a child");
    }
}
