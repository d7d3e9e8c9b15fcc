//! A child: what becomes of a process after the fork, until its end.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use super::import_limit::ImportLimit;
use super::{access_log, loading, settings};
use crate::config::{self, Config};
use crate::event_loop::{self, EventLoop, Line, Passage, SharedLoop, Stopped};
use crate::link::{Command, Report};
use crate::listener::{BindError, Listener};
use crate::scoreboard::Seat;
use crate::supervisor::Inherited;
use crate::sys::poll::Interest;
use crate::sys::process::EX_SOFTWARE;
use crate::sys::{self, fd, signal};
use crate::workers::Source;
use crate::wsgi::interpreter::{self, LINKED_VERSION, Threads};
use crate::{logging, workers};

/// Lives the life of a child, and ends the process.
pub fn run(pool: &config::Pool, config: &Config, inherited: Inherited) -> ! {
    // No destructor of the supervisor's may run in a child: it would remove files that are not its own.
    let lived = catch_unwind(AssertUnwindSafe(|| live(pool, config, inherited)));
    sys::process::exit_now(lived.unwrap_or(EX_SOFTWARE))
}

fn live(pool: &config::Pool, config: &Config, inherited: Inherited) -> u8 {
    let (sockets, link, settled) = settle(inherited, config);
    let served = settled.map_err(Error::from).and_then(|()| serve(pool, config, sockets, &link));
    match served {
        Ok(()) => 0,
        Err(error) => {
            report_failure(&link, &error);
            error.exit_code()
        }
    }
}

/// The sockets that the processes of a pool share, by number.
pub struct Shared {
    listeners: Vec<RawFd>,
    passage: [RawFd; 2],
    line: [RawFd; 2],
    seat: Seat,
}

impl Shared {
    /// Their numbers.
    fn numbers(&self) -> Vec<RawFd> {
        [&self.listeners[..], &self.passage, &self.line].concat()
    }

    /// The passage, and the line on which up to `most` requests wait.
    pub fn ties(&self, most: usize) -> io::Result<(Passage, Line)> {
        let passage = |[give, take]: [RawFd; 2]| Ok::<_, io::Error>(Passage::new(fd::inherited(give)?, fd::inherited(take)?));
        Ok((passage(self.passage)?, Line::new(passage(self.line)?, self.seat.clone(), most)))
    }

    /// Where its requests that wait are counted.
    pub fn seat(&self) -> Seat {
        self.seat.clone()
    }

    /// The listening sockets, and their names.
    pub fn listeners(&self, pool: &config::Pool) -> Result<(Vec<event_loop::Listener>, String), Error> {
        adopt(pool, &self.listeners)
    }
}

/// A process of a pool after the fork: it keeps what is its own, and logs through its channel. Returns that and its link.
pub fn settle(inherited: Inherited, config: &Config) -> (Shared, UnixStream, io::Result<()>) {
    let Inherited { listeners, passage, line, seat, ends, open_files } = inherited;
    let (shared, link) = (Shared { listeners, passage, line, seat }, UnixStream::from(ends.link));
    let kept = keep_what_is_needed(&shared.numbers(), &link, &ends.log, [&ends.stdout, &ends.stderr]);
    let kept = kept.and_then(|()| shared.seat.have_no_others());
    let kept = kept.and_then(|()| sys::process::restore_open_files(open_files));
    drop((ends.stdout, ends.stderr));
    let sent = logging::send_to(ends.log, config.log_level);
    (shared, link, kept.and(sent))
}

/// The sockets on which an event loop hears commands: the link, and what signals write to.
pub fn controls(link: &UnixStream, signals: UnixStream) -> io::Result<Vec<mio::net::UnixStream>> {
    let controls = [link.try_clone()?, signals];
    let controls = controls.map(|control| control.set_nonblocking(true).map(|()| mio::net::UnixStream::from_std(control)));
    controls.into_iter().collect()
}

/// TERM and QUIT, heard through `to`, end the process gracefully.
pub fn hear_signals(to: UnixStream) -> io::Result<()> {
    signal::forward(&[(signal::TERM, Command::Terminate as u8), (signal::QUIT, Command::Quit as u8)], to.into())?;
    signal::disregard(&[signal::INT, signal::HUP, signal::USR1, signal::USR2, signal::TTIN, signal::TTOU])
}

fn report_failure(mut link: &UnixStream, error: &Error) {
    let report = Report::Failed { code: error.exit_code(), text: error.text() };
    // Without a supervisor there is nobody to tell.
    drop(link.write_all(&report.encode()));
}

fn keep_what_is_needed(shared: &[RawFd], link: &impl AsRawFd, log: &impl AsRawFd, output: [&impl AsFd; 2]) -> io::Result<()> {
    sys::fd::replace_standard(File::open("/dev/null")?.as_fd(), 0)?;
    sys::fd::replace_standard(output[0].as_fd(), 1)?;
    sys::fd::replace_standard(output[1].as_fd(), 2)?;
    let own = [link.as_raw_fd(), log.as_raw_fd()];
    // Still open, and closed by their owner later.
    let output = output.map(|end| end.as_fd().as_raw_fd());
    sys::process::keep_only(&[shared, &own, &output].concat())?;
    signal::restore(&[signal::CHLD])?;
    signal::disregard(&[signal::INT, signal::HUP, signal::USR1, signal::USR2, signal::TTIN, signal::TTOU])?;
    // While the application is imported nobody listens to commands.
    signal::end_on(&[signal::TERM, signal::QUIT], 0)?;
    signal::reset();
    Ok(())
}

fn serve(pool: &config::Pool, config: &Config, shared: Shared, link: &UnixStream) -> Result<(), Error> {
    super::privileges::confine(pool)?;
    end_with_the_supervisor(link)?;
    loading::enter(pool)?;
    let reports = link.try_clone()?;
    let limit = ImportLimit::start(pool, move |error| {
        report_failure(&reports, &error.into());
        sys::process::exit_now(EX_SOFTWARE)
    })?;
    let interpreter = loading::start(pool)?;
    interpreter.capture_output(pool.stdout_level, pool.stderr_level, pool.app_log)?;
    // An application's own processes may live longer than this one, and must not keep the addresses from the next.
    sys::fork::withhold(shared.numbers())?;
    let application = limit.load(&interpreter, pool);
    if sys::fork::is_fork() {
        sys::fork::end("a process that was forked during the import came back from it and is ended\n", 0);
    }
    let application = application?;
    let (queue, worker) = workers::queue_of_pool(pool.max_queue, shared.seat());
    let (listeners, names) = shared.listeners(pool)?;
    let (passage, line) = shared.ties(pool.max_queue)?;
    let (signals, signal_writer) = UnixStream::pair()?;
    let signalled = signals.try_clone()?;
    let of_loop = settings::of_loop(pool, access_log::journal(pool, config));
    let event_loop = EventLoop::new(listeners, controls(link, signals)?, Some(passage), queue, of_loop)?
        .with_line(line)
        .with_uploads_memory(pool.uploads_memory);
    let event_loop = Arc::new(SharedLoop::new(event_loop));
    let source: Arc<dyn Source> = Arc::<SharedLoop>::clone(&event_loop);
    let worker = worker.with_source(source);
    // After the import, so that an application that sets handlers while it is imported does not take the stop away.
    hear_signals(signal_writer)?;
    let workers = if pool.threads == 1 { "1 worker".to_owned() } else { format!("{} workers", pool.threads) };
    log::info!("serving {} on {names} with {workers}, Python {LINKED_VERSION}", pool.app);
    // A request may end the process, and it must be known by then that it had come so far.
    let not_yet = event_loop.hold();
    let threads = interpreter.start_workers(&application, &settings::of_bridge(pool), &worker, pool.threads);
    let threads = threads.map_err(Error::Worker)?;
    drop(worker);
    (&*link).write_all(&Report::Ready.encode())?;
    if !is_to_begin(link, &signalled)? {
        // Nothing was taken in, and others serve.
        sys::process::exit_now(0);
    }
    drop(not_yet);
    let Stopped { deadline, end, .. } = event_loop.stand_by()?;
    let threads = Arc::new(threads);
    limit_the_end(&threads, end);
    let running = interpreter.join_workers(&threads, deadline);
    if running == 0 {
        interpreter.finish();
    } else {
        log::warn!("requests that still run, perhaps for nobody: {running}; the application's exit handlers do not run");
        soon(move || name_the_unfinished(&threads));
    }
    // Threads of the application may still run, and Python cannot be taken down under them.
    sys::process::exit_now(0)
}

/// Waits until the supervisor has decided. A child of a reload waits until the first ones of other pools are ready, too.
fn is_to_begin(mut link: &UnixStream, signalled: &UnixStream) -> std::io::Result<bool> {
    loop {
        let watched = [(link.as_raw_fd(), Interest::Readable), (signalled.as_raw_fd(), Interest::Readable)];
        let ready = sys::poll::wait(&watched, None)?;
        if ready.contains(&1) {
            return Ok(false);
        }
        let mut command = [0];
        match link.read(&mut command) {
            Ok(1) if Command::parse(command[0]) == Some(Command::Count) => {}
            Ok(count) => return Ok(count == 1 && Command::parse(command[0]) == Some(Command::Begin)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // The supervisor has gone.
            Err(_) => return Ok(false),
        }
    }
}

/// An import may take long, and nobody looks at the link meanwhile. After the import the same signal is a graceful stop, as the end of
/// the link is.
pub fn end_with_the_supervisor(link: &UnixStream) -> std::io::Result<()> {
    sys::process::signal_at_end_of_parent(signal::TERM)?;
    // It may have ended before.
    match fd::peek(link.as_fd(), &mut [0]) {
        Ok(0) => Err(ErrorKind::BrokenPipe.into()),
        _ => Ok(()),
    }
}

/// The listening sockets, and their addresses as the configuration has them, but with the port that the system chose.
fn adopt(pool: &config::Pool, numbers: &[RawFd]) -> Result<(Vec<event_loop::Listener>, String), Error> {
    let mut names: Vec<String> = Vec::new();
    let mut listeners = Vec::new();
    for number in numbers {
        let descriptor = sys::fd::inherited(*number).map_err(|_| BindError::NotListening(*number))?;
        let listener = Listener::adopt(descriptor)?;
        names.extend(listener.tcp_address().map(|address| address.to_string()));
        listeners.push(event_loop::Listener::try_from(listener)?.allowing(pool.allowed_clients.clone()));
    }
    let is_tcp = |address: &&config::ListenAddress| matches!(address, config::ListenAddress::Tcp { .. });
    names.extend(pool.listen.iter().filter(|address| !is_tcp(address)).map(ToString::to_string));
    Ok((listeners, names.join(", ")))
}

/// The application's own threads and exit handlers may hang; the process ends all the same.
fn limit_the_end(threads: &Arc<Threads>, end: Instant) {
    let threads = Arc::clone(threads);
    let watchdog = thread::Builder::new().name("pyfcgid-end".to_owned());
    let result = watchdog.spawn(move || {
        thread::sleep(end.saturating_duration_since(Instant::now()));
        if soon(move || name_the_unfinished(&threads)) != Some(true) {
            soon(|| log::warn!("the application's threads or exit handlers did not end within graceful-timeout"));
        }
        sys::process::exit_now(0)
    });
    if let Err(error) = result {
        log::warn!("the end has no time limit: {error}");
    }
}

/// Whether there were any.
fn name_the_unfinished(threads: &Threads) -> bool {
    interpreter::finish_output();
    let unfinished = threads.of_the_application();
    let named = unfinished.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more =
        if unfinished.len() > MOST_NAMED { format!(" and {} more", unfinished.len() - MOST_NAMED) } else { String::new() };
    if !unfinished.is_empty() {
        log::warn!(
            "threads that were not done within graceful-timeout: {named}{more}; the application's exit handlers do not run"
        );
    }
    !unfinished.is_empty()
}

/// Runs this on another thread and waits a moment for what it says: a log that nobody reads, or a GIL that nobody puts down, must not
/// hold up the end as well.
fn soon<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || sender.send(run())).ok()?;
    receiver.recv_timeout(LAST_WORDS).ok()
}

const LAST_WORDS: Duration = Duration::from_millis(100);
/// More would say nothing more.
const MOST_NAMED: usize = 8;
