//! A new binary in the place of this one (SIGUSR2): the process stays and with it its sockets, children and PID file.
//!
//! What the next program has to know goes through one environment variable, as lines of words, and the settings that serve through a
//! file in memory. The new binary first has to check the configuration and import the applications in a process of its own; only then it
//! gets the place, goes on with those settings, and reloads. So whatever has become of the configuration by then, that reload is refused
//! as any other.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::children::{END_SLACK, Stand};
use super::counts::{self, Exits};
use super::pool::{Desk, RunningPool, Service};
use super::process::{Descriptors, Process};
use super::rehearsal::Owner;
use super::sockets::{self, Sockets, Ties, inherited};
use super::{Leaving, Parts, ServicePhase, Supervisor, Surroundings};
use crate::config::{Config, ListenAddress};
use crate::control_protocol::Scope;
use crate::invocation::{GivenSockets, Successor};
use crate::log_writer;
use crate::service::activation::Inherited;
use shared::link;
use shared::listener::BindError;
use shared::logging::codes;
use shared::scoreboard::Scoreboard;
use shared::scoreboard::roster::Roster;
use shared::scoreboard::tally::Tally;
use shared::sys::closing::{self, Guarded};
use shared::sys::process::ProcessId;
use shared::sys::{directory, fd, memory_file, signal};

/// A check of the new binary that is running.
#[derive(Debug)]
pub struct Trial {
    child: Child,
    /// The settings that it prints, and its messages.
    outputs: [Output; 2],
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
    /// The listening sockets that the program before was given.
    pub handed_over: Vec<Inherited>,
    /// The soft limit on open descriptors that children are to have.
    open_files: Option<u64>,
    /// What came of reloads so far.
    reloads: Option<[u64; counts::OUTCOMES.len()]>,
    /// The version of the link that the children speak.
    link: u32,
    /// The settings that serve, in a file in memory.
    settings: Option<RawFd>,
    pools: Vec<Legacy>,
    /// Children of pools that are not there any more.
    leaving: Vec<(ProcessId, Descriptors, Duration)>,
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
    children: Vec<Left>,
    /// What was counted of children that have gone.
    past: Option<Tally>,
    /// How those have ended.
    exits: Option<Exits>,
}

/// One child of it.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    id: ProcessId,
    descriptors: Descriptors,
    desk: Option<Desk>,
    stand: Option<Stand>,
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
            let pool = inheritance.pools.last_mut();
            match (kind, &numbers[..]) {
                ("pid-file", []) => inheritance.pid_file = word.parse().ok(),
                ("control", []) => inheritance.control = word.parse().ok(),
                ("settings", []) => inheritance.settings = Some(word.parse().ok()?),
                ("open-files", []) => inheritance.open_files = Some(word.parse().ok()?),
                ("link", []) => inheritance.link = word.parse().ok()?,
                ("handed-over", [number]) => inheritance.handed_over.push(Inherited { number: *number, name: from_hex(word)? }),
                ("pool", [near, far]) => {
                    let name = from_hex(word)?;
                    inheritance.pools.push(Legacy { name, passage: [*near, *far], ..Legacy::default() });
                }
                ("line", [far, scoreboard]) => pool?.line = Some([word.parse().ok()?, *far, *scoreboard]),
                ("roster", []) => pool?.roster = Some(word.parse().ok()?),
                ("reloads", []) => inheritance.reloads = counts::parse(&from_hex(word)?),
                ("exits", []) => pool?.exits = counts::parse(&from_hex(word)?),
                ("past", []) => pool?.past = Tally::parse(&from_hex(word)?),
                ("socket", descriptors) => pool?.sockets.push((from_hex(word)?, descriptors.to_vec())),
                ("child", [link, log, stdout, stderr, seat @ ..]) => {
                    let descriptors = [*link, *log, *stdout, *stderr];
                    let desk = match seat.iter().map(|number| usize::try_from(*number)).collect::<Result<Vec<_>, _>>() {
                        Ok(numbers) if numbers.len() == 3 => Some(Desk { seat: numbers[0], slots: numbers[1]..numbers[2] }),
                        _ => None,
                    };
                    let id = ProcessId::new(word.parse().ok()?)?;
                    pool?.children.push(Left { id, descriptors, desk, stand: None });
                }
                ("stand", [age, graceful_timeout]) => {
                    let [age, graceful_timeout] = [*age, *graceful_timeout].map(from_millis);
                    let stand = Stand { is_leaving: word == LEAVING, age, graceful_timeout };
                    pool?.children.last_mut()?.stand = Some(stand);
                }
                (LEAVING, [link, log, stdout, stderr, left]) => {
                    let descriptors = [*link, *log, *stdout, *stderr];
                    inheritance.leaving.push((ProcessId::new(word.parse().ok()?)?, descriptors, from_millis(*left)));
                }
                _ => return None,
            }
        }
        Some(inheritance)
    }

    /// The settings that serve, until the reload that follows has others. None of a program that has not left them, or whose settings this
    /// one does not take, or cannot log as they say.
    pub fn take_settings(&mut self) -> Option<Config> {
        let mut file = File::from(fd::inherited(self.settings.take()?).ok()?);
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).ok()?;
        file.take(MAX_SETTINGS).read_to_string(&mut text).ok()?;
        let settings = Config::of_shown(&text, &|name| std::env::var_os(name)).ok()?;
        log_writer::check(&settings.log_settings()).is_ok().then_some(settings)
    }

    /// The numbers of what was given to the program before this one. One that has given it to a pool as it was has left it as that pool's.
    pub fn given(&self) -> impl Iterator<Item = RawFd> {
        let is_a_pools = |number: RawFd| {
            let sockets = self.pools.iter().flat_map(|pool| &pool.sockets);
            sockets.into_iter().any(|(_, descriptors)| descriptors.contains(&number))
        };
        self.handed_over.iter().map(|socket| socket.number).filter(move |number| !is_a_pools(*number))
    }
}

/// What this program leaves to the next one.
#[derive(Default)]
struct Will {
    /// What [`Inheritance::parse`] takes.
    lines: Vec<String>,
    /// All that it names.
    descriptors: Vec<RawFd>,
    /// Kept open until then.
    settings: Option<OwnedFd>,
}

impl Will {
    /// Of this kind, with a word before these descriptors, and whatever else behind them.
    fn add(&mut self, kind: &str, word: impl Into<Option<String>>, descriptors: &[RawFd], others: &[usize]) {
        let numbers = descriptors.iter().map(ToString::to_string).chain(others.iter().map(ToString::to_string));
        let words: Vec<String> = [kind.to_owned()].into_iter().chain(word.into()).chain(numbers).collect();
        self.lines.push(words.join(" "));
        self.descriptors.extend(descriptors.iter().filter(|number| **number >= 0));
    }

    /// Without them the next program begins with those that it finds. A pool that got its sockets from who started the program does not say
    /// so in its settings.
    fn add_settings(&mut self, config: &Config, given: &GivenSockets) {
        if config.pools.is_empty() || !given.0.is_empty() {
            return;
        }
        match memory_file::sealed(c"pyfcgid-settings", config.to_string().as_bytes()) {
            Ok(file) => {
                self.add("settings", None, &[file.as_raw_fd()], &[]);
                self.settings = Some(file);
            }
            Err(error) => log::debug!("the settings are not left to the new binary: {error}"),
        }
    }

    fn add_pool(&mut self, pool: &RunningPool, now: Instant) {
        self.add("pool", to_hex(&pool.name), &sockets::numbers(&pool.ties.passage), &[]);
        let [near, far] = sockets::numbers(&pool.ties.line);
        self.add("line", None, &[near, far, pool.ties.scoreboard.as_raw_fd()], &[]);
        self.add("roster", None, &[pool.ties.roster.for_successor()], &[]);
        self.add("past", to_hex(&pool.past.to_string()), &[], &[]);
        self.add("exits", to_hex(&counts::to_text(&pool.exits)), &[], &[]);
        for (address, descriptors) in pool.sockets.by_address() {
            self.add("socket", to_hex(&address.to_string()), &descriptors, &[]);
        }
        for (id, process) in pool.processes() {
            let desk = process.desk.as_ref().map(|Desk { seat, slots }| [*seat, slots.start, slots.end]);
            self.add("child", process.id.to_string(), &process.descriptors(), desk.as_ref().map_or(&[], |desk| desk));
            if let Some(Stand { is_leaving, age, graceful_timeout }) = pool.children.stand(id, now) {
                let word = if is_leaving { LEAVING } else { SERVING };
                self.add("stand", word.to_owned(), &[], &[to_millis(age), to_millis(graceful_timeout)]);
            }
        }
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
        supervisor.reloads.counts = inheritance.reloads.unwrap_or_default();
        supervisor.open_files = inheritance.open_files.unwrap_or(supervisor.open_files);
        let now = Instant::now();
        for legacy in inheritance.pools {
            supervisor.adopt(legacy, inheritance.link, now)?;
        }
        for (id, descriptors, left) in inheritance.leaving {
            let process = Process::adopt(id, descriptors, None, inheritance.link).map_err(super::system)?;
            supervisor.leaving.push(Leaving { process, until: now.checked_add(left) });
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
        let mut ties = Ties::new()?;
        ties.passage = Guarded::new((inherited(legacy.passage[0])?, inherited(legacy.passage[1])?));
        // Those who write to another one are not on this.
        let mut is_same = false;
        if let Some([near, far, scoreboard]) = legacy.line {
            ties.line = Guarded::new((inherited(near)?, inherited(far)?));
            // The application writes there what it likes, so nothing may depend on it.
            match Scoreboard::adopt(inherited(scoreboard)?) {
                Ok(scoreboard) => (ties.scoreboard, is_same) = (Arc::new(scoreboard), true),
                Err(error) => {
                    let pool = &legacy.name;
                    log::warn!(target: codes::SCOREBOARD_RECREATED, "pool {pool}: its scoreboard has been recreated: {error}")
                }
            }
        }
        if let Some(roster) = legacy.roster.map(inherited).transpose()?
            && link == link::VERSION
        {
            ties.roster = Roster::adopt(roster).map_err(super::system)?;
        }
        let adopt = |Left { id, descriptors, desk, stand }| {
            Ok((Process::adopt(id, descriptors, desk.filter(|_| is_same), link)?, stand))
        };
        let adopted: io::Result<Vec<_>> = legacy.children.into_iter().map(adopt).collect();
        let processes = adopted.map_err(super::system)?;
        match self.config.pools.iter().find(|settings| settings.name == legacy.name) {
            Some(settings) => {
                let service = Service { settings: settings.clone(), config: Rc::clone(&self.config), owner: Owner::default() };
                let mut pool = RunningPool::adopt(service, sockets, ties, processes, now);
                (pool.past, pool.exits) = (legacy.past.unwrap_or_default(), legacy.exits.unwrap_or_default());
                self.pools.push(pool);
            }
            None => {
                for (mut process, stand) in processes {
                    process.signal(signal::TERM);
                    let left = stand.map(|stand| {
                        stand.graceful_timeout.saturating_sub(if stand.is_leaving { stand.age } else { Duration::ZERO })
                    });
                    let until = left.and_then(|left| now.checked_add(left + END_SLACK));
                    self.leaving.push(Leaving { process, until });
                }
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
        let binary = successor.binary.display();
        match Trial::begin(&successor, limit) {
            Ok(trial) => {
                log::info!(target: codes::UPGRADE_CHECKED, "checking {binary} before it takes over");
                self.trial = Some(trial);
            }
            Err(error) => {
                log::error!(target: codes::UPGRADE_NOT_RUN, "{binary} cannot be run, so the old program keeps running: {error}")
            }
        }
    }

    /// An application that hangs while it is imported must not keep every later binary out.
    pub(super) fn limit_trial(&mut self, now: Instant) {
        let Some(trial) = &mut self.trial else {
            return;
        };
        trial.outputs.iter_mut().filter(|output| output.readable(now).is_some()).for_each(|output| output.read(now));
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
        let [settings, messages] = self.trial.take().map(|trial| trial.outputs.map(Output::into_text)).unwrap_or_default();
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
        let Will { lines, descriptors, settings: _settings } = self.will();
        log::info!(target: codes::UPGRADE_BEGUN, "executing {}", successor.binary.display());
        log_writer::flush();
        descriptors.iter().for_each(|number| fd::keep_at_exec(*number, fd::AtExec::Keep));
        let mut command = Command::new(&successor.binary);
        command.args(&successor.arguments).envs(self.manager.environment());
        command.env(Inheritance::VARIABLE, lines.join("\n"));
        command.envs(directory::of_start().map(|start| ("PWD", start)));
        // What is not kept is closed here, too.
        let error = closing::while_held(|| command.exec());
        descriptors.iter().for_each(|number| fd::keep_at_exec(*number, fd::AtExec::Close));
        error
    }

    fn will(&self) -> Will {
        let mut will = Will::default();
        will.lines.push(std::process::id().to_string());
        will.add("link", link::VERSION.to_string(), &[], &[]);
        will.add("open-files", self.open_files.to_string(), &[], &[]);
        will.add("reloads", to_hex(&counts::to_text(&self.reloads.counts)), &[], &[]);
        self.pid_file.into_iter().for_each(|number| will.add("pid-file", None, &[number], &[]));
        self.control.iter().for_each(|control| will.add("control", None, &[control.descriptor()], &[]));
        for Inherited { number, name } in &self.parts.invocation.sockets.0 {
            will.add("handed-over", to_hex(name), &[*number], &[]);
        }
        will.add_settings(&self.config, &self.parts.invocation.sockets);
        let now = Instant::now();
        self.pools.iter().for_each(|pool| will.add_pool(pool, now));
        for Leaving { process, until } in &self.leaving {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(now));
            will.add(LEAVING, process.id.to_string(), &process.descriptors(), &[to_millis(left)]);
        }
        will
    }
}

impl Trial {
    /// What to wait for.
    pub fn readable(&self, now: Instant) -> impl Iterator<Item = RawFd> {
        self.outputs.iter().filter_map(move |output| output.readable(now))
    }

    /// When it has taken too long, or is to be read again.
    pub fn deadline(&self) -> Option<Instant> {
        self.outputs.iter().filter_map(|output| output.rests_until).chain(self.deadline).min()
    }

    /// Its process.
    pub fn process(&self) -> Option<ProcessId> {
        ProcessId::new(self.child.id().cast_signed())
    }

    fn begin(successor: &Successor, limit: Duration) -> io::Result<Self> {
        let mut command = Command::new(&successor.binary);
        command.args(&successor.check).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let outputs = [Output::of(child.stdout.take())?, Output::of(child.stderr.take())?];
        Ok(Self { child, outputs, deadline: Some(Instant::now() + limit) })
    }
}

/// At most what [`from_millis`] takes.
fn to_millis(time: Duration) -> usize {
    time.as_millis().min(RawFd::MAX as u128) as usize
}

fn from_millis(millis: RawFd) -> Duration {
    Duration::from_millis(millis.unsigned_abs().into())
}

fn to_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<String> {
    let digits = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(digits.collect::<Option<_>>()?).ok()
}

const SERVING: &str = "serving";
const LEAVING: &str = "leaving";
const MAX_SETTINGS: u64 = 4 << 20;
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
        let mut will = Will::default();
        will.lines.push("5".to_owned());
        will.add("link", "7".to_owned(), &[], &[]);
        will.add("open-files", "1024".to_owned(), &[], &[]);
        will.add("settings", None, &[40], &[]);
        will.add("reloads", to_hex("3 1"), &[], &[]);
        will.add("pid-file", None, &[20], &[]);
        will.add("handed-over", to_hex(""), &[6], &[]);
        will.add("handed-over", to_hex("a b"), &[21], &[]);
        will.add("pool", to_hex("blog"), &[3, 4], &[]);
        will.add("line", None, &[30, 31, 32], &[]);
        will.add("roster", None, &[33], &[]);
        let past = Tally { aborted: u64::MAX, ..Tally::default() };
        will.add("past", to_hex(&past.to_string()), &[], &[]);
        will.add("exits", to_hex("1 2 3 4 5 6"), &[], &[]);
        will.add("socket", to_hex("unix:/run/a b\n.sock"), &[5], &[]);
        will.add("socket", to_hex("*:9000"), &[6, 7], &[]);
        will.add("child", "77".to_owned(), &[8, 9, 10, -1], &[3, 8, 16]);
        will.add("stand", LEAVING.to_owned(), &[], &[to_millis(Duration::MAX), to_millis(Duration::from_secs(30))]);
        will.add("child", "78".to_owned(), &[1, 2, 3, 4], &[]);
        will.add("pool", to_hex("shop"), &[11, 12], &[]);
        will.add(LEAVING, "79".to_owned(), &[13, 14, -1, -1], &[500]);
        assert_eq!(will.descriptors, [40, 20, 6, 21, 3, 4, 30, 31, 32, 33, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 11, 12, 13, 14]);
        let lines = ["child 77 8 9 10 -1 3 8 16", "stand leaving 2147483647 30000", "child 78 1 2 3 4", "pool 73686f70 11 12"];
        assert_eq!(will.lines[15..19], lines);

        let process = |number| ProcessId::new(number).unwrap();
        let longest = Duration::from_millis(RawFd::MAX as u64);
        let stand = Some(Stand { is_leaving: true, age: longest, graceful_timeout: Duration::from_secs(30) });
        let desk = Some(Desk { seat: 3, slots: 8..16 });
        let children = vec![
            Left { id: process(77), descriptors: [8, 9, 10, -1], desk, stand },
            Left { id: process(78), descriptors: [1, 2, 3, 4], desk: None, stand: None },
        ];
        let sockets = vec![("unix:/run/a b\n.sock".to_owned(), vec![5]), ("*:9000".to_owned(), vec![6, 7])];
        let (past, exits) = (Some(past), Some([1, 2, 3, 4, 5, 6]));
        let (name, line, roster) = ("blog".to_owned(), Some([30, 31, 32]), Some(33));
        let pool = Legacy { name, passage: [3, 4], line, roster, sockets, children, past, exits };
        let empty = Legacy { name: "shop".to_owned(), passage: [11, 12], ..Legacy::default() };
        let inheritance = Inheritance {
            pid_file: Some(20),
            control: None,
            handed_over: [(6, ""), (21, "a b")].map(|(number, name)| Inherited { number, name: name.to_owned() }).to_vec(),
            open_files: Some(1024),
            reloads: Some([3, 1]),
            settings: Some(40),
            link: 7,
            pools: vec![pool, empty],
            leaving: vec![(process(79), [13, 14, -1, -1], Duration::from_millis(500))],
        };
        let text = std::ffi::OsString::from(will.lines.join("\n"));
        assert_eq!(Inheritance::parse(&text, 5), Some(inheritance));
        assert_eq!(Inheritance::parse(&text, 6), None);
        assert_eq!(Inheritance::parse(OsStr::new("5\nchild 1 2 3"), 5), None);
        assert_eq!(Inheritance::parse(OsStr::new("5\npool zz 1 2"), 5), None);
    }
}
