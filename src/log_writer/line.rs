//! The form of a line.

use log::Level;

use shared::logging::Timestamp;
use shared::logging::codes::Code;
use shared::sys::terminal;

/// One record with everything a target may want to tell.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// How bad it is.
    pub level: Level,
    /// The pool it is about.
    pub pool: &'a str,
    /// The process that says so.
    pub process: u32,
    /// What it means, if pyfcgid says it.
    pub code: Option<Code>,
    /// The message, of one line or several.
    pub text: &'a str,
}

impl Line<'_> {
    /// The line as a file has it, with its line feed.
    pub fn encode(&self) -> String {
        let Self { time, level, pool, process, .. } = self;
        let level = level.as_str().to_ascii_lowercase();
        format!("{time} [{level}] {pool}[{process}]: {}\n", self.encode_text())
    }

    /// The message alone and as it is, with one line feed at its end.
    pub(super) fn encode_plain(&self) -> String {
        format!("{}\n", self.text.trim_end_matches('\n'))
    }

    /// The message alone, in the same form, with its code before it: further lines are indented, control characters escaped, and line
    /// ends at its end dropped.
    pub(super) fn encode_text(&self) -> String {
        let mut out = String::with_capacity(256);
        self.code.into_iter().for_each(|code| out.extend([code, " "]));
        // Line ends that count only if something follows.
        let (mut returned, mut feeds) = (false, 0);
        for c in self.text.chars() {
            match c {
                '\n' => (returned, feeds) = (false, feeds + 1),
                '\r' if !returned && feeds == 0 => returned = true,
                c => {
                    // A `\r` that no `\n` followed is a control character like others.
                    std::mem::take(&mut returned).then(|| terminal::escape('\r', &mut out));
                    (0..std::mem::take(&mut feeds)).for_each(|_| out.push_str(CONTINUATION));
                    terminal::escape(c, &mut out);
                }
            }
        }
        out
    }
}

/// What a further line of a message starts with.
const CONTINUATION: &str = "\n    ";

#[cfg(test)]
mod tests {
    use shared::logging::codes;

    use super::*;

    fn encode(text: &str) -> String {
        encode_with(None, text)
    }

    fn encode_with(code: Option<Code>, text: &str) -> String {
        let time = Timestamp::at(1_795_200_374_123, 0);
        Line { time, level: Level::Warn, pool: "blog", process: 4711, code, text }.encode()
    }

    #[test]
    fn a_line_has_time_level_pool_and_process() {
        assert_eq!(encode("it broke"), "2026-11-20 18:46:14.123 +0000 [warn] blog[4711]: it broke\n");
    }

    #[test]
    fn what_pyfcgid_says_has_a_code_before_the_first_line() {
        let line = encode_with(Some(codes::SATURATED), "it is full\nindeed");
        assert_eq!(line, "2026-11-20 18:46:14.123 +0000 [warn] blog[4711]: PF0401 it is full\n    indeed\n");
    }

    #[test]
    fn further_lines_are_indented_and_ends_dropped() {
        let text = |text: &str| encode(text).split_once(": ").unwrap().1.to_owned();
        assert_eq!(text("Traceback:\n  File \"a.py\"\r\nError\r\n\n"), "Traceback:\n      File \"a.py\"\n    Error\n");
        assert_eq!(text("a\n\nb"), "a\n    \n    b\n");
        assert_eq!(text("\n\n"), "\n");
    }

    #[test]
    fn control_characters_cannot_forge_or_hide_anything() {
        let text = |text: &str| encode(text).split_once(": ").unwrap().1.to_owned();
        assert_eq!(text("a\rb\tc"), "a\\rb\tc\n");
        assert_eq!(text("\x1b[2J\0\u{85}"), "\\u{1b}[2J\\u{0}\\u{85}\n");
        assert_eq!(text("\u{2028}\u{202e}"), "\\u{2028}\\u{202e}\n");
        assert_eq!(text("größe 😀"), "größe 😀\n");
        let forged = text("x\n2026-11-20 18:46:14.123 +0000 [info] blog[1]: all is well");
        assert!(forged.lines().skip(1).all(|line| line.starts_with("    ")));
    }
}
