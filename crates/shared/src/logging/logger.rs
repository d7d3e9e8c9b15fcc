//! What the `log` crate calls in a process that sends its log to the supervisor.

use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::channel::Sender;
use super::codes;
use crate::settings::AppLog;

/// The logger of such a process, for those that have no other.
pub(super) struct Logger;

/// The way to the supervisor, if there is one.
pub(super) static SENDER: OnceLock<Sender> = OnceLock::new();

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_wanted(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if is_wanted(record.metadata()) {
            send(record);
        }
    }

    fn flush(&self) {}
}

/// Sends a record to the supervisor, if that is where this process logs.
pub fn send(record: &Record<'_>) -> bool {
    let Some(sender) = SENDER.get() else { return false };
    match record.target() {
        AppLog::PLAIN_TARGET => sender.plain(record.level(), *record.args()),
        target => sender.record(record.level(), codes::known(target), *record.args()),
    }
    true
}

/// Whether it is to be logged: of other crates than ours only what needs somebody's attention.
pub fn is_wanted(metadata: &Metadata<'_>) -> bool {
    is_wanted_at(metadata.target(), metadata.level(), log::max_level())
}

fn is_wanted_at(target: &str, level: Level, max_level: LevelFilter) -> bool {
    let is_own = target.split("::").next().is_some_and(|name| OWN.contains(&name)) || codes::known(target).is_some();
    level <= if is_own { max_level } else { max_level.min(LevelFilter::Warn) }
}

/// The crates of this project that log.
const OWN: [&str; 4] = ["pyfcgid", "_pyfcgid", "pyfcgid_connections", "pyfcgid_shared"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_filters_and_other_crates_only_warn() {
        let is_wanted = |target, level| is_wanted_at(target, level, LevelFilter::Debug);
        assert!(is_wanted("pyfcgid::wsgi", Level::Debug));
        assert!(!is_wanted("pyfcgid::wsgi", Level::Trace));
        assert!(is_wanted("pyfcgid", Level::Error));
        assert!(!is_wanted("pyfcgid_other", Level::Info));
        assert!(is_wanted(codes::READY, Level::Info));
        assert!(!is_wanted("PF0000", Level::Info));
        assert!(!is_wanted("mio::poll", Level::Info));
        assert!(is_wanted("mio::poll", Level::Warn));
    }
}
