use std::io;

use thiserror::Error;

use crate::config::{self, EX_CONFIG};
use crate::daemon::{DaemonizeError, PidFileError};
use crate::listener::BindError;
use crate::logging;
use crate::service::activation;
use crate::sys::identity;
use crate::sys::process::{EX_OSERR, EX_SOFTWARE};
use crate::wsgi::interpreter::{LoadError, StartError};

/// Why pyfcgid, or a child of it, does not start.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Log(#[from] logging::Error),
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
    #[error("pool {pool}: cannot make {path} the root directory (chroot)")]
    Chroot { pool: String, path: String, source: io::Error },
    #[error("pool {pool}: cannot change to the directory {path} (chdir)")]
    Chdir { pool: String, path: String, source: io::Error },
    #[error("the system refuses what every server needs")]
    System(#[from] io::Error),
    #[error("a worker could not be started: {0}")]
    Worker(String),
}

impl Error {
    /// Of sysexits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_code(),
            Self::Load(_) | Self::Worker(_) => EX_SOFTWARE,
            Self::Bind(_) | Self::System(_) | Self::Daemon(_) | Self::PidFile(_) | Self::Activation(_) => EX_OSERR,
            Self::Start(_)
            | Self::Chdir { .. }
            | Self::Log(_)
            | Self::Identity(_)
            | Self::Account { .. }
            | Self::Chroot { .. } => EX_CONFIG,
        }
    }

    /// The traceback, if there is one, and the message with its causes.
    pub fn text(&self) -> String {
        let mut text = match self {
            Self::Load(LoadError { traceback: Some(traceback), .. }) => traceback.clone(),
            _ => String::new(),
        };
        text.push_str(&format!("pyfcgid: {}", logging::with_causes(self)));
        text
    }
}
