use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::channel::Sender;
use super::hub::Hub;
use crate::settings::AppLog;

/// The one logger of a process. A child inherits the supervisor's hub, and no longer uses it once it has a sender.
pub(super) struct Front {
    hub: Mutex<Option<Hub>>,
    sender: OnceLock<Sender>,
}

pub(super) static FRONT: Front = Front { hub: Mutex::new(None), sender: OnceLock::new() };

impl Front {
    /// The hub. The supervisor has one thread, so nobody waits here, and no child is forked while it is locked.
    pub(super) fn hub(&self) -> MutexGuard<'_, Option<Hub>> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sender(&self) -> Option<&Sender> {
        self.sender.get()
    }

    /// Sends everything there from now on. False if it was told so before.
    pub(super) fn set_sender(&self, sender: Sender) -> bool {
        self.sender.set(sender).is_ok()
    }
}

impl Log for Front {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_wanted(metadata.target(), metadata.level(), log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if let Some(sender) = self.sender() {
            return match record.target() {
                AppLog::PLAIN_TARGET => sender.plain(record.level(), *record.args()),
                _ => sender.record(record.level(), *record.args()),
            };
        }
        // Made before the lock is taken, since a `Display` might log.
        let text = record.args().to_string();
        if let Some(hub) = self.hub().as_mut() {
            hub.write_own(record.level(), &text);
        }
    }

    fn flush(&self) {}
}

/// Of other crates only what needs somebody's attention.
fn is_wanted(target: &str, level: Level, max_level: LevelFilter) -> bool {
    let is_own = target.split("::").next().is_some_and(|name| OWN.contains(&name));
    level <= if is_own { max_level } else { max_level.min(LevelFilter::Warn) }
}

/// The crates of this project that log.
const OWN: [&str; 4] = ["pyfcgid", "_pyfcgid", "pyfcgid_connections", "pyfcgid_shared"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_filters_and_other_crates_only_warn() {
        let is_wanted = |target, level| is_wanted(target, level, LevelFilter::Debug);
        assert!(is_wanted("pyfcgid::wsgi", Level::Debug));
        assert!(!is_wanted("pyfcgid::wsgi", Level::Trace));
        assert!(is_wanted("pyfcgid", Level::Error));
        assert!(!is_wanted("pyfcgid_other", Level::Info));
        assert!(!is_wanted("mio::poll", Level::Info));
        assert!(is_wanted("mio::poll", Level::Warn));
    }
}
