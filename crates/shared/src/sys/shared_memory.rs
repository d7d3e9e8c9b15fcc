//! Memory that processes share.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Words that every process has in common that maps them, zero at first.
///
/// Invariant: `first` points at `count` words that are mapped until this is dropped. Whoever has the descriptor may write anything to
/// them, and can't make them fewer: the file is sealed.
#[derive(Debug)]
pub struct SharedWords {
    first: NonNull<AtomicU32>,
    count: NonZeroUsize,
    file: OwnedFd,
}

// SAFETY: what is shared are atomics.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// Makes `count` of them, in a file that has no name elsewhere (memfd_create(2)), close-on-exec.
    ///
    /// # Errors
    /// Those of the system calls, such as too little memory.
    pub fn new(name: &CStr, count: NonZeroUsize) -> io::Result<Self> {
        // SAFETY: the name outlives the call.
        let number = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        if number == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, so nobody else owns it.
        let file = unsafe { OwnedFd::from_raw_fd(number) };
        let length = libc::off_t::try_from(bytes(count)?).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: neither call touches memory of this process.
        let sealed = unsafe { libc::ftruncate(number, length) == 0 && libc::fcntl(number, libc::F_ADD_SEALS, SEALS) == 0 };
        if sealed { Self::map(file, count) } else { Err(io::Error::last_os_error()) }
    }

    /// Maps what another program of ours has made.
    ///
    /// # Errors
    /// `InvalidData` when it is not sealed or has another size, and those of mmap(2).
    pub fn adopt(file: OwnedFd, count: NonZeroUsize) -> io::Result<Self> {
        // SAFETY: fcntl with F_GET_SEALS touches no memory, and fails on what has none.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        let file = std::fs::File::from(file);
        let is_ours = seals & SEALS == SEALS && seals != -1 && file.metadata()?.len() == bytes(count)? as u64;
        if is_ours { Self::map(file.into(), count) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn map(file: OwnedFd, count: NonZeroUsize) -> io::Result<Self> {
        let length = bytes(count)?;
        // SAFETY: a new mapping, wherever the kernel likes, of a file that can't become shorter.
        let place = unsafe {
            libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(place.cast()).ok_or(io::ErrorKind::InvalidData)?;
        mappings().insert(place as usize, length);
        Ok(Self { first, count, file })
    }

    /// This process shares these words and no others, of which it has some from its parent: in the place of each of them it has zeros of
    /// its own from now on.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn share_no_others(&self) -> io::Result<()> {
        let own = self.first.as_ptr() as usize;
        for (place, length) in mappings().iter().filter(|(place, _)| **place != own) {
            let (protection, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
            // SAFETY: the place is that of other shared words, which stay readable and writable, and may change at any time anyway.
            let mapped = unsafe { libc::mmap(*place as *mut libc::c_void, *length, protection, flags, -1, 0) };
            if mapped == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU32] {
        // SAFETY: by the invariant. Any bytes are an atomic word, pages are aligned, and others change them only as atomics do.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.count.get()) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        mappings().remove(&(self.first.as_ptr() as usize));
        // SAFETY: it was mapped with this length, and no reference to it is left.
        unsafe { libc::munmap(self.first.as_ptr().cast(), self.count.get() * size_of::<AtomicU32>()) };
    }
}

impl AsRawFd for SharedWords {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Where this process has shared words, and how many bytes.
fn mappings() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    static MAPPINGS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());
    MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes(count: NonZeroUsize) -> io::Result<usize> {
    count.get().checked_mul(size_of::<AtomicU32>()).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// It stays as long as it is, and nobody may seal it against writing.
const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::sys::fd;

    const COUNT: NonZeroUsize = NonZeroUsize::new(2000).unwrap();

    #[test]
    fn what_one_writes_the_other_reads() {
        let ours = SharedWords::new(c"test", COUNT).unwrap();
        let theirs = SharedWords::adopt(fd::duplicate(ours.as_raw_fd()).unwrap(), COUNT).unwrap();
        assert_eq!(ours.words().len(), 2000);
        assert!(theirs.words().iter().all(|word| word.load(Ordering::Relaxed) == 0));
        ours.words()[1999].store(7, Ordering::Relaxed);
        drop(ours);
        assert_eq!(theirs.words()[1999].load(Ordering::Relaxed), 7);
    }

    #[test]
    fn nobody_can_make_it_shorter() {
        let shared = SharedWords::new(c"test", COUNT).unwrap();
        let file = std::fs::File::from(fd::duplicate(shared.as_raw_fd()).unwrap());
        assert!(file.set_len(0).is_err());
        assert!(file.set_len(1 << 20).is_err());
    }

    #[test]
    fn a_file_that_could_become_shorter_or_has_another_length_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8000).unwrap();
        assert!(SharedWords::adopt(file.into(), COUNT).is_err());
        let shared = SharedWords::new(c"test", COUNT).unwrap();
        let other = NonZeroUsize::new(2001).unwrap();
        assert!(SharedWords::adopt(fd::duplicate(shared.as_raw_fd()).unwrap(), other).is_err());
    }
}
