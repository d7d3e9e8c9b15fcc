//! Memory that is not needed any more.

/// Gives free memory back to the system, as far as the allocator keeps any.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches nothing but free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}
