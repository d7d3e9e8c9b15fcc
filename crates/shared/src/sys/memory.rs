//! Memory that is not needed any more.

use super::process;

/// Gives free memory back to the system, as far as the allocator keeps any.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches nothing but free memory.
    unsafe {
        libc::malloc_trim(0);
    }
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
