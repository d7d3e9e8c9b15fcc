//! The log on its way to the supervisor: what a process sends, and how the supervisor reads it. Where it goes from there is the program's
//! (`log_writer`).

pub mod access;
mod channel;
pub mod codes;
mod lines;
mod logger;
mod pieces;
mod timestamp;

use std::io;
use std::os::fd::OwnedFd;

use log::{Level, LevelFilter};

use channel::Sender;
use logger::{Logger, SENDER};

pub use channel::{Allowance, Message, Reader, channel};
pub use lines::Lines;
pub use logger::{is_wanted, send};
pub use pieces::pieces;
pub use timestamp::{Timestamp, offset_before, unix_millis};

/// Sends everything that is logged from now on to the supervisor, which may have been this process before it forked. The
/// supervisor's targets are used no more, but stay open until the caller closes them.
///
/// # Errors
/// When it is no socket, or this was called before in this process.
pub fn send_to(socket: OwnedFd, level: LevelFilter) -> io::Result<()> {
    if SENDER.set(Sender::new(socket)?).is_err() {
        return Err(io::Error::other("the log already goes to the supervisor"));
    }
    let _ = log::set_logger(&Logger); // A process that was the supervisor has one, which looks here first.
    log::set_max_level(level);
    Ok(())
}

/// Logs what the application says, by way of the supervisor, with `head` before it, and before each piece if it is long.
pub fn said(level: Level, head: &str, text: &str) {
    if let Some(sender) = SENDER.get().filter(|_| level <= log::max_level()) {
        sender.said(level, head, text);
    }
}

/// Adds a line with these values ([`access::Format::values`]) to the access log, by way of the supervisor.
pub fn access(values: &str) {
    if let Some(sender) = SENDER.get() {
        sender.access(values);
    }
}

/// Says how many lines of this process were lost, at its end: else the next line says so.
pub fn tell_lost() {
    if let Some(sender) = SENDER.get() {
        sender.tell_lost();
    }
}

/// An error with all its causes, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
