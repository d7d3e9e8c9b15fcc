//! Why there is no configuration.

use std::ffi::OsStr;
use std::path::PathBuf;

use thiserror::Error;

use super::{Item, ListenAddress, Origin, ValueError};

/// Why there is no configuration. Every variant is the administrator's to mend; its text is one line that says where and how.
#[derive(Debug, Error)]
pub enum Error {
    /// Nobody named an application.
    #[error("{}", no_app(.file.as_deref()))]
    NoApp {
        /// The file that could have.
        file: Option<PathBuf>,
    },
    /// A pool in the file lacks an application, or a new one has the name of one that is there.
    #[error("{origin}: pool `{name}` {fault}")]
    Pool {
        /// Its name.
        name: String,
        /// Where its table begins.
        origin: Origin,
        /// What is wrong with it, and what to do.
        fault: &'static str,
    },
    /// Two tables of the files have one name.
    #[error("{second}: duplicate pool `{name}`, first defined at {first}: give each its own name")]
    SecondPool {
        /// The name.
        name: String,
        /// Where the first table begins.
        first: Origin,
        /// Where the second one begins.
        second: Origin,
    },
    /// The file of a new pool would not be read.
    #[error(
        "{} does not include a file named {name}: add include = \"pools.d/*.toml\" at its top, or give the file with --output \
         FILE",
        path.display()
    )]
    NotIncluded {
        /// The file that could include it.
        path: PathBuf,
        /// The name of the pool's file.
        name: String,
    },
    /// Two pools listen on one address.
    #[error("{} both listen on {address}: give each its own `listen`", both(.pools))]
    SameAddress {
        /// The address.
        address: ListenAddress,
        /// The names of the pools, and where their addresses were typed.
        pools: Box<[(String, Origin); 2]>,
    },
    /// A value that its option does not take.
    #[error("{}: {reason}", typed(.origin, .key, .value))]
    BadValue {
        /// Where it was typed.
        origin: Origin,
        /// The option.
        key: &'static str,
        /// What was typed.
        value: String,
        /// What is allowed.
        reason: ValueError,
    },
    /// A key in the file that is not an option, or not one there.
    #[error("{}:{line}: {what} `{key}`{}: {advice}", path.display(), value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default())]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
        /// The key as it was typed.
        key: String,
        /// The value's text in the file, cut to a line; none for a table.
        value: Option<String>,
        /// What to do.
        advice: String,
    },
    /// The file is not TOML.
    #[error("{}:{line}:{column}: not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// What was typed is no text.
    pub fn not_utf8(origin: Origin, key: &'static str, value: &OsStr) -> Self {
        Item { text: value.to_string_lossy().into_owned(), origin }.refused(key, ValueError::new("must be UTF-8"))
    }

    /// The exit code, of sysexits: 64 for what was typed on the command line, 78 for the environment and the file.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoApp { file: None } | Self::BadValue { origin: Origin::Flag, .. } => EX_USAGE,
            _ => EX_CONFIG,
        }
    }
}

fn both(pools: &[(String, Origin); 2]) -> String {
    pools.each_ref().map(|(name, origin)| format!("pool `{name}` ({origin})")).join(" and ")
}

fn no_app(file: Option<&std::path::Path>) -> String {
    let place = match file {
        Some(path) => format!("add app = \"module:callable\" to the [pool.NAME] table of {}, or name it", path.display()),
        None => "name it".to_owned(),
    };
    format!(
        "no application given: {place} on the command line, as in `pyfcgid serve blog:app` or `pyfcgid serve path/to/wsgi.py`"
    )
}

fn typed(origin: &Origin, key: &str, value: &str) -> String {
    match origin {
        Origin::Flag if key == "app" => format!("application {value:?}"),
        Origin::Flag => format!("--{key} {value:?}"),
        Origin::Environment(variable) => format!("environment variable {variable}={value:?}"),
        Origin::File { path, line } => format!("{}:{line}: {key} = {value:?}", path.display()),
        Origin::Default => format!("default of {key}, {value:?}"),
    }
}

/// The command line is used wrongly (sysexits).
pub const EX_USAGE: u8 = 64;
/// The configuration is wrong (sysexits).
pub const EX_CONFIG: u8 = 78;
