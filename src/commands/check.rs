//! `pyfcgid check`: everything that a start would do, but listening.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::say;
use crate::config::{self, Config, ListenAddress, Warning};
use crate::daemon::PidFile;
use crate::launch::{self, Module, module, python};
use crate::log_writer;
use crate::report::amount::counted;
use crate::start_error::StartError;
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
    for Warning { text, .. } in launch::warnings(config) {
        say(&format!("pyfcgid: warning: {text}"));
    }
    // A start with sockets of systemd's would not mind.
    if let Err(error) = config.check_addresses() {
        say(&format!("pyfcgid: warning: {error}"));
    }
    signal::reset();
    let checked = sys::fd::keep_from_subprocesses().map_err(StartError::from).and_then(|()| launch::validate(config));
    // All of them, so that one run shows all that is wrong.
    let checked = checked.and_then(|()| {
        let (places, module) = (check_places(config), module::open()?);
        let check_pool = |pool: &config::Pool| check_pool(pool, config, &module).unwrap_or_else(|error| report(&error));
        let pools: Vec<u8> = config.pools.iter().map(check_pool).collect();
        Ok(places.into_iter().chain(pools).find(|code| *code != 0).unwrap_or(0))
    });
    let code = checked.unwrap_or_else(|error| report(&error));
    if code == 0 {
        let (count, seconds) = (counted(config.pools.len() as u64, "pool"), begun.elapsed().as_secs_f64());
        say(&format!("pyfcgid: checked {count} in {seconds:.1} s: no errors"));
        drop(write!(io::stdout(), "{}", terminal::escaped(&config.masked())));
    }
    code
}

fn report(error: &StartError) -> u8 {
    say(&error.text());
    error.exit_code()
}

/// Whether there can be the files that a start makes, in its order. Returns an exit code for each that there cannot be.
fn check_places(config: &Config) -> Vec<u8> {
    let log = log_writer::check(&config.log_settings()).err().map(|error| report(&error.into()));
    let pid_file = config.pid_file.as_deref().and_then(|path| place(path, PidFile::check(path)));
    let sockets = config.pools.iter().flat_map(config::Pool::addresses).filter_map(ListenAddress::unix_path);
    let sockets = config.control_socket.as_deref().into_iter().chain(sockets);
    let sockets = sockets.filter_map(|path| place(path, Listener::check_unix(path)));
    log.into_iter().chain(pid_file).chain(sockets).collect()
}

/// What is wrong with the place of a file. A directory that is not there yet is nothing wrong in /run: that is empty after a boot, and
/// whoever starts services makes it.
fn place(path: &Path, checked: Result<(), impl Into<StartError>>) -> Option<u8> {
    let error = checked.err()?.into();
    let is_missing = path.parent().is_some_and(|directory| !directory.exists());
    if is_missing && ["/run", "/var/run"].iter().any(|run| path.starts_with(run)) {
        let text = logging::with_causes(&error);
        say(&format!("pyfcgid: warning: {text}; in /run, a service manager may create it before the start"));
        return None;
    }
    Some(report(&error))
}

/// There is one interpreter in a process, so each application is imported in one of its own.
fn check_pool(pool: &config::Pool, config: &Config, module: &Module) -> Result<u8, StartError> {
    let (verdict, teller) = UnixStream::pair()?;
    let (mut output, output_end) = Lines::pipe()?;
    let blocked = signal::block_all();
    match process::fork()? {
        Fork::Child => {
            let error = launch::check(pool, config, &output_end, &teller, module);
            drop((&teller).write_all(&[LOADED, report(&error)]));
            process::exit_now(error.exit_code())
        }
        Fork::Parent(id) => {
            drop((blocked, output_end, teller));
            let title = (config.pools.len() > 1).then(|| format!("pyfcgid: pool {}:", pool.name));
            // A process that the application has left behind may still have the other end.
            verdict.set_nonblocking(true)?;
            let (said, early, last_words) = (Vec::new(), Vec::new(), LastWords::default());
            let mut import = Import { id, verdict, said, early, title, last_words };
            let ended = import.watch(&mut output, pool.startup_timeout)?;
            let fault = match (&import.said[..], ended) {
                ([_, code, ..], _) => return Ok(*code),
                ([_], Some(reason)) => {
                    say(&format!("pyfcgid: importing {} ended the process: {reason}", pool.app));
                    return Ok(process::EX_SOFTWARE);
                }
                (_, Some(reason)) => import.last_words.fault(reason, pool.memory_limit),
                (_, None) => {
                    let limit = pool.startup_timeout.as_secs_f64();
                    format!("did not load pyfcgid's module within startup-timeout ({limit} s): is it really Python?")
                }
            };
            Err(python::faulty(pool, &fault, None))
        }
    }
}

/// A process that imports an application, and what has been heard of it.
struct Import {
    id: ProcessId,
    verdict: UnixStream,
    /// Nothing before our module runs, then [`LOADED`], then its exit code.
    said: Vec<u8>,
    /// What it has written before our module ran. If it never does, the last words are all that is told of it.
    early: Vec<String>,
    /// What is to be printed before it, where several pools are checked.
    title: Option<String>,
    last_words: LastWords,
}

impl Import {
    /// Prints what the process does, until it ends; not how, if it is killed, since our module has not run within the limit: there is
    /// nobody in it by then who could see to that. What it has left behind may keep the pipe open for ever.
    fn watch(&mut self, output: &mut Lines, limit: Duration) -> io::Result<Option<ExitReason>> {
        let deadline = Instant::now() + limit;
        loop {
            let speaks = (!output.is_at_end()).then_some((output.as_raw_fd(), Interest::Readable));
            poll::wait(speaks.as_slice(), Some(PAUSE))?;
            let ended = process::reap(self.id);
            self.hear(output);
            if ended.is_some() {
                return Ok(ended);
            }
            if self.said.is_empty() && deadline <= Instant::now() {
                process::kill(self.id, signal::KILL)?;
                process::wait(self.id);
                return Ok(None);
            }
        }
    }

    fn hear(&mut self, output: &mut Lines) {
        let lines: Vec<String> = std::iter::from_fn(|| output.read()).take(MOST_LINES).collect();
        let mut bytes = [0; 2];
        let count = (&self.verdict).read(&mut bytes).unwrap_or(0);
        self.said.extend_from_slice(&bytes[..count]);
        if self.said.is_empty() {
            lines.iter().for_each(|line| self.last_words.add(line.clone()));
            let room = MOST_EARLY_LINES.saturating_sub(self.early.len());
            self.early.extend(lines.into_iter().take(room));
        } else {
            let lines = self.early.drain(..).chain(lines);
            self.title.take_if(|_| lines.size_hint().0 > 0).into_iter().chain(lines).for_each(|line| say(&line));
        }
    }
}

/// How soon the end of the process is noticed.
const PAUSE: Duration = Duration::from_millis(20);
/// More than fits into a pipe, and not for ever.
const MOST_LINES: usize = 1 << 16;
/// More than modules that Python loads by itself have to say.
const MOST_EARLY_LINES: usize = 1000;
