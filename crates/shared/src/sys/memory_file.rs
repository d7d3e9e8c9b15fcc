//! Files without a name, in memory, that nobody can change any more (memfd_create(2)): what one process gives to another so that it
//! can be believed later.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;

/// A file with these bytes, close-on-exec. `name` is for /proc only.
///
/// # Errors
/// Those of memfd_create(2), write(2) and fcntl(2), such as too little memory.
pub fn sealed(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(unsealed(name)?);
    file.write_all(bytes)?;
    seal(&file)?;
    Ok(file.into())
}

/// Whether it is such a file.
pub fn is_sealed(file: impl AsFd) -> bool {
    let is_sealed_by = |writing| has_seals(&file, OF_SIZE.union(writing));
    is_sealed_by(SealFlags::FUTURE_WRITE) || is_sealed_by(SealFlags::WRITE)
}

/// Nobody has it mapped, so writing from now on is all writing. The other seal against that is refused while anything in the kernel holds
/// a page of the file, were it only to move it, but Linux before 5.1 has no better one.
fn seal(file: impl AsFd) -> rustix::io::Result<()> {
    match fcntl_add_seals(&file, OF_SIZE.union(SealFlags::FUTURE_WRITE)) {
        Err(Errno::INVAL) => seal_when_nobody_holds_it(file),
        result => result,
    }
}

fn seal_when_nobody_holds_it(file: impl AsFd) -> rustix::io::Result<()> {
    for _ in 1..ATTEMPTS {
        match fcntl_add_seals(&file, OF_SIZE.union(SealFlags::WRITE)) {
            Err(Errno::BUSY) => thread::sleep(PAUSE),
            result => return result,
        }
    }
    fcntl_add_seals(file, OF_SIZE.union(SealFlags::WRITE))
}

/// An empty one that can be sealed later.
pub(super) fn unsealed(name: &CStr) -> io::Result<OwnedFd> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)
}

/// Whether these seals are on it, perhaps beside others.
pub(super) fn has_seals(file: impl AsFd, seals: SealFlags) -> bool {
    fcntl_get_seals(file).is_ok_and(|found| found.contains(seals))
}

/// That of its size, and of its seals.
const OF_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;
    use std::ptr;

    use super::*;

    #[test]
    fn nobody_can_change_it() {
        let file = File::from(sealed(c"test", b"text").unwrap());
        assert!(is_sealed(&file));
        assert!(file.write_at(b"T", 0).is_err() && file.set_len(0).is_err() && file.set_len(5).is_err());
        assert!(fcntl_add_seals(&file, SealFlags::WRITE).is_err());
    }

    /// As it does to move it, at any time.
    #[test]
    fn it_is_sealed_although_the_kernel_holds_a_page_of_it() {
        let mut file = File::from(unsealed(c"test").unwrap());
        file.write_all(&[b'x'; 4096]).unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let mut start = 0;
        // SAFETY: `start` outlives the call.
        let held = unsafe { libc::splice(file.as_raw_fd(), &raw mut start, writer.as_raw_fd(), ptr::null_mut(), 4096, 0) };
        assert_eq!(held, 4096);
        assert_eq!(fcntl_add_seals(&file, SealFlags::WRITE), Err(Errno::BUSY));
        seal(&file).unwrap();
        assert!(is_sealed(&file) && file.write_at(b"T", 0).is_err());
        drop(reader);
    }

    #[test]
    fn the_older_seal_will_do() {
        let file = unsealed(c"test").unwrap();
        assert!(!is_sealed(&file));
        seal_when_nobody_holds_it(&file).unwrap();
        assert!(is_sealed(&file));
    }
}
