//! What a target can do.

use std::io;
use std::os::fd::RawFd;

use super::{Error, Line};
use shared::settings::AppLog;

/// One place that lines go to. Never waits. It may have a form of its own: syslog has its own time and level.
pub(super) trait Sink: Send {
    /// The pieces that the line is written in, in its form or as it is.
    fn encode(&self, line: &Line<'_>, form: AppLog) -> Vec<Vec<u8>> {
        let text = match form {
            AppLog::Decorated => line.encode(),
            AppLog::Plain => line.encode_plain(),
        };
        vec![text.into_bytes()]
    }

    /// The pieces that a line of the access log is written in. It has its form already.
    fn encode_access(&self, _process: u32, line: &str) -> Vec<Vec<u8>> {
        vec![[line.as_bytes(), b"\n"].concat()]
    }

    /// Writes as much of a piece as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when the piece should wait; after all others it is given up.
    fn write(&mut self, piece: &[u8]) -> io::Result<usize>;

    /// What to poll for writing while pieces wait; nothing if time has to pass.
    fn descriptor(&self) -> Option<RawFd>;

    /// Goes on with a new file or connection; with the old one if that fails.
    ///
    /// # Errors
    /// When it fails.
    fn reopen(&mut self) -> Result<(), Error>;
}
