//! The form `json` of a line: one object, which is valid whatever a request or an application has sent.
//!
//! Text is UTF-8. A byte that is no part of a character is `\xNN` in the string, and so is a backslash, so that neither can be
//! taken for the other.

use std::fmt::Write;

use crate::http::unescaped;
use crate::sys::terminal;

/// Adds the name of a member, which needs no escapes.
pub(super) fn add_name(name: &str, line: &mut String) {
    line.push(if line.is_empty() { '{' } else { ',' });
    line.extend(["\"", name, "\":"]);
}

/// Adds a value that is a string; it comes with `\xNN` for what it has besides printable ASCII.
pub(super) fn add_escaped(value: Option<&str>, line: &mut String) {
    match value {
        Some(value) => add_string(&unescaped(value.as_bytes(), b"\\x"), line),
        None => line.push_str(NULL),
    }
}

/// Adds a string.
pub(super) fn add_string(value: &[u8], line: &mut String) {
    line.push('"');
    for chunk in value.utf8_chunks() {
        chunk.valid().chars().for_each(|c| add_char(c, line));
        chunk.invalid().iter().for_each(|byte| add_byte(*byte, line));
    }
    line.push('"');
}

/// Adds a value that is a number, if it is one.
pub(super) fn add_number(value: Option<&str>, line: &mut String) {
    let Some((whole, fraction)) = value.and_then(parse_number) else {
        return line.push_str(NULL);
    };
    let digits = whole.trim_start_matches('0');
    line.push_str(if digits.is_empty() { "0" } else { digits });
    if let Some(fraction) = fraction {
        line.extend([".", fraction]);
    }
}

fn parse_number(text: &str) -> Option<(&str, Option<&str>)> {
    let is_number = |text: &str| (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) if is_number(whole) && is_number(fraction) => Some((whole, Some(fraction))),
        None if is_number(text) => Some((text, None)),
        _ => None,
    }
}

fn add_char(c: char, line: &mut String) {
    match c {
        '\\' => add_byte(b'\\', line),
        c => terminal::escape_json(c, line),
    }
}

fn add_byte(byte: u8, line: &mut String) {
    let _ = write!(line, "\\\\x{byte:02X}"); // A string takes everything.
}

const NULL: &str = "null";
/// More than any of our numbers has.
const MAX_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &[u8]) -> String {
        let mut line = String::new();
        add_string(value, &mut line);
        line
    }

    fn number(value: &str) -> String {
        let mut line = String::new();
        add_number(Some(value), &mut line);
        line
    }

    #[test]
    fn text_is_itself_and_everything_else_is_escaped() {
        assert_eq!(string("größe 😀".as_bytes()), "\"größe 😀\"");
        assert_eq!(string(b"a\"b\\c\xff\xc3"), r#""a\"b\\x5Cc\\xFF\\xC3""#);
        assert_eq!(string("\n\t\0\x7f\u{9b}\u{2028}\u{202e}".as_bytes()), r#""\u000a\u0009\u0000\u007f\u009b\u2028\u202e""#);
        assert_eq!(string(b"\\xFF"), r#""\\x5CxFF""#, "is not what a byte becomes");
    }

    #[test]
    fn numbers_are_numbers_and_nothing_else_is() {
        for (text, expected) in
            [("200", "200"), ("000", "0"), ("0.020", "0.020"), ("007.50", "7.50"), ("1795200374.123", "1795200374.123")]
        {
            assert_eq!(number(text), expected);
        }
        for text in ["", "-", "-1", "1.", ".5", "1e9", "1.2.3", " 1", "0x1", "٣", "1,\"a\":1", "123456789012345678901"] {
            assert_eq!(number(text), "null", "{text}");
        }
    }
}
