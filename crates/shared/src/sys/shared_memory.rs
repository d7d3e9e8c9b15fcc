//! Memory that processes share.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, SealFlags, fchmod, fcntl_add_seals, ftruncate};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::memory_file::{has_seals, unsealed};

/// Words that every process has in common that maps them, zero at first.
///
/// Invariant: `words` are mapped until this is dropped, and nobody gets them for longer. Whoever has the descriptor may write anything to
/// them, and can't make them fewer: the file is sealed.
#[derive(Debug)]
pub struct SharedWords {
    words: &'static [AtomicU64],
    file: OwnedFd,
}

/// Words for others to read. Who has only their [reader's descriptor](Self::for_readers) can map them for reading, and open them for
/// writing only as their owner could.
#[derive(Debug)]
pub struct PublishedWords {
    words: SharedWords,
    reader: OwnedFd,
}

/// Words that another process has [published](PublishedWords), and only that one changes.
///
/// Invariant: as that of [`SharedWords`]. These are not among what [`SharedWords::share_no_others`] knows: nobody can harm anybody by
/// reading, and a process that makes such words for its children never maps them so.
#[derive(Debug)]
pub struct ReadOnlyWords {
    words: &'static [AtomicU64],
    /// Kept open, so that its number stands for nothing else.
    _file: OwnedFd,
}

impl SharedWords {
    /// Makes `count` of them, in a file that has no name elsewhere (memfd_create(2)), close-on-exec.
    ///
    /// # Errors
    /// Those of the system calls, such as too little memory.
    pub fn new(name: &CStr, count: NonZeroUsize) -> io::Result<Self> {
        let file = unsealed(name)?;
        ftruncate(&file, bytes(count)? as u64)?;
        fcntl_add_seals(&file, SEALS)?;
        Self::map(file, count)
    }

    /// Maps what another program of ours has made.
    ///
    /// # Errors
    /// `InvalidData` when it is not sealed or has another size, and those of mmap(2).
    pub fn adopt(file: OwnedFd, count: NonZeroUsize) -> io::Result<Self> {
        Self::map(checked(file, count)?, count)
    }

    fn map(file: OwnedFd, count: NonZeroUsize) -> io::Result<Self> {
        let (words, length) = (mapped(&file, count, ProtFlags::READ | ProtFlags::WRITE)?, bytes(count)?);
        mappings().insert(words.as_ptr() as usize, length);
        Ok(Self { words, file })
    }

    /// This process shares these words and no others, of which it has some from its parent: in the place of each of them it has zeros of
    /// its own from now on.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn share_no_others(&self) -> io::Result<()> {
        let own = self.words.as_ptr() as usize;
        for (place, length) in mappings().iter().filter(|(place, _)| **place != own) {
            let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED);
            // SAFETY: the place is that of other shared words, which stay readable and writable, and may change at any time anyway.
            unsafe { mmap_anonymous(*place as *mut libc::c_void, *length, protection, flags)? };
        }
        Ok(())
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        self.words
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        let place = self.words.as_ptr().cast_mut();
        mappings().remove(&(place as usize));
        // SAFETY: it was mapped with this length, and no reference to it is used any more.
        let _ = unsafe { munmap(place.cast(), size_of_val(self.words)) };
    }
}

impl AsRawFd for SharedWords {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl PublishedWords {
    /// Makes `count` of them.
    ///
    /// # Errors
    /// As [`SharedWords::new`], and those of open(2) for a file below /proc.
    pub fn new(name: &CStr, count: NonZeroUsize) -> io::Result<Self> {
        let words = SharedWords::new(name, count)?;
        // Whatever the mode, the descriptor that there is writes.
        fchmod(&words.file, Mode::RUSR)?;
        Self::of(words)
    }

    /// Those that the program before this one, in the same process, has made.
    ///
    /// # Errors
    /// As [`SharedWords::adopt`], and those of open(2).
    pub fn adopt(file: OwnedFd, count: NonZeroUsize) -> io::Result<Self> {
        Self::of(SharedWords::adopt(file, count)?)
    }

    fn of(words: SharedWords) -> io::Result<Self> {
        let reader = std::fs::File::open(format!("/proc/self/fd/{}", words.as_raw_fd()))?;
        Ok(Self { words, reader: reader.into() })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        self.words.words()
    }

    /// What other processes get.
    pub fn for_readers(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// What the next program in this process gets.
    pub fn for_successor(&self) -> RawFd {
        self.words.as_raw_fd()
    }
}

impl ReadOnlyWords {
    /// Maps what another process has published.
    ///
    /// # Errors
    /// As [`SharedWords::adopt`].
    pub fn adopt(file: OwnedFd, count: NonZeroUsize) -> io::Result<Self> {
        let file = checked(file, count)?;
        Ok(Self { words: mapped(&file, count, ProtFlags::READ)?, _file: file })
    }

    /// The word of this number, if there is one.
    pub fn load(&self, number: usize, ordering: Ordering) -> Option<u64> {
        self.words.get(number).map(|word| word.load(ordering))
    }
}

impl Drop for ReadOnlyWords {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no reference to it is used any more.
        let _ = unsafe { munmap(self.words.as_ptr().cast_mut().cast(), size_of_val(self.words)) };
    }
}

/// The file, if it is as long as it has to be and stays so.
fn checked(file: OwnedFd, count: NonZeroUsize) -> io::Result<OwnedFd> {
    let file = std::fs::File::from(file);
    let is_ours = has_seals(&file, SEALS) && file.metadata()?.len() == bytes(count)? as u64;
    if is_ours { Ok(file.into()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Its words, until somebody unmaps them. Nobody writes to those that are only mapped for reading.
fn mapped(file: &OwnedFd, count: NonZeroUsize, protection: ProtFlags) -> io::Result<&'static [AtomicU64]> {
    let length = bytes(count)?;
    // SAFETY: a new mapping, wherever the kernel likes, of a file that can't become shorter. Any bytes are an atomic word, pages are
    // aligned, and others change them only as atomics do.
    unsafe {
        let place = mmap(ptr::null_mut(), length, protection, MapFlags::SHARED, file, 0)?;
        Ok(std::slice::from_raw_parts(place.cast(), count.get()))
    }
}

/// Where this process has shared words, and how many bytes.
fn mappings() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    static MAPPINGS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());
    MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes(count: NonZeroUsize) -> io::Result<usize> {
    count.get().checked_mul(size_of::<AtomicU64>()).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// It stays as long as it is, and nobody may seal it against writing.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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

    #[test]
    fn what_is_published_others_read_and_cannot_write() {
        let ours = PublishedWords::new(c"test", COUNT).unwrap();
        let descriptor = || fd::duplicate(ours.for_readers()).unwrap();
        let theirs = ReadOnlyWords::adopt(descriptor(), COUNT).unwrap();
        ours.words()[1999].store(7, Ordering::Relaxed);
        assert_eq!((theirs.load(1999, Ordering::Relaxed), theirs.load(2000, Ordering::Relaxed)), (Some(7), None));
        assert!(SharedWords::adopt(descriptor(), COUNT).is_err(), "mapped for writing");
        let file = std::fs::File::from(descriptor());
        assert!(std::os::unix::fs::FileExt::write_at(&file, b"x", 0).is_err() && file.set_len(0).is_err());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o400, "only its owner can open it");
        let next = PublishedWords::adopt(fd::duplicate(ours.for_successor()).unwrap(), COUNT).unwrap();
        drop(ours);
        assert_eq!((theirs.load(1999, Ordering::Relaxed), theirs.load(0, Ordering::Relaxed)), (Some(7), Some(0)));
        next.words()[0].store(8, Ordering::Relaxed);
        assert_eq!(theirs.load(0, Ordering::Relaxed), Some(8));
    }

    #[test]
    fn what_could_become_shorter_is_not_read_either() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16_000).unwrap();
        assert!(ReadOnlyWords::adopt(file.into(), COUNT).is_err());
    }
}
