//! Runs the real binary, with a time limit on everything.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::peer::{Address, DEADLINE, Peer};

/// What it gets of the environment of the tests.
const KEPT: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR"];

/// How `pyfcgid` is to be started.
#[derive(Debug)]
pub struct Launch {
    binary: OsString,
    wrapper: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: TempDir,
    listen: Option<Address>,
}

impl Launch {
    /// `pyfcgid serve APP` on a Unix socket of its own.
    pub fn serve(app: impl AsRef<OsStr>) -> Self {
        let launch = Self::serve_unlistened(app);
        let socket = launch.directory.path().join("s.sock");
        let listen = format!("unix:{}", socket.display());
        Self { listen: Some(Address::Unix(socket)), ..launch.args(["--listen", &listen]) }
    }

    /// `pyfcgid serve APP`; the caller adds `--listen`, if any.
    pub fn serve_unlistened(app: impl AsRef<OsStr>) -> Self {
        Self::new("serve").arg(app)
    }

    /// `pyfcgid SUBCOMMAND`.
    pub fn new(subcommand: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("pyfcgid-test-").tempdir().expect("a temporary directory");
        let binary = env!("CARGO_BIN_EXE_pyfcgid").into();
        let mut arguments: Vec<OsString> = vec![subcommand.into()];
        let mut environment = Vec::new();
        if is_root() && ["serve", "check"].contains(&subcommand) {
            // Without being told so, it does not run applications as root.
            arguments.extend(["--user", "root"].map(OsString::from));
            // Else it warns of sockets that only root can use.
            environment.push((SOCKET_MODE.into(), "0666".into()));
        }
        Self { binary, wrapper: Vec::new(), arguments, environment, directory, listen: None }
    }

    /// The same with the user that its configuration names, if it names one, also for root.
    pub fn with_configured_user(mut self) -> Self {
        self.arguments.retain(|argument| argument != "--user" && argument != "root");
        self
    }

    /// The same with another file than the one that was built.
    pub fn binary(self, path: impl AsRef<OsStr>) -> Self {
        Self { binary: path.as_ref().to_owned(), ..self }
    }

    /// The same with an address, named by its configuration, on which it has to answer before it counts as started.
    pub fn awaiting(self, address: impl Into<Address>) -> Self {
        Self { listen: Some(address.into()), ..self }
    }

    /// The same listening on this address too, which the process has to accept on before it counts as started.
    pub fn listen(self, address: impl Into<Address>) -> Self {
        let address = address.into();
        let text = match &address {
            Address::Unix(path) => format!("unix:{}", path.display()),
            Address::Tcp(address) => address.to_string(),
        };
        Self { listen: Some(address), ..self.args(["--listen", &text]) }
    }

    /// The same with one more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// The same with more arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// The same run by another program, which has to replace itself with the command it is given.
    pub fn under(mut self, wrapper: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.wrapper = wrapper.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        self
    }

    /// The same with an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The same without being told whose rights it has, which is left to a configuration file.
    pub fn without_user(mut self) -> Self {
        if let Some(place) = self.arguments.iter().position(|argument| argument == "--user") {
            self.arguments.drain(place..place + 2);
            self.environment.retain(|(name, _)| name != SOCKET_MODE);
        }
        self
    }

    /// The directory that the process works in, removed when it is stopped.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and waits until it answers on its connections: a listening socket alone only means that it will.
    #[track_caller]
    pub fn start(self) -> Pyfcgid {
        let address = self.listen.clone().expect("an address to wait for");
        // With a level or a file of settings, it may be silent about itself.
        let says_so = !self.arguments.iter().any(|argument| argument == "--log-level" || argument == "-c");
        let mut started = self.spawn(address);
        started.wait_until_it_serves();
        if says_so {
            started.wait_for_log("]: PF0101 ready\n");
        }
        started
    }

    /// Starts it without waiting for anything.
    #[track_caller]
    pub fn start_unawaited(self) -> Pyfcgid {
        let address = self.listen.clone().unwrap_or_else(|| Address::Unix(self.directory.path().join("s.sock")));
        self.spawn(address)
    }

    /// Runs it to its end, which has to come within [`DEADLINE`].
    #[track_caller]
    pub fn run(self) -> Finished {
        let mut process = self.start_unawaited();
        let status = process.wait_for_exit(DEADLINE);
        let stdout = fs::read_to_string(process.directory().join("stdout")).expect("stdout was captured");
        Finished { status, stdout, stderr: process.log(), process }
    }

    fn spawn(self, address: Address) -> Pyfcgid {
        let log = self.directory.path().join("stderr");
        let capture = |name| File::create(self.directory.path().join(name)).expect("a file in the temporary directory");
        let mut command = self.command();
        command
            .env_clear()
            .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYFCGID_PASS_ENV", self.passed())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(capture("stdout"))
            .stderr(capture("stderr"));
        let child = command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        Pyfcgid { child, status: None, directory: self.directory, log, address }
    }

    /// The variables that an application gets: those that a test sets, since that is what they are there for.
    fn passed(&self) -> String {
        let own = self.environment.iter().map(|(name, _)| name.to_string_lossy().into_owned());
        let own = own.filter(|name| !name.starts_with("PYFCGID_"));
        ["TMPDIR", "PYTHONDONTWRITEBYTECODE"].map(str::to_owned).into_iter().chain(own).collect::<Vec<_>>().join(",")
    }

    /// The binary with its arguments, behind the wrapper if there is one.
    fn command(&self) -> Command {
        let words: Vec<_> = self.wrapper.iter().chain([&self.binary]).chain(&self.arguments).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }
}

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    process: Pyfcgid,
}

impl Finished {
    /// The exit code; fails when a signal ended the process.
    #[track_caller]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// The same, after checking the exit code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stderr: {}\nstdout: {}", self.stderr, self.stdout);
        self
    }

    /// The directory it worked in.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }
}

/// A running `pyfcgid`. It is killed when dropped.
#[derive(Debug)]
pub struct Pyfcgid {
    child: Child,
    status: Option<ExitStatus>,
    directory: TempDir,
    log: PathBuf,
    address: Address,
}

impl Pyfcgid {
    /// Serves an application on a fresh Unix socket and waits until it accepts.
    #[track_caller]
    pub fn serve(app: impl AsRef<OsStr>, arguments: &[&str]) -> Self {
        Launch::serve(app).args(arguments).start()
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// The path of its Unix socket.
    pub fn socket(&self) -> PathBuf {
        match &self.address {
            Address::Unix(path) => path.clone(),
            Address::Tcp(address) => panic!("listens on {address}"),
        }
    }

    /// A new connection to it.
    #[track_caller]
    pub fn connect(&self) -> Peer {
        Peer::connect(self.address())
    }

    /// The directory that it works in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process id of the supervisor.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process ids of its children.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.pid())
    }

    /// The process id of its only child.
    #[track_caller]
    pub fn child_pid(&self) -> u32 {
        match self.children()[..] {
            [child] => child,
            ref children => panic!("{} children; log:\n{}", children.len(), self.log()),
        }
    }

    /// Everything it wrote to stderr.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("stderr was captured")).into_owned()
    }

    /// Everything it wrote to stdout.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.directory.path().join("stdout")).expect("stdout was captured")
    }

    /// Waits until `text` is in the log, and returns the log.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_log_that(text, |log| log.contains(text))
    }

    /// Waits until the log fulfils `condition`, and returns the log.
    #[track_caller]
    pub fn wait_for_log_that(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let log = self.log();
            if condition(&log) {
                return log;
            }
            assert!(started.elapsed() < DEADLINE, "no {what:?} in the log:\n{log}");
            pause();
        }
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -s {name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &command]).status().expect("sh runs");
        assert!(status.success(), "{command} failed");
    }

    /// Ends it and returns its log, to which nothing can come any more.
    #[track_caller]
    pub fn final_log(&mut self) -> String {
        self.stop();
        self.log()
    }

    /// Ends it with TERM and returns how it ended.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_exit(DEADLINE)
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_for_exit(&mut self, deadline: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            assert!(started.elapsed() < deadline, "still running after {deadline:?}; log:\n{}", self.log());
            pause();
        }
    }

    /// How it ended, if it did.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("the child is ours");
        }
        self.status
    }

    /// Fails when the process has ended.
    #[track_caller]
    pub fn expect_running(&mut self) {
        if let Some(status) = self.exit_status() {
            panic!("ended with {status} (signal {:?}); log:\n{}", ExitStatusExt::signal(&status), self.log());
        }
    }

    /// Resident memory of its only child in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.status_value("VmRSS:")
    }

    /// The most resident memory its only child ever had, in KiB.
    pub fn peak_rss_kib(&self) -> u64 {
        self.status_value("VmHWM:")
    }

    /// How many threads its only child has.
    pub fn threads(&self) -> u64 {
        self.status_value("Threads:")
    }

    /// How many file descriptors its only child has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child_pid())).expect("the process lives").count()
    }

    /// Waits until at most `count` file descriptors are open.
    #[track_caller]
    pub fn wait_for_open_files(&self, count: usize) {
        wait_until(&format!("at most {count} open files"), || self.open_files() <= count);
    }

    fn status_value(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child_pid())).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field of proc(5)");
        line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("a number")
    }

    #[track_caller]
    fn wait_until_it_serves(&mut self) {
        let started = Instant::now();
        while !Peer::try_connect(&self.address).is_ok_and(|mut peer| peer.is_answered_within(Duration::from_millis(200))) {
            self.expect_running();
            assert!(started.elapsed() < DEADLINE, "does not answer; log:\n{}", self.log());
            pause();
        }
    }
}

impl Drop for Pyfcgid {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- log of pyfcgid {} ---\n{}---", self.pid(), self.log());
        }
        if self.exit_status().is_none() {
            let children = self.children();
            let _ = self.child.kill();
            let _ = self.child.wait();
            // They would end by themselves, but not before the application does.
            children.into_iter().for_each(kill);
        }
    }
}

/// The processes whose parent this is.
pub fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("there is a /proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // Behind the name, which may have anything in it.
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
    };
    let mut children: Vec<u32> = numbers.filter(|process| parent_of(*process) == Some(parent) && is_child(*process)).collect();
    children.sort_unstable();
    children
}

/// Whether it is the queue process of a pool, which runs no application.
pub fn is_queue_process(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim_end() == "pyfcgid: queue")
}

/// Whether it is there, and none of those that pyfcgid has for itself.
pub fn is_child(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| !name.starts_with("pyfcgid: "))
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

/// Whether this test may look into processes of pools, which hide from others of their user. If not, it says that something is skipped.
pub fn may_look_into_children() -> bool {
    if !is_root() {
        eprintln!("skipped: only root can look into processes of pools");
    }
    is_root()
}

fn kill(process: u32) {
    let _ = Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
}

/// Waits until `condition` holds; fails after [`DEADLINE`].
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        pause();
    }
}

/// Has the process stand still: a signal to stop reaches each of its threads in that one's own time, which may take a connection before.
#[track_caller]
pub fn stand_still(process: u32) {
    let stopped = Command::new("sh").args(["-c", &format!("kill -s STOP {process}")]).status();
    assert!(stopped.is_ok_and(|status| status.success()), "process {process} is gone");
    let stands_still = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && line.contains('T'))
    };
    let all_stand_still = || fs::read_dir(format!("/proc/{process}/task")).unwrap().all(|task| stands_still(task.unwrap()));
    wait_until("all threads to stand still", all_stand_still);
}

/// The pause between two looks in a loop that has a deadline.
fn pause() {
    thread::sleep(Duration::from_millis(5));
}

/// The variable of the option.
const SOCKET_MODE: &str = "PYFCGID_SOCKET_MODE";
