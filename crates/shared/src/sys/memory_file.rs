//! Files without a name, in memory, that nobody can change any more (memfd_create(2)): what one process gives to another so that it
//! can be believed later.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A file with these bytes, close-on-exec. `name` is for /proc only.
///
/// # Errors
/// Those of memfd_create(2), write(2) and fcntl(2), such as too little memory.
pub fn sealed(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: the name outlives the call.
    let number = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if number == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nobody else owns it.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
    file.write_all(bytes)?;
    // SAFETY: the call touches no memory of this process.
    match unsafe { libc::fcntl(number, libc::F_ADD_SEALS, SEALS) } {
        0 => Ok(file.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether it is such a file.
pub fn is_sealed(number: RawFd) -> bool {
    // SAFETY: the call touches no memory of this process, and fails on what has no seals.
    let seals = unsafe { libc::fcntl(number.as_raw_fd(), libc::F_GET_SEALS) };
    seals != -1 && seals & SEALS == SEALS
}

const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
