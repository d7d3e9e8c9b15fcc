//! Files that stand in directories where others may write, too.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens what is at `path` itself: not what a symbolic link there points to, and without waiting for the other end of a named pipe.
///
/// # Errors
/// Those of open(2): `ELOOP` for a symbolic link.
pub fn open_unfollowed(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Whether this process could make a file at `path`, where none is. Makes nothing.
///
/// # Errors
/// What making it would say of the directory: that there is none, or that this user may not write to it.
pub fn may_create(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // With the dot nothing but a directory is one.
    let directory = CString::new(parent.join(".").as_os_str().as_bytes())?;
    // SAFETY: `directory` ends in NUL and outlives the call.
    let result = unsafe { libc::faccessat(libc::AT_FDCWD, directory.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_made_only_in_a_directory_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let kind = |path: &str| may_create(&directory.path().join(path)).map_err(|error| error.kind());
        assert_eq!(kind("new"), Ok(()));
        assert!(!directory.path().join("new").exists());
        assert_eq!(kind("none/new"), Err(io::ErrorKind::NotFound));
        std::fs::write(directory.path().join("file"), "").unwrap();
        assert_eq!(kind("file/new"), Err(io::ErrorKind::NotADirectory));
        assert!(may_create(Path::new("here")).is_ok(), "the current directory");
    }
}
