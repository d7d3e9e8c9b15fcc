//! `pyfcgid serve -D`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::roles::Daemon;
use crate::site::{Ended, connect_to, control, expect_nothing_left, is_alive, says, site};
use crate::support::process::Finished;
use crate::support::{Launch, Params};

/// A site whose daemon is started by [`Detached::start`]. The directory is kept until the end.
struct Detached {
    /// Dropped before the directory, which has its PID file.
    daemon: Daemon,
    launcher: Finished,
}

const TOML: &str =
    "pid-file = \"site.pid\"\nlog = \"file:site.log\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\nprocesses = 2\n";

fn launch() -> Launch {
    let launch = site(TOML).arg("-D");
    fs::write(launch.directory().join("app.py"), says("one")).unwrap();
    launch
}

impl Detached {
    #[track_caller]
    fn start(launch: Launch) -> Self {
        let daemon = Daemon::of(&launch.directory().join("site.pid"));
        Self { launcher: launch.run().expect_code(0), daemon }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.launcher.directory().join(name)
    }

    #[track_caller]
    fn expect_answer(&self, text: &str) {
        let answer = connect_to(&self.path("s.sock")).last_request(&Params::get("/"), b"");
        assert_eq!(answer.expect_status(200).text(), text);
    }

    #[track_caller]
    fn control(&self, command: &str) -> Ended {
        control(self.launcher.directory(), command)
    }

    /// `pyfcgid stop` returns when nothing is left.
    #[track_caller]
    fn stop(self) {
        let processes = self.daemon.processes();
        self.control("stop").expect_code(0);
        let left: Vec<_> = processes.iter().filter(|pid| is_alive(**pid)).collect();
        assert!(left.is_empty(), "{left:?}");
        expect_nothing_left(self.launcher.directory());
    }
}

/// Fields of proc(5)'s stat, from the state on.
fn stat(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    text.rsplit_once(") ").unwrap().1.split(' ').map(str::to_owned).collect()
}

fn number(pid: u32, field: usize) -> u32 {
    stat(pid)[field].parse().unwrap()
}

const PARENT: usize = 1;
const GROUP: usize = 2;
const SESSION: usize = 3;
const TERMINAL: usize = 4;

/// Fails unless its parent is init, or whoever takes orphans here, and has not started it.
#[track_caller]
fn expect_orphan(pid: u32) {
    let mut ancestor = std::process::id();
    let parent = number(pid, PARENT);
    assert_ne!(parent, ancestor);
    while ancestor > 1 && ancestor != parent {
        ancestor = number(ancestor, PARENT);
    }
    assert!(parent <= 1 || ancestor == parent, "its parent is {parent}");
}

#[test]
fn the_command_returns_when_every_process_serves() {
    let site = Detached::start(launch());
    assert_eq!((site.launcher.stdout.as_str(), site.launcher.stderr.as_str()), ("", ""));
    // The very first connection, without waiting for anything.
    let answer = crate::support::Peer::connect(site.path("s.sock").as_path()).last_request(&Params::get("/"), b"");
    assert_eq!(answer.expect_status(200).text(), "one");
    let status = site.control("status --json").expect_code(0).out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let children = status["pools"][0]["children"].as_array().unwrap();
    assert!(children.len() == 2 && children.iter().all(|child| child["state"] == "serving"), "{status}");
    site.stop();
}

#[test]
fn a_daemon_has_a_session_without_a_terminal_and_no_standard_streams() {
    let site = Detached::start(launch());
    let pid = site.daemon.pid();
    expect_orphan(pid);
    assert_ne!(number(pid, SESSION), number(std::process::id(), SESSION));
    // It does not lead the session, so that no terminal that it opens becomes its own.
    assert_ne!(number(pid, SESSION), pid);
    assert_eq!((stat(pid)[TERMINAL].as_str(), number(pid, GROUP)), ("0", number(pid, SESSION)));
    for descriptor in 0..3 {
        assert_eq!(fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap(), Path::new("/dev/null"));
    }
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), site.launcher.directory().canonicalize().unwrap());
    for child in crate::site::children_of(pid) {
        assert_eq!(fs::read_link(format!("/proc/{child}/fd/0")).unwrap(), Path::new("/dev/null"));
    }
    site.stop();
}

/// A terminal of its own, which goes when the command that was typed in it has ended.
#[test]
fn a_daemon_outlives_the_terminal_it_was_started_in() {
    let launch = launch();
    let daemon = Daemon::of(&launch.directory().join("site.pid"));
    let command = format!("'{}' serve -c site.toml -D", env!("CARGO_BIN_EXE_pyfcgid"));
    let directory = launch.directory().to_owned();
    let status = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(&directory)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .expect("script runs (Debian package: bsdutils)");
    assert!(status.success(), "{status}");
    let ask = || connect_to(&directory.join("s.sock")).last_request(&Params::get("/"), b"").expect_status(200).text();
    assert_eq!(ask(), "one");
    // A hang-up would have come by now, and would have been a stop; what is sent as one is a reload.
    crate::site::kill(daemon.pid(), "HUP");
    crate::wait_until("the reload", || {
        fs::read_to_string(directory.join("site.log")).unwrap().contains("]: PF0302 reloaded\n")
    });
    assert_eq!((ask().as_str(), stat(daemon.pid())[TERMINAL].as_str()), ("one", "0"));
    control(&directory, "stop").expect_code(0);
    expect_nothing_left(&directory);
}

#[test]
fn a_second_daemon_is_refused_with_the_number_of_the_first() {
    let site = Detached::start(launch());
    let pid = site.daemon.pid();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pyfcgid"))
        .args(["serve", "-D", "-c", "site.toml"])
        .current_dir(site.launcher.directory())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(&format!("already running as process {pid}")), "{said}");
    assert_eq!(site.daemon.pid(), pid);
    site.expect_answer("one");
    site.stop();
}

#[test]
fn a_pid_file_that_a_dead_daemon_has_left_is_taken_over() {
    let launch = launch();
    // The number of a process that is there, but has not locked the file.
    fs::write(launch.directory().join("site.pid"), format!("{}\n", std::process::id())).unwrap();
    let site = Detached::start(launch);
    assert_ne!(site.daemon.pid(), std::process::id());
    site.expect_answer("one");
    site.stop();
}

#[test]
fn a_daemon_that_cannot_start_says_why_and_leaves_nothing() {
    let launch = launch();
    fs::write(launch.directory().join("app.py"), "import nothing_of_that_name\n").unwrap();
    let finished = launch.run().expect_code(70);
    assert!(finished.stderr.contains("ModuleNotFoundError: No module named 'nothing_of_that_name'"), "{}", finished.stderr);
    expect_nothing_left(finished.directory());
}

#[test]
fn a_daemon_reloads_and_takes_a_new_binary_by_signals() {
    let site = Detached::start(launch());
    let pid = site.daemon.pid();
    let log = site.path("site.log");
    for (signal, text) in [("HUP", "two"), ("USR2", "three")] {
        fs::write(site.path("app.py"), says(text)).unwrap();
        let before = fs::read_to_string(&log).unwrap().matches("]: PF0302 reloaded\n").count();
        crate::site::kill(pid, signal);
        crate::wait_until(signal, || fs::read_to_string(&log).unwrap().matches("]: PF0302 reloaded\n").count() > before);
        site.expect_answer(text);
        assert_eq!(site.daemon.pid(), pid);
    }
    site.stop();
}
