//! The log of the supervisor: where its lines go, and those of all children, and the access log. Owns the form of a line; refuses to know
//! who logs what.
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
//! are escaped. What pyfcgid itself says at level info or above has a code before the text
//! ([`codes`](shared::logging::codes)). Only where the pool's `app-log` is plain, what its application says is written as it
//! is.

mod error;
mod facility;
mod file;
mod line;
mod logger;
mod output;
mod settings;
mod sink;
mod stream;
mod syslog;
mod target;
mod writer;

use std::os::fd::RawFd;
use std::time::Duration;

use log::Level;
use shared::logging::access::Answered;
use shared::logging::codes::Code;
use shared::logging::{Allowance, Lines, Message, Reader};
use shared::settings::AppLog;

use logger::LOGGER;

pub use error::Error;
pub use facility::Facility;
pub use line::Line;
pub use settings::{Settings, Targets};
pub use target::LogTarget;
pub use writer::Writer;

/// Opens the targets, and sends everything there that is logged from now on.
///
/// # Errors
/// When a target cannot be opened, or the process logs already: call it once.
pub fn start(settings: &Settings) -> Result<(), Error> {
    let writer = Writer::open(settings, None)?;
    log::set_logger(&LOGGER).map_err(|_| Error::Started)?;
    *LOGGER.writer() = Some(writer);
    log::set_max_level(settings.level);
    Ok(())
}

/// Whether [`start`] could open the targets. Makes nothing.
///
/// # Errors
/// When one cannot be opened.
pub fn check(settings: &Settings) -> Result<(), Error> {
    Writer::check(settings)
}

/// Opens the targets of these settings, which nobody writes to before [`install`], and changes nothing. Files are opened again also if
/// nothing has changed.
///
/// # Errors
/// When a target cannot be opened.
pub fn prepare(settings: &Settings) -> Result<Box<Writer>, Error> {
    Writer::open(settings, LOGGER.writer().as_ref()).map(Box::new)
}

/// Goes on with what is prepared. Lines that wait go where the new settings say if that is the same place, else they are lost.
pub fn install(new: Box<Writer>) {
    log::set_max_level(new.settings.level);
    with_writer(|writer| writer.install(*new));
}

/// Opens files again and reconnects to the syslog daemon, after a rotation. What fails is logged, to the old file.
pub fn reopen() {
    with_writer(Writer::reopen);
}

/// Writes a line about a child of a pool, with the code of what it means if pyfcgid says it.
pub fn write((level, code): (Level, Option<Code>), pool: &str, process: u32, text: &str) {
    with_writer(|writer| writer.write(AppLog::Decorated, (level, code), pool, process, text));
}

/// Writes a line of the access log for a child of a pool that cannot send the values any more. How much it had read and written then nobody knows.
pub fn write_access_of(pool: &str, process: u32, answered: &Answered<'_>) {
    with_writer(|writer| writer.write_access_of(pool, process, answered));
}

/// Writes what a child of a pool says, as far as it is there, but no more than `allowance`, so that others get their turn. Look
/// whether the reader is at its end then. Only where `form` allows it is anything written as it is, whatever the child sends.
pub fn pass_on(reader: &mut Reader, form: AppLog, pool: &str, process: u32, allowance: &mut Allowance) {
    while let Some(message) = reader.read(allowance) {
        match message {
            Message::Record { level, code, text } => write((level, code), pool, process, &text),
            Message::Plain { level, text } => write_in(form, level, pool, process, &text),
            Message::Access { values } => with_writer(|writer| writer.write_access(pool, process, &values)),
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
    LOGGER.writer().as_ref().map_or_else(Vec::new, Writer::blocked)
}

/// When to [`flush`] although there is nothing to poll: lines wait for a syslog daemon that is away.
pub fn retry_in() -> Option<Duration> {
    LOGGER.writer().as_ref().and_then(Writer::retry_in)
}

/// Writes as many of the waiting lines as there is room for.
pub fn flush() {
    with_writer(Writer::flush);
}

/// How many lines of all logs were lost so far.
pub fn lost_so_far() -> u64 {
    LOGGER.writer().as_ref().map_or(0, Writer::lost_so_far)
}

/// Writes the lines that wait, and gives up after `limit`.
pub fn flush_at_end(limit: Duration) {
    with_writer(|writer| writer.flush_at_end(limit));
}

/// Writes what an application has said.
fn write_in(form: AppLog, level: Level, pool: &str, process: u32, text: &str) {
    with_writer(|writer| writer.write(form, (level, None), pool, process, text));
}

fn with_writer(action: impl FnOnce(&mut Writer)) {
    if let Some(writer) = LOGGER.writer().as_mut() {
        action(writer);
    }
}
