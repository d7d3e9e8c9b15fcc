//! What threads are doing, in words: of each process, or of each request.

use serde::{Deserialize, Serialize};

use super::amount::length;
use super::page::{Look, Page};
use super::{Requests, RunningRequest};

/// What the threads of processes are doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stacks {
    /// [`super::SCHEMA`].
    pub schema: u32,
    /// The one with the oldest request first.
    pub processes: Vec<ProcessStacks>,
    /// Whether there was no room for the rest.
    pub left_out: bool,
}

/// What those of one process are doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessStacks {
    /// Its pool.
    pub pool: String,
    /// Its process id.
    pub pid: i32,
    /// Whether C code kept the GIL, so that only workers are told of.
    pub without_gil: bool,
    /// Why it has said nothing. Its threads are those whose requests stand in shared memory then.
    pub missing: Option<String>,
    /// The one with the oldest request first; those without one come last.
    pub threads: Vec<ThreadStack>,
}

/// What one thread is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadStack {
    /// As Python calls it; empty if its process has said nothing.
    pub name: String,
    /// The request that it answers.
    pub request: Option<RunningRequest>,
    /// Its stack, the last call first, each with its line of source.
    pub lines: Vec<String>,
}

/// What the thread of a request is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestStack {
    /// The thread, as Python calls it; empty if its process has said nothing of it.
    pub thread: String,
    /// Its stack, the last call first, each with its line of source.
    pub lines: Vec<String>,
    /// Why there is none.
    pub missing: Option<String>,
}

impl Stacks {
    /// Some lines for each process, and for each of its threads.
    pub fn page(&self, look: Look) -> String {
        let mut page = plain(look);
        for (index, process) in self.processes.iter().enumerate() {
            if index > 0 {
                page.line("");
            }
            process.write(&mut page);
        }
        if self.processes.is_empty() {
            page.line("no processes");
        }
        if self.left_out {
            page.line("");
            page.line(LEFT_OUT);
        }
        page.into_text()
    }
}

impl ProcessStacks {
    fn write(&self, page: &mut Page) {
        let Self { pool, pid, without_gil, missing, threads } = self;
        let told = match (missing, without_gil) {
            (Some(missing), _) => format!(": {missing}"),
            (None, true) => ": C code keeps the GIL or the machine is busy, so only workers are told of".to_owned(),
            (None, false) => String::new(),
        };
        page.line(&format!("pool {pool}, process {pid}{told}"));
        threads.iter().for_each(|thread| thread.write(page));
    }
}

impl ThreadStack {
    fn write(&self, page: &mut Page) {
        let request = self.request.as_ref().map(RunningRequest::named);
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        let parts: Vec<&str> = name.into_iter().chain(request.as_deref()).collect();
        page.line(&format!("  {}", parts.join(", ")));
        self.lines.iter().for_each(|line| page.line(&format!("    {line}")));
    }
}

impl Requests {
    /// Some lines for each that has a stack.
    pub(super) fn write_stacks(&self, look: Look) -> Page {
        let mut page = plain(look);
        for (index, request) in self.requests.iter().enumerate() {
            if index > 0 {
                page.line("");
            }
            request.write_stack(&mut page);
        }
        page
    }
}

impl RunningRequest {
    /// As it is named in messages.
    fn named(&self) -> String {
        let Self { id, method, age, .. } = self;
        format!("request {id} ({method} {}), {}", self.shown_path(), length(*age))
    }

    fn write_stack(&self, page: &mut Page) {
        let (named, pool) = (self.named(), &self.pool);
        match &self.stack {
            Some(RequestStack { missing: None, thread, lines }) => {
                page.line(&format!("{named}, pool {pool}, {thread}"));
                lines.iter().for_each(|line| page.line(&format!("    {line}")));
            }
            Some(RequestStack { missing: Some(missing), .. }) => page.line(&format!("{named}, pool {pool}: {missing}")),
            None => page.line(&format!("{named}, pool {pool}")),
        }
    }
}

/// Lines of source are not folded.
fn plain(look: Look) -> Page {
    Page::new(Look { width: None, ..look })
}

/// Why one is missing for want of room.
pub const LEFT_OUT: &str = "the rest is left out: name one pool";

#[cfg(test)]
mod tests {
    use super::super::SCHEMA;
    use super::*;

    fn request(id: &str) -> RunningRequest {
        let texts = ["GET", "/a\u{1b}[2J", "shop"].map(str::to_owned);
        let [method, path, pool] = texts;
        RunningRequest { id: id.to_owned(), age: 2.5, method, path, pool, ..RunningRequest::default() }
    }

    fn lines() -> Vec<String> {
        vec!["File \"a.py\", line 3, in f".to_owned(), format!("  {}", "long ".repeat(30))]
    }

    #[test]
    fn processes_have_their_threads_and_those_their_requests() {
        let worker = ThreadStack { name: "worker\n".to_owned(), request: Some(request("7-1")), lines: lines() };
        let main = ThreadStack { name: "MainThread".to_owned(), ..ThreadStack::default() };
        let process =
            ProcessStacks { pool: "shop".to_owned(), pid: 7, threads: vec![worker, main], ..ProcessStacks::default() };
        let silent = ThreadStack { request: Some(request("8-2")), ..ThreadStack::default() };
        let missing = Some("process 8 is stopped".to_owned());
        let other = ProcessStacks { pid: 8, missing, threads: vec![silent], ..process.clone() };
        let busy = ProcessStacks { pid: 9, without_gil: true, threads: Vec::new(), ..process.clone() };
        let stacks = Stacks { schema: SCHEMA, processes: vec![process, other, busy], left_out: true };
        let expected = format!(
            "\
pool shop, process 7
  worker\\n, request 7-1 (GET /a\\u{{1b}}[2J), 2.5 s
    File \"a.py\", line 3, in f
      {}
  MainThread

pool shop, process 8: process 8 is stopped
  request 8-2 (GET /a\\u{{1b}}[2J), 2.5 s

pool shop, process 9: C code keeps the GIL or the machine is busy, so only workers are told of

the rest is left out: name one pool
",
            "long ".repeat(30)
        );
        assert_eq!(stacks.page(Look { width: Some(40), colour: true }), expected);
        assert_eq!(Stacks::default().page(Look::default()), "no processes\n");
    }

    #[test]
    fn requests_have_their_stacks_or_why_they_have_none() {
        let with = |id, stack| RunningRequest { stack, ..request(id) };
        let told = RequestStack { thread: "worker".to_owned(), lines: lines()[..1].to_vec(), missing: None };
        let missing = RequestStack { missing: Some("process 8 is stopped".to_owned()), ..RequestStack::default() };
        let requests = vec![with("7-1", Some(told)), with("8-2", Some(missing)), with("9-3", None)];
        let requests = Requests { schema: SCHEMA, requests, more: 2 };
        let expected = "\
request 7-1 (GET /a\\u{1b}[2J), 2.5 s, pool shop, worker
    File \"a.py\", line 3, in f

request 8-2 (GET /a\\u{1b}[2J), 2.5 s, pool shop: process 8 is stopped

request 9-3 (GET /a\\u{1b}[2J), 2.5 s, pool shop
and 2 more
";
        assert_eq!(requests.page(Look { width: Some(40), colour: true }), expected);
    }
}
