//! One child process, as the supervisor holds it: its number and the near ends of what it talks through.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use log::Level;

use crate::config::AppLog;
use crate::link::{Command, Numbers, Report, Reports};
use crate::logging::{self, Lines, Reader};
use crate::sys::process::{self, EX_SOFTWARE, ExitReason, Fork, ProcessId};
use crate::sys::{fd, signal};

/// The far ends, which the child keeps.
#[derive(Debug)]
pub struct ChildEnds {
    /// Commands come in and reports go out.
    pub link: OwnedFd,
    /// Takes log records.
    pub log: OwnedFd,
    /// Takes what is written to descriptor 1.
    pub stdout: OwnedFd,
    /// Takes what is written to descriptor 2.
    pub stderr: OwnedFd,
}

/// A child process.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub id: ProcessId,
    /// When it was started.
    pub started: Instant,
    /// What it has last said of itself.
    pub numbers: Option<Numbers>,
    link: UnixStream,
    link_ended: bool,
    reports: Reports,
    log: Reader,
    /// Whether stdout and stderr have not ended, in this order.
    output: [Option<Lines>; 2],
}

/// The descriptors of a [`Process`], by number, for handing it to the next program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// The link.
    pub link: RawFd,
    /// The log.
    pub log: RawFd,
    /// Stdout and stderr, -1 if it has ended.
    pub output: [RawFd; 2],
}

/// How what an application says is written to the log.
#[derive(Clone, Copy, Debug)]
pub struct Voices {
    /// Decorated or not.
    pub form: AppLog,
    /// Of stray output, stdout's and stderr's.
    pub levels: [Level; 2],
}

/// Those of an application whose settings are gone.
pub const USUAL_VOICES: Voices = Voices { form: AppLog::Decorated, levels: [Level::Info, Level::Warn] };

impl Process {
    /// Forks a child that runs `boot` with its ends and never comes back.
    ///
    /// # Errors
    /// Those of fork(2) and of making the ends.
    pub fn spawn(boot: impl FnOnce(ChildEnds)) -> io::Result<Self> {
        let (link, link_end) = UnixStream::pair()?;
        link.set_nonblocking(true)?;
        let (log, log_end) = logging::channel()?;
        let (stdout, stdout_end) = Lines::pipe()?;
        let (stderr, stderr_end) = Lines::pipe()?;
        let output = [Some(stdout), Some(stderr)];
        let ends = ChildEnds { link: link_end.into(), log: log_end, stdout: stdout_end, stderr: stderr_end };
        let blocked = signal::block_all();
        let id = match process::fork()? {
            Fork::Parent(id) => id,
            Fork::Child => {
                boot(ends);
                process::exit_now(EX_SOFTWARE)
            }
        };
        drop(blocked);
        Ok(Self::of(id, link, log, output))
    }

    /// Takes over a child that the program before this one has started.
    ///
    /// # Errors
    /// When a descriptor is not open.
    pub fn adopt(id: ProcessId, descriptors: Descriptors) -> io::Result<Self> {
        let link = UnixStream::from(fd::inherited(descriptors.link)?);
        let log = Reader::adopt(fd::inherited(descriptors.log)?);
        let lines =
            |number: RawFd| if number < 0 { Ok(None) } else { fd::inherited(number).map(|end| Some(Lines::adopt(end))) };
        let [stdout, stderr] = descriptors.output;
        let output = [lines(stdout)?, lines(stderr)?];
        Ok(Self::of(id, link, log, output))
    }

    fn of(id: ProcessId, link: UnixStream, log: Reader, output: [Option<Lines>; 2]) -> Self {
        let (started, reports) = (Instant::now(), Reports::default());
        Self { id, started, numbers: None, link, link_ended: false, reports, log, output }
    }

    /// What [`Self::adopt`] takes.
    pub fn descriptors(&self) -> Descriptors {
        let output = [0, 1].map(|index| self.output[index].as_ref().map_or(-1, AsRawFd::as_raw_fd));
        Descriptors { link: self.link.as_raw_fd(), log: self.log.as_raw_fd(), output }
    }

    /// What to wait for until this child has said something.
    pub fn readable(&self) -> impl Iterator<Item = RawFd> + '_ {
        let output = self.output.iter().flatten().map(AsRawFd::as_raw_fd);
        let link = (!self.link_ended).then(|| self.link.as_raw_fd());
        let log = (!self.log.is_at_end()).then(|| self.log.as_raw_fd());
        link.into_iter().chain(log).chain(output)
    }

    /// Sends a command. A full socket has as many unread ones in it as there are states, so that nothing is lost with one more; a
    /// closed one belongs to a child that is ending.
    pub fn tell(&mut self, command: Command) {
        if let Err(error) = self.link.write(&[command as u8])
            && error.kind() != ErrorKind::BrokenPipe
        {
            log::debug!("child {} was not told {command:?}: {error}", self.id);
        }
    }

    /// Writes its log records and its stray output to the log, as far as they are there, but not so much that others have to wait.
    pub fn copy_log(&mut self, pool: &str, Voices { form, levels }: Voices) {
        let process = self.id.number().cast_unsigned();
        logging::pass_on(&mut self.log, form, pool, process);
        for (output, level) in self.output.iter_mut().zip(levels) {
            let Some(lines) = output else { continue };
            logging::pass_on_lines(lines, (level, form), pool, process);
            if lines.is_at_end() {
                *output = None;
            }
        }
    }

    /// The same for a process that has ended: all that it has left.
    pub fn copy_last_words(&mut self, pool: &str, voices: Voices) {
        (0..ROUNDS_AT_THE_END).for_each(|_| self.copy_log(pool, voices));
    }

    /// What it has reported since the last time.
    pub fn read_reports(&mut self) -> Vec<Report> {
        let mut buffer = [0; 4096];
        loop {
            match self.link.read(&mut buffer) {
                Ok(0) => {
                    self.link_ended = true;
                    break;
                }
                Ok(count) => self.reports.add(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        std::iter::from_fn(|| self.reports.next_report()).collect()
    }

    /// How it has ended, if it has.
    pub fn reap(&self) -> Option<ExitReason> {
        process::reap(self.id)
    }

    /// Sends it a signal; to a process that has ended, none.
    pub fn signal(&self, number: i32) {
        if let Err(error) = process::kill(self.id, number) {
            log::debug!("process {} gets no signal {number}: {error}", self.id);
        }
    }

    /// Its resident memory in bytes; nothing if the system does not say.
    pub fn resident_memory(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.id)).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * process::page_size())
    }
}

/// What fits into a pipe and a socket is read in fewer. There may be no end, if the application has left processes behind.
const ROUNDS_AT_THE_END: usize = 64;
