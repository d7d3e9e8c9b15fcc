//! The directory that a process is in, by the name that its user has for it.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The current directory, as `PWD` has it if it is that one: a link such as `current` stays the link.
///
/// # Errors
/// Those of getcwd(3): it is gone, or no directory above it can be read.
pub fn current() -> io::Result<PathBuf> {
    match env::var_os("PWD").map(PathBuf::from).filter(|name| name.is_absolute() && is_current(name)) {
        Some(name) => Ok(name),
        None => env::current_dir(),
    }
}

/// The directory that the program was started in, by that name; none if it has gone. It stays so, wherever the process goes and
/// whatever becomes of the name.
pub fn of_start() -> Option<&'static Path> {
    START.get_or_init(|| current().ok()).as_deref()
}

/// The program before this one was started there.
pub fn go_on_from(start: PathBuf) {
    drop(START.set(Some(start)));
}

fn is_current(name: &Path) -> bool {
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    place(name).is_some() && place(name) == place(Path::new("."))
}

static START: OnceLock<Option<PathBuf>> = OnceLock::new();
