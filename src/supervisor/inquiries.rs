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
use super::pool::{Asked, RunningPool};
use super::process::Process;
use crate::control_protocol::{Scope, Threads};
use shared::scoreboard::slot::{Glance, Phase};
use shared::sys::process::EX_OSERR;

/// One that is not answered yet.
#[derive(Debug)]
pub struct Inquiry {
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
struct Outcome {
    /// Nothing will change that.
    is_final: bool,
    /// The exit code. With 0 the text is for stdout, else for stderr.
    code: u8,
    text: String,
}

impl Inquiry {
    /// When to look although nothing has happened.
    pub fn deadline(&self) -> Instant {
        self.since + PATIENCE
    }
}

impl Supervisor<'_> {
    /// Asks the children of these pools.
    pub(super) fn ask_for_stacks(&mut self, client: Client, scope: Scope, threads: Threads, since: Instant) {
        for pool in self.pools.iter_mut().filter(|pool| scope.has(&pool.name)) {
            let ids: Vec<ChildId> = pool.processes().map(|(id, _)| id).collect();
            ids.into_iter().for_each(|id| pool.ask_for_stacks(id));
        }
        self.admit(Inquiry { client, since, wanted: Wanted::Stacks { scope, threads } });
    }

    fn admit(&mut self, inquiry: Inquiry) {
        if self.inquiries.len() < MAX_CLIENTS {
            self.inquiries.push(inquiry);
        } else {
            inquiry.client.end(EX_OSERR, "pyfcgid: too many clients are being answered already: try again");
        }
    }

    /// Has a child interrupt the request of this number.
    pub(super) fn interrupt(&mut self, client: Client, process: i32, request: u64, since: Instant) {
        let Some((pool, target)) = self.pools.iter_mut().find_map(|pool| {
            let target = target(pool, process, request)?;
            Some((pool, target))
        }) else {
            return tell(client, &no_such_request(process, request));
        };
        pool.interrupt(target.id, target.slot, request);
        self.admit(Inquiry { client, since, wanted: Wanted::Interrupt(target) });
    }

    /// Answers who can be answered, and who has waited for long enough.
    pub(super) fn answer_inquiries(&mut self, now: Instant) {
        for inquiry in std::mem::take(&mut self.inquiries) {
            let is_over = now >= inquiry.deadline();
            if !is_over && !self.is_answered(&inquiry) {
                self.inquiries.push(inquiry);
                continue;
            }
            match inquiry.wanted {
                Wanted::Stacks { scope, threads: Threads::All } => {
                    self.answer(inquiry.client, &self.stacks(&scope, inquiry.since), 0);
                }
                Wanted::Stacks { scope, threads: Threads::Answering } => {
                    self.answer(inquiry.client, &self.requests_with_stacks(&scope, inquiry.since), 0);
                }
                Wanted::Interrupt(target) => tell(inquiry.client, &self.outcome(target)),
            }
        }
        if self.inquiries.is_empty() {
            self.pools.iter_mut().for_each(|pool| pool.asked = Asked::default());
        }
    }

    fn is_answered(&self, inquiry: &Inquiry) -> bool {
        match &inquiry.wanted {
            Wanted::Stacks { scope, .. } => {
                let mut pools = self.pools.iter().filter(|pool| scope.has(&pool.name));
                let has_answered = |pool: &RunningPool, id| pool.asked.answer(id, inquiry.since).is_some();
                pools.all(|pool| pool.processes().all(|(id, _)| has_answered(pool, id)))
            }
            Wanted::Interrupt(target) => self.outcome(*target).is_final,
        }
    }

    fn outcome(&self, target: Target) -> Outcome {
        let Target { process, request, slot, .. } = target;
        let found = self.pools.iter().find_map(|pool| Some((&pool.ties.scoreboard, process_of(pool, target)?)));
        let Some((scoreboard, child)) = found else { return no_such_request(process, request) };
        let answers = |glance: &Glance| glance.phase != Phase::Idle && glance.request.number == request;
        let phase = scoreboard.glances(slot..slot + 1).next().filter(answers).map(|glance| glance.phase);
        let (is_final, code, text) = match (scoreboard.was_interrupted(slot, request), phase) {
            (true, None) => (true, 0, format!("interrupted request {process}-{request}")),
            (false, None) => return no_such_request(process, request),
            (true, Some(phase)) if phase != Phase::Sending => {
                let text = format!(
                    "raised pyfcgid.RequestInterrupted in request {process}-{request}, which still runs: it waits inside C code, \
                     or catches the exception (`pyfcgid stacks`)"
                );
                (false, 0, text)
            }
            (was_interrupted, Some(_)) => {
                let why = why_not_yet(child, was_interrupted);
                (false, EX_NOT_YET, format!("request {process}-{request} is not interrupted yet: {why}"))
            }
        };
        Outcome { is_final, code, text }
    }
}

fn tell(mut client: Client, Outcome { code, text, .. }: &Outcome) {
    if *code == 0 {
        client.say(text);
        client.end(0, "");
    } else {
        client.end(*code, &format!("pyfcgid: {text}"));
    }
}

/// Why a request has no exception yet.
fn why_not_yet(child: &Process, was_interrupted: bool) -> String {
    let process = child.id;
    match was_interrupted {
        true => {
            "it waits until the web server has read its response: it is interrupted when the application runs on".to_owned()
        }
        false if child.is_stopped => format!("process {process} is stopped: it is interrupted when the process goes on"),
        false => format!(
            "process {process} has not come to it, since C code keeps the GIL or the machine is busy: it is interrupted when that \
             is over"
        ),
    }
}

fn target(pool: &RunningPool, process: i32, request: u64) -> Option<Target> {
    let (id, child) = pool.processes().find(|(_, child)| child.id.number() == process)?;
    let slots = child.desk.as_ref()?.slots.clone();
    let mut glances = pool.ties.scoreboard.glances(slots.clone());
    let place = glances.position(|glance| glance.phase != Phase::Idle && glance.request.number == request)?;
    Some(Target { process, request, id, slot: slots.start + place })
}

fn process_of(pool: &RunningPool, target: Target) -> Option<&Process> {
    let mut processes = pool.processes();
    processes.find(|(id, process)| *id == target.id && process.id.number() == target.process).map(|(_, process)| process)
}

fn no_such_request(process: i32, request: u64) -> Outcome {
    let text = format!("there is no request {process}-{request}: it may just have ended");
    Outcome { is_final: true, code: EX_NO_REQUEST, text }
}

/// The child needs up to 180 ms for what C code keeps from it.
pub const PATIENCE: Duration = Duration::from_millis(250);
/// There is no such thing, or not any more (EX_UNAVAILABLE of sysexits).
const EX_NO_REQUEST: u8 = 69;
/// It may come later (EX_TEMPFAIL).
const EX_NOT_YET: u8 = 75;
