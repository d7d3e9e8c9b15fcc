//! How what the application says becomes messages of the log.

use std::cell::Cell;

use log::Level;

use shared::logging;
use shared::settings::AppLog;

/// How one stream's messages are written.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    pub level: Level,
    pub form: AppLog,
}

impl Voice {
    /// Writes a message, of one line or several.
    pub fn say(self, request: Option<RequestNumber>, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        // What stands between two tracebacks begins with an empty line.
        let message = text.trim_start_matches('\n');
        let head = || request.map_or_else(String::new, |request| format!("request {}: ", request.text()));
        match self.form {
            AppLog::Plain => log::log!(target: AppLog::PLAIN_TARGET, self.level, "{text}"),
            AppLog::Decorated => logging::said(self.level, &head(), message),
        }
    }
}

/// How bad a record of Python's `logging` is, by its number: one between two names counts as the lower one.
pub fn level_of(number: i64) -> Level {
    match number {
        40.. => Level::Error,
        30.. => Level::Warn,
        20.. => Level::Info,
        10.. => Level::Debug,
        _ => Level::Trace,
    }
}

/// The number of a request, unique among the processes of this machine as long as they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestNumber {
    pub process: u32,
    pub count: u64,
}

impl RequestNumber {
    /// How the request is called: `PROCESS-COUNT`.
    pub fn text(self) -> String {
        let (mut process, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        [process.format(self.process), "-", count.format(self.count)].concat()
    }

    /// Has this thread answer the request until what is returned is dropped.
    pub fn begin(self) -> Answering {
        CURRENT.set(Some(self));
        Answering
    }

    /// The request that this thread answers.
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }
}

/// This thread answers a request.
pub struct Answering;

impl Drop for Answering {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

thread_local! {
    static CURRENT: Cell<Option<RequestNumber>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_pythons_logging_is_a_level() {
        for (number, level) in [
            (i64::MAX, Level::Error),
            (50, Level::Error),
            (40, Level::Error),
            (39, Level::Warn),
            (30, Level::Warn),
            (20, Level::Info),
            (19, Level::Debug),
            (10, Level::Debug),
            (9, Level::Trace),
            (0, Level::Trace),
            (i64::MIN, Level::Trace),
        ] {
            assert_eq!(level_of(number), level, "{number}");
        }
    }

    #[test]
    fn a_thread_answers_a_request_until_its_end_and_others_do_not() {
        let number = RequestNumber { process: 7, count: 1 };
        let answering = number.begin();
        assert_eq!(RequestNumber::current(), Some(number));
        assert_eq!(std::thread::spawn(RequestNumber::current).join().unwrap(), None);
        drop(answering);
        assert_eq!(RequestNumber::current(), None);
    }
}
