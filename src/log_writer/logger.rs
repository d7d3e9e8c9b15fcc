//! What the `log` crate calls in the supervisor, and in processes that were forked off it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use log::{Log, Metadata, Record};
use shared::logging::{self, codes};

use super::writer::Writer;

/// The logger of the program. A process that was forked off the supervisor inherits its writer, and no longer uses it once it sends what it
/// logs to the supervisor.
pub(super) struct Logger {
    writer: Mutex<Option<Writer>>,
}

pub(super) static LOGGER: Logger = Logger { writer: Mutex::new(None) };

impl Logger {
    /// The writer. The supervisor has one thread, so nobody waits here, and no process is forked while it is locked.
    pub(super) fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        logging::is_wanted(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || logging::send(record) {
            return;
        }
        // Made before the lock is taken, since a `Display` might log.
        let text = record.args().to_string();
        if let Some(writer) = self.writer().as_mut() {
            writer.write_own((record.level(), codes::known(record.target())), &text);
        }
    }

    fn flush(&self) {}
}
