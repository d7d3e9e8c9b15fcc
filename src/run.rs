//! The composition root: the order in which things are made and end. Alone knows every part.

use std::ffi::{CString, OsString};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::cli::{self, Command};
use crate::config::{Config, ListenAddress, Pool};
use crate::event_loop::{self, BindError, EventLoop, Listener, SharedLoop};
use crate::exchange::Limits;
use crate::protocol::SessionLimits;
use crate::sys::{self, signal};
use crate::workers::Source;
use crate::wsgi::interpreter::{Interpreter, LINKED_VERSION, LoadError, StartError};
use crate::{client, logging, workers, wsgi};

/// Does what the command line says, and returns the process's exit code (sysexits.h).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let environment = |name: &str| std::env::var_os(name);
    let code = match cli::parse(arguments, &environment) {
        Ok(Command::Serve(config)) => report(serve(&config)),
        Ok(Command::Check(config)) => report(check(&config)),
        Ok(Command::Request(options)) => client::run(&options, &mut io::stdout().lock(), &mut io::stderr().lock()),
        Ok(Command::Control(control)) => unreachable_yet(&control),
        Err(exit) => print(&exit),
    };
    ExitCode::from(code)
}

/// Nothing listens on a control socket so far.
fn unreachable_yet(control: &cli::Control) -> u8 {
    drop(writeln!(io::stderr(), "pyfcgid: nothing listens on {}", control.socket.display()));
    EX_OSERR
}

fn print(exit: &cli::Exit) -> u8 {
    let result =
        if exit.to_stdout { write!(io::stdout(), "{}", exit.message) } else { write!(io::stderr(), "{}", exit.message) };
    drop(result);
    exit.code
}

/// Why pyfcgid does not start.
#[derive(Debug, Error)]
enum Error {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("cannot change to the directory {path} (chdir)")]
    Chdir { path: String, source: io::Error },
    #[error("the system refuses what every server needs")]
    System(#[from] io::Error),
    #[error("a worker could not be started: {0}")]
    Worker(String),
}

impl Error {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Load(_) | Self::Worker(_) => EX_SOFTWARE,
            Self::Bind(_) | Self::System(_) => EX_OSERR,
            Self::Start(_) | Self::Chdir { .. } => EX_CONFIG,
        }
    }
}

fn report(result: Result<(), Error>) -> u8 {
    let Err(error) = result else {
        return 0;
    };
    let mut text = String::new();
    if let Error::Load(LoadError { traceback: Some(traceback), .. }) = &error {
        text.push_str(traceback);
    }
    text.push_str(&format!("pyfcgid: {}", with_causes(&error)));
    drop(writeln!(io::stderr(), "{text}"));
    error.exit_code()
}

fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn warnings(config: &Config) -> Vec<String> {
    config.warnings(std::env::vars_os().map(|(name, _)| name))
}

fn warn(text: &str) {
    drop(writeln!(io::stderr(), "pyfcgid: warning: {text}"));
}

/// Validates everything that can be without listening, which a running pyfcgid would notice, and prints the settings in effect.
fn check(config: &Config) -> Result<(), Error> {
    for warning in warnings(config) {
        warn(&warning);
    }
    let pool = first(config)?;
    prepare_process(pool)?;
    let interpreter = start(pool)?;
    interpreter.load(&pool.app)?;
    interpreter.finish();
    drop(write!(io::stdout(), "{config}"));
    Ok(())
}

fn serve(config: &Config) -> Result<(), Error> {
    logging::init(config).map_err(|error| Error::Worker(error.to_string()))?;
    for warning in warnings(config) {
        log::warn!("{warning}");
    }
    let pool = first(config)?;
    prepare_process(pool)?;
    let listeners = bind(pool)?;
    stop_while_loading(pool)?;
    let interpreter = start(pool)?;
    interpreter.capture_output()?;
    let application = interpreter.load(&pool.app)?;
    let (queue, worker) = workers::queue(pool.max_queue);
    let (control, control_writer) = mio::net::UnixStream::pair()?;
    let addresses = addresses(pool, &listeners);
    let event_loop = Arc::new(SharedLoop::new(EventLoop::new(listeners, control, queue, loop_settings(pool))?));
    let source: Arc<dyn Source> = Arc::<SharedLoop>::clone(&event_loop);
    let worker = worker.with_source(source);
    forward_signals(control_writer)?;
    let workers = if pool.threads == 1 { "1 worker".to_owned() } else { format!("{} workers", pool.threads) };
    log::info!("serving {} on {addresses} with {workers}, Python {LINKED_VERSION}", pool.app);
    let threads = interpreter.start_workers(&application, &bridge_settings(pool), &worker, pool.threads);
    let threads = threads.map_err(Error::Worker)?;
    drop(worker);
    let stopped = event_loop.stand_by()?;
    if stopped.abandoned > 0 {
        log::warn!("stopping; requests that are not answered: {}", stopped.abandoned);
    }
    limit_the_end(pool.graceful_timeout);
    let patience = if stopped.abandoned > 0 { Duration::ZERO } else { pool.graceful_timeout };
    let running = interpreter.join_workers(&threads, Instant::now() + patience);
    if running == 0 {
        interpreter.finish();
    }
    log::info!("stopped");
    // Threads of the application may still run, and Python cannot be taken down under them.
    sys::process::exit_now(0)
}

/// The only pool that is served so far.
fn first(config: &Config) -> Result<&Pool, Error> {
    config.pools.first().ok_or_else(|| Error::System(io::ErrorKind::InvalidInput.into()))
}

/// What must be so before Python starts and before there is a second thread.
fn prepare_process(pool: &Pool) -> Result<(), Error> {
    signal::reset();
    sys::fd::keep_from_subprocesses()?;
    for (name, value) in &pool.env {
        sys::process::set_environment(name.as_ref(), value.as_ref());
    }
    if let Some(path) = &pool.chdir {
        std::env::set_current_dir(path).map_err(|source| Error::Chdir { path: path.display().to_string(), source })?;
    }
    let wanted = pool.max_connections as u64 + DESCRIPTORS_BESIDE_CONNECTIONS;
    let limit = sys::fd::raise_limit(wanted)?;
    if limit < wanted {
        log::warn!(
            "only {limit} descriptors are allowed, too few for max-connections = {} (see ulimit -n)",
            pool.max_connections
        );
    }
    Ok(())
}

fn start(pool: &Pool) -> Result<Interpreter, Error> {
    let interpreter = Interpreter::start(pool.venv.as_deref(), &pool.app.to_string());
    let interpreter = interpreter.map_err(|error| error.with_venv_origin(pool.origin("venv")))?;
    let mut path = pool.python_path.clone();
    path.push(std::env::current_dir()?);
    interpreter.set_path(&path)?;
    Ok(interpreter)
}

fn bind(pool: &Pool) -> Result<Vec<Listener>, Error> {
    let mut listeners = Vec::new();
    for address in &pool.listen {
        match address {
            ListenAddress::Unix(path) => listeners.push(Listener::bind_unix(path, pool.socket_mode, pool.backlog)?),
            ListenAddress::Tcp { host, port } => listeners.extend(Listener::bind_tcp(host, *port, pool.backlog)?),
            ListenAddress::Fd(number) => {
                let descriptor = sys::fd::inherited(*number).map_err(|_| BindError::NotListening(*number))?;
                listeners.push(Listener::adopt(descriptor)?);
            }
        }
    }
    Ok(listeners)
}

/// As they were written, but with the port that the system chose where 0 was written.
fn addresses(pool: &Pool, listeners: &[Listener]) -> String {
    let bound: Vec<String> = listeners.iter().filter_map(Listener::tcp_address).map(|address| address.to_string()).collect();
    let others = pool.listen.iter().filter(|address| !matches!(address, ListenAddress::Tcp { .. })).map(ToString::to_string);
    bound.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

fn loop_settings(pool: &Pool) -> event_loop::Settings {
    let session = SessionLimits {
        max_connections: u32::try_from(pool.max_connections).unwrap_or(u32::MAX),
        max_requests: MAX_REQUESTS_A_CONNECTION as u32,
    };
    let request = Limits {
        max_params_size: pool.max_params_size,
        max_params: pool.max_params,
        max_body_size: pool.max_body_size,
        body_memory: pool.body_memory,
        max_requests: MAX_REQUESTS_A_CONNECTION,
    };
    event_loop::Settings {
        max_connections: pool.max_connections,
        idle_timeout: pool.idle_timeout,
        socket_timeout: pool.socket_timeout,
        graceful_timeout: pool.graceful_timeout,
        session,
        request,
    }
}

fn bridge_settings(pool: &Pool) -> wsgi::Settings {
    wsgi::Settings {
        mount: pool.mount.clone(),
        remote_user: pool.remote_user,
        errors: pool.errors,
        multithread: pool.threads > 1,
        multiprocess: false,
    }
}

/// While the application is imported nobody listens to signals, so a stop removes the sockets and ends the process.
fn stop_while_loading(pool: &Pool) -> Result<(), Error> {
    let mut signals = vec![signal::TERM, signal::QUIT, signal::INT];
    signals.extend((!signal::is_ignored(signal::HUP)).then_some(signal::HUP));
    let paths = pool.listen.iter().filter_map(|address| match address {
        ListenAddress::Unix(path) => CString::new(path.as_os_str().as_bytes()).ok(),
        _ => None,
    });
    Ok(signal::end_on(&signals, paths.collect(), 0)?)
}

/// After the import, so that an application that sets handlers while it is imported does not take the stop away. SIGHUP stays
/// ignored under nohup(1).
fn forward_signals(control: mio::net::UnixStream) -> Result<(), Error> {
    let mut signals = vec![
        (signal::TERM, event_loop::STOP_GRACEFULLY),
        (signal::QUIT, event_loop::STOP_GRACEFULLY),
        (signal::INT, event_loop::STOP_NOW),
    ];
    if !signal::is_ignored(signal::HUP) {
        signals.push((signal::HUP, event_loop::STOP_GRACEFULLY));
    }
    Ok(signal::forward(&signals, OwnedFd::from(std::os::unix::net::UnixStream::from(control)))?)
}

/// The application's own threads and exit handlers may hang; the process ends all the same.
fn limit_the_end(limit: Duration) {
    let watchdog = thread::Builder::new().name("pyfcgid-end".to_owned());
    let result = watchdog.spawn(move || {
        thread::sleep(limit + END_SLACK);
        // Said by another thread: a log that nobody reads must not hold up the end as well.
        thread::spawn(|| log::warn!("the application's threads or exit handlers did not end within graceful-timeout"));
        thread::sleep(LAST_WORDS);
        sys::process::exit_now(0)
    });
    if let Err(error) = result {
        log::warn!("the end has no time limit: {error}");
    }
}

/// Something pyfcgid runs is broken: the application.
const EX_SOFTWARE: u8 = 70;
/// The system refuses something.
const EX_OSERR: u8 = 71;
/// A setting can't be used.
const EX_CONFIG: u8 = 78;
/// Requests at once on one connection; what FCGI_MAX_REQS says. Bounds what answers that nobody reads can pile up.
const MAX_REQUESTS_A_CONNECTION: usize = 256;
const DESCRIPTORS_BESIDE_CONNECTIONS: u64 = 256;
const LAST_WORDS: Duration = Duration::from_millis(100);
const END_SLACK: Duration = Duration::from_secs(1);
