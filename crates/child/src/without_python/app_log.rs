//! How what the application says becomes messages of the log.

use std::cell::Cell;
use std::fmt;

use log::Level;

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
        match (self.form, request) {
            (AppLog::Plain, _) => log::log!(target: AppLog::PLAIN_TARGET, self.level, "{text}"),
            (AppLog::Decorated, Some(request)) => log::log!(self.level, "request {request}: {message}"),
            (AppLog::Decorated, None) => log::log!(self.level, "{message}"),
        }
    }
}

/// The number of a request, unique among the processes of this machine as long as they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestNumber {
    pub process: u32,
    pub count: u64,
}

impl fmt::Display for RequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.process, self.count)
    }
}

impl RequestNumber {
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
