//! A child: what becomes of a process once its Python runs, until its end.
//!
//! ```text
//! main thread        Python's: imports, then waits for signals of the application's, at the end joins the workers and finishes
//! pyfcgid-loop       turns the event loop when no worker does (`connections::event_loop`); never attached to Python
//! pyfcgid-worker-N   Python threads that answer requests
//! pyfcgid-attendant  does in Python what others ask for, once something has been (`wsgi::interpreter::Attendant`)
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use connections::event_loop::{Duty, EventLoop, SharedLoop, Stopped};
use connections::process::{OTHERS_SIGNALS, Shared, controls, end_with_the_supervisor, hear_signals};
use connections::scheduler::{self, Source};
use log::LevelFilter;
use shared::link::{Command, Failure, Report};
use shared::logging;
use shared::logging::codes;
use shared::settings::{Ends, PoolSettings, Ties};
use shared::stacks::{Stacks, Thread};
use shared::sys::poll::{self, Interest};
use shared::sys::process::EX_SOFTWARE;
use shared::sys::{self, fd, signal};

use crate::error::Error;
use crate::import_limit::ImportLimit;
use crate::loading;
use crate::wsgi::interpreter::{self, Application, Attendant, Attending, Interpreter, Threads};

/// Lives the life of a child, and returns its exit code.
pub fn run(pool: &PoolSettings, level: LevelFilter, ties: Ties, ends: Ends) -> u8 {
    let Ok(link) = fd::inherited(ends.link).map(UnixStream::from) else { return EX_SOFTWARE };
    let begun = begin(&link, level, ties, ends);
    match begun.and_then(|shared| serve(pool, &shared, &link)) {
        Ok(()) => 0,
        Err(error) => {
            report_failure(&link, &error, pool.memory_limit);
            error.exit_code()
        }
    }
}

/// Says that the module runs, and logs through its channel from now on.
fn begin(mut link: &UnixStream, level: LevelFilter, ties: Ties, ends: Ends) -> Result<Shared, Error> {
    link.write_all(&Report::Loaded.encode())?;
    logging::send_to(fd::inherited(ends.log)?, level)?;
    Ok(Shared::adopt(ties)?)
}

fn report_failure(mut link: &UnixStream, error: &Error, memory_limit: Option<u64>) {
    let report = Report::Failed(Failure { code: error.exit_code(), text: error.text(memory_limit) });
    // Without a supervisor there is nobody to tell.
    drop(link.write_all(&report.encode()));
}

fn serve(pool: &PoolSettings, shared: &Shared, link: &UnixStream) -> Result<(), Error> {
    end_with_the_supervisor(link)?;
    let (interpreter, application) = load(pool, shared, link)?;
    let (queue, worker) = scheduler::queue_of_pool((pool.max_queue, pool.queue_timeout), shared.seat.clone());
    let (doors, names) = shared.doors(pool)?;
    let (signals, signal_writer) = UnixStream::pair()?;
    let signalled = signals.try_clone()?;
    let attendant = Arc::new(Attendant::new(pool.threads, pool.deadlines.clone()));
    if pool.memory_limit.is_some() {
        attendant.start();
    }
    let of_loop = connections::loop_settings::of_loop(pool, shared.pool_status(pool));
    let event_loop = EventLoop::new(doors, controls(link, signals)?, Duty::Serve, queue, of_loop)?
        .with_attendant(Arc::new(Attending(Arc::clone(&attendant))));
    let event_loop = Arc::new(SharedLoop::new(event_loop));
    let source: Arc<dyn Source> = Arc::<SharedLoop>::clone(&event_loop);
    let worker = worker.with_source(source);
    // After the import, so that an application that sets handlers while it is imported does not take the stop away.
    hear_signals(signal_writer)?;
    signal::disregard_by_default(&OTHERS_SIGNALS)?;
    interpreter.tell_of_handlers_taken();
    let workers = if pool.threads == 1 { "1 worker".to_owned() } else { format!("{} workers", pool.threads) };
    log::info!(target: codes::SERVING, "serving {} on {names} with {workers}, Python {}", pool.app, interpreter.description);
    let settings = Arc::new(pool.clone());
    interpreter.write_stacks_on_signal(&attendant);
    let slots = (pool.threads, shared.slots());
    let threads = interpreter.start_workers(&application, &settings, &worker, &attendant, slots);
    let threads = threads.map_err(|traceback| Error::Worker { traceback: traceback.trim_end().to_owned() })?;
    drop(worker);
    (&*link).write_all(&Report::Ready.encode())?;
    if !is_to_begin(link, &signalled)? {
        // Nothing was taken in, and others serve.
        sys::process::exit_now(0);
    }
    // A request may end the process, and it must be known by then that it had come so far.
    event_loop.begin();
    let threads = Arc::new(threads);
    let Stopped { deadline, .. } = stand_by(&interpreter, event_loop, (&threads, &attendant))?;
    end(&interpreter, threads, attendant, deadline);
    Ok(())
}

/// Waits for the workers until then, and takes Python down if all of them have ended: threads of the application may still run, and it
/// cannot be taken down under them.
fn end(interpreter: &Interpreter, threads: Arc<Threads>, attendant: Arc<Attendant>, deadline: Instant) {
    let running = interpreter.join_workers(&threads, deadline);
    if running == 0 {
        return interpreter.finish();
    }
    let stacks = soon(move || attendant.stacks()).unwrap_or_default();
    log::warn!(
        target: codes::REQUESTS_OUTLIVED_STOP,
        "requests still running, perhaps for nobody: {running}; skipping the application's exit handlers{}",
        in_lines(stacks.threads.iter().filter(|thread| thread.request != 0))
    );
    soon(move || name_the_unfinished(&threads, &stacks));
}

/// Imports the application.
fn load(pool: &PoolSettings, shared: &Shared, link: &UnixStream) -> Result<(Interpreter, Application), Error> {
    loading::prepare(pool)?;
    let (reports, memory_limit) = (link.try_clone()?, pool.memory_limit);
    let limit = ImportLimit::start(pool, move |error| {
        report_failure(&reports, &error.into(), memory_limit);
        sys::process::exit_now(EX_SOFTWARE)
    })?;
    let interpreter = loading::start(pool)?;
    interpreter.capture_output(pool.stdout_level, pool.stderr_level, pool.app_log)?;
    // An application's own processes may live longer than this one, and must not keep the addresses from the next.
    sys::fork::withhold(shared.ties.sockets())?;
    let application = limit.load(&interpreter, pool)?;
    Ok((interpreter, application))
}

/// Has the event loop turned until the stop. The main thread is Python's meanwhile: signal handlers that the application has set run
/// here, as they would anywhere, and the event loop never waits for the GIL.
fn stand_by(
    interpreter: &Interpreter,
    event_loop: Arc<SharedLoop>,
    (threads, attendant): (&Arc<Threads>, &Arc<Attendant>),
) -> Result<Stopped, Error> {
    let (ended, end) = UnixStream::pair()?;
    let (woken, waker) = UnixStream::pair()?;
    woken.set_nonblocking(true)?;
    waker.set_nonblocking(true)?;
    let look = interpreter.wake_at_signals(waker.as_raw_fd());
    // What has come since the import.
    interpreter.run_signal_handlers();
    let (threads, attendant) = (Arc::clone(threads), Arc::clone(attendant));
    let turned = thread::Builder::new().name("pyfcgid-loop".to_owned()).spawn(move || {
        let stopped = event_loop.stand_by();
        if let Ok(Stopped { end, .. }) = stopped {
            // The main thread may wait for the GIL for ever.
            limit_the_end(threads, attendant, end);
        }
        // Its close would not be seen while a process that the application has forked has it, too.
        drop((&end).write_all(&[0]));
        stopped
    })?;
    loop {
        let watched = [(ended.as_raw_fd(), Interest::Readable), (woken.as_raw_fd(), Interest::Readable)];
        let ready = poll::wait(&watched, look)?;
        let is_woken = ready.contains(&1) && (&woken).read(&mut [0; 64]).is_ok();
        if is_woken || look.is_some() {
            interpreter.run_signal_handlers();
        }
        if ready.contains(&0) {
            break;
        }
    }
    interpreter.wake_no_more();
    let stopped = turned.join().unwrap_or_else(|_| Err(io::Error::other("the event loop has panicked")));
    Ok(stopped?)
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
            // Who looks at what runs asks all children, and nothing runs here yet.
            Ok(1) if matches!(Command::from_repr(command[0]), Some(Command::Look | Command::TellStacks)) => {}
            Ok(count) => return Ok(count == 1 && Command::from_repr(command[0]) == Some(Command::Begin)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // The supervisor has gone.
            Err(_) => return Ok(false),
        }
    }
}

/// The application's own threads and exit handlers may hang; the process ends all the same.
fn limit_the_end(threads: Arc<Threads>, attendant: Arc<Attendant>, end: Instant) {
    let watchdog = thread::Builder::new().name("pyfcgid-end".to_owned());
    let result = watchdog.spawn(move || {
        thread::sleep(end.saturating_duration_since(Instant::now()));
        let stacks = Arc::new(soon(move || attendant.stacks()).unwrap_or_default());
        let named = Arc::clone(&stacks);
        if soon(move || name_the_unfinished(&threads, &named)) != Some(true) {
            soon(move || {
                // Who keeps the GIL has kept the main thread from saying it.
                let is_told = |thread: &&Thread| thread.name == "MainThread" || stacks.without_gil && thread.request != 0;
                log::warn!(
                    target: codes::THREADS_OUTLIVED_STOP,
                    "the application's threads or exit handlers did not finish within graceful-timeout{}",
                    in_lines(stacks.threads.iter().filter(is_told))
                )
            });
        }
        logging::tell_lost();
        sys::process::exit_now(0)
    });
    if let Err(error) = result {
        log::warn!(target: codes::STOP_HAS_NO_LIMIT, "the shutdown has no time limit: {error}");
    }
}

/// Whether there were any.
fn name_the_unfinished(threads: &Threads, stacks: &Stacks) -> bool {
    interpreter::finish_output();
    let unfinished = threads.of_the_application();
    let named = unfinished.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more =
        if unfinished.len() > MOST_NAMED { format!(" and {} more", unfinished.len() - MOST_NAMED) } else { String::new() };
    if !unfinished.is_empty() {
        log::warn!(
            target: codes::THREADS_OUTLIVED_STOP,
            "threads still running after graceful-timeout: {named}{more}; skipping the application's exit handlers{}",
            in_lines(stacks.threads.iter().filter(|thread| unfinished.contains(&thread.name)))
        );
    }
    !unfinished.is_empty()
}

/// What these threads are doing, each behind its name.
fn in_lines<'a>(threads: impl Iterator<Item = &'a Thread>) -> String {
    let process = std::process::id();
    threads.take(MOST_NAMED).map(|thread| thread.told(process)).collect()
}

/// Runs this on another thread and waits a moment for what it says: a log that nobody reads, or a GIL that nobody puts down, must not
/// hold up the end as well.
fn soon<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || sender.send(run())).ok()?;
    receiver.recv_timeout(LAST_WORDS).ok()
}

/// A look at the stacks takes up to 180 ms.
const LAST_WORDS: Duration = Duration::from_millis(190);
/// More would say nothing more.
const MOST_NAMED: usize = 8;
