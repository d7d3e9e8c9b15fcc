//! A file as a target.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use super::Error;
use super::sink::Sink;
use shared::sys::log_io;

/// A file that lines are appended to. Opening it again follows a rotation.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = log_io::open_log(path).map_err(|source| cannot_open(path, source))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Whether [`Self::open`] would succeed. Makes nothing.
    pub(super) fn check(path: &Path) -> Result<(), Error> {
        log_io::check_log(path).map_err(|source| cannot_open(path, source))
    }
}

fn cannot_open(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), source }
}

impl Sink for LogFile {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.file.write(piece)
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.file.as_raw_fd())
    }

    fn reopen(&mut self) -> Result<(), Error> {
        *self = Self::open(&self.path)?;
        Ok(())
    }
}
