//! Why pyfcgid, or a process of it, does not start.

use std::io;

use thiserror::Error;

use crate::config::{self, EX_CONFIG};
use crate::daemon::{DaemonizeError, PidFileError};
use crate::log_writer;
use crate::service::activation;
use shared::link::Failure;
use shared::listener::BindError;
use shared::logging;
use shared::sys::identity;
use shared::sys::process::EX_OSERR;

/// Why pyfcgid, or a child of it, does not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("pool {pool}: no Python found: install python3, or name one with python = \"/usr/bin/python3\" (--python)")]
    NoPython { pool: String },
    #[error("pool {pool}: the Python {python} {fault}")]
    Python { pool: String, python: String, fault: String },
    #[error("pool {pool}: the root directory {root} has no /proc, and {fault}")]
    NoModule { pool: String, root: String, fault: String },
    #[error(transparent)]
    Log(#[from] log_writer::Error),
    #[error(transparent)]
    Daemon(#[from] DaemonizeError),
    #[error(transparent)]
    Activation(#[from] activation::Error),
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error("{whose}")]
    Account { whose: String, source: identity::Error },
    #[error("pool {pool}: cannot set {option} = {value} ({origin}): {advice}")]
    Limit { pool: String, option: &'static str, value: String, origin: String, advice: String, source: io::Error },
    #[error("pool {pool}: cannot make {path} the root directory (chroot)")]
    Chroot { pool: String, path: String, source: io::Error },
    #[error("pool {pool}: cannot read the env-file {path}{advice}")]
    EnvFile { pool: String, path: String, advice: String, source: io::Error },
    #[error(
        "pool {pool}: others can access the env-file {path}, whose mode is {mode:04o}: it may hold secrets, so keep them out, \
         as with \"chmod o= {path}\""
    )]
    OpenEnvFile { pool: String, path: String, mode: u32 },
    #[error("pool {pool}: {path}:{line}: a line of an env-file {reason}")]
    EnvFileLine { pool: String, path: String, line: usize, reason: &'static str },
    #[error("pool {pool}: cannot change to the directory {path} (chdir)")]
    Chdir { pool: String, path: String, source: io::Error },
    #[error("the system refuses something that every server needs")]
    System(#[from] io::Error),
}

impl StartError {
    /// Of sysexits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_code(),
            Self::Bind(_) | Self::System(_) | Self::Daemon(_) | Self::PidFile(_) | Self::Activation(_) => EX_OSERR,
            Self::NoPython { .. }
            | Self::Python { .. }
            | Self::NoModule { .. }
            | Self::Chdir { .. }
            | Self::EnvFile { .. }
            | Self::OpenEnvFile { .. }
            | Self::EnvFileLine { .. }
            | Self::Log(_)
            | Self::Identity(_)
            | Self::Account { .. }
            | Self::Limit { .. }
            | Self::Chroot { .. } => EX_CONFIG,
        }
    }

    /// The message with its causes.
    pub fn text(&self) -> String {
        format!("pyfcgid: {}", logging::with_causes(self))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self { code: error.exit_code(), text: error.text() }
    }
}
