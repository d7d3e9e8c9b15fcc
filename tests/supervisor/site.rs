//! A site as an administrator has it: a directory with a configuration file and modules, and pyfcgid running on it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::support::peer::{Address, DEADLINE};
use crate::support::process::{Finished, is_child, wait_until};
use crate::support::{Answer, Launch, Params, Peer, Pyfcgid};

/// Its configuration file.
pub const FILE: &str = "site.toml";
/// What `pyfcgid status` sends to the control socket.
pub const STATUS_REQUEST: &[u8] = b"{\"status\":{\"scope\":\"process\"}}\n";

/// A site that is not running yet. `toml` is the configuration, in which a pool without a user gets one.
pub fn site(toml: &str) -> Launch {
    let launch = Launch::new("serve").without_user().args(["-c", FILE]);
    write_config(launch.directory(), toml);
    launch
}

/// A site with one pool, `web`, on `s.sock`, that runs this module of `tests/apps`.
pub fn site_of(app: &str, settings: &str) -> Launch {
    let app = crate::support::app(app);
    site(&format!("pid-file = \"site.pid\"\n[pool.web]\napp = \"{app}\"\nlisten = \"unix:s.sock\"\n{settings}"))
}

/// A site whose pool runs `app.py` of its own directory.
pub fn site_with(code: &str, settings: &str) -> Launch {
    let launch = site(&format!("pid-file = \"site.pid\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n{settings}"));
    fs::write(launch.directory().join("app.py"), code).unwrap();
    launch
}

/// Writes the configuration file.
pub fn write_config(directory: &Path, toml: &str) {
    let mut text = String::new();
    for line in toml.lines() {
        text.push_str(&format!("{line}\n"));
        if is_root() && line.starts_with("[pool.") && !toml.contains("user = ") {
            text.push_str("user = \"root\"\n");
            if !toml.contains("socket-") {
                // Without it there is a warning, which is no test's matter but one's.
                text.push_str("socket-mode = \"0666\"\n");
            }
        }
    }
    fs::write(directory.join(FILE), text).unwrap();
}

/// Whether the tests are run by root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// An application that answers with this text.
pub fn says(text: &str) -> String {
    format!("def application(environ, start_response):\n    start_response(\"200 OK\", [])\n    return [b\"{text}\"]\n")
}

/// A site that runs. Its children end with it.
pub struct Site {
    process: Pyfcgid,
}

impl Deref for Site {
    type Target = Pyfcgid;

    fn deref(&self) -> &Pyfcgid {
        &self.process
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Pyfcgid {
        &mut self.process
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let children = self.children();
        let _ = self.process.exit_status().is_none().then(|| kill(self.process.pid(), "KILL"));
        children.into_iter().for_each(|child| kill(child, "KILL"));
    }
}

impl Site {
    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(launch: Launch) -> Self {
        let mut process = launch.start_unawaited();
        wait_until("the start", || {
            process.expect_running();
            process.log().contains("]: PF0101 ready\n")
        });
        Self { process }
    }

    /// Starts it and waits for nothing.
    pub fn start_unawaited(launch: Launch) -> Self {
        Self { process: launch.start_unawaited() }
    }

    /// The processes that the supervisor has started and not reaped.
    pub fn children(&self) -> BTreeSet<u32> {
        children_of(self.pid())
    }

    /// Waits until there are so many children.
    #[track_caller]
    pub fn wait_for_children(&self, count: usize) -> BTreeSet<u32> {
        wait_until(&format!("{count} children, not {:?}\n{}", self.children(), self.log()), || self.children().len() == count);
        self.children()
    }

    /// A request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, target: &str) -> Answer {
        self.connect().last_request(&Params::get(target), b"")
    }

    /// The body of its answer, which has to be a good one.
    #[track_caller]
    pub fn text(&self, target: &str) -> String {
        self.ask(target).expect_status(200).text()
    }

    /// Stops these processes by a signal, and waits until the supervisor knows.
    #[track_caller]
    pub fn suspend<'a>(&self, processes: impl IntoIterator<Item = &'a u32>) {
        for process in processes {
            kill(*process, "STOP");
            let told = format!("process {process}: stopped, ");
            wait_until(&told, || self.control("status").out.contains(&told));
        }
    }

    /// `pyfcgid COMMAND`, to its end.
    #[track_caller]
    pub fn control(&self, command: &str) -> Ended {
        control(self.directory(), command)
    }

    /// Writes a module and reloads.
    #[track_caller]
    pub fn deploy(&self, code: &str) -> Ended {
        fs::write(self.directory().join("app.py"), code).unwrap();
        self.control("reload")
    }

    /// Writes the configuration and reloads.
    #[track_caller]
    pub fn configure(&self, toml: &str) -> Ended {
        write_config(self.directory(), toml);
        self.control("reload")
    }

    /// Fails unless TERM ends it well, and nothing is left behind.
    #[track_caller]
    pub fn end(mut self) {
        let children = self.children();
        let status = self.stop();
        assert!(status.success(), "{status}\n{}", self.log());
        wait_until_gone(&children);
        expect_nothing_left(self.directory());
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// The same, after checking the exit code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }
}

/// `pyfcgid COMMAND -c site.toml` in a directory.
#[track_caller]
pub fn control(directory: &Path, command: &str) -> Ended {
    let output = Command::new("timeout")
        .arg(DEADLINE.as_secs().to_string())
        .arg(env!("CARGO_BIN_EXE_pyfcgid"))
        .args(command.split(' '))
        .args(["-c", FILE])
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { status: output.status, out: text(&output.stdout), err: text(&output.stderr) }
}

/// The processes that this one has started and not reaped.
pub fn children_of(pid: u32) -> BTreeSet<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    numbers.filter(|number| is_child(*number)).collect()
}

/// Sends a signal; to a process that has gone, none.
pub fn kill(pid: u32, signal: &str) {
    let _ = Command::new("sh").args(["-c", &format!("kill -s {signal} {pid}")]).stderr(Stdio::null()).status();
}

/// Whether the process is there and no zombie.
pub fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// Waits until none of these processes runs any more.
#[track_caller]
pub fn wait_until_gone<'a>(pids: impl IntoIterator<Item = &'a u32> + Clone) {
    wait_until("the end of all processes", || pids.clone().into_iter().all(|pid| !is_alive(*pid)));
}

/// Waits for what starts later than whoever looks.
#[track_caller]
pub fn connect_to(path: &Path) -> Peer {
    let address = Address::Unix(path.to_owned());
    wait_until("a connection", || Peer::try_connect(&address).is_ok());
    Peer::connect(address)
}

/// Fails when there is a socket or a PID file.
#[track_caller]
pub fn expect_nothing_left(directory: &Path) {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = names.filter(|name| [".sock", ".pid", ".control"].iter().any(|end| name.ends_with(end))).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Runs a site that does not start: fails unless it ends with this code, with each text on stderr, and leaves nothing behind.
#[track_caller]
pub fn expect_refused(launch: Launch, code: i32, texts: &[&str]) -> Finished {
    let finished = launch.run().expect_code(code);
    for text in texts {
        assert!(finished.stderr.contains(text), "no {text:?} in\n{}", finished.stderr);
    }
    expect_nothing_left(finished.directory());
    finished
}

/// How many of the lines of a log are errors or messages of the command.
pub fn messages(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.starts_with("pyfcgid: ")).collect()
}

/// A field of `/proc/PID/status`.
pub fn status_of(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How many descriptors a process has open.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The memory that a process has for itself, with its share of what it shares, in KiB.
pub fn pss_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What is promised, if the tests are run alone on a quiet machine with an optimised binary (`PYFCGID_STRICT=1`), and else
/// what tells a working program from one that waits for something.
pub fn limit<T>(strict: T, lenient: T) -> T {
    if std::env::var_os("PYFCGID_STRICT").is_some() { strict } else { lenient }
}
