//! What is logged, and where it goes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use log::LevelFilter;

use super::{Facility, LogTarget};
use shared::logging::access::Format;

/// What is logged, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the log goes.
    pub target: LogTarget,
    /// What is logged of our own; of other crates only warnings and errors.
    pub level: LevelFilter,
    /// The name of this process's own lines, and of all lines in syslog.
    pub ident: String,
    /// The facility in syslog.
    pub facility: Facility,
    /// Where the syslog daemon listens.
    pub syslog_socket: PathBuf,
    /// Where the access log goes, if there is one.
    pub access: Option<LogTarget>,
    /// What its lines have.
    pub access_format: Format,
    /// Where those of pools go that have logs of their own, by name.
    pub pools: BTreeMap<String, Targets>,
}

/// Where the lines of a pool go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// What its processes say.
    pub log: LogTarget,
    /// Its access log, if it has one.
    pub access: Option<LogTarget>,
}
