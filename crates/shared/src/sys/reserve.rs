//! Memory for the time when the system gives none: where a process has a limit (`memory-limit`), an application may use all of it up, and
//! whatever else allocates by then would end the process, since Rust has nothing else to do about it.
//!
//! It is for what is small, and for a moment: a turn of the event loop, a line of the log, the end of an answer. What may be large is
//! asked for in a way that can fail.

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
    /// How many pieces of it are in use, and how much is used up: 32 bits each. What was used up is free again when none is in use.
    state: AtomicU64,
}

impl Reserve {
    /// Without a reserve.
    pub const fn new() -> Self {
        Self { base: AtomicUsize::new(NOWHERE), state: AtomicU64::new(0) }
    }

    /// From now on there is one. It takes address space, and memory only while it is used.
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

    /// A piece of it; null if there is none of that size.
    #[cold]
    fn take(&self, layout: Layout) -> *mut u8 {
        let base = self.base.load(Ordering::Acquire);
        if base == NOWHERE || layout.size() > MOST || layout.align() > MOST_ALIGN {
            return ptr::null_mut();
        }
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            let (count, used) = (state >> 32, (state & USED) as usize);
            // A mapping begins at a page, which is aligned well enough for all.
            let begin = used.next_multiple_of(layout.align());
            let end = begin + layout.size();
            if end > SIZE {
                return ptr::null_mut();
            }
            let next = (count + 1) << 32 | end as u64;
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return ptr::with_exposed_provenance_mut(base + begin),
                Err(now) => state = now,
            }
        }
    }

    #[cold]
    fn give_back(&self) {
        let fewer = |state: u64| Some(if state >> 32 == 1 { 0 } else { state - (1 << 32) });
        // It always succeeds: the closure never says no.
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer);
    }

    /// Another piece for what grows or was the system's, with the same bytes; null, and all as before, if there is none.
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

// SAFETY: what comes from the system goes back to it. Pieces of the reserve are apart from each other until none is in use, and lie in a
// mapping that stays.
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
            return self.give_back();
        }
        // SAFETY: it is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller has seen to it that this is a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if self.has(pointer.addr()) {
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

/// What lies there is the kernel's, and not a program's.
const NOWHERE: usize = usize::MAX - (SIZE - 1);
/// The lower half of the state.
const USED: u64 = u32::MAX as u64;
/// As much as some hundred messages and requests at once.
const SIZE: usize = 4 << 20;
/// A single piece is no larger.
const MOST: usize = 512 << 10;
const MOST_ALIGN: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn without_a_reserve_there_is_nothing_behind_the_system() {
        let reserve = Reserve::new();
        assert!(reserve.take(layout(8, 8)).is_null());
        assert!(![0, 8, 1 << 20, NOWHERE - 1].into_iter().any(|address| reserve.has(address)));
    }

    #[test]
    fn pieces_are_apart_and_what_was_used_up_is_free_again_when_none_is_in_use() {
        let reserve = Reserve::new();
        reserve.provide().unwrap();
        reserve.provide().unwrap();
        let first = reserve.take(layout(3, 1));
        let second = reserve.take(layout(100, 64));
        assert!(second.addr() >= first.addr() + 3 && second.addr().is_multiple_of(64) && reserve.has(second.addr()));
        assert!(reserve.take(layout(MOST + 1, 1)).is_null());
        let mut more = 0;
        while !reserve.take(layout(MOST, 1)).is_null() {
            more += 1;
        }
        assert!((SIZE / MOST - 1..=SIZE / MOST).contains(&more), "{more}");
        (0..=more).for_each(|_| reserve.give_back());
        assert!(reserve.take(layout(MOST, 1)).is_null(), "one is still in use");
        reserve.give_back();
        assert_eq!(reserve.take(layout(MOST, 1)), first);
    }

    #[test]
    fn what_grows_takes_its_bytes_along() {
        let reserve = Reserve::new();
        reserve.provide().unwrap();
        // SAFETY: each piece is used as large as it is, and given back once.
        unsafe {
            let piece = reserve.take(layout(4, 1));
            ptr::copy_nonoverlapping(b"four".as_ptr(), piece, 4);
            let grown = reserve.realloc(piece, layout(4, 1), 4000);
            assert!(!reserve.has(grown.addr()), "the system has some again");
            assert_eq!(std::slice::from_raw_parts(grown, 4), b"four");
            assert_eq!(reserve.state.load(Ordering::Relaxed), 0);
            let moved = reserve.move_to(reserve.take(layout(2, 1)), grown, layout(4000, 1), 2);
            assert_eq!((std::slice::from_raw_parts(moved, 2), reserve.has(moved.addr())), (&b"fo"[..], true));
            reserve.dealloc(moved, layout(2, 1));
        }
    }

    #[test]
    fn threads_take_and_give_back_at_once() {
        let reserve = Reserve::new();
        reserve.provide().unwrap();
        std::thread::scope(|scope| {
            for number in 0..4_u8 {
                let reserve = &reserve;
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let piece = reserve.take(layout(64, 8));
                        // SAFETY: it has 64 bytes that are nobody else's.
                        unsafe {
                            ptr::write_bytes(piece, number, 64);
                            assert!(std::slice::from_raw_parts(piece, 64).iter().all(|byte| *byte == number));
                        }
                        reserve.give_back();
                    }
                });
            }
        });
        assert_eq!(reserve.state.load(Ordering::Relaxed), 0);
    }
}
