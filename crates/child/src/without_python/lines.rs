//! What an application writes in pieces, put together to the messages it is: `print` writes a text and its end apart, and a traceback
//! line by line.
//!
//! ```text
//!          a whole line that begins a traceback,
//!          or says that another follows
//!   Plain ─────────────────────────────────────▶ Traceback ⟲ indented and empty lines
//!     ▲                                              │
//!     └──────────── the line of the exception ───────┘
//! ```
//!
//! What ends with a line end, outside of a traceback, is a message.

/// Text that is no whole message yet.
#[derive(Debug, Default)]
pub struct Lines {
    text: Vec<u8>,
    /// Where the last line begins.
    line: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Traceback,
}

impl State {
    fn after(self, line: &[u8]) -> Self {
        match line {
            line if BEGINNINGS.contains(&line) => Self::Traceback,
            [] | [b' ', ..] => self,
            _ => Self::Plain,
        }
    }
}

impl Lines {
    /// Takes a piece, and gives the message that it ends, if it does. A message without an end comes in parts.
    pub fn add(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        self.text.extend_from_slice(piece);
        while let Some(length) = self.text[self.line..].iter().position(|byte| *byte == b'\n') {
            let end = self.line + length;
            self.state = self.state.after(&self.text[self.line..end]);
            self.line = end + 1;
        }
        let is_whole = self.line == self.text.len() && self.state == State::Plain;
        if is_whole || self.text.len() > MAX_LEN { self.take() } else { None }
    }

    /// Whether a piece can be added: it is no longer than what the log takes at once, and there is memory for it.
    pub fn has_room_for(&mut self, piece: &[u8]) -> bool {
        piece.len() <= MAX_LEN && self.text.try_reserve(piece.len()).is_ok()
    }

    /// The whole lines: whoever writes has flushed them.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        let rest = self.text.split_off(self.line);
        let whole = self.take();
        self.text = rest;
        whole
    }

    /// Whether nothing was begun.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Everything.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let Self { text, .. } = std::mem::take(self);
        (!text.is_empty()).then_some(text)
    }
}

/// A traceback's first line, and those between two.
const BEGINNINGS: [&[u8]; 3] = [
    b"Traceback (most recent call last):",
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
];
/// As much as the log takes at once.
const MAX_LEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages that these pieces make, and what is left.
    fn messages(pieces: &[&str]) -> (Vec<String>, String) {
        let mut lines = Lines::default();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let messages = pieces.iter().filter_map(|piece| lines.add(piece.as_bytes()).map(text)).collect();
        (messages, lines.take().map(text).unwrap_or_default())
    }

    #[test]
    fn what_one_print_writes_is_one_message() {
        assert_eq!(messages(&["one", "\n", "a\nb", "\n", "x\ny\n"]).0, ["one\n", "a\nb\n", "x\ny\n"]);
        assert_eq!(messages(&["begun ", "and ", "ended\n", "rest"]), (vec!["begun and ended\n".to_owned()], "rest".to_owned()));
        assert_eq!(messages(&["\n", ""]).0, ["\n"]);
    }

    #[test]
    fn a_traceback_that_is_written_line_by_line_is_one_message() {
        let first = ["Traceback (most recent call last):\n", "  File \"a.py\", line 1, in f\n", "    g()\n", "KeyError: 'x'\n"];
        let between = ["\nDuring handling of the above exception, another exception occurred:\n\n"];
        let pieces = [&first[..], &between, &first, &["after\n"]].concat();
        assert_eq!(messages(&pieces).0, [first.concat(), between.concat() + &first.concat(), "after\n".to_owned()]);
        let in_tiny_pieces: Vec<_> = pieces.iter().flat_map(|piece| piece.split_inclusive(' ')).collect();
        assert_eq!(messages(&in_tiny_pieces), messages(&pieces));
    }

    #[test]
    fn a_flush_gives_the_whole_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(b"whole\nbegun"), None);
        assert_eq!(lines.flush().as_deref(), Some(&b"whole\n"[..]));
        assert_eq!(lines.flush(), None);
        assert_eq!(lines.add(b" ended\n").as_deref(), Some(&b"begun ended\n"[..]));
        lines.add(b"Traceback (most recent call last):\n");
        assert_eq!(lines.flush().as_deref(), Some(&b"Traceback (most recent call last):\n"[..]));
        assert_eq!(lines.add(b"next\n").as_deref(), Some(&b"next\n"[..]));
    }

    #[test]
    fn what_has_no_end_comes_in_parts() {
        let (messages, rest) = messages(&["x".repeat(MAX_LEN).as_str(), "y", "z"]);
        assert_eq!((messages.len(), messages[0].len(), rest.as_str()), (1, MAX_LEN + 1, "z"));
    }
}
