//! Memory for the time when the system gives none: where a process has a limit (`memory-limit`), an application may use all of it up, and
//! whatever else allocates by then would end the process, since Rust has nothing else to do about it.
//!
//! It is for what is small or goes soon: a turn of the event loop, a line of the log, the rest of an answer. What may be large is asked
//! for in a way that can fail.
//!
//! It consists of blocks of a few sizes, each free or in use, by a bit. So there is no lock, which a process that the application forks
//! might find locked for ever, and what stays for long keeps nothing else.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// The system's allocator, and behind it, once there is one, the reserve.
///
/// Invariant: `base` changes once at most, to a mapping that stays.
#[derive(Debug)]
pub struct Reserve {
    /// Where it begins; [`NOWHERE`] without one.
    base: AtomicUsize,
    /// Which blocks are in use: those of one size after those of another, each beginning with a word of its own.
    in_use: [AtomicU64; WORDS],
}

/// Blocks of one size.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    size: usize,
    count: usize,
    /// Where the first one lies.
    begin: usize,
    /// The word of its bit.
    word: usize,
}

impl Reserve {
    /// Without a reserve.
    pub const fn new() -> Self {
        Self { base: AtomicUsize::new(NOWHERE), in_use: [const { AtomicU64::new(0) }; WORDS] }
    }

    /// From now on there is one. It takes address space, and memory only where it is used.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn provide(&self) -> io::Result<()> {
        if self.base.load(Ordering::Relaxed) != NOWHERE {
            return Ok(());
        }
        // SAFETY: a new mapping, wherever the system has room.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), SIZE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }?;
        // It is never unmapped: should two threads come here, one of the mappings is lost.
        self.base.store(base.expose_provenance(), Ordering::Release);
        Ok(())
    }

    fn has(&self, address: usize) -> bool {
        address.wrapping_sub(self.base.load(Ordering::Relaxed)) < SIZE
    }

    /// A block that is as large as that; null if there is none.
    #[cold]
    fn take(&self, layout: Layout) -> *mut u8 {
        let base = self.base.load(Ordering::Acquire);
        if base == NOWHERE || layout.align() > MOST_ALIGN {
            return ptr::null_mut();
        }
        let large_enough = BLOCKS.iter().filter(|blocks| blocks.size >= layout.size());
        let found = large_enough.filter_map(|blocks| Some(blocks.begin + blocks.size * self.take_one(*blocks)?)).next();
        found.map_or(ptr::null_mut(), |offset| ptr::with_exposed_provenance_mut(base + offset))
    }

    fn take_one(&self, blocks: Blocks) -> Option<usize> {
        let words = &self.in_use[blocks.word..blocks.word + blocks.count.div_ceil(BITS)];
        for (number, word) in words.iter().enumerate() {
            let there = u64::MAX >> BITS.saturating_sub(blocks.count - number * BITS);
            loop {
                let free = !word.load(Ordering::Relaxed) & there;
                if free == 0 {
                    break;
                }
                let bit = free & free.wrapping_neg();
                if word.fetch_or(bit, Ordering::Acquire) & bit == 0 {
                    return Some(number * BITS + bit.trailing_zeros() as usize);
                }
            }
        }
        None
    }

    /// The blocks among which the one at this address is.
    fn blocks_at(&self, address: usize) -> (Blocks, usize) {
        let offset = address.wrapping_sub(self.base.load(Ordering::Relaxed));
        let blocks = BLOCKS.iter().rev().find(|blocks| blocks.begin <= offset).unwrap_or(&BLOCKS[0]);
        (*blocks, offset - blocks.begin)
    }

    #[cold]
    fn give_back(&self, address: usize) {
        let (blocks, offset) = self.blocks_at(address);
        let number = offset / blocks.size;
        self.in_use[blocks.word + number / BITS].fetch_and(!(1 << (number % BITS)), Ordering::Release);
    }

    /// Moves what was at `old` to `new`, which is null if there is no room: then all is as before.
    ///
    /// # Safety
    /// As of [`GlobalAlloc::realloc`].
    #[cold]
    unsafe fn move_to(&self, new: *mut u8, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !new.is_null() {
            // SAFETY: both are as large as this at least, and the new one is nobody else's.
            unsafe { ptr::copy_nonoverlapping(old, new, layout.size().min(size)) };
            // SAFETY: the caller has it from here, with this layout, and does not use it any more.
            unsafe { self.dealloc(old, layout) };
        }
        new
    }
}

impl Default for Reserve {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: what comes from the system goes back to it. Blocks of the reserve are apart from each other, each is given to one only while its
// bit is set, and they lie in a mapping that stays.
unsafe impl GlobalAlloc for Reserve {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the same conditions.
        let found = unsafe { System.alloc(layout) };
        if found.is_null() { self.take(layout) } else { found }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let found = unsafe { System.alloc_zeroed(layout) };
        if !found.is_null() {
            return found;
        }
        let found = self.take(layout);
        if !found.is_null() {
            // SAFETY: it is as large as that.
            unsafe { ptr::write_bytes(found, 0, layout.size()) };
        }
        found
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if self.has(pointer.addr()) {
            return self.give_back(pointer.addr());
        }
        // SAFETY: it is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller has seen to it that this is a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if self.has(pointer.addr()) {
            if size <= self.blocks_at(pointer.addr()).0.size {
                return pointer;
            }
            // SAFETY: as above; of size 0 nothing is ever asked for.
            let new = unsafe { self.alloc(wanted) };
            // SAFETY: it was taken here with this layout.
            return unsafe { self.move_to(new, pointer, layout, size) };
        }
        // SAFETY: it is the system's.
        let found = unsafe { System.realloc(pointer, layout, size) };
        if !found.is_null() {
            return found;
        }
        // SAFETY: the system has left it as it was.
        unsafe { self.move_to(self.take(wanted), pointer, layout, size) }
    }
}

/// Small objects, a page, a record with its header, a message of the log.
const BLOCKS: [Blocks; 4] = laid_out([(256, 4096), (4 << 10, 256), (72 << 10, 64), (520 << 10, 4)]);
const LAST: Blocks = BLOCKS[BLOCKS.len() - 1];
const SIZE: usize = LAST.begin + LAST.size * LAST.count;
const WORDS: usize = LAST.word + LAST.count.div_ceil(BITS);
const BITS: usize = 64;
/// Each block begins at a multiple of that: the mapping at a page, and every size is one.
const MOST_ALIGN: usize = 256;
/// What lies there is the kernel's, and not a program's.
const NOWHERE: usize = usize::MAX - (SIZE - 1);

const fn laid_out(sizes: [(usize, usize); 4]) -> [Blocks; 4] {
    let mut all = [Blocks { size: 0, count: 0, begin: 0, word: 0 }; 4];
    let (mut begin, mut word, mut at) = (0, 0, 0);
    while at < sizes.len() {
        let (size, count) = sizes[at];
        assert!(size.is_multiple_of(MOST_ALIGN));
        all[at] = Blocks { size, count, begin, word };
        begin += size * count;
        word += count.div_ceil(BITS);
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    fn provided() -> Reserve {
        let reserve = Reserve::new();
        reserve.provide().unwrap();
        reserve.provide().unwrap();
        reserve
    }

    fn is_unused(reserve: &Reserve) -> bool {
        reserve.in_use.iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }

    #[test]
    fn without_a_reserve_there_is_nothing_behind_the_system() {
        let reserve = Reserve::new();
        assert!(reserve.take(layout(8, 8)).is_null());
        assert!(![0, 8, 1 << 20, NOWHERE - 1].into_iter().any(|address| reserve.has(address)));
    }

    #[test]
    fn blocks_are_apart_and_larger_ones_stand_in_for_those_that_are_used_up() {
        let reserve = provided();
        let mut taken = BTreeSet::new();
        loop {
            let block = reserve.take(layout(100, 64));
            if block.is_null() {
                break;
            }
            assert!(block.addr().is_multiple_of(64) && reserve.has(block.addr()) && reserve.has(block.addr() + 99));
            taken.insert(block.addr());
        }
        assert_eq!(taken.len(), BLOCKS.iter().map(|blocks| blocks.count).sum::<usize>());
        assert!(taken.iter().zip(taken.iter().skip(1)).all(|(one, next)| next - one >= 256));
        let last = *taken.last().unwrap();
        reserve.give_back(last);
        assert_eq!(reserve.take(layout(LAST.size, 1)).addr(), last, "whatever else is in use");
        taken.into_iter().for_each(|address| reserve.give_back(address));
        assert!(is_unused(&reserve));
        assert!(reserve.take(layout(LAST.size + 1, 1)).is_null() && reserve.take(layout(8, 512)).is_null());
    }

    #[test]
    fn what_grows_takes_its_bytes_along() {
        let reserve = provided();
        // SAFETY: each block is used as large as it is, and given back once.
        unsafe {
            let block = reserve.take(layout(4, 1));
            ptr::copy_nonoverlapping(b"four".as_ptr(), block, 4);
            assert_eq!(reserve.realloc(block, layout(4, 1), 256), block, "it has room");
            let grown = reserve.realloc(block, layout(256, 1), 4000);
            assert!(!reserve.has(grown.addr()), "the system has some again");
            assert_eq!(std::slice::from_raw_parts(grown, 4), b"four");
            assert!(is_unused(&reserve));
            let moved = reserve.move_to(reserve.take(layout(2, 1)), grown, layout(4000, 1), 2);
            assert_eq!((std::slice::from_raw_parts(moved, 2), reserve.has(moved.addr())), (&b"fo"[..], true));
            reserve.dealloc(moved, layout(2, 1));
        }
        assert!(is_unused(&reserve));
    }

    #[test]
    fn threads_take_and_give_back_at_once() {
        let reserve = provided();
        std::thread::scope(|scope| {
            for number in 0..4_u8 {
                let reserve = &reserve;
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let block = reserve.take(layout(64, 8));
                        // SAFETY: it has 64 bytes that are nobody else's.
                        unsafe {
                            ptr::write_bytes(block, number, 64);
                            assert!(std::slice::from_raw_parts(block, 64).iter().all(|byte| *byte == number));
                        }
                        reserve.give_back(block.addr());
                    }
                });
            }
        });
        assert!(is_unused(&reserve));
    }
}
