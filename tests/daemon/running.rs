//! Processes that the tests start, and daemons that somebody else starts for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::site::{children_of, is_alive, kill};
use crate::wait_until;

/// A process that is killed when dropped, with its children.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}")))
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of the process", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    #[track_caller]
    pub fn expect_success(&mut self) {
        let status = self.end();
        assert!(status.success(), "{status}");
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let children = children_of(self.pid());
            drop(self.0.kill());
            children.into_iter().for_each(|child| kill(child, "KILL"));
        }
        drop(self.0.wait());
    }
}

/// The daemon that a PID file names. It is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    pid_file: PathBuf,
}

impl Daemon {
    pub fn of(pid_file: &Path) -> Self {
        Self { pid_file: pid_file.to_owned() }
    }

    /// Its number; 0 when the file is not there.
    pub fn pid(&self) -> u32 {
        fs::read_to_string(&self.pid_file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// It and its children.
    pub fn processes(&self) -> Vec<u32> {
        let pid = self.pid();
        assert_ne!(pid, 0, "{} holds no number", self.pid_file.display());
        children_of(pid).into_iter().chain([pid]).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.pid();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if is_alive(pid) && name.starts_with("pyfcgid") {
            let children = children_of(pid);
            kill(pid, "KILL");
            children.into_iter().for_each(|child| kill(child, "KILL"));
        }
    }
}
