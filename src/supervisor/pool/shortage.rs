//! What is said of a child that may have ended for want of memory.

use super::super::process::Process;
use shared::settings::format_size;
use shared::sys::process::ExitReason;
use shared::sys::signal;

/// Why a process has ended so, if its last words or its limit on memory suggest it, in words.
pub(super) fn of(process: &Process, limit: Option<u64>, reason: ExitReason) -> String {
    let limit = limit.map(format_size);
    match (&process.shortage, limit, reason) {
        (Some(said), Some(limit), _) => format!(", \"{said}\", and its memory-limit is {limit}"),
        (Some(said), None, _) => format!(", \"{said}\""),
        // C code rarely expects that it gets no memory.
        (None, Some(limit), ExitReason::Signal(signal::ABRT | signal::SEGV | signal::BUS)) => {
            format!(", perhaps for want of memory: its memory-limit is {limit}")
        }
        _ => String::new(),
    }
}

/// What a process says on stderr that ends because it gets no memory: that of Rust, and so of pyfcgid, and the C library.
pub fn tells_of_shortage(line: &str) -> bool {
    let is_rusts = line.starts_with("memory allocation of ") && line.ends_with(" bytes failed");
    let is_of_the_c_library = line.starts_with("Fatal glibc error: ") && line.ends_with("out of memory");
    is_rusts || is_of_the_c_library || line == "cannot allocate memory for thread-local data: ABORT"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_who_gets_no_memory_are_known() {
        assert!(tells_of_shortage("memory allocation of 1048576 bytes failed"));
        assert!(tells_of_shortage("cannot allocate memory for thread-local data: ABORT"));
        assert!(tells_of_shortage("Fatal glibc error: failed to register TLS destructor: out of memory"));
        assert!(!tells_of_shortage("a memory allocation of 7 bytes failed, again") && !tells_of_shortage(""));
    }
}
