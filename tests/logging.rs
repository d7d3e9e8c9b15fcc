//! The log between processes, and a real syslog daemon.
//!
//! A process has one log, so what is to have its own runs in a process of its own: this program again, with a role.

#![allow(clippy::unwrap_used)]

#[path = "logging/roles.rs"]
mod roles;
#[path = "logging/rsyslog.rs"]
mod rsyslog;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use log::Level;
use pyfcgid::log_writer::{self, LogTarget, Settings};
use roles::{Role, Running};
use rsyslog::Rsyslog;
use shared::logging::{self, Allowance, Message, Reader};

/// For what has to happen soon.
const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn rsyslog_gets_every_line_although_it_is_restarted() {
    let mut rsyslog = Rsyslog::start();
    let settings = Settings { target: LogTarget::Syslog, syslog_socket: rsyslog.socket(), ..roles::usual() };
    log_writer::start(&settings).unwrap();
    let mut expected = Vec::new();
    let mut say = |count| {
        for _ in 0..count {
            log_writer::write((Level::Warn, None), "blog", 4711, &format!("line {}", expected.len()));
            expected.push(format!("daemon warning pyfcgid[4711]: blog: line {}", expected.len()));
        }
    };
    say(100);
    rsyslog.wait_for("line 99");
    rsyslog.stop();
    say(100);
    assert!(!log_writer::blocked().is_empty() || log_writer::retry_in().is_some(), "nothing waits");
    rsyslog.run();
    say(100);
    rsyslog.wait_for("line 299");
    assert_eq!(rsyslog.lines(), expected);
    assert!(log_writer::blocked().is_empty() && log_writer::retry_in().is_none(), "something waits");
    log_writer::write((Level::Error, None), "blog", 4711, &format!("{}\n{}end", "x".repeat(100_000), "\0\u{1b}ä"));
    rsyslog.wait_for("end");
    let last = rsyslog.lines().pop().unwrap();
    assert_eq!(last, "daemon err pyfcgid[4711]: blog:     \\u{0}\\u{1b}äend");
}

#[test]
fn a_supervisor_writes_what_a_child_logs_and_its_stray_output() {
    let mut supervisor = Running::start(roles::command(Role::Supervisor).stderr(Stdio::piped()));
    let mut log = String::new();
    supervisor.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    supervisor.expect_success();
    let mut lines: Vec<_> = log.lines().map(|line| &line[line.find('[').unwrap_or(0)..]).collect();
    lines.sort_unstable();
    let expected = [
        "    indeed",
        "    lines",
        "GET / 200",
        "[debug] blog[7]: detail",
        "[error] blog[7]: the log already goes to the supervisor",
        "[info] blog[7]: 2026-11-20 18:46:14.123 +0000 [info] pyfcgid[1]: \\u{1b}forged",
        "[info] blog[7]: two",
        "[warn] blog[7]: PF0401 full",
        "[warn] blog[7]: said by C code",
        "[warn] blog[7]: without end",
    ];
    assert_eq!(lines, expected, "{log}");
    assert!(log.contains("blog[7]: two\n    lines\n"), "{log}");
}

#[test]
fn processes_forked_while_threads_log_can_log_on() {
    let (mut reader, socket) = logging::channel().unwrap();
    let mut child = Running::start(roles::command(Role::Forks).stdin(Stdio::from(socket)));
    let mut counts: HashMap<String, usize> = HashMap::new();
    for message in read_to_end(&mut reader) {
        let Message::Record { text, .. } = message else { panic!("{message:?}") };
        *counts.entry(text).or_default() += 1;
    }
    child.expect_success();
    for number in 0..roles::FORKS {
        assert_eq!(counts.get(&format!("forked {number}")), Some(&roles::LINES_OF_A_FORK), "{counts:?}");
    }
}

#[test]
fn a_standard_error_that_nobody_reads_does_not_stop_the_supervisor() {
    let mut child = Running::start(roles::command(Role::Talker).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert!(stdout.any(|line| line.unwrap().ends_with("all is said")), "it ended before it had said all");
    let mut log = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    child.expect_success();
    let texts: Vec<_> = log.lines().map(|line| line.split_once("]: ").unwrap().1).collect();
    let expected: Vec<_> = (0..roles::LINES_OF_A_TALKER).map(|number| format!("line {number}")).collect();
    assert_eq!(texts, expected);
}

/// What this program does when another test starts it; in a run of the tests it has no role.
#[test]
fn roles_are_played() {
    assert!(roles::play(), "an unknown role");
}

/// All that arrives until the last process has closed the socket.
fn read_to_end(reader: &mut Reader) -> Vec<Message> {
    let mut messages = Vec::new();
    wait_until("the end of the log", || {
        messages.extend(std::iter::from_fn(|| reader.read(&mut Allowance::of_a_turn())));
        reader.is_at_end()
    });
    messages
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
