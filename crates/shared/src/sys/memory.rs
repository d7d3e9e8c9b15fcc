//! Memory that is not needed any more.

use std::io;

use super::process;

/// Gives free memory back to the system, as far as the allocator keeps any.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches nothing but free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// From now on all threads of this process have one arena of the allocator's, unless the environment says how many (MALLOC_ARENA_MAX).
/// Else each thread reserves 64 MiB of address space for one, which counts as used where there is a limit on it. Under a GIL there is
/// little to gain by several.
///
/// # Errors
/// None but that of an allocator which refuses.
pub fn share_one_arena() -> io::Result<()> {
    #[cfg(target_env = "gnu")]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        // SAFETY: it sets a number in the allocator, under its lock.
        let is_set = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) } == 1;
        return if is_set { Ok(()) } else { Err(io::Error::other("the allocator refuses to have one arena")) };
    }
    Ok(())
}

/// What was read of a file that is mapped here, such as this program's own constants, is not needed for now: the system may have the
/// memory, and reads it again if somebody looks.
pub fn forget_file_pages(bytes: &'static [u8]) {
    let page = process::page_size() as usize;
    let begin = (bytes.as_ptr() as usize).next_multiple_of(page);
    let end = (bytes.as_ptr() as usize + bytes.len()) / page * page;
    if begin < end {
        // SAFETY: only whole pages of constants, which are mapped from a file and never written, so that they are as before when they
        // are read again.
        unsafe { libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_DONTNEED) };
    }
}
