//! The files in `init/`: the LSB script with a stand-in for the program, and the systemd units as systemd reads them. Where
//! `make install` puts them is in `installation.rs`.

#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pyfcgid::config::{Config, Layer};
use tempfile::TempDir;

/// A machine with the LSB script and a program that does nothing but note how it is called, and stay.
struct Machine {
    directory: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { directory: tempfile::tempdir().unwrap() };
        // Its settings end lines with `;`, so that they are several.
        let settings = format!(
            "DAEMON={0}/pyfcgid; CONFIG={0}/site.toml; PIDFILE={0}/run/p.pid; LOGDIR={0}/log; OPTIONS='--threads 2'; STOP_TIMEOUT=5\n",
            machine.directory.path().display()
        );
        fs::write(machine.path("default"), settings).unwrap();
        fs::write(machine.path("site.toml"), "").unwrap();
        assert!(Command::new("mkfifo").arg(machine.path("for-ever")).status().unwrap().success());
        machine.program(STAND_IN);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn program(&self, text: &str) {
        fs::write(self.path("pyfcgid"), text).unwrap();
        fs::set_permissions(self.path("pyfcgid"), Permissions::from_mode(0o755)).unwrap();
    }

    fn script(&self, action: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("init/pyfcgid.init");
        Command::new(script).arg(action).env("DEFAULTS", self.path("default")).output().unwrap()
    }

    #[track_caller]
    fn expect(&self, action: &str, code: i32, text: &str) {
        let output = self.script(action);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{action}: {said}");
        assert!(said.contains(text), "{action}: {said}");
    }

    /// How the program was called, without the directory.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        drop(fs::remove_file(self.path("calls")));
        calls.lines().map(|line| line.replace(&format!("{}/", self.directory.path().display()), "")).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(number) = fs::read_to_string(self.path("run/p.pid")) {
            drop(Command::new("kill").args(["-9", number.trim()]).output());
        }
    }
}

/// The shell's name in /proc is that of the script, as the real program's would be.
const STAND_IN: &str = r#"#!/bin/sh
cd "${0%/*}" || exit 1
[ "$1" = linger ] || echo "$*" >>calls
case $1 in
serve)
    "$0" linger >/dev/null 2>&1 &
    echo $! >run/p.pid
    # It has its name only when it has begun.
    until read -r name </proc/$!/comm && [ "$name" = pyfcgid ] && [ -e lingers ]; do sleep 0.01; done
    ;;
linger) : >lingers; read -r _ <for-ever ;;
stop) kill "$(cat run/p.pid)"; while [ -d "/proc/$(cat run/p.pid)" ]; do sleep 0.01; done; rm run/p.pid lingers ;;
status) echo "fine" ;;
esac
"#;

const SERVE: &str = "serve -D -c site.toml --pid-file run/p.pid --control-socket run/control --threads 2";

#[test]
fn the_script_starts_tells_reloads_and_stops_as_the_standard_wants_it() {
    let machine = Machine::new();
    machine.expect("status", 3, "not running");
    machine.expect("reload", 7, "not running");
    machine.expect("stop", 0, "not running");
    assert_eq!(machine.calls(), Vec::<String>::new());
    machine.expect("start", 0, "pyfcgid is running as process");
    assert_eq!(machine.calls(), [SERVE]);
    machine.expect("start", 0, "already running as process");
    assert_eq!(machine.calls(), Vec::<String>::new());
    machine.expect("status", 0, "fine");
    machine.expect("reload", 0, "");
    machine.expect("force-reload", 0, "");
    machine.expect("restart", 0, "has stopped");
    let control = "--control-socket run/control";
    let (status, reload, stop) = (format!("status {control}"), format!("reload {control}"), format!("stop {control}"));
    assert_eq!(machine.calls(), [&status, &reload, &reload, "check -D -c site.toml --threads 2", &stop, SERVE]);
    machine.expect("stop", 0, "has stopped");
    machine.expect("stop", 0, "not running");
    machine.expect("try-restart", 0, "");
    machine.expect("configtest", 0, "");
    assert_eq!(machine.calls(), [&stop, "check -D -c site.toml --threads 2"]);
}

#[test]
fn a_stale_pid_file_is_no_running_daemon() {
    let machine = Machine::new();
    fs::create_dir(machine.path("run")).unwrap();
    let own = std::process::id().to_string(); // Alive, but no pyfcgid.
    for number in ["999999999", own.as_str(), "", "x"] {
        fs::write(machine.path("run/p.pid"), format!("{number}\n")).unwrap();
        machine.expect("status", 1, "not running, but");
        machine.expect("stop", 0, "not running");
    }
    machine.expect("start", 0, "pyfcgid is running as process");
}

#[test]
fn a_daemon_that_hears_no_command_is_stopped_by_signals() {
    let machine = Machine::new();
    machine.expect("start", 0, "is running");
    machine.program("#!/bin/sh\nexit 1\n");
    machine.expect("stop", 0, "has stopped");
    assert_eq!(machine.script("status").status.code(), Some(1));
}

#[test]
fn failures_have_the_codes_of_the_standard() {
    let machine = Machine::new();
    machine.program("#!/bin/sh\necho ImportError >&2\nexit 70\n");
    machine.expect("start", 1, "ImportError");
    machine.program("#!/bin/sh\nexit 78\n");
    machine.expect("start", 6, "");
    machine.expect("configtest", 6, "");
    fs::remove_file(machine.path("site.toml")).unwrap();
    machine.expect("start", 6, "does not exist");
    fs::remove_file(machine.path("pyfcgid")).unwrap();
    machine.expect("start", 5, "does not exist");
    machine.expect("sing", 2, "Usage:");
}

#[test]
fn a_configuration_that_would_not_start_again_stops_nothing() {
    let machine = Machine::new();
    machine.expect("start", 0, "is running");
    machine.program("#!/bin/sh\n[ \"$1\" != check ]\n");
    machine.expect("restart", 6, "not restarted: process");
    machine.expect("status", 0, "is running");
}

/// After a boot `/run` is empty.
#[test]
fn a_directory_that_a_start_makes_is_no_mistake_of_the_configuration() {
    let machine = Machine::new();
    machine.program("#!/bin/sh\n[ \"$1\" != check ] || [ -d \"${0%/*}/run\" ]\n");
    assert!(!machine.path("run").exists());
    machine.expect("configtest", 0, "");
}

#[test]
fn the_configuration_has_no_pool_yet_and_the_example_is_one() {
    for (name, pools) in [("pyfcgid.toml", 0), ("example.toml.disabled", 1)] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("init").join(name);
        let config = Config::load(&Layer::new(), &|_| None, Some(&file)).unwrap();
        assert_eq!(config.pools.len(), pools, "{name}");
    }
}

/// The rotation finds the process by its PID file, however that was started, and the service may write where it looks for logs.
#[test]
fn every_way_to_start_makes_the_pid_file_that_logrotate_reads() {
    let text = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("init").join(name)).unwrap();
    let rotation = text("logrotate");
    let path = rotation.split_once("</").and_then(|(_, rest)| rest.split_once(';')).unwrap().0;
    let service = text("pyfcgid.service");
    let start = service.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert!(start.ends_with(" serve -c /etc/pyfcgid/pyfcgid.toml"), "{start}");
    assert!(text("pyfcgid.toml").contains(&format!("\npid-file = \"/{path}\"\n")));
    for script in ["pyfcgid.init", "pyfcgid.openrc"] {
        let named = text(script).lines().any(|line| line.to_lowercase().starts_with("pidfile=") && line.contains(path));
        assert!(named, "{script} has another PID file than /{path}");
    }
    let directory = rotation.lines().find_map(|line| line.strip_suffix("/*.log {")).unwrap();
    let writable = service.lines().find_map(|line| line.strip_prefix("LogsDirectory=")).unwrap();
    assert_eq!(directory, format!("/var/log/{writable}"));
}

/// What the rotation runs, with the program's PID file elsewhere.
#[test]
fn the_rotation_asks_the_process_of_the_pid_file_for_new_logs() {
    let machine = Machine::new();
    let rotation = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("init/logrotate")).unwrap();
    let command = rotation.split_once("postrotate\n").and_then(|(_, rest)| rest.split_once("endscript")).unwrap().0;
    let command = command.replace("/run/pyfcgid/pyfcgid.pid", machine.path("pid").to_str().unwrap());
    let rotate = || assert!(Command::new("sh").arg("-ec").arg(&command).status().unwrap().success());
    rotate(); // Without a process that is nothing wrong.
    let mut process = Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(machine.path("pid"), format!("{}\n", process.id())).unwrap();
    rotate();
    let status = process.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(10), "USR1: {status}");
}

#[test]
fn systemd_understands_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: there is no systemd-analyze");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let units = ["pyfcgid.service", "pyfcgid.socket"].map(|unit| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("init").join(unit)).unwrap();
        let path = directory.path().join(unit);
        // The program has to exist.
        fs::write(&path, text.replace("/usr/local/bin/pyfcgid", "/bin/true")).unwrap();
        path
    });
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("pyfcgid"), "{said}");
}

const POSIX_SCRIPTS: [&str; 7] = [
    "init/pyfcgid.init",
    "init/pyfcgid.openrc",
    "init/upgrade",
    "packaging/install",
    "packaging/debian/postinst",
    "packaging/debian/prerm",
    "packaging/debian/postrm",
];

#[test]
fn the_scripts_are_posix_shell() {
    for script in POSIX_SCRIPTS {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        assert!(Command::new("sh").arg("-n").arg(&script).status().unwrap().success(), "{}", script.display());
        match Command::new("shellcheck").args(["-s", "sh"]).arg(&script).output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
            Err(_) => println!("skipped: there is no shellcheck"),
        }
    }
}
