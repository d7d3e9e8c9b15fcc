//! The script in `init/` with the real program, as init runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::load::{Connections, Load};
use crate::roles::Daemon;
use crate::site::{connect_to, expect_nothing_left, is_alive, says, wait_until_gone, write_config};
use crate::support::Params;
use crate::support::peer::{Address, DEADLINE};

/// A machine with a site, whose paths are in the script's file of settings.
struct Machine {
    /// Dropped before the directory, which has its PID file.
    daemon: Daemon,
    directory: TempDir,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_config(path, &format!("[pool.web]\napp = \"{0}/app.py\"\nlisten = \"unix:{0}/run/s.sock\"\n", path.display()));
        let machine = Self { daemon: Daemon::of(&path.join("run/p.pid")), directory };
        machine.set(Path::new(env!("CARGO_BIN_EXE_pyfcgid")), "--threads 2");
        machine.deploy(&says("one"));
        machine
    }

    /// Writes the script's settings.
    fn set(&self, program: &Path, options: &str) {
        let settings = format!(
            "DAEMON={1}\nCONFIG={0}/site.toml\nPIDFILE={0}/run/p.pid\nUPGRADE={2}/init/upgrade\nSTOP_TIMEOUT=20\nOPTIONS='--log file:{0}/log {options}'\n\
             # Two versions within a second look the same to Python, which would load the first one's byte code.\n\
             export PYTHONDONTWRITEBYTECODE=1\nexport PYFCGID_PASS_ENV=PYTHONDONTWRITEBYTECODE\n",
            self.directory.path().display(),
            program.display(),
            env!("CARGO_MANIFEST_DIR")
        );
        fs::write(self.path("default"), settings).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn deploy(&self, code: &str) {
        fs::write(self.path("app.py"), code).unwrap();
    }

    /// Runs the script to its end, with nothing but what init gives it. What it prints has to end with it: the daemon holds nothing.
    /// `action` may have an option behind it.
    fn script(&self, action: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("init/pyfcgid.init");
        Command::new("timeout")
            .arg(DEADLINE.as_secs().to_string())
            .arg(script)
            .args(action.split_whitespace())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEFAULTS", self.path("default"))
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn expect(&self, action: &str, code: i32, text: &str) -> String {
        let output = self.script(action);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{action}: {said}");
        assert!(said.contains(text), "{action}: {said}");
        said
    }

    #[track_caller]
    fn expect_answer(&self, text: &str) {
        let answer = connect_to(&self.path("run/s.sock")).last_request(&Params::get("/"), b"");
        assert_eq!(answer.expect_status(200).text(), text);
    }

    /// Clients of both kinds, while something is done.
    #[track_caller]
    fn expect_no_failure_during(&self, action: impl FnOnce()) {
        let address = Address::Unix(self.path("run/s.sock"));
        let loads = [Connections::Kept, Connections::New].map(|kind| Load::start(&address, kind, 4, "/"));
        loads.iter().for_each(|load| load.wait_for(20));
        action();
        loads.iter().for_each(|load| load.wait_for(20));
        loads.into_iter().for_each(|load| drop(load.stop_without_failure()));
    }

    #[track_caller]
    fn expect_stopped(&self, processes: &[u32]) {
        assert!(processes.iter().all(|pid| !is_alive(*pid)), "stop returned before the end");
        expect_nothing_left(&self.path("run"));
    }
}

#[test]
fn start_status_reload_restart_and_stop_work_as_init_calls_them() {
    let machine = Machine::new();
    machine.expect("status", 3, "not running");
    machine.expect("configtest", 0, "checked 1 pool in ");
    machine.expect("start", 0, "pyfcgid is running as process");
    machine.expect_answer("one");
    let first = machine.daemon.processes();
    machine.expect("start", 0, "already running as process");
    assert_eq!(machine.daemon.processes(), first);
    machine.expect("status", 0, &format!("running as process {}", machine.daemon.pid()));
    machine.deploy(&says("two"));
    machine.expect("reload", 0, "reloaded 1 pool in ");
    machine.expect_answer("two");
    machine.deploy(&says("three"));
    machine.expect("restart --hard", 0, "pyfcgid has stopped");
    machine.expect_answer("three");
    let second = machine.daemon.processes();
    assert!(first.iter().all(|pid| !second.contains(pid)), "{first:?} {second:?}");
    wait_until_gone(&first);
    machine.expect("stop", 0, "pyfcgid has stopped");
    machine.expect_stopped(&second);
    machine.expect("stop", 0, "not running");
    machine.expect("status", 3, "not running");
}

#[test]
fn a_restart_under_load_is_a_reload_says_so_and_fails_no_request() {
    let machine = Machine::new();
    machine.expect("start", 0, "");
    let supervisor = machine.daemon.pid();
    machine.expect_no_failure_during(|| {
        for (action, text) in [("restart", "two"), ("try-restart", "three")] {
            machine.deploy(&says(text));
            let said = machine.expect(action, 0, "pyfcgid was reloaded instead of restarted");
            assert!(said.contains("restart --hard"), "{said}");
            machine.expect_answer(text);
        }
    });
    assert_eq!(machine.daemon.pid(), supervisor);
}

/// As after an update of the package, whose scripts say restart.
#[test]
fn a_restart_takes_a_new_program_without_failing_a_request() {
    let machine = Machine::new();
    let program = machine.path("pyfcgid");
    fs::copy(env!("CARGO_BIN_EXE_pyfcgid"), &program).unwrap();
    machine.set(&program, "--threads 2");
    machine.expect("start", 0, "");
    let supervisor = machine.daemon.pid();
    machine.expect_no_failure_during(|| {
        fs::copy(&program, machine.path("pyfcgid.new")).unwrap();
        fs::rename(machine.path("pyfcgid.new"), &program).unwrap();
        machine.deploy(&says("two"));
        machine.expect("restart", 0, "pyfcgid was reloaded instead of restarted");
        machine.expect_answer("two");
    });
    let executes = fs::read_link(format!("/proc/{supervisor}/exe")).unwrap();
    assert_eq!((machine.daemon.pid(), executes), (supervisor, program));
}

#[test]
fn a_restart_stops_and_starts_when_a_reload_would_not_do() {
    let machine = Machine::new();
    machine.expect("start", 0, "");
    let first = machine.daemon.processes();
    machine.set(Path::new(env!("CARGO_BIN_EXE_pyfcgid")), "--threads 3");
    let said = machine.expect("restart", 0, "Stopping and starting pyfcgid: its options have changed");
    assert!(said.contains("pyfcgid has stopped"), "{said}");
    wait_until_gone(&first);
    let second = machine.daemon.processes();
    fs::remove_file(machine.path("run/control")).unwrap();
    machine.expect("restart", 0, "Stopping and starting pyfcgid: it does not answer at its control socket");
    wait_until_gone(&second);
    machine.expect_answer("one");
}

/// OpenRC's own part stands in for by as many functions as the script calls.
const OPENRC: &str = r#"
ebegin() { echo "$*"; }
einfo() { echo "$*"; }
eend() { return "$1"; }
checkpath() { :; }
default_stop() { echo stopped; }
default_start() { echo started; }
RC_CMD=$1
. "$2"
stop_pre && stop && start_pre && start
"#;

#[test]
fn a_restart_by_openrc_is_a_reload_unless_the_options_have_changed() {
    let machine = Machine::new();
    machine.expect("start", 0, "");
    let script = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("init/pyfcgid.openrc")).unwrap();
    let script = script.replace("/run/pyfcgid/pyfcgid.pid", machine.path("run/p.pid").to_str().unwrap());
    let script = script.replace("/run/pyfcgid/control", machine.path("run/control").to_str().unwrap());
    fs::write(machine.path("openrc"), script).unwrap();
    let run = |command: &str, threads: usize| {
        let output = Command::new("sh")
            .args(["-c", OPENRC, "sh", command])
            .arg(machine.path("openrc"))
            .env("binary", env!("CARGO_BIN_EXE_pyfcgid"))
            .env("config", machine.path("site.toml"))
            .env("options", format!("--log file:{} --threads {threads}", machine.path("log").display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let is_stop = |said: &str| said.contains("stopped\nstarted\n");
    machine.expect_no_failure_during(|| {
        machine.deploy(&says("two"));
        let said = run("restart", 2);
        assert!(said.contains("Reloaded instead of restarted") && !is_stop(&said), "{said}");
        machine.expect_answer("two");
    });
    assert!(is_stop(&run("restart", 3)) && is_stop(&run("stop", 2)));
}

#[test]
fn a_broken_application_is_told_on_the_terminal_and_starts_nothing() {
    let machine = Machine::new();
    machine.deploy("raise ValueError('the wheels are off')\n");
    let said = machine.expect("start", 1, "ValueError: the wheels are off");
    assert!(said.contains("Traceback (most recent call last)") && said.contains("app.py\", line 1"), "{said}");
    machine.expect("status", 3, "not running");
    expect_nothing_left(&machine.path("run"));
}

#[test]
fn a_reload_of_a_broken_application_says_why_and_the_old_code_serves_on() {
    let machine = Machine::new();
    machine.expect("start", 0, "");
    machine.deploy("raise ValueError('the wheels are off')\n");
    machine.expect("reload", 1, "ValueError: the wheels are off");
    machine.expect_answer("one");
    machine.expect("configtest", 6, "ValueError: the wheels are off");
    machine.expect("restart", 6, "ValueError: the wheels are off");
    machine.expect_answer("one");
    let processes = machine.daemon.processes();
    machine.expect("stop", 0, "");
    machine.expect_stopped(&processes);
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_place() {
    let machine = Machine::new();
    write_config(machine.directory.path(), "[pool.web]\napp = \"app.py\"\nprocesses = \"many\"\n");
    let said = machine.expect("start", 6, "site.toml");
    assert!(said.contains("processes") && said.contains("many"), "{said}");
    machine.expect("configtest", 6, "site.toml");
    expect_nothing_left(&machine.path("run"));
}

#[test]
fn a_daemon_that_was_killed_is_started_again() {
    let machine = Machine::new();
    machine.expect("start", 0, "");
    let processes = machine.daemon.processes();
    crate::site::kill(machine.daemon.pid(), "KILL");
    wait_until_gone(&processes);
    machine.expect("status", 1, "not running, but");
    machine.expect("start", 0, "pyfcgid is running as process");
    machine.expect_answer("one");
    let processes = machine.daemon.processes();
    machine.expect("stop", 0, "");
    machine.expect_stopped(&processes);
}
