//! The form of a line.

use std::fmt::{self, Write};

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
    pub text: fmt::Arguments<'a>,
}

impl Line<'_> {
    /// Appends the line as a file has it, with its line feed.
    pub fn encode(&self, out: &mut String) {
        let level = level_name(self.level);
        let Self { time, pool, process, .. } = self;
        let _ = write!(out, "{time} [{level}] {pool}[{process}]: "); // A string takes everything.
        self.encode_text(out);
        out.push('\n');
    }

    /// The message alone and as it is, with one line feed at its end.
    pub(super) fn encode_plain(&self) -> Vec<u8> {
        let mut text = self.text.to_string();
        text.truncate(text.trim_end_matches('\n').len());
        text.push('\n');
        text.into_bytes()
    }

    /// Appends the message alone, in the same form, with its code before it.
    pub(super) fn encode_text(&self, out: &mut String) {
        self.code.into_iter().for_each(|code| out.extend([code, " "]));
        // A `Display` of somebody else's may fail; what it wrote until then is kept.
        let _ = write!(Text { out, pending: Vec::new() }, "{}", self.text);
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Takes a message piece by piece: indents its further lines, escapes control characters, drops line ends at its end.
struct Text<'a> {
    out: &'a mut String,
    /// Line ends that count only if something follows: `\r` and `\n`.
    pending: Vec<char>,
}

impl Text<'_> {
    fn push(&mut self, c: char) {
        for end in std::mem::take(&mut self.pending) {
            if end == '\n' {
                self.out.push_str(CONTINUATION);
            }
        }
        match c {
            c if !terminal::is_text(c) => self.out.extend(c.escape_default()),
            c => self.out.push(c),
        }
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '\n' => self.pending.push('\n'),
                '\r' if self.pending.is_empty() => self.pending.push('\r'),
                c => self.push_after_return(c),
            }
        }
        Ok(())
    }
}

impl Text<'_> {
    /// A `\r` that no `\n` followed is a control character like others.
    fn push_after_return(&mut self, c: char) {
        if self.pending == ['\r'] {
            self.pending.clear();
            self.push('\r');
        }
        self.push(c);
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
        let mut out = String::new();
        let time = Timestamp::from_unix_millis(1_795_200_374_123).with_offset(0);
        let text = format_args!("{text}");
        Line { time, level: Level::Warn, pool: "blog", process: 4711, code, text }.encode(&mut out);
        out
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
