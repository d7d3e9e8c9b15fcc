//! Memory that is not needed any more.

use std::ffi::CStr;
use std::slice;

use super::process;

/// Gives free memory back to the system, as far as the allocator keeps any.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches nothing but free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lives a life that calls nothing of a library, and ends the process with its exit code and no destructor. What this process has of the
/// library's variables, for itself or with its parent, is given back before: the loader has written addresses into most of their pages.
/// What the loader has made read-only stays, and with it all that is looked at when a stack is unwound or a symbol is looked up.
///
/// The library is named by how its file name begins. Whoever lives on must know that it calls nothing there.
pub fn live_without(library: &str, life: impl FnOnce() -> u8) -> ! {
    let mut name = library;
    // SAFETY: the callback has this signature, and the name outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(forget), (&raw mut name).cast()) };
    process::exit_now(life())
}

unsafe extern "C" fn forget(object: *mut libc::dl_phdr_info, _: usize, name: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the loader describes an object of its own, and the name is what was handed over.
    let (object, name) = unsafe { (&*object, *name.cast::<&str>()) };
    // SAFETY: the name of an object ends in NUL, and its headers are as many as it says.
    let (path, headers) = unsafe {
        (CStr::from_ptr(object.dlpi_name).to_bytes(), slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
    };
    if !path.rsplit(|byte| *byte == b'/').next().is_some_and(|file| file.starts_with(name.as_bytes())) {
        return 0;
    }
    let spans = |kind| headers.iter().filter(move |header| header.p_type == kind);
    let end = |header: &libc::Elf64_Phdr| header.p_vaddr + header.p_memsz;
    let page = process::page_size();
    for segment in spans(libc::PT_LOAD).filter(|segment| segment.p_flags & libc::PF_W != 0) {
        let is_inside = |constants: &&libc::Elf64_Phdr| (segment.p_vaddr..end(segment)).contains(&constants.p_vaddr);
        let constants = spans(libc::PT_GNU_RELRO).filter(is_inside).map(end).max();
        let first = (object.dlpi_addr + constants.unwrap_or(segment.p_vaddr)).next_multiple_of(page);
        let last = (object.dlpi_addr + end(segment)) / page * page;
        if first < last {
            // SAFETY: these pages are the segment's, and nobody looks at them before the process ends.
            unsafe { libc::madvise(first as *mut libc::c_void, (last - first) as usize, libc::MADV_DONTNEED) };
        }
    }
    0
}
