//! From a process to an interpreter that is ready to import: the same for serving and for checking.

use std::io;
use std::path::Path;

use super::error::Error;
use super::settings::DESCRIPTORS_BESIDE_CONNECTIONS;
use crate::config::{self, AppSource};
use connections::exchange::Body;
use shared::sys;
use crate::wsgi::interpreter::Interpreter;

/// Gives the process the environment and the directory of the pool. There must be no second thread.
pub fn enter(pool: &config::Pool) -> Result<(), Error> {
    for (name, value) in &pool.env {
        sys::process::set_environment(name.as_ref(), value.as_ref());
    }
    if let Some(path) = &pool.chdir {
        let changed = std::env::set_current_dir(path);
        changed.map_err(|source| Error::Chdir { pool: pool.name.clone(), path: path.display().to_string(), source })?;
    }
    if let Err(error) = Body::try_storage() {
        log::warn!(
            "request bodies of more than body-memory will be answered 500: no file can be made in {} (see TMPDIR): {error}",
            std::env::temp_dir().display()
        );
    }
    let wanted = pool.max_connections as u64 + DESCRIPTORS_BESIDE_CONNECTIONS;
    // A body on each connection may be in a file; where those cannot be made it stays in memory, or is refused.
    let limit = sys::fd::raise_limit(wanted + pool.max_connections as u64)?;
    if limit < wanted {
        log::warn!(
            "only {limit} descriptors are allowed, too few for max-connections = {} (see ulimit -n)",
            pool.max_connections
        );
    }
    Ok(())
}

/// Starts Python with the pool's packages and search path.
pub fn start(pool: &config::Pool) -> Result<Interpreter, Error> {
    let interpreter = Interpreter::start(pool.venv.as_deref(), &pool.app.to_string());
    let interpreter = interpreter.map_err(|error| error.with_venv_origin(pool.origin("venv")))?;
    let mut path = pool.python_path.clone();
    path.push(std::env::current_dir().or_else(no_directory)?);
    interpreter.set_path(&path, beside_file(pool))?;
    Ok(interpreter)
}

/// Where modules beside an application's file are, unless it was said where modules are.
fn beside_file(pool: &config::Pool) -> Option<&Path> {
    match &pool.app.source {
        AppSource::File(path) if pool.chdir.is_none() && pool.python_path.is_empty() => path.parent(),
        AppSource::File(_) | AppSource::Module(_) => None,
    }
}

/// The directory that the process was started in may be gone, or closed to the pool's user.
fn no_directory(error: io::Error) -> io::Result<std::path::PathBuf> {
    log::warn!("the current directory cannot be used ({error}); modules are not searched there, set chdir");
    Ok(std::path::PathBuf::from("/"))
}
