//! Files without a name, in memory, that nobody can change any more (memfd_create(2)): what one process gives to another so that it
//! can be believed later.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

/// A file with these bytes, close-on-exec. `name` is for /proc only.
///
/// # Errors
/// Those of memfd_create(2), write(2) and fcntl(2), such as too little memory.
pub fn sealed(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(unsealed(name)?);
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// Whether it is such a file.
pub fn is_sealed(file: impl AsFd) -> bool {
    has_seals(file, SEALS)
}

/// An empty one that can be sealed later.
pub(super) fn unsealed(name: &CStr) -> io::Result<OwnedFd> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)
}

/// Whether these seals are on it, perhaps beside others.
pub(super) fn has_seals(file: impl AsFd, seals: SealFlags) -> bool {
    fcntl_get_seals(file).is_ok_and(|found| found.contains(seals))
}

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE).union(SealFlags::SEAL);
