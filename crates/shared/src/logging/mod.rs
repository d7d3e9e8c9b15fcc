//! The log: the back end of the `log` crate, where its lines go, and the access log. Owns the form of a line and its way; refuses
//! to know who logs what.
//!
//! ```text
//! child: log, access ──packets──→ Reader ┐
//! child: fds 1 and 2 ──pipes────→ Lines  ├→ supervisor: write, write_access → stderr │ file │ syslog
//! supervisor: log ───────────────────────┘
//! ```
//!
//! Children own no target, so that opening one again, privileges and a changed root concern the supervisor only. The supervisor
//! never waits for a target: lines that one does not take wait in memory, and then they are lost and counted.
//!
//! Which pool and process a line is about is said by the supervisor, which knows whose channel it came on; what comes is data.
//!
//! A line is `2026-11-20 18:46:14.123 +0000 [warn] blog[4711]: text`, in local time. Further lines of the same record are indented,
//! so none of them can be taken for a record of its own, whatever an application or a peer gets into a message. Control characters
//! are escaped. Only where the pool's `app-log` is plain, what its application says is written as it is.

pub mod access;
mod channel;
mod error;
mod file;
mod front;
mod hub;
mod line;
mod output;
mod pieces;
mod settings;
mod sink;
mod stray;
mod stream;
mod syslog;
mod timestamp;

use std::fmt;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use log::{Level, LevelFilter};

use crate::settings::AppLog;
use channel::Sender;
use front::FRONT;
use hub::Hub;

pub use channel::{Allowance, Message, Reader, channel};
pub use error::Error;
pub use line::Line;
pub use settings::{Facility, Settings, Target, Targets, UnknownFacility};
pub use stray::Lines;
pub use timestamp::Timestamp;

/// Opens the targets, and sends everything there that is logged from now on.
///
/// # Errors
/// When a target cannot be opened, or the process logs already: call it once.
pub fn start(settings: &Settings) -> Result<(), Error> {
    let hub = Hub::open(settings)?;
    log::set_logger(&FRONT).map_err(|_| Error::Started)?;
    *FRONT.hub() = Some(hub);
    log::set_max_level(settings.level);
    Ok(())
}

/// Whether [`start`] could open the targets. Makes nothing.
///
/// # Errors
/// When one cannot be opened.
pub fn check(settings: &Settings) -> Result<(), Error> {
    Hub::check(settings)
}

/// Targets that are open, and that nobody writes to before [`install`].
pub struct Prepared(Box<Hub>);

impl Prepared {
    /// Opens files again, after a rotation, as [`reopen`] does with those that are in use.
    pub fn reopen(&mut self) {
        self.0.reopen();
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

/// Opens the targets of these settings, and changes nothing. Files are opened again also if nothing has changed.
///
/// # Errors
/// When a target cannot be opened.
pub fn prepare(settings: &Settings) -> Result<Prepared, Error> {
    let opened = match FRONT.hub().as_ref() {
        Some(hub) => hub.prepare(settings),
        None => Hub::open(settings),
    };
    opened.map(|hub| Prepared(Box::new(hub)))
}

/// Goes on with what is prepared. Lines that wait go where the new settings say if that is the same place, else they are lost.
pub fn install(Prepared(new): Prepared) {
    log::set_max_level(new.level());
    let mut hub = FRONT.hub();
    match hub.as_mut() {
        Some(hub) => hub.install(*new),
        None => *hub = Some(*new),
    }
}

/// Opens files again and connects to the syslog daemon anew, after a rotation. What fails is logged, to the old file.
pub fn reopen() {
    with_hub(Hub::reopen);
}

/// Writes a line about a child of a pool.
pub fn write(level: Level, pool: &str, process: u32, text: &str) {
    with_hub(|hub| hub.write(level, pool, process, format_args!("{text}")));
}

/// Writes a line of the access log about a child of a pool, with the values that it has sent.
pub fn write_access(pool: &str, process: u32, values: &str) {
    with_hub(|hub| hub.write_access(pool, process, values));
}

/// Writes what a child of a pool says, as far as it is there, but no more than `allowance`, so that others get their turn. Look
/// whether the reader is at its end then. Only where `form` allows it is anything written as it is, whatever the child sends.
pub fn pass_on(reader: &mut Reader, form: AppLog, pool: &str, process: u32, allowance: &mut Allowance) {
    while let Some(message) = reader.read(allowance) {
        match message {
            Message::Record { level, text } => write(level, pool, process, &text),
            Message::Plain { level, text } => write_in(form, level, pool, process, &text),
            Message::Access { values } => write_access(pool, process, &values),
        }
    }
}

/// The same for a child's stray output. Returns the lines.
pub fn pass_on_lines(
    lines: &mut Lines,
    (level, form): (Level, AppLog),
    pool: &str,
    process: u32,
    allowance: &mut Allowance,
) -> Vec<String> {
    let said = lines.read_some(allowance);
    said.iter().for_each(|line| write_in(form, level, pool, process, line));
    said
}

/// What to poll for writing, to [`flush`] then: targets for which lines wait.
pub fn blocked() -> Vec<RawFd> {
    FRONT.hub().as_ref().map_or_else(Vec::new, Hub::blocked)
}

/// When to [`flush`] although there is nothing to poll: lines wait for a syslog daemon that is away.
pub fn retry_in() -> Option<Duration> {
    FRONT.hub().as_ref().and_then(Hub::retry_in)
}

/// Writes of the lines that wait what there is room for.
pub fn flush() {
    with_hub(Hub::flush);
}

/// Writes the lines that wait, and gives up after `limit`.
pub fn flush_at_end(limit: Duration) {
    with_hub(|hub| hub.flush_at_end(limit));
}

/// Sends everything that is logged from now on to the supervisor, which may have been this process before it forked. The
/// supervisor's targets are used no more, but stay open until the caller closes them.
///
/// # Errors
/// When it is no socket, or this was called before in this process.
pub fn send_to(socket: OwnedFd, level: LevelFilter) -> io::Result<()> {
    if !FRONT.set_sender(Sender::new(socket)?) {
        return Err(io::Error::other("the log goes to the supervisor already"));
    }
    let _ = log::set_logger(&FRONT); // It is the logger already in a process that was the supervisor.
    log::set_max_level(level);
    Ok(())
}

/// Adds a line with these values ([`access::Format::values`]) to the access log, from a child or from a process without a supervisor.
pub fn access(values: &str) {
    match FRONT.sender() {
        Some(sender) => sender.access(values),
        None => write_access("-", std::process::id(), values),
    }
}

/// An error with all its causes, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Writes what an application has said.
fn write_in(form: AppLog, level: Level, pool: &str, process: u32, text: &str) {
    match form {
        AppLog::Decorated => write(level, pool, process, text),
        AppLog::Plain => with_hub(|hub| hub.write_plain(level, pool, process, format_args!("{text}"))),
    }
}

fn with_hub(action: impl FnOnce(&mut Hub)) {
    if let Some(hub) = FRONT.hub().as_mut() {
        action(hub);
    }
}
