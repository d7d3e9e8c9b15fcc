//! How a running pyfcgid is, in words.

use super::amount::{counted, length, memory, span};
use super::page::{Look, Page};
use super::{ChildStatus, FailingStatus, LastReload, PoolStatus, Status, Times};
use shared::scoreboard::refused::RefusedFor;

impl Status {
    /// Some lines for the process, and some for each pool.
    pub fn page(&self, look: Look) -> String {
        let mut page = Page::new(look);
        page.line(&format!("pyfcgid {}, process {}, up {}", self.version, self.pid, span(self.uptime)));
        if let Some(advice) = &self.advice {
            page.line("");
            page.line(advice);
        }
        self.remarks().iter().for_each(|line| page.line(line));
        for pool in &self.pools {
            page.line("");
            pool.write(&mut page);
        }
        page.into_text()
    }

    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(
            self.failed_reload
                .iter()
                .map(|fault| format!("the last reload failed, and a restart will, too, unless that was corrected: {fault}")),
        );
        lines.extend(self.last_reload.iter().map(LastReload::told));
        if self.log_lines_lost > 0 {
            lines.push(format!("{} of the logs lost so far", counted(self.log_lines_lost, "line")));
        }
        lines
    }
}

impl LastReload {
    fn told(&self) -> String {
        let pool = self.pool.as_ref().map_or_else(String::new, |pool| format!(" of pool {pool}"));
        format!("last reload{pool} {} ago: {}", span(self.ago), self.result)
    }
}

impl PoolStatus {
    fn write(&self, page: &mut Page) {
        let Self { name, state, wanted, .. } = self;
        let serving = self.processes.get("serving").copied().unwrap_or_default();
        let children = if *wanted == 1 { "child" } else { "children" };
        let part = if serving < *wanted { format!("{serving} of ") } else { String::new() };
        // One that is ended by a reload has given its addresses back.
        let place = if self.listen.is_empty() { "no address".to_owned() } else { self.listen.join(", ") };
        page.state(&format!("pool {name}: "), state, &format!(", {part}{wanted} {children} on {place}"));
        let remarks = self.remarks().into_iter().chain(self.answers()).chain(self.uses()).chain(self.ends());
        remarks.for_each(|line| page.line(&format!("  {line}")));
        self.children.iter().for_each(|child| child.write(page));
    }

    /// Who waits, and what is wrong.
    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.waiting > 0 {
            let first = self.first_waits.map_or_else(String::new, |first| format!(", the first for {}", length(first)));
            lines.push(format!("{} of at most {} requests waiting{first}", self.waiting, self.max_queue));
        }
        lines.extend(self.stuck.map(|seconds| format!("no worker has taken a request for {}", length(seconds))));
        for reason in RefusedFor::ALL {
            let count = self.refused_by.get(reason.word()).copied().filter(|count| *count > 0);
            lines.extend(count.map(|count| format!("{count} answered 503 so far, {}", reason.reason())));
        }
        if let Some(FailingStatus { r#for: age, error, next_try_in }) = &self.failing {
            lines.push(format!("no child has started for {}: {error}", span(*age as u64)));
            lines.extend(next_try_in.map(|next| format!("next try in {next:.1} s")));
        }
        lines
    }

    fn answers(&self) -> Option<String> {
        let class = |name: &str| self.requests.get(name).copied().unwrap_or_default();
        let kinds =
            [(class("4xx"), "answered 4xx"), (class("5xx"), "answered 5xx"), (self.aborted, "given up"), (self.slow, "slow")];
        let mut parts = vec![counted(self.answered, "request")];
        parts.extend(kinds.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        let late = self.timeouts.iter().filter(|(_, count)| **count > 0);
        parts.extend(late.map(|(option, count)| format!("{count} beyond {option}")));
        parts.extend(self.duration.told().map(|told| format!("half within {told}")));
        parts.extend(self.queue_wait.p99.map(|wait| format!("99 % waited at most {}", length(wait))));
        (self.answered > 0).then(|| parts.join(", "))
    }

    fn uses(&self) -> Option<String> {
        let (workers, all) = (self.workers, self.workers.busy + self.workers.idle);
        (!self.children.is_empty()).then(|| {
            let memory = memory(self.memory);
            format!("{} of {all} workers busy, {memory} of memory, CPU time {}", workers.busy, length(self.cpu))
        })
    }

    /// How children ended, but for those that were to.
    fn ends(&self) -> Option<String> {
        let bad = self.exits.iter().filter(|(reason, count)| **count > 0 && *reason != "retired");
        let parts: Vec<String> = bad.map(|(reason, count)| format!("{count} {reason}")).collect();
        (!parts.is_empty()).then(|| format!("children that ended so far: {}", parts.join(", ")))
    }
}

impl Times {
    fn told(&self) -> Option<String> {
        let (p50, p95, p99) = (self.p50?, self.p95?, self.p99?);
        Some(format!("{}, 95 % within {}, 99 % within {}", length(p50), length(p95), length(p99)))
    }
}

impl ChildStatus {
    fn write(&self, page: &mut Page) {
        let Self { pid, state, generation, uptime, .. } = self;
        let (first, further) = match (self.stopped, state.as_str()) {
            (false, state) => (state, String::new()),
            (true, "serving") => ("stopped", String::new()),
            (true, state) => ("stopped", format!(", {state}")),
        };
        let rest = format!("{further}, generation {generation}, up {}, {}", span(*uptime), self.figures());
        page.state(&format!("  process {pid}: "), first, &rest);
    }

    fn figures(&self) -> String {
        let Self { requests, workers, busy, queued, connections, .. } = self;
        let mut parts = Vec::new();
        if self.known {
            parts.push(counted(*requests, "request"));
            parts.push(format!("{busy} of {workers} workers busy"));
            parts.extend(self.oldest.map(|oldest| format!("the longest for {}", length(oldest))));
            parts.push(format!("{queued} queued"));
            parts.push(counted(*connections, "connection"));
        } else {
            parts.push("no statistics yet".to_owned());
        }
        parts.extend(self.memory.map(memory));
        parts.extend(self.cpu.map(|cpu| format!("CPU time {}", length(cpu))));
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workers;
    use super::*;

    fn child() -> ChildStatus {
        ChildStatus {
            pid: 12,
            state: "serving".to_owned(),
            generation: 1,
            uptime: 307,
            known: true,
            requests: 9,
            workers: 4,
            busy: 4,
            oldest: Some(182.0),
            connections: 1,
            memory: Some(61 << 20),
            cpu: Some(2.0),
            ..ChildStatus::default()
        }
    }

    fn pool() -> PoolStatus {
        let times = Times { p50: Some(0.012), p95: Some(0.34), p99: Some(1.2), ..Times::default() };
        PoolStatus {
            name: "shop".to_owned(),
            state: "saturated".to_owned(),
            listen: vec!["unix:/run/s\u{1b}.sock".to_owned()],
            wanted: 1,
            processes: [("serving".to_owned(), 1)].into(),
            workers: Workers { busy: 4, idle: 0 },
            waiting: 2,
            max_queue: 64,
            first_waits: Some(0.5),
            answered: 5,
            requests: [("5xx".to_owned(), 1)].into(),
            aborted: 1,
            queue_wait: times.clone(),
            duration: times,
            exits: [("retired".to_owned(), 3), ("signaled".to_owned(), 1)].into(),
            memory: 61 << 20,
            cpu: 2.0,
            children: vec![child()],
            ..PoolStatus::default()
        }
    }

    #[test]
    fn a_pool_is_told_in_words() {
        let last = LastReload { at: 0, ago: 60, result: "failed".to_owned(), pool: Some("shop".to_owned()) };
        let status = Status { version: "1".to_owned(), pid: 7, uptime: 9, last_reload: Some(last), ..Status::default() };
        let status = Status { pools: vec![pool()], log_lines_lost: 1, ..status };
        let expected = "\
pyfcgid 1, process 7, up 9s
last reload of pool shop 1m 0s ago: failed
1 line of the logs lost so far

pool shop: saturated, 1 child on unix:/run/s\\u{1b}.sock
  2 of at most 64 requests waiting, the first for 500 ms
  5 requests, 1 answered 5xx, 1 given up, half within 12 ms, 95 % within 340 ms, 99 % within 1.2 s, 99 % waited at most 1.2 s
  4 of 4 workers busy, 61 MiB of memory, CPU time 2.0 s
  children that ended so far: 1 signaled
  process 12: serving, generation 1, up 5m 7s, 9 requests, 4 of 4 workers busy, the longest for 3m 2s, 0 queued, 1 connection, 61 MiB, CPU time 2.0 s
";
        assert_eq!(status.page(Look::default()), expected);
    }

    #[test]
    fn why_no_child_starts_is_said_and_when_the_next_is_tried() {
        let failing = FailingStatus { r#for: 61.0, error: "no \u{1b}database".to_owned(), next_try_in: Some(2.0) };
        let refused_by = [("queue-full".to_owned(), 3), ("queue-timeout".to_owned(), 4), ("not-serving".to_owned(), 7)].into();
        let pool = PoolStatus { failing: Some(failing), refused_by, ..PoolStatus::default() };
        let expected = [
            "3 answered 503 so far, because the queue was full (max-queue)",
            "4 answered 503 so far, because no worker had time for them (queue-timeout)",
            "7 answered 503 so far, because no process had started",
            "no child has started for 1m 1s: no \u{1b}database",
            "next try in 2.0 s",
        ];
        assert_eq!(pool.remarks(), expected);
        assert_eq!((pool.answers(), pool.uses(), pool.ends()), (None, None, None));
        let mut page = Page::new(Look::default());
        ChildStatus { stopped: true, ..child() }.write(&mut page);
        ChildStatus { stopped: true, state: "retiring".to_owned(), ..child() }.write(&mut page);
        let text = page.into_text();
        assert!(text.contains("process 12: stopped, generation 1, ") && text.contains("12: stopped, retiring, gen"), "{text}");
        let unknown = ChildStatus { memory: None, cpu: None, known: false, ..child() };
        assert_eq!(unknown.figures(), "no statistics yet");
    }
}
