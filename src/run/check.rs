//! `pyfcgid check`: everything that a start would do, but listening.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::Error;
use super::module::Module;
use super::{access_log, launch, log_settings, privileges, python, warnings};
use crate::config::{self, Config, ListenAddress};
use crate::daemon::PidFile;
use crate::log_writer;
use crate::supervisor::LastWords;
use shared::listener::Listener;
use shared::logging::{self, Lines};
use shared::settings::LOADED;
use shared::sys::poll::{self, Interest};
use shared::sys::process::{self, ExitReason, Fork, ProcessId};
use shared::sys::{self, signal, terminal};

/// Imports the application of each pool, and prints the settings in effect. Returns the exit code: that of what is wrong first.
pub fn run(config: &Config) -> u8 {
    let begun = Instant::now();
    for warning in warnings(config) {
        say(&format!("pyfcgid: warning: {warning}"));
    }
    // A start with sockets of systemd's would not mind.
    if let Err(error) = config.check_addresses() {
        say(&format!("pyfcgid: warning: {error}"));
    }
    signal::reset();
    let checked = sys::fd::keep_from_subprocesses().map_err(Error::from);
    let checked = checked
        .and_then(|()| Ok(access_log::validate(config)?))
        .and_then(|()| privileges::validate(config))
        .and_then(|()| python::validate(config));
    // All of them, so that one run shows all that is wrong.
    let checked = checked.and_then(|()| {
        let (places, module) = (check_places(config), Module::open()?);
        let check_pool = |pool| check_pool(pool, config, &module).unwrap_or_else(|error| report(&error));
        let pools: Vec<u8> = config.pools.iter().map(check_pool).collect();
        Ok(places.into_iter().chain(pools).find(|code| *code != 0).unwrap_or(0))
    });
    let code = checked.unwrap_or_else(|error| report(&error));
    if code == 0 {
        let (count, seconds) = (config.pools.len(), begun.elapsed().as_secs_f64());
        let pools = if count == 1 { "1 pool".to_owned() } else { format!("{count} pools") };
        say(&format!("pyfcgid: checked {pools} in {seconds:.1} s: no errors"));
        drop(write!(io::stdout(), "{}", terminal::escaped(&config.masked())));
    }
    code
}

fn report(error: &Error) -> u8 {
    say(&error.text());
    error.exit_code()
}

/// What an application or a file has put into it commands no terminal.
fn say(text: &str) {
    drop(writeln!(io::stderr(), "{}", terminal::escaped(text)));
}

/// Whether there can be the files that a start makes, in its order. Returns an exit code for each that there cannot be.
fn check_places(config: &Config) -> Vec<u8> {
    let log = log_writer::check(&log_settings::of(config)).err().map(|error| report(&error.into()));
    let pid_file = config.pid_file.as_deref().and_then(|path| place(path, PidFile::check(path)));
    let sockets = config.pools.iter().flat_map(|pool| &pool.listen).filter_map(|address| match address {
        ListenAddress::Unix(path) => Some(path),
        ListenAddress::Tcp { .. } | ListenAddress::Fd(_) => None,
    });
    let sockets = config.control_socket.iter().chain(sockets).filter_map(|path| place(path, Listener::check_unix(path)));
    log.into_iter().chain(pid_file).chain(sockets).collect()
}

/// What is wrong with the place of a file. A directory that is not there yet is nothing wrong in /run: that is empty after a boot, and
/// whoever starts services makes it.
fn place(path: &Path, checked: Result<(), impl Into<Error>>) -> Option<u8> {
    let error = checked.err()?.into();
    let is_missing = path.parent().is_some_and(|directory| !directory.exists());
    if is_missing && ["/run", "/var/run"].iter().any(|run| path.starts_with(run)) {
        let text = logging::with_causes(&error);
        say(&format!("pyfcgid: warning: {text}; in /run, a service manager may do so before the start"));
        return None;
    }
    Some(report(&error))
}

/// There is one interpreter in a process, so each application is imported in one of its own.
fn check_pool(pool: &config::Pool, config: &Config, module: &Module) -> Result<u8, Error> {
    let (verdict, teller) = UnixStream::pair()?;
    let (mut output, output_end) = Lines::pipe()?;
    let blocked = signal::block_all();
    match process::fork()? {
        Fork::Child => {
            let error = launch::check(pool, config, &output_end, &teller, module.as_raw_fd());
            drop((&teller).write_all(&[LOADED, report(&error)]));
            process::exit_now(error.exit_code())
        }
        Fork::Parent(id) => {
            drop((blocked, output_end, teller));
            let (reason, last) = relay(&mut output, id)?;
            // A process that the application has left behind may still have the other end.
            verdict.set_nonblocking(true)?;
            let mut said = [0; 2];
            match (&verdict).read(&mut said) {
                Ok(2) => return Ok(said[1]),
                Ok(1) => say(&format!("pyfcgid: the import of {} ended the process: {reason}", pool.app)),
                _ => {
                    let python = python::of(pool)?.to_string();
                    return Err(Error::Python { pool: pool.name.clone(), python, fault: last.fault(reason) });
                }
            }
            Ok(process::EX_SOFTWARE)
        }
    }
}

/// Prints what the process does, until it ends. What it has left behind may keep the pipe open for ever.
fn relay(output: &mut Lines, id: ProcessId) -> io::Result<(ExitReason, LastWords)> {
    let mut last = LastWords::default();
    let pass_on = |output: &mut Lines, last: &mut LastWords| {
        for line in std::iter::from_fn(|| output.read()).take(MOST_LINES) {
            say(&line);
            last.add(line);
        }
    };
    while !output.is_at_end() {
        poll::wait(&[(output.as_raw_fd(), Interest::Readable)], Some(PAUSE))?;
        let ended = process::reap(id);
        pass_on(output, &mut last);
        if let Some(reason) = ended {
            return Ok((reason, last));
        }
    }
    Ok((process::wait(id), last))
}

/// How soon the end of the process is noticed.
const PAUSE: Duration = Duration::from_millis(20);
/// More than fits into a pipe, and not for ever.
const MOST_LINES: usize = 1 << 16;
