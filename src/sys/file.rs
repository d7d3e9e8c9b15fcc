//! Files that stand in directories where others may write, too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens what is at `path` itself: not what a symbolic link there points to, and without waiting for the other end of a named pipe.
///
/// # Errors
/// Those of open(2): `ELOOP` for a symbolic link.
pub fn open_unfollowed(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}
