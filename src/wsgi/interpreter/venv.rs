//! The virtual environment, before Python starts with it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::LINKED_VERSION;

/// Why a directory can't be the virtual environment.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VenvError {
    /// A file is not there.
    #[error("{0} is missing, so this is no virtual environment; make one with python{LINKED_VERSION} -m venv")]
    Missing(&'static str),
    /// This user may not look there.
    #[error("permission denied at {}: let the user that pyfcgid runs as read it, or make the venv with a Python that it can read", .0.display())]
    Denied(PathBuf),
    /// Reading fails otherwise.
    #[error("cannot read {file}: {reason}")]
    Unreadable {
        /// The file in the venv.
        file: &'static str,
        /// What the system says.
        reason: String,
    },
    /// It is for another Python.
    #[error(
        "it is for Python {0}, but pyfcgid is linked with Python {LINKED_VERSION}: \
         make the venv with python{LINKED_VERSION} -m venv, or build pyfcgid with PYO3_PYTHON naming a Python {0}"
    )]
    OtherVersion(String),
}

/// The interpreter of a venv, whose `pyvenv.cfg` Python finds from there.
///
/// # Errors
/// [`VenvError`]
pub(super) fn program(venv: &Path) -> Result<PathBuf, VenvError> {
    let settings = fs::read_to_string(venv.join(SETTINGS)).map_err(|error| unusable(venv, SETTINGS, &error))?;
    // The version first: after an upgrade of the system's Python the link to it may lead nowhere.
    let found = version(&settings).unwrap_or_else(|| LINKED_VERSION.to_owned());
    if found != LINKED_VERSION {
        return Err(VenvError::OtherVersion(found));
    }
    let program = venv.join(PROGRAM);
    fs::metadata(&program).map_err(|error| unusable(venv, PROGRAM, &error))?;
    Ok(program)
}

fn unusable(venv: &Path, file: &'static str, error: &io::Error) -> VenvError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => VenvError::Missing(file),
        ErrorKind::PermissionDenied => VenvError::Denied(denied(venv.join(file))),
        _ => VenvError::Unreadable { file, reason: error.to_string() },
    }
}

/// What of `path`, links followed, this user may not look into: a directory on the way, or the file itself.
fn denied(mut path: PathBuf) -> PathBuf {
    let is_denied = |path: &&Path| fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    for _ in 0..MAX_LINKS {
        let hidden = path.ancestors().collect::<Vec<_>>().into_iter().rev().find(is_denied);
        if let Some(directory) = hidden.and_then(Path::parent) {
            return directory.to_owned();
        }
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    path
}

/// `3.11` from `version = 3.11.7`, or from virtualenv's and uv's `version_info = 3.11.7.final.0`.
fn version(settings: &str) -> Option<String> {
    let pairs = settings.lines().filter_map(|line| line.split_once('='));
    let version =
        pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| matches!(*key, "version" | "version_info"));
    let mut parts = version?.1.split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

const SETTINGS: &str = "pyvenv.cfg";
const PROGRAM: &str = "bin/python";
/// As many as Linux follows.
const MAX_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_venv_is_read_from_what_every_tool_writes() {
        assert_eq!(version("home = /usr/bin\nversion = 3.11.2\n").as_deref(), Some("3.11"));
        assert_eq!(version("implementation = CPython\nversion_info = 3.12.1.final.0\n").as_deref(), Some("3.12"));
        assert_eq!(version("home = /usr/bin\n"), None);
    }

    #[test]
    fn a_refusal_is_told_from_an_absence() {
        let venv = Path::new("/nonexistent");
        assert_eq!(unusable(venv, SETTINGS, &ErrorKind::NotFound.into()), VenvError::Missing("pyvenv.cfg"));
        let refused = unusable(venv, PROGRAM, &ErrorKind::PermissionDenied.into()).to_string();
        assert!(refused.starts_with("permission denied at /nonexistent/bin/python"), "{refused}");
    }
}
