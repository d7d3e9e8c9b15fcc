//! `pyfcgid serve`: from the configuration to a running supervisor.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::config::{Config, LogTarget, Warning};
use crate::daemon::{self, PidFile, Readiness, Side};
use crate::invocation::{GivenSockets, Invocation};
use crate::launch::{self, module};
use crate::log_writer;
use crate::service::{self, notify::Notifier};
use crate::start_error::StartError;
use crate::supervisor::{ControlSocket, Inheritance, Parts, Supervisor, Surroundings, control_access};
use shared::listener::Patience;
use shared::logging::codes;
use shared::sys::process::ProcessId;
use shared::sys::{self, directory, signal, title};

/// Serves until a signal or `pyfcgid stop` ends it; returns the exit code. With `daemonize` the launching process returns when all
/// pools serve, or with what is wrong.
pub fn run(arguments: Vec<OsString>, config: Config, inheritance: Option<Inheritance>) -> u8 {
    title::make_room();
    let hang_up = hang_up(&config, inheritance.is_some());
    signal::reset();
    let mut readiness = Readiness::in_foreground();
    start(arguments, config, inheritance, hang_up, &mut readiness).unwrap_or_else(|error| {
        readiness.failed(error.exit_code(), &error.text());
        error.exit_code()
    })
}

/// The order of a start. `readiness` becomes that of the daemon, if there is one.
fn start(
    arguments: Vec<OsString>,
    mut config: Config,
    inheritance: Option<Inheritance>,
    hang_up: Option<i32>,
    readiness: &mut Readiness,
) -> Result<u8, StartError> {
    let left = inheritance.as_ref().map(|inheritance| GivenSockets(inheritance.handed_over.clone()));
    let sockets = left.map_or_else(GivenSockets::take, Ok)?;
    let manager = Notifier::from_environment(&|name| std::env::var_os(name));
    service::forget_environment();
    if config.daemonize && inheritance.is_none() {
        let descriptors: Vec<_> = sockets.0.iter().map(|socket| socket.number).collect();
        match daemon::daemonize(&descriptors, &mut io::stderr())? {
            Side::Daemon(its_own) => *readiness = its_own,
            Side::Launcher(code) => return Ok(code),
        }
    }
    match &inheritance {
        Some(inheritance) => sys::fd::note_left(inheritance.given()),
        None => sys::fd::note_given()?,
    }
    let module = module::open()?;
    let invocation = Invocation::new(arguments, sockets);
    let parts = Parts { invocation: &invocation, module: &module, readiness };
    prepare(parts, &mut config, inheritance.is_none())?;
    supervise(parts, config, inheritance, hang_up, manager)
}

/// Notes where the program was started, before anything depends on it. A program in the place of another goes on from where that one
/// was, which has left the name in its environment.
pub fn remember_start() {
    match (std::env::var_os(Inheritance::VARIABLE), std::env::var_os("PWD")) {
        (Some(_), Some(start)) => directory::go_on_from(start.into()),
        _ => drop(directory::of_start()),
    }
}

/// What the program before this one has left, if it was this process's.
pub fn take_inheritance() -> Option<Inheritance> {
    let text = std::env::var_os(Inheritance::VARIABLE)?;
    sys::process::unset_environment(Inheritance::VARIABLE.as_ref());
    Inheritance::parse(&text, std::process::id())
}

/// SIGHUP is how a daemon is reloaded, how a terminal says that it has gone, and what nohup(1) keeps away.
fn hang_up(config: &Config, is_successor: bool) -> Option<i32> {
    match () {
        () if config.daemonize || is_successor => Some(signal::HUP),
        () if signal::is_ignored(signal::HUP) => None,
        () if File::open("/dev/tty").is_ok() => Some(signal::TERM),
        () => Some(signal::HUP),
    }
}

/// What can be seen to be wrong, and the log. A program in the place of another begins with a reload, which warns.
fn prepare(parts: Parts<'_>, config: &mut Config, is_first: bool) -> Result<(), StartError> {
    // What serves already does so, whatever has become of its Python.
    if is_first {
        launch::validate(config)?;
    }
    parts.invocation.sockets.assign(config)?;
    log_writer::start(&config.log_settings())?;
    let warnings = if is_first { launch::warnings(config) } else { Vec::new() };
    for Warning { code, text } in warnings {
        log::warn!(target: code, "{text}");
        if config.daemonize {
            parts.readiness.say(&format!("pyfcgid: warning: {text}"));
        }
    }
    let left_out = launch::left_out(config);
    if !left_out.is_empty() {
        log::info!(
            target: codes::VARIABLES_LEFT_OUT,
            "environment variables not passed to any pool unless pass-env names them: {}",
            left_out.join(", ")
        );
    }
    Ok(sys::fd::keep_from_subprocesses()?)
}

fn supervise(
    parts: Parts<'_>,
    config: Config,
    inheritance: Option<Inheritance>,
    hang_up: Option<i32>,
    manager: Notifier,
) -> Result<u8, StartError> {
    // Of several sites one wants to know which it is.
    title::set(&format!("pyfcgid: supervisor ({})", parts.invocation.options()));
    let pid_file = lock_pid_file(&config, inheritance.as_ref())?;
    // On stderr a failed start is said anyway.
    let logs_elsewhere = config.log != LogTarget::Stderr;
    let access = control_access(&config, launch::control_group(&config)?);
    let control =
        config.control_socket.as_deref().map(|path| match inheritance.as_ref().and_then(|inheritance| inheritance.control) {
            Some(number) => ControlSocket::adopt(number, path, access),
            None => ControlSocket::bind(path, access, Patience::AMoment),
        });
    let number = pid_file.as_ref().map(|pid_file| pid_file.as_fd().as_raw_fd());
    let surroundings = Surroundings { control: control.transpose()?, pid_file: number, hang_up, manager };
    let supervisor = match inheritance {
        Some(inheritance) => Supervisor::succeed(parts, config, inheritance, surroundings)?,
        None => Supervisor::bind(parts, config, surroundings)?,
    };
    let (failure, clients) = supervisor.run();
    drop(pid_file);
    match &failure {
        None => log::info!(target: codes::STOPPED, "stopped"),
        Some(failure) => {
            if logs_elsewhere {
                log::error!(target: codes::START_FAILED, "{}", failure.text);
            }
            parts.readiness.failed(failure.code, &failure.text);
        }
    }
    log_writer::flush_at_end(LAST_WORDS);
    clients.into_iter().for_each(|client| client.end(0, ""));
    Ok(failure.map_or(0, |failure| failure.code))
}

fn lock_pid_file(config: &Config, inheritance: Option<&Inheritance>) -> Result<Option<PidFile>, StartError> {
    let Some(path) = &config.pid_file else {
        return Ok(None);
    };
    let mut pid_file = match inheritance.and_then(|inheritance| inheritance.pid_file) {
        Some(number) => PidFile::adopt(sys::fd::inherited(number)?, path),
        None => PidFile::lock(path)?,
    };
    pid_file.write(ProcessId::current())?;
    Ok(Some(pid_file))
}

/// How long whoever reads the log may take for the last lines.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);
