//! Why a child does not serve.

use std::io;

use shared::listener::BindError;
use shared::logging;
use shared::sys::process::{EX_OSERR, EX_SOFTWARE};
use thiserror::Error;

use crate::wsgi::interpreter::LoadError;

/// Why a child does not serve, or an application is not as it should be.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("a worker could not be started{hint}: {traceback}")]
    Worker { traceback: String, hint: String },
    #[error("the system refuses something that every server needs")]
    System(#[from] io::Error),
}

impl Error {
    /// Of sysexits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Load(_) | Self::Worker { .. } => EX_SOFTWARE,
            Self::Bind(_) | Self::System(_) => EX_OSERR,
        }
    }

    /// The traceback, if there is one, and the message with its causes.
    pub fn text(&self) -> String {
        let traceback = if let Self::Load(error) = self { error.traceback.as_deref() } else { None };
        format!("{}pyfcgid: {}", traceback.unwrap_or_default(), logging::with_causes(self))
    }
}
