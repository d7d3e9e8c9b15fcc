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
use shared::sys::process::{self, EX_OSERR};

/// Why pyfcgid, or a child of it, does not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("pool {pool}: {fault}")]
    Pool { pool: String, fault: String, source: Option<io::Error> },
    #[error(transparent)]
    Log(#[from] log_writer::Error),
    #[error(transparent)]
    Daemon(#[from] DaemonizeError),
    #[error(transparent)]
    Activation(#[from] activation::Error),
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    #[error("{whose}")]
    Account { whose: String, source: identity::Error },
    #[error("the system refuses something that every server needs")]
    System(#[from] io::Error),
}

impl StartError {
    /// What is wrong with a pool, and what the system says of it.
    pub fn of_pool(pool: &config::Pool, fault: impl Into<String>, source: impl Into<Option<io::Error>>) -> Self {
        Self::Pool { pool: pool.name.clone(), fault: fault.into(), source: source.into() }
    }

    /// Of sysexits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_code(),
            // It may get better by itself.
            Self::Pool { source: Some(error), .. } if process::is_shortage(error) => EX_OSERR,
            Self::Bind(_) | Self::System(_) | Self::Daemon(_) | Self::PidFile(_) | Self::Activation(_) => EX_OSERR,
            Self::Log(_) | Self::Account { .. } | Self::Pool { .. } => EX_CONFIG,
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
