//! The limit of an import's time: it may hang, in Python or in C, and the operator wants to know where.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::wsgi::interpreter::{Application, Interpreter, LoadError};
use shared::logging::codes;
use shared::settings::PoolSettings;
use shared::sys;
use shared::sys::poll;

/// Runs until the application is imported.
pub struct ImportLimit {
    deadline: Instant,
    /// Where Python writes what its threads are doing then.
    stacks: PipeWriter,
    /// Dropped when the import has ended.
    running: Sender<()>,
}

impl ImportLimit {
    /// From now on, `startup-timeout`. `give_up` is run on another thread when it is over, and has to end the process: nobody but the
    /// import could end itself.
    ///
    /// # Errors
    /// Those of making a pipe and a thread.
    pub fn start(pool: &PoolSettings, give_up: impl FnOnce(LoadError) + Send + 'static) -> io::Result<Self> {
        let (app, limit) = (pool.app.to_string(), pool.startup_timeout);
        let (reader, stacks) = io::pipe()?;
        let (running, ended) = channel();
        thread::Builder::new().name("pyfcgid-limit".to_owned()).spawn(move || {
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let reason = format!("its import did not end within startup-timeout ({} s)", limit.as_secs_f64());
                give_up(LoadError { app, reason, traceback: read_stacks(reader) });
            }
        })?;
        Ok(Self { deadline: Instant::now() + limit, stacks, running })
    }

    /// Imports the application within what is left of the time.
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn load(self, interpreter: &Interpreter, pool: &PoolSettings) -> Result<Application, LoadError> {
        let left = self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        interpreter.write_stacks_after(left, self.stacks.as_raw_fd());
        let loaded = interpreter.load(&pool.app);
        // The threads that are told of the end are its parent's: it would wait for them for ever.
        if sys::fork::is_fork() {
            log::warn!(target: codes::FORK_RETURNED, "a process forked during the import returned from it; ending it");
            sys::process::exit_now(0);
        }
        interpreter.write_no_stacks();
        drop(self.running);
        loaded
    }
}

/// What Python has written, if it does so in time: not all of its start has somebody to write.
fn read_stacks(mut reader: PipeReader) -> Option<String> {
    let patience = |text: &[u8]| if text.is_empty() { FIRST_WORD } else { NEXT_WORD };
    let text = poll::read_patiently(&mut reader, MOST_OF_IT, patience);
    // The first line is that of an alarm, and those of the import system are the same each time.
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("Timeout (") && !line.contains("\"<frozen importlib") && !line.contains(BOOT));
    let lines: Vec<&str> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("\n") + "\n")
}

/// What the program starts Python with.
const BOOT: &str = "File \"<string>\", line";
const FIRST_WORD: Duration = Duration::from_millis(500);
const NEXT_WORD: Duration = Duration::from_millis(100);
/// Of the stacks of many threads the first are enough.
const MOST_OF_IT: usize = 32 * 1024;
