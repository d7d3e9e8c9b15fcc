//! Becoming a daemon: the double fork, what the command that started it is told, and the pid file.
//!
//! Knows nothing of what the daemon does. Whoever becomes one decides when it is ready, and how long that may take.

mod pid_file;
mod readiness;

pub use pid_file::{PidFile, PidFileError};
pub use readiness::Readiness;

use std::io::{self, Write};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;

use daemonize::{Daemonize, Outcome};
use thiserror::Error;

use shared::sys::process::{self, EX_OSERR};

/// Which of the two processes this is, after [`daemonize()`].
#[derive(Debug)]
pub enum Side {
    /// The command that was typed. The daemon has told how it went, and this is the exit code.
    Launcher(u8),
    /// The daemon, which has to tell it.
    Daemon(Readiness),
}

/// Why there is no daemon.
#[derive(Debug, Error)]
pub enum DaemonizeError {
    /// What a fork would tear apart.
    #[error("a process with {0} threads cannot become a daemon")]
    Threads(usize),
    /// The system has no room for another process or socket.
    #[error("the system cannot start the daemon")]
    System(#[from] io::Error),
}

/// Forks twice: the daemon has a session of its own without a terminal, /dev/null as its standard input and outputs, and of the
/// other descriptors only those in `kept`, so that it does not hold open what a script left to it (a lock, a pipe that is read to
/// its end). Directory and umask stay what they are. The launcher waits for the outcome, writes what the daemon says to `output`
/// and returns.
///
/// Call it before anything is opened that is not in `kept`.
///
/// # Errors
/// Those of the launcher, before there is a daemon. A daemon that cannot be one tells the launcher and ends.
pub fn daemonize(kept: &[RawFd], output: &mut dyn Write) -> Result<Side, DaemonizeError> {
    let threads = process::threads();
    if threads != 1 {
        return Err(DaemonizeError::Threads(threads));
    }
    let (reader, writer) = UnixStream::pair()?;
    let umask = process::umask(PRIVATE);
    process::umask(umask);
    let double_fork = Daemonize::new().working_directory(".").umask(umask);
    match double_fork.execute() {
        Outcome::Parent(result) => {
            drop(writer);
            result.map_err(io::Error::other)?;
            Ok(Side::Launcher(readiness::wait(reader, output)))
        }
        Outcome::Child(result) => {
            drop(reader);
            Ok(Side::Daemon(settle(kept, Readiness::new(writer), result.map(drop))))
        }
    }
}

/// What is left to do in the daemon itself.
fn settle(kept: &[RawFd], readiness: Readiness, forked: Result<(), daemonize::Error>) -> Readiness {
    if let Err(error) = forked {
        fail(readiness, &format!("the daemon cannot detach: {error}"));
    }
    let kept: Vec<RawFd> = kept.iter().copied().chain(readiness.descriptor()).collect();
    if let Err(error) = process::keep_only(&kept) {
        fail(readiness, &format!("the daemon cannot close inherited descriptors: {error}"));
    }
    readiness
}

fn fail(readiness: Readiness, text: &str) -> ! {
    readiness.failed(EX_OSERR, text);
    process::exit_now(EX_OSERR)
}

const PRIVATE: u32 = 0o077;
