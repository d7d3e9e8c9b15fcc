//! Starts a real web server in the foreground, waits until it accepts, and stops it with all its processes.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::peer::DEADLINE;

/// A running nginx, Apache or HAProxy.
#[derive(Debug)]
pub(crate) struct WebServer {
    child: Child,
    directory: Place,
    pub(crate) port: u16,
}

impl WebServer {
    /// Runs `program` until the value is dropped. Its output and its own log, `error.log`, are shown when the test fails.
    #[track_caller]
    pub(crate) fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        directory: Place,
        port: u16,
    ) -> Self {
        let output = File::create(directory.path().join("output.log")).expect("a file in the temporary directory");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor"))
            .stderr(output)
            .process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        let mut server = Self { child, directory, port };
        server.wait_until_it_accepts();
        server
    }

    /// What it wrote about itself.
    pub(crate) fn log(&self) -> String {
        let read = |name| fs::read(self.directory.path().join(name)).unwrap_or_default();
        ["output.log", "error.log"].map(|name| String::from_utf8_lossy(&read(name)).into_owned()).concat()
    }

    /// Fails when the process has ended.
    #[track_caller]
    pub(crate) fn expect_running(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the child is ours") {
            panic!("the web server ended with {status}:\n{}", self.log());
        }
    }

    #[track_caller]
    fn wait_until_it_accepts(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            self.expect_running();
            assert!(started.elapsed() < DEADLINE, "does not accept:\n{}", self.log());
            pause();
        }
    }

    /// Signals the process and, with `-` before its number, its whole group.
    fn kill(&self, signal: &str, target: &str) {
        let command = format!("kill -s {signal} -- {target}{}", self.child.id());
        let _ = Command::new("sh").args(["-c", &command]).stderr(Stdio::null()).status();
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- log of the web server ---\n{}---", self.log());
        }
        self.kill("TERM", "");
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < PATIENCE {
            pause();
        }
        self.kill("KILL", "-");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A temporary directory that the unprivileged processes of a web server can look into.
#[derive(Debug)]
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("pyfcgid-web-").tempdir().expect("a temporary directory");
        permit(directory.path(), 0o755);
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("it is below the directory")).expect("a directory");
        fs::write(&path, content).expect("a file in the temporary directory");
        path
    }
}

/// Sets the permissions of a file or directory.
pub(crate) fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Whether the tests run as root; web servers then give up their privileges.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs (Debian package: coreutils)");
    output.stdout.trim_ascii() == b"0"
}

/// The path of a server's program, also where only root's PATH leads.
#[track_caller]
pub(crate) fn find_program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = directories.map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed (Debian package: {package})"))
}

/// Whether this Debian release does not have the server, so that its tests are left out; says so.
pub(crate) fn is_left_out(name: &str) -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let release = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
    let left_out = include_str!("../../.ci/left-out").lines().any(|line| line == format!("{release} {name}"));
    if left_out {
        println!("skipped: Debian's {release} has no {name}");
    }
    left_out
}

fn pause() {
    thread::sleep(Duration::from_millis(5));
}

/// How long a server may take for a regular end.
const PATIENCE: Duration = Duration::from_secs(20);
