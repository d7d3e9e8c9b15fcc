//! What threads are doing, as children have told it and as workers say on the scoreboards: for `pyfcgid stacks` and `requests --stacks`.
//!
//! All of it may be an invention of an application's: it is text of bounded length, and each request belongs to one thread at most.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Supervisor;
use super::children::ChildId;
use super::inquiries::PATIENCE;
use super::pool::RunningPool;
use super::process::Process;
use super::requests::running_in;
use crate::control_protocol::Scope;
use crate::report::{LEFT_OUT, ProcessStacks, RequestStack, Requests, RunningRequest, SCHEMA, Stacks, ThreadStack};
use shared::stacks::{self, Thread};
use shared::sys::process::monotonic_time;

impl Supervisor<'_> {
    /// What the threads of each process have been doing since then, as far as that was told.
    pub(super) fn stacks(&self, scope: &Scope, since: Instant) -> Stacks {
        let (now, mut room) = (monotonic_time(), Room(MOST_OF_AN_ANSWER));
        let mut told = Stacks { schema: SCHEMA, ..Stacks::default() };
        for (pool, id, process) in self.processes(scope) {
            let heard = heard(pool, id, process, since);
            let told_of = ProcessStacks { pool: pool.name.clone(), pid: process.id.number(), ..ProcessStacks::default() };
            let process = with_threads(told_of, heard, running_in(pool, process, now));
            if room.take(process.threads.iter().map(length_of_thread).sum()) {
                told.processes.push(process);
            } else {
                told.left_out = true;
            }
        }
        told.processes.sort_by(|one, other| age(other.threads.first()).total_cmp(&age(one.threads.first())));
        told
    }

    /// What runs, with what its threads have been doing since then.
    pub(super) fn requests_with_stacks(&self, scope: &Scope, since: Instant) -> Requests {
        let mut told = self.requests(scope);
        let (mut room, mut threads) = (Room(MOST_OF_AN_ANSWER), BTreeMap::new());
        for (pool, id, process) in self.processes(scope) {
            threads.insert(process.id.number(), heard(pool, id, process, since).map(by_request));
        }
        for request in &mut told.requests {
            request.stack = Some(match threads.get_mut(&request.pid) {
                Some(Ok(threads)) => stack_of(number(request).and_then(|number| threads.remove(&number)), &mut room),
                Some(Err(silence)) => without(silence),
                None => without("its process has ended"),
            });
        }
        told
    }

    fn processes(&self, scope: &Scope) -> impl Iterator<Item = (&RunningPool, ChildId, &Process)> {
        let pools = self.pools.iter().filter(|pool| scope.has(&pool.name));
        pools.flat_map(|pool| pool.processes().map(move |(id, process)| (pool, id, process)))
    }
}

/// What a child has said, or why it has said nothing.
fn heard(pool: &RunningPool, id: ChildId, process: &Process, since: Instant) -> Result<stacks::Stacks, String> {
    let silence = || match pool.children.describe(id) {
        _ if process.is_stopped => format!("process {} is stopped", process.id),
        Some((state, _)) => format!("no answer within {} ms ({state})", PATIENCE.as_millis()),
        None => "it has ended".to_owned(),
    };
    pool.asked.answer(id, since).map(stacks::Stacks::parse).ok_or_else(silence)
}

fn with_threads(
    process: ProcessStacks,
    heard: Result<stacks::Stacks, String>,
    mut requests: BTreeMap<u64, RunningRequest>,
) -> ProcessStacks {
    let (without_gil, missing, mut threads) = match heard {
        Ok(stacks) => {
            let of_thread = |Thread { request, name, lines }| ThreadStack { name, request: requests.remove(&request), lines };
            (stacks.without_gil, None, stacks.threads.into_iter().map(of_thread).collect())
        }
        Err(silence) => {
            let of_request = |request| ThreadStack { request: Some(request), ..ThreadStack::default() };
            (false, Some(silence), requests.into_values().map(of_request).collect::<Vec<_>>())
        }
    };
    threads.sort_by(|one, other| age(Some(other)).total_cmp(&age(Some(one))));
    ProcessStacks { without_gil, missing, threads, ..process }
}

/// Of its request; what has none comes last.
fn age(thread: Option<&ThreadStack>) -> f64 {
    thread.and_then(|thread| thread.request.as_ref()).map_or(-1.0, |request| request.age)
}

fn by_request(stacks: stacks::Stacks) -> BTreeMap<u64, Thread> {
    stacks.threads.into_iter().filter(|thread| thread.request != 0).map(|thread| (thread.request, thread)).collect()
}

fn number(request: &RunningRequest) -> Option<u64> {
    request.id.rsplit_once('-')?.1.parse().ok()
}

fn stack_of(thread: Option<Thread>, room: &mut Room) -> RequestStack {
    match thread {
        Some(Thread { name, lines, .. }) if room.take(length(&name, &lines)) => {
            RequestStack { thread: name, lines, missing: None }
        }
        Some(_) => without(LEFT_OUT),
        None => without("it has just begun, or has ended"),
    }
}

fn without(reason: &str) -> RequestStack {
    RequestStack { missing: Some(reason.to_owned()), ..RequestStack::default() }
}

/// Bytes that there is room for in an answer.
struct Room(usize);

impl Room {
    /// Whether there is room for so many. Once there is not, there is none for less.
    fn take(&mut self, length: usize) -> bool {
        let left = self.0.checked_sub(length);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

fn length_of_thread(thread: &ThreadStack) -> usize {
    length(&thread.name, &thread.lines) + if thread.request.is_some() { LENGTH_OF_A_REQUEST } else { 0 }
}

fn length(name: &str, lines: &[String]) -> usize {
    LENGTH_OF_A_THREAD + name.len() + lines.iter().map(|line| line.len() + LENGTH_OF_A_LINE).sum::<usize>()
}

/// Bytes, before what a terminal must not see is escaped, which makes three of one at most.
const MOST_OF_AN_ANSWER: usize = 2 << 20;
/// What it takes to say that there is one, whatever it is.
const LENGTH_OF_A_THREAD: usize = 64;
const LENGTH_OF_A_LINE: usize = 4;
const LENGTH_OF_A_REQUEST: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u64, age: f64) -> (u64, RunningRequest) {
        (number, RunningRequest { id: format!("7-{number}"), age, ..RunningRequest::default() })
    }

    fn thread(request: u64, name: &str) -> Thread {
        Thread { request, name: name.to_owned(), lines: vec!["File \"a.py\"".to_owned()] }
    }

    fn names(process: &ProcessStacks) -> Vec<(&str, Option<&str>)> {
        process.threads.iter().map(|one| (one.name.as_str(), one.request.as_ref().map(|request| request.id.as_str()))).collect()
    }

    #[test]
    fn threads_are_told_with_the_oldest_request_first_and_each_request_once() {
        let heard = stacks::Stacks {
            without_gil: true,
            threads: vec![thread(0, "main"), thread(5, "young"), thread(4, "old"), thread(4, "liar"), thread(9, "unknown")],
        };
        let requests: BTreeMap<u64, RunningRequest> = [request(4, 9.0), request(5, 1.0)].into();
        let process = with_threads(ProcessStacks::default(), Ok(heard), requests.clone());
        let expected = [("old", Some("7-4")), ("young", Some("7-5")), ("main", None), ("liar", None), ("unknown", None)];
        assert_eq!((names(&process), process.without_gil, &process.missing), (expected.to_vec(), true, &None));
        let silent = with_threads(ProcessStacks::default(), Err("it is stopped".to_owned()), requests);
        assert_eq!(names(&silent), [("", Some("7-4")), ("", Some("7-5"))]);
        assert_eq!(silent.missing.as_deref(), Some("it is stopped"));
    }

    #[test]
    fn a_request_has_the_stack_of_its_thread_while_there_is_room() {
        let mut room = Room(200);
        let mut of = |number| {
            let mut threads = by_request(stacks::Stacks { without_gil: false, threads: vec![thread(4, "a"), thread(0, "b")] });
            stack_of(threads.remove(&number), &mut room)
        };
        assert_eq!((of(4).thread.as_str(), of(4).missing), ("a", None));
        assert_eq!(of(0).missing.as_deref(), Some("it has just begun, or has ended"));
        assert_eq!(of(4).missing.as_deref(), Some(LEFT_OUT));
        assert_eq!(number(&request(4, 1.0).1), Some(4));
    }
}
