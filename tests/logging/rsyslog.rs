//! A real rsyslogd on a private socket.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pyfcgid::log_writer;
use tempfile::TempDir;

use super::roles::Running;
use super::wait_until;

/// It keeps its files in a directory of its own.
pub struct Rsyslog {
    process: Option<Running>,
    directory: TempDir,
}

impl Rsyslog {
    pub fn start() -> Self {
        let mut rsyslog = Self { directory: TempDir::new().unwrap(), process: None };
        fs::write(rsyslog.path("conf"), rsyslog.configuration()).unwrap();
        rsyslog.run();
        rsyslog
    }

    /// Starts it, and waits until it listens.
    pub fn run(&mut self) {
        let mut command = Command::new("rsyslogd");
        command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        command.arg("-n").arg("-f").arg(self.path("conf")).arg("-i").arg(self.path("pid"));
        // `.ci/install-packages test` installs it.
        self.process = Some(Running::start(command.stdin(Stdio::null())));
        let socket = self.socket();
        wait_until("rsyslogd to listen", || UnixDatagram::unbound().unwrap().connect(&socket).is_ok());
    }

    /// Ends it, and waits until it has.
    pub fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        let killed = Command::new("kill").arg(process.0.id().to_string()).status().unwrap();
        assert!(killed.success());
        process.expect_success();
    }

    pub fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// Facility, severity, tag and text of each message that it has written.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("messages")).unwrap_or_default();
        text.lines().filter(|line| line.contains("pyfcgid[")).map(str::to_owned).collect()
    }

    /// Waits for a message that ends so, and meanwhile writes the lines that wait for the daemon.
    #[track_caller]
    pub fn wait_for(&self, end: &str) {
        wait_until(end, || {
            log_writer::flush();
            self.lines().last().is_some_and(|line| line.ends_with(end))
        });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn configuration(&self) -> String {
        format!(
            "global(workDirectory=\"{directory}\")\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{socket}\" RateLimit.Interval=\"0\")\n\
             template(name=\"plain\" type=\"string\" string=\"%syslogfacility-text% %syslogseverity-text% %syslogtag%%msg%\\n\")\n\
             action(type=\"omfile\" file=\"{messages}\" template=\"plain\")\n",
            directory = self.directory.path().display(),
            socket = self.socket().display(),
            messages = self.path("messages").display(),
        )
    }
}
