//! The parent of all children: starts, replaces and ends them, and answers signals and the control socket.
//!
//! One thread, and never Python: a fork must not meet either. Owns the listening sockets, so that no reload closes one. Blocks only
//! in `poll`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::control_protocol::{ControlRequest, Scope};
use crate::daemon::Readiness;
use crate::invocation::Invocation;
use crate::launch::Module;
use crate::log_writer;
use crate::service::notify::Notifier;
use shared::link::Failure;
use shared::listener::BindError;
use shared::logging::codes;
use shared::sys::poll::{self, Interest};
use shared::sys::process as processes;
use shared::sys::resources::Resource;
use shared::sys::{closing, fd, signal};

mod children;
mod control_socket;
mod counts;
mod inquiries;
mod last_words;
mod pool;
mod process;
mod queue_process;
mod reexec;
mod rehearsal;
mod reload;
mod requests;
mod saturation;
mod sockets;
mod stacks;
mod status;
mod strangers;
mod warnings;

pub use children::Stop;
pub use control_socket::{Client, ControlSocket, control_access};
pub use last_words::LastWords;
pub use reexec::Inheritance;

use self::process::{Process, USUAL_VOICES};
use children::{ChildId, Outcome};
use control_socket::admit;
use counts::Reloads;
use inquiries::Inquiry;
use pool::{RunningPool, Service};
use reexec::Trial;
use rehearsal::{Findings, Owner};
use reload::Reload;
use sockets::{Sockets, Ties};

/// The supervisor.
pub struct Supervisor<'a> {
    parts: Parts<'a>,
    config: Rc<Config>,
    pools: Vec<RunningPool>,
    /// Processes of pools that are no more, and when a stop waits for them no longer.
    leaving: Vec<Leaving>,
    signals: UnixStream,
    control: Option<ControlSocket>,
    pid_file: Option<RawFd>,
    started: Instant,
    phase: ServicePhase,
    /// Why the start has failed, if it has.
    failure: Option<Failure>,
    reload: Option<Reload>,
    /// Why the last one of this scope failed, if none has succeeded since.
    failed_reload: Option<(Scope, reload::Reason)>,
    /// What came of those that are over.
    reloads: Reloads,
    /// What is to be reloaded after what is, in this order, and who waits for it. Invariant: nothing twice.
    next_reloads: VecDeque<(Scope, Vec<Client>)>,
    trial: Option<Trial>,
    /// A new binary is to be checked as soon as nothing else is going on.
    wants_successor: bool,
    stopping: Vec<Client>,
    inquiries: Vec<Inquiry>,
    next_tick: Instant,
    manager: Notifier,
    /// The soft limit on open descriptors that this process was started with, and children are to have.
    open_files: u64,
    /// Whether there may be more processes to reap that others have left.
    has_strangers: bool,
}

/// What the process as a whole is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServicePhase {
    Starting,
    Running,
    Stopping(Stop),
}

/// The parts of the program that a supervisor works with.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// How the program was started: its configuration can be read again by that.
    pub invocation: &'a Invocation,
    /// What children load.
    pub module: &'a Module,
    /// Who waits for the start.
    pub readiness: &'a Readiness,
}

/// What was there before the supervisor.
#[derive(Debug)]
pub struct Surroundings {
    /// The control socket, if there is to be one.
    pub control: Option<ControlSocket>,
    /// The locked descriptor of the PID file, which the next program is to keep.
    pub pid_file: Option<RawFd>,
    /// The signal that SIGHUP counts as: itself, so that it reloads, as daemons do; SIGTERM, where it says that the terminal has
    /// gone; none under nohup(1).
    pub hang_up: Option<i32>,
    /// Who wants to know how the service is.
    pub manager: Notifier,
}

impl<'a> Supervisor<'a> {
    /// Binds the sockets of all pools. Nothing is started yet.
    ///
    /// # Errors
    /// [`BindError`]; what was bound is released.
    pub fn bind(parts: Parts<'a>, config: Config, surroundings: Surroundings) -> Result<Self, BindError> {
        let mut supervisor = Self::empty(parts, config, surroundings)?;
        let now = Instant::now();
        let config = Rc::clone(&supervisor.config);
        for settings in &config.pools {
            let sockets = Sockets::bind(settings, &Sockets::default(), &Findings::default())?;
            let service = Service { settings: settings.clone(), config: Rc::clone(&config), owner: Owner::default() };
            supervisor.pools.push(RunningPool::new(service, sockets, Ties::new()?, now));
        }
        Ok(supervisor)
    }

    fn empty(parts: Parts<'a>, config: Config, surroundings: Surroundings) -> Result<Self, BindError> {
        let Surroundings { control, pid_file, hang_up, manager } = surroundings;
        let signals = listen_to_signals(hang_up).map_err(system)?;
        let now = Instant::now();
        let open_files = raise_open_files(&config).map_err(system)?;
        if let Err(error) = processes::adopt_orphans() {
            log::warn!(target: codes::ORPHANS_NOT_REAPED, "processes left behind by applications will not be reaped: {error}");
        }
        Ok(Self {
            parts,
            config: Rc::new(config),
            pools: Vec::new(),
            leaving: Vec::new(),
            signals,
            control,
            pid_file,
            started: now,
            phase: ServicePhase::Starting,
            failure: None,
            reload: None,
            failed_reload: None,
            reloads: Reloads::default(),
            next_reloads: VecDeque::new(),
            trial: None,
            wants_successor: false,
            stopping: Vec::new(),
            inquiries: Vec::new(),
            next_tick: now,
            manager,
            open_files,
            has_strangers: false,
        })
    }

    /// Starts the children, and looks after them until the end. Returns why they could not start, if they could not, which
    /// whoever waits for the start, or the terminal, is to be told; and who waits for the end.
    pub fn run(mut self) -> (Option<Failure>, Vec<Client>) {
        loop {
            self.perform();
            if self.is_over() {
                return self.end();
            }
            if let Err(error) = self.wait() {
                log::error!(target: codes::SUPERVISOR_CANNOT_WAIT, "the supervisor cannot wait for events: {error}; stopping");
                self.stop(Stop::Now);
            }
        }
    }

    fn end(mut self) -> (Option<Failure>, Vec<Client>) {
        self.end_reload_by_stop();
        self.tell_of_strangers();
        // The files of the sockets go before anybody is told that all is over.
        self.pools.clear();
        self.control = None;
        (self.failure, self.stopping)
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, ServicePhase::Stopping(_)) && self.pools.is_empty() && self.leaving.is_empty()
    }

    /// The end of a reload, and the begin of the next, give the pools more to do.
    fn perform(&mut self) {
        loop {
            self.perform_actions();
            self.finish_start();
            self.advance_reload();
            self.begin_next_reload();
            self.begin_wanted_successor();
            if !self.pools.iter().any(|pool| pool.children.has_actions()) {
                return self.pools.iter().for_each(RunningPool::publish);
            }
        }
    }

    fn perform_actions(&mut self) {
        let now = Instant::now();
        let mut index = 0;
        while index < self.pools.len() {
            let outcomes = self.pools[index].perform(self.parts.module, self.open_files, now);
            let is_gone = outcomes.contains(&Outcome::Stopped);
            outcomes.into_iter().for_each(|outcome| self.handle_outcome(index, outcome));
            if is_gone {
                self.pools.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// At a start every pool begins for itself, and one that can't ends them all.
    fn handle_outcome(&mut self, index: usize, outcome: Outcome) {
        let name = self.pools[index].name.clone();
        match outcome {
            Outcome::Tried if self.reload.is_none() => self.pools[index].commit(Instant::now()),
            Outcome::Refused(failure) | Outcome::Short(failure) if self.phase == ServicePhase::Starting => {
                let is_only_one = self.pools.len() == 1;
                self.failure.get_or_insert_with(|| signed(&name, is_only_one, failure));
                self.stop(Stop::Now);
            }
            outcome => self.note_reloaded(&name, outcome),
        }
    }

    fn finish_start(&mut self) {
        if self.phase == ServicePhase::Starting
            && self.reload.is_none()
            && self.pools.iter().all(|pool| pool.children.is_steady())
        {
            self.phase = ServicePhase::Running;
            log::info!(target: codes::READY, "ready");
            self.manager.ready(&self.state());
            self.parts.readiness.ready();
        }
    }

    /// What it does, for whoever manages services.
    fn state(&self) -> String {
        self.config.without_pool().unwrap_or_else(|| "serving".to_owned())
    }

    fn stop(&mut self, stop: Stop) {
        if [ServicePhase::Stopping(stop), ServicePhase::Stopping(Stop::Now)].contains(&self.phase) {
            return;
        }
        self.phase = ServicePhase::Stopping(stop);
        if self.failure.is_none() {
            log::info!(target: codes::STOPPING, "stopping {}", if stop == Stop::Now { "at once" } else { "gracefully" });
        }
        self.manager.stopping("stopping");
        let now = Instant::now();
        closing::while_held(fd::close_given);
        self.pools.iter_mut().for_each(|pool| pool.stop(stop, now));
        self.end_reload_by_stop();
        if stop == Stop::Now {
            self.leaving.iter_mut().for_each(Leaving::kill);
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let reading = self.reload.iter().filter_map(Reload::rehearsal).map(|rehearsal| rehearsal.answer.as_raw_fd());
        let checking = self.trial.iter().flat_map(|trial| trial.readable(now));
        let clients = self.control.iter().flat_map(ControlSocket::readable);
        let readable = [self.signals.as_raw_fd()].into_iter().chain(clients).chain(reading).chain(checking);
        let writable = self.control.iter().flat_map(ControlSocket::writable).chain(log_writer::blocked());
        let mut watched: Vec<_> = readable.map(|fd| (fd, Interest::Readable)).collect();
        watched.extend(writable.map(|fd| (fd, Interest::Writable)));
        let first_of_pools = watched.len();
        let mut sources: Vec<(usize, Option<ChildId>)> = Vec::new();
        for (index, pool) in self.pools.iter().enumerate() {
            for (descriptor, interest, child) in pool.watched(now) {
                watched.push((descriptor, interest));
                sources.push((index, child));
            }
        }
        watched.extend(self.leaving.iter().flat_map(|leaving| leaving.process.watched(now)));
        let ready = poll::wait(&watched, self.patience())?;
        let now = Instant::now();
        let mut speakers: Vec<_> =
            ready.into_iter().filter_map(|place| sources.get(place.checked_sub(first_of_pools)?)).collect();
        // One turn for each, however many of its channels are ready.
        speakers.dedup();
        for (index, child) in speakers {
            match child {
                Some(child) => self.pools[*index].listen_to(*child, now),
                // Somebody connects while no child serves.
                None => self.pools[*index].children.handle_demand(now),
            }
        }
        self.listen_to_leaving();
        log_writer::flush();
        self.manager.flush();
        self.handle_signals(now);
        self.handle_clients(now);
        self.answer_inquiries(now);
        self.listen_to_rehearsal(now);
        self.handle_timeout(now);
        self.reap_strangers();
        Ok(())
    }

    fn listen_to_leaving(&mut self) {
        self.leaving.retain_mut(|Leaving { process, .. }| {
            let is_over = process.reap().is_some();
            drop(match is_over {
                true => process.listen_to_last_words("-", USUAL_VOICES),
                false => process.listen("-", USUAL_VOICES, 1),
            });
            !is_over
        });
    }

    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let needs_ticks = self.manager.watchdog_interval.is_some() || self.pools.iter().any(RunningPool::needs_ticks);
        if self.has_strangers {
            return Some(Duration::ZERO);
        }
        let asked =
            self.control.iter().filter_map(ControlSocket::next_deadline).chain(self.inquiries.iter().map(Inquiry::deadline));
        let reading = self.reload.iter().filter_map(Reload::rehearsal).map(|rehearsal| rehearsal.deadline);
        let asked = asked.chain(self.trial.iter().filter_map(Trial::deadline)).chain(reading);
        let of_leaving = |leaving: &Leaving| [leaving.process.next_deadline(), leaving.until];
        let leaving = self.leaving.iter().flat_map(of_leaving).flatten();
        let deadlines = self
            .pools
            .iter()
            .filter_map(RunningPool::next_deadline)
            .chain(leaving)
            .chain(needs_ticks.then_some(self.next_tick))
            .chain(asked);
        let patience = deadlines.min().map(|deadline| deadline.saturating_duration_since(now));
        patience.into_iter().chain(log_writer::retry_in()).chain(self.manager.retry_in()).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        let tick = self.next_tick <= now;
        if tick {
            self.next_tick = now + self.manager.watchdog_interval.unwrap_or(TICK).min(TICK);
            if self.manager.watchdog_interval.is_some() {
                self.manager.watchdog();
            }
        }
        self.pools.iter_mut().for_each(|pool| pool.handle_timeout(tick, now));
        self.limit_trial(now);
        for leaving in self.leaving.iter_mut().filter(|leaving| leaving.until.is_some_and(|until| until <= now)) {
            let text = "a child of a pool that is gone did not exit within graceful-timeout; killing it";
            log::warn!(target: codes::CHILD_KILLED, "{text} (process {})", leaving.process.id);
            leaving.kill();
        }
    }

    fn handle_signals(&mut self, now: Instant) {
        let mut bytes = [0; 64];
        let count = match self.signals.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(error) => return log::error!(target: codes::SIGNALS_LOST, "signals are no longer received: {error}"),
        };
        for byte in &bytes[..count] {
            match i32::from(*byte) {
                signal::CHLD => self.pools.iter_mut().for_each(|pool| pool.listen(now)),
                signal::TERM | signal::QUIT => self.stop(Stop::Gracefully),
                signal::INT => self.stop(Stop::Now),
                signal::HUP => self.want_reload(Scope::Process, None),
                signal::USR1 => {
                    log::info!(target: codes::LOGS_REOPENED, "reopening the logs");
                    log_writer::reopen();
                    self.reload.iter_mut().for_each(Reload::reopen_log);
                }
                signal::USR2 => self.want_successor(),
                signal::TTIN => self.pools.iter_mut().for_each(|pool| pool.children.handle_more(now)),
                signal::TTOU => self.pools.iter_mut().for_each(|pool| pool.children.handle_fewer(now)),
                _ => {}
            }
        }
        self.conclude_trial();
    }

    fn handle_clients(&mut self, now: Instant) {
        let requests = self.control.as_mut().map(|control| control.handle(now)).unwrap_or_default();
        for (client, request) in requests {
            let Some(client) = self.knows(client, &request) else { continue };
            match request {
                ControlRequest::Reload { scope } => self.want_reload(scope, Some(client)),
                ControlRequest::Stop => {
                    admit(client, &mut self.stopping);
                    if !matches!(self.phase, ServicePhase::Stopping(_)) {
                        self.stop(Stop::Gracefully);
                    }
                }
                ControlRequest::Status { scope } => self.tell_status(client, &scope),
                ControlRequest::Requests { scope } => self.answer(client, &self.requests(&scope), 0),
                ControlRequest::Interrupt { process, request } => self.interrupt(client, process, request, now),
                ControlRequest::Stacks { scope, threads } => self.ask_for_stacks(client, scope, threads, now),
            }
        }
    }
}

/// A child of a pool that was gone when this program has taken the place of another.
#[derive(Debug)]
struct Leaving {
    process: Process,
    /// When it is killed, if it was not.
    until: Option<Instant>,
}

impl Leaving {
    fn kill(&mut self) {
        self.until = None;
        self.process.signal(signal::KILL);
    }
}

/// What a child has said of itself has the program's name in front already, of a line behind a traceback, perhaps. Of several pools it says
/// which.
fn signed(pool: &str, is_only_one: bool, failure: Failure) -> Failure {
    let name = format!("pyfcgid: pool {pool}: ");
    let signed = |line: &str| line.strip_prefix("pyfcgid: ").map_or_else(|| line.to_owned(), |rest| format!("{name}{rest}"));
    let text = match failure.text.lines().find(|line| line.starts_with("pyfcgid: ")) {
        None => format!("{name}{}", failure.text),
        Some(line) if is_only_one || line.starts_with(&name) => failure.text,
        Some(_) => failure.text.split_inclusive('\n').map(signed).collect(),
    };
    Failure { text, ..failure }
}

/// Each is told by its number.
fn listen_to_signals(hang_up: Option<i32>) -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    let itself = |number: i32| (number, number as u8);
    let hang_up = hang_up.map(|meaning| (signal::HUP, meaning as u8));
    let others =
        [signal::CHLD, signal::TERM, signal::QUIT, signal::INT, signal::USR1, signal::USR2, signal::TTIN, signal::TTOU];
    let signals: Vec<_> = others.map(itself).into_iter().chain(hang_up).collect();
    signal::forward(&signals, OwnedFd::from(writer))?;
    Ok(reader)
}

/// For as many children as there may ever be in so many pools. Returns the limit before.
fn raise_open_files(config: &Config) -> io::Result<u64> {
    let wanted = config.pools.len() as u64 * FILES_OF_A_POOL + FILES_BESIDE;
    Resource::OpenFiles.set_soft_limit(|before| before.max(wanted))
}

fn system(source: io::Error) -> BindError {
    BindError::Other { address: "a socket of its own".to_owned(), source }
}

/// Four for each of 1024 children, and its sockets.
const FILES_OF_A_POOL: u64 = 5000;
/// Clients of the control socket, the log, and what a start or a reload opens for a moment.
const FILES_BESIDE: u64 = 1000;
const TICK: Duration = Duration::from_secs(1);
