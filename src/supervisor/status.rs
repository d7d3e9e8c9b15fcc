//! What `pyfcgid status` tells.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Supervisor;
use super::children::{ChildId, Condition, Failing, Generation};
use super::control_socket::{Client, no_such_pool};
use super::pool::{Figures, RunningPool};
use super::process::Process;
use crate::config::EX_USAGE;
use crate::control_protocol::{Form, Scope};
use shared::sys::terminal;

impl Supervisor<'_> {
    /// Answers at once, whatever the children are doing.
    pub(super) fn tell_status(&self, mut client: Client, scope: &Scope, form: Form) {
        let names = self.pools.iter().map(RunningPool::name);
        if let Scope::Pool(name) = scope
            && !names.clone().any(|pool| pool == name)
        {
            return client.end(EX_USAGE, &format!("pyfcgid: {}", no_such_pool(name, names)));
        }
        let status = self.status(scope, Instant::now());
        client.say(&match form {
            Form::Text => status.to_string(),
            Form::Json => serde_json::to_string(&status).unwrap_or_default(),
        });
        client.end(if status.is_healthy() { 0 } else { EX_NOT_SERVING }, "");
    }

    fn status(&self, scope: &Scope, now: Instant) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            uptime: now.duration_since(self.started).as_secs(),
            advice: self.config.without_pool(),
            failed_reload: self.failed_reload.as_ref().map(|(_, reason)| reason.told(fault)),
            pools: self.pools.iter().filter(|pool| scope.has(pool.name())).map(|pool| self.pool_status(pool, now)).collect(),
        }
    }

    fn pool_status(&self, pool: &RunningPool, now: Instant) -> PoolStatus {
        let is_there = self.config.pools.iter().any(|settings| settings.name == pool.name());
        let is_removed = !is_there && pool.children().condition() == Condition::Stopping;
        PoolStatus::of(pool, is_removed, now)
    }
}

/// How the whole process is. Its fields are those of the JSON.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    pid: u32,
    /// In seconds.
    uptime: u64,
    /// What to do while there is no pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// Why the last reload has failed, unless one has succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_reload: Option<String>,
    pools: Vec<PoolStatus>,
}

#[derive(Serialize)]
struct PoolStatus {
    name: String,
    state: &'static str,
    listen: Vec<String>,
    /// Children that there are to be.
    wanted: usize,
    /// Requests without a worker.
    waiting: usize,
    max_queue: usize,
    /// Requests that its workers have answered so far, also in children that have gone.
    answered: u64,
    /// Requests that were answered 503 so far.
    refused: u64,
    /// For how long the first on the line has waited, in seconds.
    first_waits: Option<f64>,
    failing: Option<FailingStatus>,
    /// Its process id.
    queue_process: Option<i32>,
    children: Vec<ChildStatus>,
    /// It ends because the configuration does not have it any more, which is as it should be.
    #[serde(skip)]
    is_removed: bool,
    #[serde(skip)]
    threads: usize,
    #[serde(skip)]
    serving: usize,
}

/// Why no child comes up; times are in seconds.
#[derive(Serialize)]
struct FailingStatus {
    r#for: f64,
    error: String,
    next_try_in: Option<f64>,
}

#[derive(Serialize)]
struct ChildStatus {
    pid: i32,
    state: &'static str,
    generation: u32,
    /// In seconds.
    uptime: u64,
    requests: u64,
    busy: usize,
    queued: u64,
    connections: u64,
    /// Whether it has a seat at our scoreboard.
    #[serde(skip)]
    is_known: bool,
}

impl Status {
    fn is_healthy(&self) -> bool {
        self.pools.iter().all(|pool| pool.is_removed || ["serving", "saturated", "sleeping"].contains(&pool.state))
    }
}

impl PoolStatus {
    fn of(pool: &RunningPool, is_removed: bool, now: Instant) -> Self {
        let (waiting, first) = waiting(pool);
        let children = pool.children();
        Self {
            name: pool.name().to_owned(),
            state: pool.state_word(),
            listen: pool.sockets().names(pool.settings()),
            wanted: children.wanted(),
            waiting,
            max_queue: pool.settings().max_queue,
            answered: pool.tally().requests(),
            refused: pool.ties().scoreboard.refused(),
            first_waits: first.map(seconds),
            failing: children.failing().map(|(failing, next)| FailingStatus::of(failing, next, now)),
            queue_process: pool.queue_process().map(|process| process.id.number()),
            children: pool.processes().map(|(id, process)| ChildStatus::of(pool, id, process, now)).collect(),
            is_removed,
            threads: pool.settings().threads,
            serving: children.serving().count(),
        }
    }

    /// Who waits, and what is wrong.
    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.waiting > 0 {
            let first = self.first_waits.map_or_else(String::new, |first| format!(", the first for {first:.1} s"));
            lines.push(format!("{} of at most {} requests waiting{first}", self.waiting, self.max_queue));
        }
        if self.refused > 0 {
            lines.push(format!("{} answered 503 so far, because the queue was full (max-queue)", self.refused));
        }
        if let Some(FailingStatus { r#for: age, error, next_try_in }) = &self.failing {
            lines.push(format!("no child has started for {}: {error}", Span(*age as u64)));
            lines.extend(next_try_in.map(|next| format!("next try in {next:.1} s")));
        }
        lines
    }
}

impl FailingStatus {
    fn of(Failing { since, text }: &Failing, next: Option<Instant>, now: Instant) -> Self {
        let next = next.map(|next| seconds(next.saturating_duration_since(now)));
        Self { r#for: seconds(now.duration_since(*since)), error: fault(text), next_try_in: next }
    }
}

impl ChildStatus {
    fn of(pool: &RunningPool, id: ChildId, process: &Process, now: Instant) -> Self {
        let (state, generation) = pool.children().describe(id).unwrap_or(("ended", Generation(0)));
        let figures = pool.figures(id);
        let is_known = figures.is_some();
        let Figures { tally, busy, queued, connections } = figures.unwrap_or_default();
        Self {
            pid: process.id.number(),
            state,
            generation: generation.0,
            uptime: now.duration_since(process.started).as_secs(),
            requests: tally.requests().saturating_add(busy as u64),
            busy,
            queued,
            connections,
            is_known,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pyfcgid {}, process {}, up {}", self.version, self.pid, Span(self.uptime))?;
        self.advice.iter().try_for_each(|advice| writeln!(f, "\n{advice}"))?;
        self.failed_reload.iter().try_for_each(|fault| writeln!(f, "the last reload failed, and a restart would: {fault}"))?;
        self.pools.iter().try_for_each(|pool| write!(f, "\n{pool}"))
    }
}

impl fmt::Display for PoolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, state, wanted, serving, .. } = self;
        let children = if *wanted == 1 { "child" } else { "children" };
        let part = if serving < wanted { format!("{serving} of ") } else { String::new() };
        // One that is ended by a reload has given its addresses back.
        let place = if self.listen.is_empty() { "no address".to_owned() } else { self.listen.join(", ") };
        writeln!(f, "pool {name}: {state}, {part}{wanted} {children} on {place}")?;
        self.remarks().iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        self.children.iter().try_for_each(|child| child.write(f, self.threads))
    }
}

impl ChildStatus {
    fn write(&self, f: &mut fmt::Formatter<'_>, threads: usize) -> fmt::Result {
        let Self { pid, state, generation, requests, busy, queued, connections, .. } = self;
        write!(f, "  process {pid}: {state}, generation {generation}, up {}, ", Span(self.uptime))?;
        if self.is_known {
            writeln!(f, "{requests} requests, {busy} of {threads} workers busy, {queued} queued, {connections} connections")
        } else {
            writeln!(f, "no statistics yet")
        }
    }
}

/// How many requests wait, and for how long the first on the line has.
fn waiting(pool: &RunningPool) -> (usize, Option<Duration>) {
    let (in_children, first) = (pool.ties().scoreboard.waiting(), pool.ties().first_waits());
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

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

/// Seconds as `2d 3h`, `5m 7s` or `9s`.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (1.., ..) => write!(f, "{days}d {hours}h"),
            (_, 1.., _) => write!(f, "{hours}h {minutes}m"),
            (_, _, 1..) => write!(f, "{minutes}m {}s", seconds % 60),
            _ => write!(f, "{seconds}s"),
        }
    }
}

/// A pool does not serve.
const EX_NOT_SERVING: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_parts() {
        let text = |seconds| Span(seconds).to_string();
        assert_eq!([text(9), text(307), text(7260), text(183_600)], ["9s", "5m 7s", "2h 1m", "2d 3h"]);
    }

    #[test]
    fn an_error_is_told_in_the_line_that_says_what_it_is() {
        let traceback = "Traceback (most recent call last):\n  File \"a.py\"\nE: no\npyfcgid: cannot load: E: no";
        assert_eq!(fault(traceback), "cannot load: E: no");
        assert_eq!(fault("Traceback (most recent call last):\n  File \"a.py\"\nE: \u{1b}\n\n"), "E: \\u{1b}");
        assert_eq!(fault("cannot start a child\nmore"), "cannot start a child");
    }
}
