//! One child process, as the supervisor holds it: its number and the near ends of what it talks through.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use log::Level;

use super::last_words::LastWords;
use super::pool::{Desk, tells_of_shortage};
use crate::config::AppLog;
use crate::launch::ChildEnds;
use crate::log_writer;
use shared::link::{self, Command, Report, Reports};
use shared::logging::{self, Allowance, Lines, Reader};
use shared::sys::closing::Guarded;
use shared::sys::poll::Interest;
use shared::sys::process::{self, Change, EX_OSERR, EX_SOFTWARE, ExitReason, Fork, ProcessId};
use shared::sys::{fd, passing, signal};

/// A child process.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub id: ProcessId,
    /// When it was started.
    pub started: Instant,
    /// The signal that has told it to end, which the supervisor does over the link.
    pub told: Option<&'static str>,
    /// Where a child sits at the scoreboard, if there is one for it.
    pub desk: Option<Desk>,
    /// Whether a signal has stopped it.
    pub is_stopped: bool,
    /// What was written to stderr, until our module runs in it.
    pub last_words: Option<LastWords>,
    /// What it has said of memory that it did not get, which has ended it, or not: an application can write that, too.
    pub shortage: Option<String>,
    /// Since when a child that may be the last has had no request, and how many it had then.
    pub unused: Option<(Instant, u64)>,
    link: Guarded<UnixStream>,
    link_state: Link,
    reports: Reports,
    /// Commands that the link did not take. Invariant: none twice.
    unsent: Vec<Command>,
    log: Reader,
    /// Whether stdout and stderr have not ended, in this order.
    output: [Option<Lines>; 2],
    /// It said more than fits a turn, and is not listened to until then.
    pub rests_until: Option<Instant>,
    killed: Option<Killed>,
}

/// What the link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Open,
    /// Its other end was closed: by the end of the process, or it is to be replaced a moment later.
    Ended(Instant),
    /// Nothing more is read.
    GivenUp,
}

/// It was sent SIGKILL.
#[derive(Clone, Copy, Debug)]
struct Killed {
    since: Instant,
    look_at: Instant,
}

/// What a child has said in a turn.
#[derive(Debug, Default)]
pub struct Heard {
    /// Its reports.
    pub reports: Vec<Report>,
    /// What is wrong with the link, once.
    pub broken: Option<String>,
}

/// The descriptors of a [`Process`], by number, for handing it to the next program: the link, the log, stdout and stderr; -1 for one of
/// these that has ended.
pub type Descriptors = [RawFd; 4];

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
    /// Forks a child that is to sit at this desk, runs `boot` with its ends and never comes back.
    ///
    /// # Errors
    /// Those of fork(2) and of making the ends.
    pub fn spawn(desk: Option<Desk>, boot: impl FnOnce(ChildEnds)) -> io::Result<Self> {
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
                // Before anything of the application's runs, or it could signal the supervisor, or type into its terminal.
                if process::new_session().is_err() {
                    process::exit_now(EX_OSERR);
                }
                boot(ends);
                process::exit_now(EX_SOFTWARE)
            }
        };
        drop(blocked);
        Ok(Self { desk, ..Self::of(id, link, log, output) })
    }

    /// Takes over a child that the program before this one has started, and that speaks this version of the link. It stays at its desk.
    ///
    /// # Errors
    /// When a descriptor is not open.
    pub fn adopt(
        id: ProcessId,
        [link, log, stdout, stderr]: Descriptors,
        desk: Option<Desk>,
        version: u32,
    ) -> io::Result<Self> {
        let link = UnixStream::from(fd::inherited(link)?);
        let log = Reader::adopt(fd::inherited(log)?);
        let lines =
            |number: RawFd| if number < 0 { Ok(None) } else { fd::inherited(number).map(|end| Some(Lines::adopt(end))) };
        let output = [lines(stdout)?, lines(stderr)?];
        // That it was stopped was told the program before.
        let is_stopped = process::is_stopped(id);
        let started = process::age(id).and_then(|age| Instant::now().checked_sub(age)).unwrap_or_else(Instant::now);
        let reports = Reports::of_version(version);
        Ok(Self { started, reports, desk, last_words: None, is_stopped, ..Self::of(id, link, log, output) })
    }

    fn of(id: ProcessId, link: UnixStream, log: Reader, output: [Option<Lines>; 2]) -> Self {
        Self {
            id,
            started: Instant::now(),
            told: None,
            desk: None,
            is_stopped: false,
            last_words: Some(LastWords::default()),
            shortage: None,
            unused: None,
            link: Guarded::new(link),
            link_state: Link::Open,
            reports: Reports::of_version(link::VERSION),
            unsent: Vec::new(),
            log,
            output,
            rests_until: None,
            killed: None,
        }
    }

    /// What [`Self::adopt`] takes.
    pub fn descriptors(&self) -> Descriptors {
        let [stdout, stderr] = self.output.each_ref().map(|output| output.as_ref().map_or(-1, AsRawFd::as_raw_fd));
        [self.link.as_raw_fd(), self.log.as_raw_fd(), stdout, stderr]
    }

    /// What to wait for until this child has said something, or takes a command. Nothing while it rests: how it ends is told by a
    /// signal.
    pub fn watched(&self, now: Instant) -> impl Iterator<Item = (RawFd, Interest)> + '_ {
        let link = self.link.as_raw_fd();
        let commands = (!self.unsent.is_empty()).then_some((link, Interest::Writable));
        let speaks = self.rests_until.is_none_or(|until| until <= now);
        let link = (self.link_state == Link::Open).then_some(link);
        let log = (!self.log.is_at_end()).then(|| self.log.as_raw_fd());
        let output = self.output.iter().flatten().map(AsRawFd::as_raw_fd);
        let readable = link.into_iter().chain(log).chain(output).filter(move |_| speaks);
        readable.map(|descriptor| (descriptor, Interest::Readable)).chain(commands)
    }

    /// When it is to be listened to although nothing has happened.
    pub fn next_deadline(&self) -> Option<Instant> {
        let end = if let Link::Ended(when) = self.link_state { Some(when + END_PATIENCE) } else { None };
        self.rests_until.into_iter().chain(end).chain(self.killed.map(|killed| killed.look_at)).min()
    }

    /// Sends a command, or keeps it until the link takes it: commands are states, so the last of each is enough.
    pub fn tell(&mut self, command: Command) {
        self.unsent.retain(|earlier| !command.supersedes(*earlier));
        self.unsent.push(command);
        self.send_commands();
    }

    /// Sends what the link did not take before. One that is closed belongs to a child that is ending, or will be killed.
    pub fn send_commands(&mut self) {
        while let Some(command) = self.unsent.first() {
            match self.link.write(&[*command as u8]) {
                Ok(1..) => drop(self.unsent.remove(0)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => self.unsent.clear(),
            }
        }
    }

    /// What it has to say, but not so much that others have to wait: a channel that has more is left alone for some time, `share`
    /// times as long as for one such child. So those that write as quickly as they can take a part of a processor together.
    pub fn listen(&mut self, pool: &str, voices: Voices, share: u32) -> Heard {
        let begin = Instant::now();
        if self.rests_until.is_some_and(|until| until > begin) {
            return Heard::default();
        }
        self.rests_until = None;
        let (mut heard, link_has_more) = self.read_reports(begin);
        if self.copy_log(pool, voices, Allowance::of_a_turn) || link_has_more {
            let end = Instant::now();
            self.rests_until = Some(end + (end.duration_since(begin) * REST * share).min(LONGEST_REST));
        }
        if self.log.is_broken() && heard.broken.is_none() {
            heard.broken = Some(format!("{SENDS_DESCRIPTORS} with its log"));
        }
        heard
    }

    /// The same for a process that has ended: all that it has left.
    pub fn listen_to_last_words(&mut self, pool: &str, voices: Voices) -> Heard {
        self.copy_log(pool, voices, Allowance::of_last_words);
        let mut last = Heard::default();
        // As much as the link holds.
        for _ in 0..ROUNDS_AT_THE_END {
            let (heard, has_more) = self.read_reports(Instant::now());
            last.reports.extend(heard.reports);
            if !has_more {
                break;
            }
        }
        last
    }

    /// Writes its log records and its stray output to the log; whether there is more.
    fn copy_log(&mut self, pool: &str, Voices { form, levels }: Voices, allowance: impl Fn() -> Allowance) -> bool {
        let process = self.id.number().cast_unsigned();
        let mut turn = allowance();
        log_writer::pass_on(&mut self.log, form, pool, process, &mut turn);
        let mut has_more = turn.is_used_up();
        for (output, level) in self.output.iter_mut().zip(levels) {
            let Some(lines) = output else { continue };
            let mut turn = allowance();
            let said = log_writer::pass_on_lines(lines, (level, form), pool, process, &mut turn);
            if let Some(line) = said.iter().rev().find(|line| tells_of_shortage(line)) {
                self.shortage = Some(line.clone());
            }
            if let Some(words) = &mut self.last_words {
                said.into_iter().for_each(|line| words.add(line));
            }
            has_more |= turn.is_used_up();
            if lines.is_at_end() {
                *output = None;
            }
        }
        has_more
    }

    /// Reads once; whether there is more.
    fn read_reports(&mut self, now: Instant) -> (Heard, bool) {
        let (mut heard, mut buffer) = (Heard::default(), [0; REPORTS_OF_A_TURN]);
        if matches!(self.link_state, Link::Ended(when) if when + END_PATIENCE <= now) {
            heard.broken = Some("it closed its link to the supervisor, but keeps running".to_owned());
            self.link_state = Link::GivenUp;
        }
        if self.link_state != Link::Open {
            return (heard, false);
        }
        let count = match passing::receive_bytes(self.link.as_fd(), &mut buffer) {
            Ok(count @ 1..) => count,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                heard.broken = Some(format!("{SENDS_DESCRIPTORS} over its link"));
                self.link_state = Link::GivenUp;
                0
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            _ => {
                self.link_state = Link::Ended(now);
                0
            }
        };
        if let Err(broken) = self.reports.add(buffer.get(..count).unwrap_or_default(), &mut heard.reports) {
            heard.broken = Some(format!("it sent the supervisor what no process of pyfcgid sends ({broken})"));
            self.link_state = Link::GivenUp;
        }
        (heard, count == buffer.len())
    }

    /// How it has ended, if it has. One that was killed is not waited for in any case: who traces a process is told its end, and its
    /// parent not before the tracer has asked, which an application's own never does; and a file system of the application's can keep it
    /// for ever. It is a stranger from then on.
    pub fn reap(&mut self) -> Option<ExitReason> {
        let (id, reason) = (self.id, self.listen_to_changes());
        let (None, Some(killed)) = (reason, &mut self.killed) else {
            return reason;
        };
        let now = Instant::now();
        let is_due = killed.look_at <= now;
        if is_due {
            killed.look_at = now + BETWEEN_LOOKS;
        }
        let is_over = is_due && (process::has_ended(id) || now.duration_since(killed.since) >= DEATH_PATIENCE);
        is_over.then_some(ExitReason::Untold)
    }

    fn listen_to_changes(&mut self) -> Option<ExitReason> {
        // More would be told by another signal, and whoever stops it all the time does not stop us.
        for _ in 0..CHANGES_OF_A_TURN {
            match process::change(self.id)? {
                Change::Ended(reason) => return Some(reason),
                change => self.is_stopped = change == Change::Stopped,
            }
        }
        None
    }

    /// Sends it a signal; to a process that has ended, none.
    pub fn signal(&mut self, number: i32) {
        if number == signal::KILL {
            let since = Instant::now();
            self.killed.get_or_insert(Killed { since, look_at: since + BETWEEN_LOOKS });
        }
        if let Err(error) = process::kill(self.id, number) {
            log::debug!("process {} cannot be sent signal {number}: {error}", self.id);
        }
    }

    /// Whether it was sent SIGKILL.
    pub fn was_killed(&self) -> bool {
        self.killed.is_some()
    }
}

/// Stopped, continued, stopped and ended.
const CHANGES_OF_A_TURN: usize = 4;
/// What is read of the link at once.
const REPORTS_OF_A_TURN: usize = 4096;
const SENDS_DESCRIPTORS: &str = "it sent descriptors to the supervisor";
/// A link holds less.
const ROUNDS_AT_THE_END: usize = 128;
/// How often as long as its turn a child rests that has more to say: an eighth of a processor is enough for those that never end.
const REST: u32 = 7;
const LONGEST_REST: Duration = Duration::from_millis(200);
/// How often it is looked whether one that was killed has ended, if nobody is told.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Much memory takes its time.
const DEATH_PATIENCE: Duration = Duration::from_secs(2);
/// A process that ends closes the link a moment before it can be reaped.
const END_PATIENCE: Duration = Duration::from_secs(1);
