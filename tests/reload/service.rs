//! `pyfcgid serve -c FILE` with an application that is deployed anew while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::peer::Address;
use crate::support::process::{Finished, is_child, wait_until};
use crate::support::{Launch, Pyfcgid, app};
use crate::web_server::permit;

/// A supervisor with two children of four workers each.
#[derive(Debug)]
pub(crate) struct Service {
    process: Pyfcgid,
    binary: PathBuf,
    version: u32,
}

impl Service {
    /// Starts it with a binary of its own and with further lines in its `[pool.test]`, where web servers can reach its socket.
    #[track_caller]
    pub(crate) fn start(settings: &str) -> Self {
        let launch = Launch::new("serve");
        let place = launch.directory().to_owned();
        permit(&place, 0o755);
        let binary = install_binary(&place);
        write_application(&place, FIRST_VERSION);
        let file = write_configuration(&place, settings);
        let launch = launch.binary(&binary).arg("-c").arg(file).awaiting(Address::Unix(place.join("s.sock")));
        let process = launch.start();
        permit(&process.socket(), 0o666);
        let service = Self { process, binary, version: FIRST_VERSION };
        service.wait_until_serving(PROCESSES);
        service
    }

    pub(crate) fn address(&self) -> Address {
        self.process.address()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.process.socket()
    }

    /// The version that was deployed last.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn next_version(&self) -> u32 {
        self.version + 1
    }

    /// Writes the next version in place of the last one; nothing is reloaded.
    pub(crate) fn deploy(&mut self) {
        self.version = self.next_version();
        write_application(self.process.directory(), self.version);
    }

    /// Writes a module in its place that raises `reason` when it is imported.
    pub(crate) fn deploy_broken(&self, reason: &str) {
        replace(&self.process.directory().join(APP), &format!("raise RuntimeError({reason:?})\n"));
    }

    /// Runs `pyfcgid reload` to its end.
    #[track_caller]
    pub(crate) fn reload(&self) -> Finished {
        self.control("reload").run()
    }

    fn control(&self, action: &str) -> Launch {
        let control = self.process.directory().join(CONTROL_SOCKET);
        Launch::new(action).binary(&self.binary).arg("--control-socket").arg(control)
    }

    /// Puts another file with the same program in the binary's place, and returns its inode.
    pub(crate) fn replace_binary(&self) -> u64 {
        install_binary(self.process.directory());
        inode(&self.binary).expect("it was installed")
    }

    /// Waits until the supervisor runs the program of this inode.
    #[track_caller]
    pub(crate) fn wait_for_binary(&self, wanted: u64) {
        let program = format!("/proc/{}/exe", self.process.pid());
        wait_until("the supervisor to run the new binary", || inode(Path::new(&program)) == Some(wanted));
    }

    /// Signals the supervisor.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// The processes whose parent is the supervisor.
    pub(crate) fn children(&self) -> BTreeSet<u32> {
        children_of(self.process.pid())
    }

    /// Waits until there are so many children, none of which is in `gone`.
    #[track_caller]
    pub(crate) fn wait_for_children(&mut self, count: usize, gone: &BTreeSet<u32>) {
        self.process.expect_running();
        let is_so = |children: &BTreeSet<u32>| children.len() == count && children.is_disjoint(gone);
        let what = format!("{count} children, none of {gone:?}; now {:?}", self.children());
        wait_until(&what, || is_so(&self.children()));
    }

    /// Waits until `pyfcgid status` says that so many children serve.
    #[track_caller]
    pub(crate) fn wait_until_serving(&self, count: usize) {
        wait_until(&format!("{count} children to serve"), || self.serving() == count);
    }

    fn serving(&self) -> usize {
        let status = self.control("status").arg("--json").run().expect_code(0);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
        let children = status["pools"][0]["children"].as_array().expect("a list");
        children.iter().filter(|child| child["state"] == "serving").count()
    }

    /// How many file descriptors the supervisor has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.pid())).expect("the supervisor runs").count()
    }

    /// Waits until `text` is in the log.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        self.process.wait_for_log(text)
    }

    /// Stops it, and fails when that does not go well or something panicked meanwhile.
    #[track_caller]
    pub(crate) fn expect_healthy_end(mut self) {
        self.process.expect_running();
        let status = self.process.stop();
        let log = self.process.log();
        assert!(status.success() && !log.contains("panicked"), "{status}\n{log}");
    }
}

fn write_application(place: &Path, version: u32) {
    let text = fs::read_to_string(app("deployed.py")).expect("an application of the tests");
    assert!(text.contains(VERSION_LINE), "tests/apps/deployed.py no longer says {VERSION_LINE:?}");
    replace(&place.join(APP), &text.replace(VERSION_LINE, &format!("VERSION = {version}\n")));
}

fn write_configuration(place: &Path, settings: &str) -> PathBuf {
    let text = format!(
        "pid-file = {:?}\ncontrol-socket = {:?}\n\n[pool.test]\napp = {:?}\nlisten = \"unix:{}\"\n\
         processes = {PROCESSES}\nthreads = {THREADS}\n{settings}\n",
        place.join("pid"),
        place.join(CONTROL_SOCKET),
        place.join(APP),
        place.join("s.sock").display(),
    );
    let path = place.join("pyfcgid.toml");
    replace(&path, &text);
    path
}

/// A copy, so that it can be replaced. Made by another process: a program that is open for writing anywhere cannot be run, and
/// what is open here is so for a moment in every process that another test starts.
fn install_binary(place: &Path) -> PathBuf {
    let (path, new) = (place.join("pyfcgid"), place.join("pyfcgid.new"));
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_pyfcgid")).arg(&new).status();
    assert!(copied.expect("cp runs (Debian package: coreutils)").success(), "no copy of the binary");
    fs::rename(&new, &path).expect("both are in one directory");
    path
}

/// Writes a file at once: whoever opens it meanwhile reads either content.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("a file in the temporary directory");
    fs::rename(&new, path).expect("both are in one directory");
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}

/// Zombies are no children any more.
fn children_of(parent: u32) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").expect("a Linux system").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| living_parent(*pid) == Some(parent) && is_child(*pid)).collect()
}

/// The parent of a process that lives.
fn living_parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_name.split(' ');
    let lives = fields.next() != Some("Z");
    fields.next()?.parse().ok().filter(|_| lives)
}

/// Children of the pool.
pub(crate) const PROCESSES: usize = 2;
const THREADS: usize = 4;
const FIRST_VERSION: u32 = 1;
const APP: &str = "deployed.py";
const CONTROL_SOCKET: &str = "control.sock";
const VERSION_LINE: &str = "VERSION = 0\n";
