//! What clients of the control socket want of children: stacks, and that a request is interrupted.
//!
//! ```text
//! client ──▶ asked: each child is told ──▶ all have answered, or a moment is over ──▶ what there is, as the client reads it
//! ```
//!
//! A child may be stopped, busy in C code, or hostile: nobody waits for it longer than that moment.

use std::time::{Duration, Instant};

use super::Supervisor;
use super::children::ChildId;
use super::control_socket::{Client, MAX_CLIENTS};
use super::pool::RunningPool;
use crate::control_protocol::{Scope, Threads};
use shared::scoreboard::slot::{Glance, Phase};
use shared::sys::process::EX_OSERR;

/// Those that are not answered yet.
#[derive(Debug, Default)]
pub struct Inquiries {
    waiting: Vec<Inquiry>,
}

#[derive(Debug)]
struct Inquiry {
    client: Client,
    since: Instant,
    wanted: Wanted,
}

#[derive(Debug)]
enum Wanted {
    Stacks { scope: Scope, threads: Threads },
    Interrupt(Target),
}

/// A request in the slot of a worker.
#[derive(Clone, Copy, Debug)]
struct Target {
    process: i32,
    request: u64,
    id: ChildId,
    slot: usize,
}

/// What has become of an interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The exception was raised, and the request has ended.
    Interrupted,
    /// The exception was raised.
    Raised,
    /// It is raised when the application runs on, which waits until the web server has read what was sent.
    Sending,
    /// The request has ended before.
    HasEnded,
    /// The child has not looked.
    NotYet,
}

impl Outcome {
    fn is_final(self) -> bool {
        matches!(self, Self::Interrupted | Self::HasEnded)
    }
}

impl Inquiries {
    /// When to look although nothing has happened.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|inquiry| inquiry.since + PATIENCE).min()
    }

    fn admit(&mut self, inquiry: Inquiry) {
        if self.waiting.len() < MAX_CLIENTS {
            self.waiting.push(inquiry);
        } else {
            inquiry.client.end(EX_OSERR, "pyfcgid: too many clients are being answered already: try again");
        }
    }
}

impl Supervisor<'_> {
    /// Asks the children of these pools.
    pub(super) fn ask_for_stacks(&mut self, client: Client, scope: Scope, threads: Threads, since: Instant) {
        let Some(client) = self.knows(client, &scope) else {
            return;
        };
        for pool in self.pools.iter_mut().filter(|pool| scope.has(pool.name())) {
            let ids: Vec<ChildId> = pool.processes().map(|(id, _)| id).collect();
            ids.into_iter().for_each(|id| pool.ask_for_stacks(id));
        }
        self.inquiries.admit(Inquiry { client, since, wanted: Wanted::Stacks { scope, threads } });
    }

    /// Has a child interrupt the request of this number.
    pub(super) fn interrupt(&mut self, client: Client, process: i32, request: u64, since: Instant) {
        let Some((pool, target)) = self.pools.iter_mut().find_map(|pool| {
            let target = target(pool, process, request)?;
            Some((pool, target))
        }) else {
            return client.end(EX_NO_REQUEST, &format!("pyfcgid: {}", no_such_request(process, request)));
        };
        pool.interrupt(target.id, target.slot, request);
        self.inquiries.admit(Inquiry { client, since, wanted: Wanted::Interrupt(target) });
    }

    /// Answers who can be answered, and who has waited for long enough.
    pub(super) fn answer_inquiries(&mut self, now: Instant) {
        for inquiry in std::mem::take(&mut self.inquiries.waiting) {
            let is_over = now >= inquiry.since + PATIENCE;
            if !is_over && !self.is_answered(&inquiry) {
                self.inquiries.waiting.push(inquiry);
                continue;
            }
            match inquiry.wanted {
                Wanted::Stacks { scope, threads } => match threads {
                    Threads::All => self.answer(inquiry.client, &self.stacks(&scope, inquiry.since), 0),
                    Threads::Answering => {
                        self.answer(inquiry.client, &self.requests_with_stacks(&scope, inquiry.since), 0);
                    }
                },
                Wanted::Interrupt(target) => self.tell_outcome(inquiry.client, target),
            }
        }
        if self.inquiries.waiting.is_empty() {
            self.pools.iter_mut().for_each(RunningPool::forget_stacks);
        }
    }

    fn is_answered(&self, inquiry: &Inquiry) -> bool {
        match &inquiry.wanted {
            Wanted::Stacks { scope, .. } => {
                let pools = self.pools.iter().filter(|pool| scope.has(pool.name()));
                let has_answered = |pool: &RunningPool, id| pool.stacks(id, inquiry.since).is_some();
                pools.into_iter().all(|pool| pool.processes().all(|(id, _)| has_answered(pool, id)))
            }
            Wanted::Interrupt(target) => self.outcome(*target).is_final(),
        }
    }

    fn outcome(&self, target: Target) -> Outcome {
        let Target { request, slot, .. } = target;
        let Some(pool) = self.pools.iter().find(|pool| is_its(pool, target)) else { return Outcome::HasEnded };
        let scoreboard = &pool.ties().scoreboard;
        let answers = |glance: &Glance| glance.phase != Phase::Idle && glance.request.number == request;
        let glance = scoreboard.glances(slot..slot + 1).next().filter(answers);
        match (scoreboard.was_interrupted(slot, request), glance.map(|glance| glance.phase)) {
            (true, None) => Outcome::Interrupted,
            (true, Some(Phase::Sending)) => Outcome::Sending,
            (true, Some(_)) => Outcome::Raised,
            (false, None) => Outcome::HasEnded,
            (false, Some(_)) => Outcome::NotYet,
        }
    }

    fn tell_outcome(&self, mut client: Client, target: Target) {
        let Target { process, request, .. } = target;
        match self.outcome(target) {
            Outcome::Interrupted => {
                client.say(&format!("interrupted request {process}-{request}"));
                client.end(0, "");
            }
            Outcome::Raised => {
                client.say(&format!(
                    "raised pyfcgid.RequestInterrupted in request {process}-{request}, which still runs: it waits inside C code, \
                     or catches the exception (`pyfcgid stacks`)"
                ));
                client.end(0, "");
            }
            Outcome::Sending => {
                let why = "it waits until the web server has read its response: it is interrupted when the application runs on";
                client.end(EX_NOT_YET, &format!("pyfcgid: request {process}-{request} is not interrupted yet: {why}"));
            }
            Outcome::HasEnded => client.end(EX_NO_REQUEST, &format!("pyfcgid: {}", no_such_request(process, request))),
            Outcome::NotYet => {
                let why = match self.pools.iter().any(|pool| is_its(pool, target) && pool.is_stopped(target.id)) {
                    true => format!("process {process} is stopped: it is interrupted when the process goes on"),
                    false => format!(
                        "process {process} has not come to it, since C code keeps the GIL or the machine is busy: it is interrupted \
                         when that is over"
                    ),
                };
                client.end(EX_NOT_YET, &format!("pyfcgid: request {process}-{request} is not interrupted yet: {why}"));
            }
        }
    }
}

fn target(pool: &RunningPool, process: i32, request: u64) -> Option<Target> {
    let (id, _) = pool.processes().find(|(_, its)| its.id.number() == process)?;
    let slots = pool.desk(id)?.slots.clone();
    let mut glances = pool.ties().scoreboard.glances(slots.clone());
    let place = glances.position(|glance| glance.phase != Phase::Idle && glance.request.number == request)?;
    Some(Target { process, request, id, slot: slots.start + place })
}

fn is_its(pool: &RunningPool, target: Target) -> bool {
    pool.processes().any(|(id, process)| id == target.id && process.id.number() == target.process)
}

fn no_such_request(process: i32, request: u64) -> String {
    format!("there is no request {process}-{request}: it may just have ended")
}

/// The child needs up to 180 ms for what C code keeps from it.
pub const PATIENCE: Duration = Duration::from_millis(250);
/// There is no such thing, or not any more (EX_UNAVAILABLE of sysexits).
const EX_NO_REQUEST: u8 = 69;
/// It may come later (EX_TEMPFAIL).
const EX_NOT_YET: u8 = 75;
