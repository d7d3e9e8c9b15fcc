//! From a Python that runs to one that is ready to import: the same for serving and for checking.

use std::path::{Path, PathBuf};

use connections::exchange::Body;
use shared::logging::codes;
use shared::settings::{AppSource, DESCRIPTORS_BESIDE_CONNECTIONS, PoolSettings};
use shared::sys;
use shared::sys::resources::Resource;

use crate::error::Error;
use crate::wsgi::interpreter::Interpreter;

/// Makes sure of what a pool's requests will need of the system.
pub fn prepare(pool: &PoolSettings) -> Result<(), Error> {
    if let Err(error) = Body::try_storage() {
        log::warn!(
            target: codes::TEMP_DIRECTORY_UNUSABLE,
            "requests whose body exceeds body-memory will be answered 500: cannot create a file in {} (see TMPDIR): {error}",
            std::env::temp_dir().display()
        );
    }
    let wanted = pool.max_connections as u64 + DESCRIPTORS_BESIDE_CONNECTIONS;
    // A body on each connection may be in a file; where those cannot be made it stays in memory, or is refused.
    Resource::OpenFiles.set_soft_limit(|before| before.max(wanted + pool.max_connections as u64))?;
    let limit = Resource::OpenFiles.soft_limit()?;
    if limit < wanted {
        log::warn!(
            target: codes::TOO_FEW_DESCRIPTORS,
            "only {limit} descriptors are allowed, too few for max-connections = {} (see ulimit -n)",
            pool.max_connections
        );
    }
    Ok(())
}

/// Gives Python the pool's search path.
pub fn start(pool: &PoolSettings) -> Result<Interpreter, Error> {
    let interpreter = Interpreter::start(&pool.app)?;
    if pool.memory_limit.is_some() {
        interpreter.provide_for_shortage(&pool.app)?;
    }
    let mut path: Vec<PathBuf> = pool.python_path.iter().map(PathBuf::from).collect();
    path.push(current_directory());
    interpreter.set_path(&path, beside_file(pool))?;
    Ok(interpreter)
}

/// Where modules beside an application's file are, unless it was said where modules are.
fn beside_file(pool: &PoolSettings) -> Option<&Path> {
    match &pool.app.source {
        AppSource::File(path) if pool.searches_beside_file => path.parent(),
        AppSource::File(_) | AppSource::Module(_) => None,
    }
}

/// The directory that the process was started in may be gone, or closed to the pool's user.
fn current_directory() -> PathBuf {
    sys::directory::current().unwrap_or_else(|error| {
        log::warn!(
            target: codes::DIRECTORY_UNUSABLE,
            "the current directory cannot be used ({error}); modules are not searched for there: set chdir"
        );
        PathBuf::from("/")
    })
}
