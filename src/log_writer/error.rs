//! Why there is no log.

use std::io;
use std::path::PathBuf;

/// Why there is no log where the settings say. Whatever was logging goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened to append to.
    #[error("cannot open the log file {}; does its directory exist, and may this user write there?", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The syslog daemon cannot be reached.
    #[error(
        "cannot reach the syslog daemon at {}; start it, set syslog-socket, or set log = \"file:PATH\"",
        path.display()
    )]
    Syslog {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output has no second descriptor.
    #[error("cannot use standard output for the log; set log = \"stderr\" or \"file:PATH\"")]
    Stdout(#[source] io::Error),
    /// The process logs already.
    #[error("the log was already started")]
    Started,
}
