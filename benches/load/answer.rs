//! Answers taken apart and checked, whatever carries them.

use std::io;

use crate::options::Expected;

/// An answer that is complete.
#[derive(Debug)]
pub struct Finished {
    /// Which of the requests that are under way on the connection: a FastCGI request id, or 1.
    pub id: u16,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// One answer, as far as it has come.
#[derive(Debug, Default)]
pub struct Answer {
    head: Vec<u8>,
    pub status: u16,
    pub length: u64,
    fault: Option<String>,
    /// Whether a byte of it has come.
    pub begun: bool,
}

impl Answer {
    /// Takes bytes that may belong to the head. Returns the head if it is complete, and how many of the bytes were its own.
    pub fn take_head(&mut self, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
        self.begun |= !bytes.is_empty();
        let known = self.head.len();
        self.head.extend_from_slice(bytes);
        let from = known.saturating_sub(END_OF_HEAD.len());
        let end = find(&self.head[from..], END_OF_HEAD)? + from + END_OF_HEAD.len();
        self.head.truncate(end);
        Some((std::mem::take(&mut self.head), end - known))
    }

    /// Checks a piece of the body.
    pub fn take_body(&mut self, piece: &[u8], expected: &Expected) {
        let at = usize::try_from(self.length).unwrap_or(usize::MAX);
        self.length += piece.len() as u64;
        let wanted = expected.body.as_ref().map(|body| body.get(at..at.saturating_add(piece.len())));
        if self.fault.is_none() && wanted.is_some_and(|wanted| wanted != Some(piece)) {
            self.fault = Some("another body than expected".to_owned());
        }
    }

    /// Takes the answer, which is complete.
    pub fn finish(&mut self, id: u16, expected: &Expected) -> Finished {
        let answer = std::mem::take(self);
        Finished { id, fault: answer.judge(expected) }
    }

    fn judge(self, expected: &Expected) -> Option<String> {
        let length = expected.body.as_ref().map(|body| body.len() as u64).or(expected.length);
        if self.status != 200 {
            return Some(format!("status {}", self.status));
        }
        match length {
            Some(length) if length != self.length => Some(format!("{} bytes of body instead of {length}", self.length)),
            None if self.length == 0 => Some("no body".to_owned()),
            _ => self.fault,
        }
    }
}

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The value of a header in a head.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(head).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The number at the start of a text such as `200 OK`.
pub fn status_code(text: &str) -> io::Result<u16> {
    let code = text.split_whitespace().next().and_then(|code| code.parse().ok());
    code.ok_or_else(|| io::Error::other(format!("no status: {text:?}")))
}
