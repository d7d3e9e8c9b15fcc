//! A new binary in the place of this one (SIGUSR2): the process stays and with it its sockets, children and PID file.
//!
//! What the next program has to know goes through one environment variable, as lines of words. The new binary first has to check the
//! configuration and import the applications in a process of its own; only then it gets the place, and reloads.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::control_socket::ControlSocket;
use super::counts::{Exits, Reloads};
use super::pool::{Desk, RunningPool, Service};
use super::process::{Descriptors, Process};
use super::rehearsal::Owner;
use super::sockets::{self, Sockets};
use super::{Parts, ServicePhase, Supervisor, Surroundings, ties};
use crate::config::{Config, ListenAddress};
use crate::control_protocol::Scope;
use crate::invocation::Successor;
use crate::log_writer;
use shared::link;
use shared::listener::BindError;
use shared::logging::codes;
use shared::scoreboard::Scoreboard;
use shared::scoreboard::roster::Roster;
use shared::scoreboard::tally::Tally;
use shared::sys::closing::{self, Guarded};
use shared::sys::process::ProcessId;
use shared::sys::{directory, fd};

/// A check of the new binary that is running.
#[derive(Debug)]
pub struct Trial {
    child: Child,
    settings: Output,
    messages: Output,
    /// None after it was killed.
    deadline: Option<Instant>,
}

/// What it prints, up to [`MAX_OUTPUT`]; the rest is read and left out, so that it is not held up by us.
#[derive(Debug)]
struct Output {
    pipe: File,
    bytes: Vec<u8>,
    is_ended: bool,
    /// It prints more than is wanted.
    rests_until: Option<Instant>,
}

impl Output {
    fn of(pipe: Option<impl Into<OwnedFd>>) -> io::Result<Self> {
        let pipe: OwnedFd = pipe.ok_or(ErrorKind::BrokenPipe)?.into();
        fd::never_wait(&pipe)?;
        Ok(Self { pipe: File::from(pipe), bytes: Vec::new(), is_ended: false, rests_until: None })
    }

    fn readable(&self, now: Instant) -> Option<RawFd> {
        (!self.is_ended && self.rests_until.is_none_or(|until| until <= now)).then(|| self.pipe.as_raw_fd())
    }

    /// As much as a pipe holds.
    fn read(&mut self, now: Instant) {
        self.rests_until = None;
        let mut buffer = [0; PIPE_LEN];
        match self.pipe.read(&mut buffer) {
            Ok(0) => self.is_ended = true,
            Ok(count) => {
                let room = MAX_OUTPUT - self.bytes.len();
                self.bytes.extend_from_slice(&buffer[..count.min(room)]);
                self.rests_until = (count > room).then(|| now + REST);
            }
            Err(error) => self.is_ended = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn into_text(mut self) -> String {
        self.read(Instant::now());
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// What the program before this one has left to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inheritance {
    /// The locked PID file.
    pub pid_file: Option<RawFd>,
    /// The control socket.
    pub control: Option<RawFd>,
    /// The listening sockets that the program before was given, with their names.
    pub handed_over: Vec<(RawFd, String)>,
    /// The soft limit on open descriptors that children are to have.
    open_files: Option<u64>,
    /// What came of reloads so far, as it was written.
    reloads: Option<String>,
    /// The version of the link that the children speak.
    link: u32,
    pools: Vec<Legacy>,
}

/// One pool of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Legacy {
    name: String,
    passage: [RawFd; 2],
    /// What a program before the line was there does not leave: its ends, and the scoreboard.
    line: Option<[RawFd; 3]>,
    /// The roster, which is read again by those who speak the same version of the link.
    roster: Option<RawFd>,
    sockets: Vec<(String, Vec<RawFd>)>,
    /// With their desks.
    children: Vec<(ProcessId, Descriptors, Option<Desk>)>,
    /// What was counted of children that have gone.
    past: Option<Tally>,
    /// How those have ended.
    exits: Option<Exits>,
}

impl Inheritance {
    /// The name of the variable.
    pub const VARIABLE: &str = "PYFCGID_SUCCESSION";

    /// What the variable says, if it was meant for the process of this number: one that a child inherits says nothing.
    pub fn parse(text: &OsStr, process: u32) -> Option<Self> {
        let mut lines = text.to_str()?.lines();
        (lines.next()?.parse() == Ok(process)).then_some(())?;
        let mut inheritance = Self::default();
        for line in lines {
            let (kind, rest) = line.split_once(' ')?;
            let (word, numbers) = rest.split_once(' ').unwrap_or((rest, ""));
            let numbers: Vec<RawFd> = numbers.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>()?;
            match (kind, &numbers[..]) {
                ("pid-file", []) => inheritance.pid_file = word.parse().ok(),
                ("control", []) => inheritance.control = word.parse().ok(),
                ("open-files", []) => inheritance.open_files = Some(word.parse().ok()?),
                ("link", []) => inheritance.link = word.parse().ok()?,
                ("handed-over", [number]) => inheritance.handed_over.push((*number, from_hex(word)?)),
                ("pool", [near, far]) => {
                    let name = from_hex(word)?;
                    inheritance.pools.push(Legacy { name, passage: [*near, *far], ..Legacy::default() });
                }
                ("line", [far, scoreboard]) => {
                    inheritance.pools.last_mut()?.line = Some([word.parse().ok()?, *far, *scoreboard]);
                }
                ("roster", []) => inheritance.pools.last_mut()?.roster = Some(word.parse().ok()?),
                ("reloads", []) => inheritance.reloads = Some(from_hex(word)?),
                ("exits", []) => inheritance.pools.last_mut()?.exits = Exits::parse(&from_hex(word)?),
                ("past", []) => inheritance.pools.last_mut()?.past = Tally::parse(&from_hex(word)?),
                ("socket", descriptors) => {
                    inheritance.pools.last_mut()?.sockets.push((from_hex(word)?, descriptors.to_vec()));
                }
                ("child", [link, log, stdout, stderr, seat @ ..]) => {
                    let descriptors = Descriptors { link: *link, log: *log, output: [*stdout, *stderr] };
                    let desk = match seat.iter().map(|number| usize::try_from(*number)).collect::<Result<Vec<_>, _>>() {
                        Ok(numbers) if numbers.len() == 3 => Some(Desk { seat: numbers[0], slots: numbers[1]..numbers[2] }),
                        _ => None,
                    };
                    inheritance.pools.last_mut()?.children.push((ProcessId::new(word.parse().ok()?)?, descriptors, desk));
                }
                _ => return None,
            }
        }
        Some(inheritance)
    }

    fn to_text(&self, process: u32) -> String {
        let mut lines = vec![process.to_string()];
        lines.push(format!("link {}", self.link));
        lines.extend(self.open_files.map(|number| format!("open-files {number}")));
        lines.extend(self.reloads.as_ref().map(|counts| format!("reloads {}", to_hex(counts))));
        lines.extend(self.pid_file.map(|number| format!("pid-file {number}")));
        lines.extend(self.control.map(|number| format!("control {number}")));
        lines.extend(self.handed_over.iter().map(|(number, name)| format!("handed-over {} {number}", to_hex(name))));
        for Legacy { name, passage: [near, far], line, roster, sockets, children, past, exits } in &self.pools {
            lines.push(format!("pool {} {near} {far}", to_hex(name)));
            lines.extend(line.map(|[near, far, scoreboard]| format!("line {near} {far} {scoreboard}")));
            lines.extend(roster.map(|roster| format!("roster {roster}")));
            lines.extend(past.as_ref().map(|past| format!("past {}", to_hex(&past.to_string()))));
            lines.extend(exits.as_ref().map(|exits| format!("exits {}", to_hex(&exits.to_string()))));
            for (address, descriptors) in sockets {
                let numbers: Vec<String> = descriptors.iter().map(ToString::to_string).collect();
                lines.push(format!("socket {} {}", to_hex(address), numbers.join(" ")));
            }
            for (id, Descriptors { link, log, output: [stdout, stderr] }, at) in children {
                let desk = |Desk { seat, slots }: &Desk| format!(" {seat} {} {}", slots.start, slots.end);
                let desk = at.as_ref().map_or_else(String::new, desk);
                lines.push(format!("child {id} {link} {log} {stdout} {stderr}{desk}"));
            }
        }
        lines.join("\n")
    }

    fn descriptors(&self) -> Vec<RawFd> {
        let mut all: Vec<RawFd> = self.pid_file.into_iter().chain(self.control).collect();
        all.extend(self.handed_over.iter().map(|(number, _)| *number));
        for pool in &self.pools {
            all.extend(pool.passage);
            all.extend(pool.line.into_iter().flatten().chain(pool.roster));
            all.extend(pool.sockets.iter().flat_map(|(_, descriptors)| descriptors));
            all.extend(pool.children.iter().flat_map(|(_, ends, _)| [ends.link, ends.log, ends.output[0], ends.output[1]]));
        }
        all.retain(|number| *number >= 0);
        all
    }
}

impl<'a> Supervisor<'a> {
    /// Takes the place of the program before this one: its children serve until the new ones do.
    ///
    /// # Errors
    /// [`BindError`] when what was left is not what it should be.
    pub fn succeed(
        parts: Parts<'a>,
        config: Config,
        inheritance: Inheritance,
        surroundings: Surroundings,
    ) -> Result<Self, BindError> {
        let mut supervisor = Self::empty(parts, config, surroundings)?;
        supervisor.phase = ServicePhase::Running;
        supervisor.reloads = inheritance.reloads.as_deref().and_then(Reloads::parse).unwrap_or_default();
        supervisor.open_files = inheritance.open_files.unwrap_or(supervisor.open_files);
        let now = Instant::now();
        for legacy in inheritance.pools {
            supervisor.adopt(legacy, inheritance.link, now)?;
        }
        log::info!(target: codes::UPGRADED, "pyfcgid {} has taken over from the previous program", env!("CARGO_PKG_VERSION"));
        supervisor.want_reload(Scope::Process, None);
        Ok(supervisor)
    }

    fn adopt(&mut self, legacy: Legacy, link: u32, now: Instant) -> Result<(), BindError> {
        let mut sockets = Sockets::default();
        for (address, descriptors) in &legacy.sockets {
            if let Ok(address) = ListenAddress::parse(address) {
                sockets.adopt(address, descriptors)?;
            }
        }
        let inherited = |number: RawFd| fd::inherited(number).map_err(|_| BindError::NotListening(number));
        let mut ties = ties()?;
        ties.passage = Guarded::new((inherited(legacy.passage[0])?, inherited(legacy.passage[1])?));
        // Those who write to another one are not on this.
        let mut is_same = false;
        if let Some([near, far, scoreboard]) = legacy.line {
            ties.line = Guarded::new((inherited(near)?, inherited(far)?));
            // The application writes there what it likes, so nothing may depend on it.
            match Scoreboard::adopt(inherited(scoreboard)?) {
                Ok(scoreboard) => (ties.scoreboard, is_same) = (Arc::new(scoreboard), true),
                Err(error) => {
                    log::warn!(
                        target: codes::SCOREBOARD_RECREATED,
                        "pool {}: its scoreboard has been recreated: {error}",
                        legacy.name
                    )
                }
            }
        }
        if let Some(roster) = legacy.roster.map(inherited).transpose()?
            && link == link::VERSION
        {
            ties.roster = Roster::adopt(roster).map_err(super::system)?;
        }
        let adopted =
            legacy.children.into_iter().map(|(id, ends, desk)| Ok((Process::adopt(id, ends, link)?, desk.filter(|_| is_same))));
        let processes: Vec<(Process, Option<Desk>)> = adopted.collect::<io::Result<_>>().map_err(super::system)?;
        match self.config.pools.iter().find(|settings| settings.name == legacy.name) {
            Some(settings) => {
                let service = Service { settings: settings.clone(), config: Rc::clone(&self.config), owner: Owner::default() };
                let mut pool = RunningPool::adopt(service, sockets, ties, processes, now);
                pool.count_from(legacy.past.unwrap_or_default(), legacy.exits.unwrap_or_default());
                self.pools.push(pool);
            }
            None => {
                self.leaving.extend(processes.into_iter().map(|(process, _)| process));
                self.leaving.iter_mut().for_each(|process| process.signal(shared::sys::signal::TERM));
            }
        }
        Ok(())
    }

    /// SIGUSR2. One that comes while something else is going on has its turn when that is over.
    pub(super) fn want_successor(&mut self) {
        self.wants_successor = !matches!(self.phase, ServicePhase::Stopping(_));
        if self.is_free_for_successor() {
            self.begin_wanted_successor();
        } else if self.wants_successor {
            log::info!(
                target: codes::UPGRADE_WAITS,
                "SIGUSR2: the new binary waits until the current start, reload or upgrade is finished"
            );
        }
    }

    fn is_free_for_successor(&self) -> bool {
        self.phase == ServicePhase::Running && self.reload.is_none() && self.trial.is_none()
    }

    /// Begins the check of the new binary, if somebody wants it and nothing is in the way.
    pub(super) fn begin_wanted_successor(&mut self) {
        if !self.is_free_for_successor() || !std::mem::take(&mut self.wants_successor) {
            return;
        }
        let successor = self.parts.invocation.successor();
        let limit = self.config.pools.iter().map(|pool| pool.startup_timeout).sum::<Duration>().max(LEAST_LIMIT);
        match Trial::begin(&successor, limit) {
            Ok(trial) => {
                log::info!(target: codes::UPGRADE_CHECKED, "checking {} before it takes over", successor.binary.display());
                self.trial = Some(trial);
            }
            Err(error) => {
                log::error!(
                    target: codes::UPGRADE_NOT_RUN,
                    "{} cannot be run, so the old program keeps running: {error}",
                    successor.binary.display()
                )
            }
        }
    }

    /// An application that hangs while it is imported must not keep every later binary out.
    pub(super) fn limit_trial(&mut self, now: Instant) {
        let Some(trial) = &mut self.trial else {
            return;
        };
        [&mut trial.settings, &mut trial.messages].into_iter().for_each(|output| {
            if output.readable(now).is_some() {
                output.read(now);
            }
        });
        if trial.deadline.take_if(|deadline| *deadline <= now).is_some()
            && let Err(error) = trial.child.kill()
        {
            log::debug!("the check of the new binary cannot be killed: {error}");
        }
    }

    /// If the check is over: the new binary takes over, or what it has said goes to the log.
    pub(super) fn conclude_trial(&mut self) {
        let Some(Ok(Some(status))) = self.trial.as_mut().map(|trial| trial.child.try_wait()) else {
            return;
        };
        let (settings, messages) = self.trial.take().map(Trial::output).unwrap_or_default();
        if !status.success() {
            return log::error!(
                target: codes::UPGRADE_CHECK_FAILED,
                "the new binary failed its check ({status}), so the old program keeps running\n{}",
                messages.trim_end()
            );
        }
        if !settings.lines().any(|line| line.starts_with(FIRST_SETTING)) {
            return log::error!(
                target: codes::UPGRADE_IS_ANOTHER_PROGRAM,
                "the new binary does not answer as pyfcgid does, so the old program keeps running"
            );
        }
        if self.phase != ServicePhase::Running {
            return log::warn!(
                target: codes::UPGRADE_CANCELLED,
                "the new binary does not take over: a stop began in the meantime"
            );
        }
        if self.reload.is_some() {
            // What it has checked may be another configuration by then.
            return self.want_successor();
        }
        let error = self.execute(&self.parts.invocation.successor());
        log::error!(
            target: codes::UPGRADE_NOT_EXECUTED,
            "the new binary cannot be executed, so the old program keeps running: {error}"
        );
    }

    /// Comes back only when it has failed.
    fn execute(&self, successor: &Successor) -> io::Error {
        let inheritance = self.inheritance(successor);
        let descriptors = inheritance.descriptors();
        log::info!(target: codes::UPGRADE_BEGUN, "executing {}", successor.binary.display());
        log_writer::flush();
        descriptors.iter().for_each(|number| fd::keep_at_exec(*number, fd::AtExec::Keep));
        let mut command = Command::new(&successor.binary);
        command.args(&successor.arguments).envs(self.manager.environment());
        command.env(Inheritance::VARIABLE, inheritance.to_text(std::process::id()));
        command.envs(directory::of_start().map(|start| ("PWD", start)));
        // What is not kept is closed here, too.
        let error = closing::while_held(|| command.exec());
        descriptors.iter().for_each(|number| fd::keep_at_exec(*number, fd::AtExec::Close));
        error
    }

    fn inheritance(&self, successor: &Successor) -> Inheritance {
        let pools = self.pools.iter().map(|pool| Legacy {
            name: pool.name().to_owned(),
            passage: sockets::numbers(&pool.ties().passage),
            line: Some({
                let [near, far] = sockets::numbers(&pool.ties().line);
                [near, far, pool.ties().scoreboard.as_raw_fd()]
            }),
            roster: Some(pool.ties().roster.for_successor()),
            sockets: pool.sockets().by_address().map(|(address, numbers)| (address.to_string(), numbers)).collect(),
            children: pool
                .processes()
                .map(|(id, process)| (process.id, process.descriptors(), pool.desk(id).cloned()))
                .collect(),
            past: Some(pool.past().clone()),
            exits: Some(pool.exits().clone()),
        });
        let control = self.control.as_ref().map(ControlSocket::descriptor);
        let handed_over = successor.handed_over.clone();
        let open_files = Some(self.open_files);
        let (reloads, link) = (Some(self.reloads.to_string()), link::VERSION);
        let pools = pools.collect();
        Inheritance { pid_file: self.pid_file, control, handed_over, open_files, reloads, link, pools }
    }
}

impl Trial {
    /// What to wait for.
    pub fn readable(&self, now: Instant) -> impl Iterator<Item = RawFd> {
        [&self.settings, &self.messages].into_iter().filter_map(move |output| output.readable(now))
    }

    /// When it has taken too long, or is to be read again.
    pub fn deadline(&self) -> Option<Instant> {
        [self.deadline, self.settings.rests_until, self.messages.rests_until].into_iter().flatten().min()
    }

    /// Its process.
    pub fn process(&self) -> Option<ProcessId> {
        ProcessId::new(self.child.id().cast_signed())
    }

    fn begin(successor: &Successor, limit: Duration) -> io::Result<Self> {
        let mut command = Command::new(&successor.binary);
        command.args(&successor.check).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (settings, messages) = (Output::of(child.stdout.take())?, Output::of(child.stderr.take())?);
        Ok(Self { child, settings, messages, deadline: Some(Instant::now() + limit) })
    }

    /// The settings that it has printed, and its messages.
    fn output(self) -> (String, String) {
        (self.settings.into_text(), self.messages.into_text())
    }
}

fn to_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<String> {
    let digits = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(digits.collect::<Option<_>>()?).ok()
}

const MAX_OUTPUT: usize = 64 * 1024;
const PIPE_LEN: usize = 64 * 1024;
/// What a program needs for its check besides its applications.
const LEAST_LIMIT: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_millis(20);
/// What every `pyfcgid check` prints.
const FIRST_SETTING: &str = "daemonize =";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read_as_it_was_written() {
        let process = |number| ProcessId::new(number).unwrap();
        let children = vec![
            (process(77), Descriptors { link: 8, log: 9, output: [10, -1] }, Some(Desk { seat: 3, slots: 8..16 })),
            (process(78), Descriptors { link: 1, log: 2, output: [3, 4] }, None),
        ];
        let sockets = vec![("unix:/run/a b\n.sock".to_owned(), vec![5]), ("*:9000".to_owned(), vec![6, 7])];
        let past = Some(Tally { aborted: u64::MAX, ..Tally::default() });
        let exits = Exits::parse("1 2 3 4 5 6");
        let (name, line, roster) = ("blog".to_owned(), Some([30, 31, 32]), Some(33));
        let pool = Legacy { name, passage: [3, 4], line, roster, sockets, children, past, exits };
        let empty = Legacy { name: "shop".to_owned(), passage: [11, 12], ..Legacy::default() };
        let inheritance = Inheritance {
            pid_file: Some(20),
            control: None,
            handed_over: vec![(6, String::new()), (21, "a b".to_owned())],
            open_files: Some(1024),
            reloads: Some("3 1".to_owned()),
            link: 7,
            pools: vec![pool, empty],
        };
        let text = std::ffi::OsString::from(inheritance.to_text(5));
        assert_eq!(Inheritance::parse(&text, 5), Some(inheritance));
        assert_eq!(Inheritance::parse(&text, 6), None);
        assert_eq!(Inheritance::parse(OsStr::new("5\nchild 1 2 3"), 5), None);
        assert_eq!(Inheritance::parse(OsStr::new("5\npool zz 1 2"), 5), None);
    }
}
