//! What `pyfcgid status` tells.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::Supervisor;
use super::children::{ChildId, Condition, Failing};
use super::control::{Client, Scope, no_such_pool};
use super::pool::RunningPool;
use super::process::Process;
use crate::config::EX_USAGE;
use shared::link::Numbers;
use shared::sys::process::EX_OSERR;
use shared::sys::terminal;

/// A client that waits until the children have said their numbers.
#[derive(Debug)]
pub struct Asked {
    client: Client,
    scope: Scope,
    form: Form,
    deadline: Instant,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Asked {
    /// When it is answered at the latest: a child that is busy with something else may not say anything.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Supervisor<'_> {
    pub(super) fn ask(&mut self, client: Client, scope: Scope, form: Form) {
        let names = self.pools.iter().map(RunningPool::name);
        if let Scope::Pool(name) = &scope
            && !names.clone().any(|pool| pool == name)
        {
            return client.end(EX_USAGE, &format!("pyfcgid: {}", no_such_pool(name, names)));
        }
        if self.asked.len() >= MOST_WAITING {
            return client.end(EX_OSERR, "pyfcgid: too many wait for the status already");
        }
        self.pools.iter_mut().for_each(RunningPool::count);
        self.asked.push(Asked { client, scope, form, deadline: Instant::now() + PATIENCE });
    }

    /// Answers when every child that serves has said its numbers since it was asked, or when they have had their time.
    pub(super) fn answer_asked(&mut self, now: Instant) {
        let all_known = self.pools.iter().all(RunningPool::is_counted);
        if self.asked.is_empty() {
            return;
        }
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.asked).into_iter().partition(|asked| all_known || asked.deadline <= now);
        self.asked = waiting;
        for Asked { mut client, scope, form, .. } in ready {
            let pools: Vec<&RunningPool> = self.pools.iter().filter(|pool| scope.has(pool.name())).collect();
            client.say(&match form {
                Form::Text => self.text(&pools, now),
                Form::Json => self.json(&pools, now),
            });
            client.end(health(&pools), "");
        }
    }

    fn text(&self, pools: &[&RunningPool], now: Instant) -> String {
        let mut text = format!(
            "pyfcgid {}, process {}, up {}\n",
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
            Span(now.duration_since(self.started))
        );
        for pool in pools {
            let listens = pool.sockets().names().join(", ");
            let wanted = pool.children().wanted();
            let (name, condition, serving) = (pool.name(), condition_word(pool), pool.children().serving().count());
            let children = if wanted == 1 { "child" } else { "children" };
            let part = if serving < wanted { format!("{serving} of ") } else { String::new() };
            writeln!(text, "\npool {name}: {condition}, {part}{wanted} {children} on {listens}").unwrap_or_default();
            for line in pool_lines(pool, now) {
                writeln!(text, "  {line}").unwrap_or_default();
            }
            for (id, process) in pool.processes() {
                writeln!(text, "  {}", child_line(pool, id, process, now)).unwrap_or_default();
            }
        }
        text
    }

    fn json(&self, pools: &[&RunningPool], now: Instant) -> String {
        let pools: Vec<String> = pools.iter().map(|pool| pool_json(pool, now)).collect();
        format!(
            "{{\"version\":\"{}\",\"pid\":{},\"uptime\":{},\"pools\":[{}]}}",
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
            now.duration_since(self.started).as_secs(),
            pools.join(",")
        )
    }
}

/// The exit code.
fn health(pools: &[&RunningPool]) -> u8 {
    let serves = |pool: &&RunningPool| matches!(pool.children().condition(), Condition::Serving | Condition::Sleeping);
    if pools.iter().all(serves) { 0 } else { EX_NOT_SERVING }
}

fn condition_word(pool: &RunningPool) -> &'static str {
    match pool.children().condition() {
        Condition::Serving if pool.is_saturated() => "saturated",
        Condition::Serving => "serving",
        Condition::Starting => "starting",
        Condition::Failing => "failing",
        Condition::Sleeping => "sleeping",
        Condition::Stopping => "stopping",
    }
}

/// Who waits, and what is wrong.
fn pool_lines(pool: &RunningPool, now: Instant) -> Vec<String> {
    let (waiting, first) = waiting(pool);
    let first = first.map_or_else(String::new, |first| format!(", the first for {:.1} s", first.as_secs_f64()));
    let mut lines = Vec::new();
    if waiting > 0 {
        lines.push(format!("{waiting} {} of at most {}{first}", requests_wait(waiting), pool.settings().max_queue));
    }
    let refused = pool.ties().scoreboard.refused();
    if refused > 0 {
        lines.push(format!("{refused} answered 503 so far, as many waited as may (max-queue)"));
    }
    if let Some((Failing { since, text }, next)) = pool.children().failing() {
        let age = Span(now.duration_since(*since));
        lines.push(format!("no child has come up for {age}: {}", fault(text)));
        lines.extend(next.map(|next| format!("next try in {:.1} s", next.saturating_duration_since(now).as_secs_f64())));
    }
    lines
}

fn requests_wait(count: usize) -> &'static str {
    if count == 1 { "request waits" } else { "requests wait" }
}

/// How many requests wait, and for how long the first on the line has.
fn waiting(pool: &RunningPool) -> (usize, Option<Duration>) {
    let (in_children, first) = (pool.ties().scoreboard.waiting(), pool.ties().first_waits());
    (in_children.max(usize::from(first.is_some())), first)
}

/// What went wrong, without how it came to that: what we make of it, else the last line of a traceback. What an application says is an
/// application's.
fn fault(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let own = text.lines().rev().find_map(|line| line.strip_prefix("pyfcgid: "));
    let last = text.lines().rfind(|line| !line.trim().is_empty()).filter(|_| first.starts_with("Traceback "));
    terminal::escaped(own.or(last).unwrap_or(first))
}

fn child_line(pool: &RunningPool, id: ChildId, process: &Process, now: Instant) -> String {
    let (word, generation) = pool.children().describe(id).unwrap_or(("ended", super::children::Generation(0)));
    let age = Span(now.duration_since(process.started));
    let threads = pool.settings().threads;
    let numbers = match process.numbers {
        Some(Numbers { requests, busy, queued, connections }) => {
            format!("{requests} requests, {busy} of {threads} workers busy, {queued} queued, {connections} connections")
        }
        None => "no numbers yet".to_owned(),
    };
    format!("process {}: {word}, generation {}, up {age}, {numbers}", process.id, generation.0)
}

fn pool_json(pool: &RunningPool, now: Instant) -> String {
    let children: Vec<String> = pool
        .processes()
        .map(|(id, process)| {
            let (word, generation) = pool.children().describe(id).unwrap_or(("ended", super::children::Generation(0)));
            let Numbers { requests, busy, queued, connections } = process.numbers.unwrap_or_default();
            format!(
                "{{\"pid\":{},\"state\":\"{word}\",\"generation\":{},\"uptime\":{},\"requests\":{requests},\"busy\":{busy},\
                 \"queued\":{queued},\"connections\":{connections}}}",
                process.id,
                generation.0,
                now.duration_since(process.started).as_secs(),
            )
        })
        .collect();
    let listens: Vec<String> = pool.sockets().names().iter().map(|name| json_string(name)).collect();
    let (waiting, first) = waiting(pool);
    let first = first.map_or_else(|| "null".to_owned(), |first| format!("{:.3}", first.as_secs_f64()));
    format!(
        "{{\"name\":{},\"state\":\"{}\",\"listen\":[{}],\"wanted\":{},\"waiting\":{waiting},\"max_queue\":{},\"refused\":{},\
         \"first_waits\":{first},\"failing\":{},\"queue_process\":{},\"children\":[{}]}}",
        json_string(pool.name()),
        condition_word(pool),
        listens.join(","),
        pool.children().wanted(),
        pool.settings().max_queue,
        pool.ties().scoreboard.refused(),
        failing_json(pool, now),
        pool.queue_process().map_or_else(|| "null".to_owned(), |process| process.id.to_string()),
        children.join(",")
    )
}

fn failing_json(pool: &RunningPool, now: Instant) -> String {
    pool.children().failing().map_or_else(
        || "null".to_owned(),
        |(Failing { since, text }, next)| {
            let next = next
                .map_or_else(|| "null".to_owned(), |next| format!("{:.3}", next.saturating_duration_since(now).as_secs_f64()));
            let (age, error) = (now.duration_since(*since).as_secs_f64(), json_string(&fault(text)));
            format!("{{\"for\":{age:.3},\"error\":{error},\"next_try_in\":{next}}}")
        },
    )
}

fn json_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// As `2d 3h`, `5m 7s` or `9s`.
struct Span(Duration);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (1.., ..) => write!(f, "{days}d {hours}h"),
            (_, 1.., _) => write!(f, "{hours}h {minutes}m"),
            (_, _, 1..) => write!(f, "{minutes}m {}s", seconds % 60),
            _ => write!(f, "{seconds}s"),
        }
    }
}

const MOST_WAITING: usize = 64;
const PATIENCE: Duration = Duration::from_millis(150);
/// A pool does not serve.
const EX_NOT_SERVING: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_parts() {
        let text = |seconds| Span(Duration::from_secs(seconds)).to_string();
        assert_eq!([text(9), text(307), text(7260), text(183_600)], ["9s", "5m 7s", "2h 1m", "2d 3h"]);
    }

    #[test]
    fn an_error_is_told_in_the_line_that_says_what_it_is() {
        let traceback = "Traceback (most recent call last):\n  File \"a.py\"\nE: no\npyfcgid: cannot load: E: no";
        assert_eq!(fault(traceback), "cannot load: E: no");
        assert_eq!(fault("Traceback (most recent call last):\n  File \"a.py\"\nE: \u{1b}\n\n"), "E: \\u{1b}");
        assert_eq!(fault("cannot start a child\nmore"), "cannot start a child");
    }

    #[test]
    fn text_in_json_is_quoted() {
        assert_eq!(json_string("a\"\\\n\u{e4}"), "\"a\\\"\\\\\\u000a\u{e4}\"");
    }
}
