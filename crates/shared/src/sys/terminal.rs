//! What may be written to a terminal, or shown by a viewer, as it is, and how much fits.

use std::fmt::Write;
use std::io;
use std::os::fd::BorrowedFd;

/// Whether a character is text and nothing else. Control characters command a terminal; some other characters pass for line ends, or
/// reorder what is shown.
pub fn is_text(c: char) -> bool {
    let is_disguise = matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c == '\t' || !c.is_control() && !is_disguise
}

/// The text with everything else escaped but its line ends.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' { escaped.push(c) } else { escape(c, &mut escaped) }
    }
    escaped
}

/// Adds a character of a text, escaped unless it is text.
pub fn escape(c: char, text: &mut String) {
    if is_text(c) {
        text.push(c);
    } else {
        text.extend(c.escape_default());
    }
}

/// Adds a character of a string of JSON; what is no text is `\uNNNN`.
pub fn escape_json(c: char, json: &mut String) {
    match c {
        '"' | '\\' => json.extend(['\\', c]),
        c if is_text(c) && c != '\t' => json.push(c),
        // Each of these is one unit of UTF-16. A string takes everything.
        c => drop(write!(json, "\\u{:04x}", u32::from(c))),
    }
}

/// How many columns a terminal has; `None` if it does not say, or is none.
pub fn width(terminal: BorrowedFd<'_>) -> Option<usize> {
    let (columns, _) = size(terminal).ok()?;
    (columns > 0).then_some(columns.into())
}

/// How many columns and rows a terminal has.
///
/// # Errors
/// When it is none, or has gone.
pub fn size(terminal: BorrowedFd<'_>) -> io::Result<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(terminal)?;
    Ok((size.ws_col, size.ws_row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_commands_a_terminal() {
        assert_eq!(escaped("größe\n\ta\r\x1b[2J\u{9b}\u{202e}\0"), "größe\n\ta\\r\\u{1b}[2J\\u{9b}\\u{202e}\\u{0}");
    }
}
