//! What this program does in a process of its own.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use log::{Level, LevelFilter};
use pyfcgid::config::AppLog;
use pyfcgid::log_writer::{self, Facility, LogTarget, Settings};
use shared::logging::access::Format;
use shared::logging::{self, Allowance, Lines, codes};
use shared::sys::fd;

use super::wait_until;

/// What it does.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// Logs through standard input.
    Child,
    /// The same, from several threads, and forks meanwhile.
    Forks,
    /// Starts a [`Role::Child`] and writes what it says to standard error.
    Supervisor,
    /// Logs to standard error more than a pipe takes.
    Talker,
}

pub const FORKS: usize = 100;
pub const LINES_OF_A_FORK: usize = 20;
pub const LINES_OF_A_TALKER: usize = 20_000;
const VARIABLE: &str = "PYFCGID_TEST_ROLE";

/// Runs this program in a role.
pub fn command(role: Role) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "roles_are_played", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, format!("{role:?}"))
        .stdout(Stdio::null());
    command
}

/// A process that is killed when dropped.
pub struct Running(pub Child);

impl Running {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}")))
    }

    #[track_caller]
    pub fn expect_success(&mut self) {
        let mut status = None;
        wait_until("the end of the process", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "{status:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Plays the role that the environment names, if it does. False if there is no such role.
pub fn play() -> bool {
    match env::var(VARIABLE).as_deref() {
        Err(_) => true,
        Ok("Child") => then(child),
        Ok("Forks") => then(forks),
        Ok("Supervisor") => then(supervisor),
        Ok("Talker") => then(talker),
        Ok(_) => false,
    }
}

fn then(role: fn()) -> bool {
    role();
    true
}

/// Settings as most have them.
pub fn usual() -> Settings {
    Settings {
        target: LogTarget::Stderr,
        level: LevelFilter::Info,
        ident: "pyfcgid".to_owned(),
        facility: Facility::parse("daemon").unwrap(),
        syslog_socket: PathBuf::from("/dev/log"),
        access: None,
        access_format: Format::default(),
        pools: BTreeMap::new(),
    }
}

fn send_to_standard_input() {
    logging::send_to(fd::duplicate(0).unwrap(), LevelFilter::Debug).unwrap();
}

fn child() {
    // As after a fork of the supervisor.
    log_writer::start(&usual()).unwrap();
    send_to_standard_input();
    log::info!(target: "pyfcgid", "two\nlines");
    // Whatever an application sends that has found the socket.
    log::info!(target: AppLog::PLAIN_TARGET, "2026-11-20 18:46:14.123 +0000 [info] pyfcgid[1]: \u{1b}forged");
    log::warn!(target: codes::SATURATED, "full\nindeed");
    log::debug!(target: "pyfcgid::wsgi", "detail");
    log::trace!(target: "pyfcgid", "not wanted");
    log::info!(target: "somebody_else", "not wanted");
    logging::access("request_uri=/\nstatus=200\n");
    let again = logging::send_to(fd::duplicate(0).unwrap(), LevelFilter::Trace).unwrap_err();
    log::error!(target: "pyfcgid", "{again}");
    io::stderr().write_all(b"said by C code\r\nwithout end").unwrap();
}

fn supervisor() {
    let access_format = Format::parse("GET $request_uri $status").unwrap();
    let settings = Settings { access: Some(LogTarget::Stderr), access_format, level: LevelFilter::Debug, ..usual() };
    log_writer::start(&settings).unwrap();
    let (mut reader, socket) = logging::channel().unwrap();
    let (mut lines, output) = Lines::pipe().unwrap();
    let mut child = Running::start(command(Role::Child).stdin(socket).stderr(output));
    wait_until("the end of the child's log", || {
        log_writer::pass_on(&mut reader, AppLog::Decorated, "blog", 7, &mut Allowance::of_a_turn());
        log_writer::pass_on_lines(&mut lines, (Level::Warn, AppLog::Decorated), "blog", 7, &mut Allowance::of_a_turn());
        reader.is_at_end() && lines.is_at_end()
    });
    child.expect_success();
}

fn talker() {
    log_writer::start(&usual()).unwrap();
    for number in 0..LINES_OF_A_TALKER {
        log::info!(target: "pyfcgid", "line {number}");
    }
    assert!(!log_writer::blocked().is_empty());
    println!("all is said");
    log_writer::flush_at_end(Duration::from_secs(30));
    assert!(log_writer::blocked().is_empty());
}

fn forks() {
    send_to_standard_input();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    log::info!(target: "pyfcgid", "a thread");
                    thread::sleep(Duration::from_micros(50)); // Only so much that the reader keeps up.
                }
            });
        }
        (0..FORKS).for_each(fork);
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Forks as an application does that uses multiprocessing, and waits for the child.
#[allow(unsafe_code, clippy::disallowed_methods)]
fn fork(number: usize) {
    // SAFETY: the child uses the log, which is what this is about, and ends without coming back here.
    let process = unsafe { libc::fork() };
    if process == 0 {
        // SAFETY: alarm touches no memory. It ends a process that is stuck, though nobody may wait for it any more.
        unsafe { libc::alarm(10) };
        (0..LINES_OF_A_FORK).for_each(|_| log::info!(target: "pyfcgid", "forked {number}"));
        shared::sys::process::exit_now(0);
    }
    let mut status = -1;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(process, &raw mut status, 0) };
    assert_eq!((waited, status), (process, 0));
}
