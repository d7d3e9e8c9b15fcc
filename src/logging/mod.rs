//! The back end of the `log` crate: one record, one line, one write. Owns the form of a line and where it goes; refuses to know
//! who logs what.
//!
//! A line is `2026-11-20 18:46:14.123 +0000 [warn] blog[4711]: text`, in UTC, so that the lines of several machines sort. Further
//! lines of the same record are indented, so none of them can be taken for a record of its own, whatever an application or a
//! peer gets into a message. Control characters are escaped.

mod line;
mod stderr;
mod target;
mod timestamp;

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};

use crate::config::Config;
use stderr::Stderr;
use target::Target;

pub use line::Line;
pub use timestamp::Timestamp;

/// Sends everything that is logged from now on where `config` says.
///
/// # Errors
/// When the process logs already: call it once.
pub fn init(config: &Config) -> Result<(), SetLoggerError> {
    let logger = Logger {
        pool: config.pools.first().map(|pool| pool.name.clone()).unwrap_or_default(),
        level: config.log_level,
        target: Box::new(Stderr::default()),
    };
    log::set_logger(Box::leak(Box::new(logger)))?; // It lives as long as the process.
    log::set_max_level(config.log_level);
    Ok(())
}

/// The one logger of a process.
struct Logger {
    pool: String,
    level: LevelFilter,
    target: Box<dyn Target>,
}

impl Log for Logger {
    /// Of other crates only what needs somebody's attention.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
        metadata.level() <= if own { self.level } else { self.level.min(LevelFilter::Warn) }
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = Line {
                time: Timestamp::now(),
                level: record.level(),
                pool: &self.pool,
                process: std::process::id(),
                text: *record.args(),
            };
            self.target.write(&line);
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use log::Level;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Target for Kept {
        fn write(&self, line: &Line<'_>) {
            self.0.lock().unwrap().push(format!("{} {}", line.level, line.text));
        }
    }

    fn log(logger: &Logger, target: &str, level: Level) {
        logger.log(&Record::builder().target(target).level(level).args(format_args!("{target}")).build());
    }

    #[test]
    fn the_level_filters_and_other_crates_only_warn() {
        let kept = Kept::default();
        let logger = Logger { pool: "blog".to_owned(), level: LevelFilter::Debug, target: Box::new(kept.clone()) };
        log(&logger, "pyfcgid::wsgi", Level::Debug);
        log(&logger, "pyfcgid::wsgi", Level::Trace);
        log(&logger, "pyfcgid", Level::Error);
        log(&logger, "pyfcgid_other", Level::Info);
        log(&logger, "mio::poll", Level::Info);
        log(&logger, "mio::poll", Level::Warn);
        let expected = ["DEBUG pyfcgid::wsgi", "ERROR pyfcgid", "WARN mio::poll"];
        assert_eq!(*kept.0.lock().unwrap(), expected);
    }
}
