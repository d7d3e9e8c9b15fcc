//! What is logged, and where it goes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use log::LevelFilter;

use shared::logging::access::Format;

/// What is logged, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the log goes.
    pub target: Target,
    /// What is logged of our own; of other crates only warnings and errors.
    pub level: LevelFilter,
    /// The name of this process's own lines, and of all lines in syslog.
    pub ident: String,
    /// The facility in syslog.
    pub facility: Facility,
    /// Where the syslog daemon listens.
    pub syslog_socket: PathBuf,
    /// Where the access log goes, if there is one.
    pub access: Option<Target>,
    /// What its lines have.
    pub access_format: Format,
    /// Where those of pools go that have logs of their own, by name.
    pub pools: BTreeMap<String, Targets>,
}

/// Where the lines of a pool go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// What its processes say.
    pub log: Target,
    /// Its access log, if it has one.
    pub access: Option<Target>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target: Target::Stderr,
            level: LevelFilter::Info,
            ident: "pyfcgid".to_owned(),
            facility: Facility::default(),
            syslog_socket: PathBuf::from("/dev/log"),
            access: None,
            access_format: Format::default(),
            pools: BTreeMap::new(),
        }
    }
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// The syslog daemon of this machine.
    Syslog,
    /// The end of this file.
    File(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::Syslog => f.write_str("syslog"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// What kind of program speaks, as syslog sorts them. Parsed from the names that syslog.conf(5) has: `daemon`, `local0`.
#[derive(Clone, Copy, Debug)]
pub struct Facility(syslog::Facility);

impl Facility {
    /// Its number, multiplied as messages have it.
    pub(super) fn code(self) -> u8 {
        self.0 as u8
    }
}

impl Default for Facility {
    fn default() -> Self {
        Self(syslog::Facility::LOG_DAEMON)
    }
}

impl PartialEq for Facility {
    fn eq(&self, other: &Self) -> bool {
        self.code() == other.code()
    }
}

impl Eq for Facility {}

impl FromStr for Facility {
    type Err = UnknownFacility;

    fn from_str(name: &str) -> Result<Self, UnknownFacility> {
        name.parse().map(Self).map_err(|()| UnknownFacility)
    }
}

/// The name is that of no facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no syslog facility: use daemon, user, local0 to local7 or another of syslog.conf(5)")]
pub struct UnknownFacility;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_are_known_by_the_names_of_syslog_conf() {
        assert_eq!("daemon".parse(), Ok(Facility::default()));
        assert_eq!("local7".parse::<Facility>().unwrap().code(), 23 << 3);
        assert_eq!("local8".parse::<Facility>(), Err(UnknownFacility));
    }
}
