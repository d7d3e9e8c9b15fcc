//! Why a child does not serve.

use std::io;

use shared::listener::BindError;
use shared::logging;
use shared::settings::memory_limit_hint;
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
    #[error("a worker could not be started: {traceback}")]
    Worker { traceback: String },
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

    /// The traceback, if there is one, and the message with its causes, within this limit on memory.
    pub fn text(&self, memory_limit: Option<u64>) -> String {
        let told = logging::with_causes(self);
        let hint = memory_limit_hint(memory_limit, &told);
        let traceback = if let Self::Load(error) = self { error.traceback.as_deref() } else { None };
        format!("{}pyfcgid: {told}{hint}", traceback.unwrap_or_default())
    }
}
