//! What is said where memory is short and `memory-limit` may be why.

/// The end of a message about something that has failed, if that sounds like a want of memory, or nothing runs within such a limit.
pub fn memory_limit_hint(limit: Option<u64>, text: &str) -> String {
    let sounds = SHORTAGES.iter().any(|words| text.contains(words));
    let fewer = if text.contains(NO_THREAD) { ", or lower threads" } else { "" };
    limit
        .filter(|limit| sounds || *limit < SMALLEST_PYTHON)
        .map_or_else(String::new, |limit| format!("; its memory-limit is {}: raise it{fewer}", format_size(limit)))
}

/// A size in the largest unit that says it exactly.
pub fn format_size(bytes: u64) -> String {
    let fits = |(size, _): &(u64, &str)| bytes != 0 && bytes.is_multiple_of(*size);
    let (size, unit) = UNITS.into_iter().find(fits).unwrap_or((1, ""));
    format!("{}{unit}", bytes / size)
}

/// The address space of a process of the smallest Python beside the stacks of its workers, and it is more with every other one.
pub const SMALLEST_PYTHON: u64 = 32 << 20;
/// What Python, the loader and Rust say.
const SHORTAGES: [&str; 6] =
    ["MemoryError", "annot allocate memory", "out of memory", "memory allocation of", "failed to map segment", NO_THREAD];
const NO_THREAD: &str = "can't start new thread";
const UNITS: [(u64, &str); 3] = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_named_where_memory_is_short_and_there_is_one() {
        let hint = "; its memory-limit is 64M: raise it";
        for (text, more) in [
            ("its import failed: MemoryError: ", ""),
            ("libpython3.11.so: failed to map segment", ""),
            ("RuntimeError: can't start new thread", ", or lower threads"),
        ] {
            assert_eq!(memory_limit_hint(Some(64 << 20), text), format!("{hint}{more}"), "{text}");
            assert_eq!(memory_limit_hint(None, text), "");
        }
        assert_eq!(memory_limit_hint(Some(1 << 20), ""), "; its memory-limit is 1M: raise it");
        assert_eq!(memory_limit_hint(Some(64 << 20), "its import failed: KeyError: 'memory'"), "");
    }
}
