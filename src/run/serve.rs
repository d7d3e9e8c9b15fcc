//! `pyfcgid serve`: from the configuration to a running supervisor.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use super::error::Error;
use super::module::Module;
use super::{access_log, environment, launch, log_settings, parse, privileges, python, queue, warnings};
use crate::cli::Command;
use crate::config::{self, Config, LogTarget};
use crate::daemon::{self, PidFile, Readiness, Side};
use crate::log_writer;
use crate::service::{self, notify::Notifier};
use crate::supervisor::{
    ControlSocket, Failure, HangUp, Inheritance, Inherited, Program, Successor, Supervisor, Surroundings, control_access,
};
use shared::listener::Patience;
use shared::sys::process::ProcessId;
use shared::sys::{self, directory, signal, title};

mod activation;

/// Serves until a signal or `pyfcgid stop` ends it; returns the exit code. With `daemonize` the launching process returns when all
/// pools serve, or with what is wrong.
pub fn run(arguments: Vec<OsString>, mut config: Config) -> u8 {
    let inheritance = take_inheritance();
    title::make_room();
    let hang_up = hang_up(&config, inheritance.is_some());
    signal::reset();
    let sockets =
        match inheritance.as_ref().map_or_else(activation::Sockets::take, |left| Ok(activation::Sockets::left_by(left))) {
            Ok(sockets) => sockets,
            Err(error) => return report(&error, Readiness::in_foreground()),
        };
    let manager = Notifier::from_environment(&|name| std::env::var_os(name));
    service::forget_environment();
    let readiness = match (config.daemonize, &inheritance) {
        (true, None) => match daemon::daemonize(&sockets.descriptors(), &mut io::stderr()) {
            Ok(Side::Daemon(readiness)) => readiness,
            Ok(Side::Launcher(code)) => return code,
            Err(error) => return report(&Error::from(error), Readiness::in_foreground()),
        },
        _ => Readiness::in_foreground(),
    };
    let module = match Module::open() {
        Ok(module) => module,
        Err(error) => return report(&error.into(), readiness),
    };
    let readiness = RefCell::new(Some(readiness));
    let server = Server { binary: std::env::current_exe(), arguments, sockets, readiness, module };
    let ended = server.prepare(&mut config).and_then(|()| server.supervise(config, inheritance, hang_up, manager));
    match ended {
        Ok(code) => code,
        Err(error) => report(&error, server.readiness.take().unwrap_or_else(Readiness::in_foreground)),
    }
}

/// Notes where the program was started, before anything depends on it. A program in the place of another goes on from where that one
/// was, which has left the name in its environment.
pub fn remember_start() {
    match (std::env::var_os(Inheritance::VARIABLE), std::env::var_os("PWD")) {
        (Some(_), Some(start)) => directory::go_on_from(start.into()),
        _ => drop(directory::of_start()),
    }
}

fn take_inheritance() -> Option<Inheritance> {
    let text = std::env::var_os(Inheritance::VARIABLE)?;
    sys::process::unset_environment(Inheritance::VARIABLE.as_ref());
    Inheritance::parse(&text, std::process::id())
}

/// SIGHUP is how a daemon is reloaded, how a terminal says that it has gone, and what nohup(1) keeps away.
fn hang_up(config: &Config, is_successor: bool) -> HangUp {
    match () {
        () if config.daemonize || is_successor => HangUp::Reloads,
        () if signal::is_ignored(signal::HUP) => HangUp::IsIgnored,
        () if File::open("/dev/tty").is_ok() => HangUp::Stops,
        () => HangUp::Reloads,
    }
}

fn report(error: &Error, readiness: Readiness) -> u8 {
    readiness.failed(error.exit_code(), &error.text());
    error.exit_code()
}

/// What the supervisor asks of the rest of the program.
struct Server {
    /// As it was at the start: a binary that has been replaced meanwhile is at this path.
    binary: io::Result<PathBuf>,
    arguments: Vec<OsString>,
    sockets: activation::Sockets,
    readiness: RefCell<Option<Readiness>>,
    module: Module,
}

impl Server {
    fn prepare(&self, config: &mut Config) -> Result<(), Error> {
        access_log::validate(config)?;
        privileges::validate(config)?;
        python::validate(config)?;
        self.sockets.assign(config)?;
        log_writer::start(&log_settings::of(config))?;
        for warning in warnings(config) {
            log::warn!("{warning}");
            if let Some(readiness) = self.readiness.borrow_mut().as_mut().filter(|_| config.daemonize) {
                readiness.say(&format!("pyfcgid: warning: {warning}"));
            }
        }
        let left_out = environment::left_out(config);
        if !left_out.is_empty() {
            log::info!("variables that no pool gets, unless pass-env names them: {}", left_out.join(", "));
        }
        Ok(sys::fd::keep_from_subprocesses()?)
    }

    fn supervise(
        &self,
        config: Config,
        inheritance: Option<Inheritance>,
        hang_up: HangUp,
        manager: Notifier,
    ) -> Result<u8, Error> {
        title::set(&self.title());
        let pid_file = self.pid_file(&config, inheritance.as_ref())?;
        // On stderr a failed start is said anyway.
        let logs_elsewhere = config.log != LogTarget::Stderr;
        let access = control_access(&config, privileges::control_group(&config)?);
        let control = config.control_socket.as_deref().map(|path| {
            match inheritance.as_ref().and_then(|inheritance| inheritance.control) {
                Some(number) => ControlSocket::adopt(number, path, access),
                None => ControlSocket::bind(path, access, Patience::AMoment),
            }
        });
        let surroundings = Surroundings { control: control.transpose()?, hang_up, manager };
        let mut supervisor = match inheritance {
            Some(inheritance) => Supervisor::succeed(self, config, inheritance, surroundings)?,
            None => Supervisor::bind(self, config, surroundings)?,
        };
        if let Some(pid_file) = &pid_file {
            supervisor.keep(pid_file.as_fd().as_raw_fd());
        }
        let ended = supervisor.run();
        drop(pid_file);
        if ended.text.is_none() {
            log::info!("stopped");
        }
        if let Some(text) = ended.text.as_deref().filter(|_| logs_elsewhere) {
            log::error!("{text}");
        }
        if let (Some(text), Some(readiness)) = (&ended.text, self.readiness.take()) {
            readiness.failed(ended.code, text);
        }
        log_writer::flush_at_end(LAST_WORDS);
        ended.clients.into_iter().for_each(|client| client.end(0, ""));
        Ok(ended.code)
    }

    /// With the options that it was started with, as far as they are text: of several sites one wants to know which it is.
    fn title(&self) -> String {
        let arguments: Vec<_> = self.arguments.iter().skip(1).map(|argument| argument.to_string_lossy()).collect();
        format!("pyfcgid: supervisor ({})", arguments.join(" "))
    }

    fn pid_file(&self, config: &Config, inheritance: Option<&Inheritance>) -> Result<Option<PidFile>, Error> {
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
}

impl Program for Server {
    fn run_child(&self, settings: &config::Pool, config: &Config, inherited: Inherited) -> ! {
        launch::child(settings, config, inherited, self.module.as_raw_fd())
    }

    fn run_queue(&self, settings: &config::Pool, config: &Config, inherited: Inherited) -> ! {
        queue::run(settings, config, inherited)
    }

    fn read_config(&self) -> Result<Config, Failure> {
        return_to_start();
        let mut config = match parse(&self.arguments) {
            Ok(Command::Serve(config)) => config,
            Ok(_) => return Err(Failure { code: config::EX_CONFIG, text: "this is no `serve` any more".to_owned() }),
            Err(exit) => return Err(Failure { code: exit.code, text: exit.message }),
        };
        access_log::validate(&config).map_err(|error| failure(error.into()))?;
        self.sockets.assign(&mut config).map_err(|error| failure(error.into()))?;
        Ok(config)
    }

    fn validate(&self, config: &Config) -> Result<(), Failure> {
        privileges::validate(config).and_then(|()| python::validate(config)).map_err(failure)
    }

    fn open_log(&self, config: &Config) -> Result<log_writer::Prepared, Failure> {
        log_writer::prepare(&log_settings::of(config)).map_err(|error| failure(error.into()))
    }

    fn announce_start(&self) {
        if let Some(readiness) = self.readiness.take() {
            readiness.ready();
        }
    }

    fn successor(&self) -> Successor {
        return_to_start();
        let binary = self.binary.as_ref().map_or_else(|_| PathBuf::from("/proc/self/exe"), Clone::clone);
        let arguments: Vec<OsString> = self.arguments.iter().skip(1).cloned().collect();
        let to_check = |argument: &OsString| if argument == "serve" { "check".into() } else { argument.clone() };
        // The word is the first argument; one that is called the same comes later.
        let check = arguments.iter().take(1).map(to_check).chain(arguments.iter().skip(1).cloned()).collect();
        Successor { binary, arguments, check, handed_over: self.sockets.to_hand_over() }
    }
}

/// A name that is typed from there is looked up where a link to a new release leads by now, as in the pools' processes.
fn return_to_start() {
    // Where that has gone, it stays where it is.
    drop(directory::of_start().map(std::env::set_current_dir));
}

fn failure(error: Error) -> Failure {
    Failure { code: error.exit_code(), text: error.text() }
}

/// How long whoever reads the log may take for the last lines.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);
