//! What a pool's `env-file` says, read anew for each of its processes.
//!
//! Root reads only what nobody but root can have put there. Any other file is read as the pool's user, who could else have root read
//! for it what it must not: a link is enough for that.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{self, links, parse_env_file};
use crate::start_error::StartError;
use shared::sys::acting;
use shared::sys::file::read_regular;
use shared::sys::identity::Identity;

/// The variables for a process of this pool, which is going to be `identity`. Its root directory is not the pool's yet.
pub fn read(pool: &config::Pool, identity: &Identity) -> Result<Vec<(String, String)>, StartError> {
    let Some(path) = &pool.env_file else { return Ok(Vec::new()) };
    let found = match of_root_alone(path) {
        Some(place) => read_private(&place),
        None => acting::as_user(identity, || read_private(path))?,
    };
    let path = path.display();
    let unread =
        |source| StartError::of_pool(pool, format!("cannot read the env-file {path}{}", advice(&source, identity)), source);
    let (bytes, mode) = found.map_err(unread)?;
    if mode & OTHERS != 0 {
        let fault = format!(
            "others can access the env-file {path}, whose mode is {mode:04o}: it may hold secrets, so keep them out, as with \
             \"chmod o= {path}\""
        );
        return Err(StartError::of_pool(pool, fault, None));
    }
    parse_env_file(&bytes).map_err(|error| {
        StartError::of_pool(pool, format!("{path}:{}: a line of an env-file {}", error.line, error.reason), None)
    })
}

/// What the file says, and its mode.
fn read_private(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let bytes = read_regular(path, MAX_SIZE)?;
    Ok((bytes, fs::metadata(path)?.mode() & 0o7777))
}

fn advice(error: &io::Error, identity: &Identity) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => ": create it, or remove env-file".to_owned(),
        io::ErrorKind::PermissionDenied => format!(
            " as user {}: let that user read it, or make root the owner of it and of all directories above it, with no write \
             access for others",
            identity.name
        ),
        _ => String::new(),
    }
}

/// Where the file is, links followed, if nobody but root can have changed any name or link on the way there, or can write to it. Each
/// directory is looked at before a name in it is, so that by then nobody else can exchange it any more.
fn of_root_alone(path: &Path) -> Option<PathBuf> {
    let is_roots = |found: &Metadata| found.uid() == 0 && found.mode() & 0o022 == 0;
    let found = |path: &Path| fs::symlink_metadata(path).ok().filter(is_roots);
    let file = links::followed(path, Path::to_owned, |directory| found(directory).is_some())?;
    found(&file)?.is_file().then_some(file)
}

/// Bits for whoever is neither the owner nor of the group.
const OTHERS: u32 = 0o007;
const MAX_SIZE: u64 = 1 << 20;
