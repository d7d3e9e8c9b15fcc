//! What comes out of a pipe, by lines.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::channel::Allowance;
use crate::sys::fd;

/// What comes out of a pipe, line by line: standard output and error of a child, for what neither Python nor we write there.
#[derive(Debug)]
pub struct Lines {
    pipe: File,
    buffer: Vec<u8>,
    is_ended: bool,
}

impl Lines {
    /// A pipe that is about to be somebody's output, and the lines that will come out of it. Both are close-on-exec.
    ///
    /// # Errors
    /// Those of pipe(2).
    pub fn pipe() -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        fd::never_wait(&reader)?;
        let pipe = File::from(OwnedFd::from(reader));
        Ok((Self { pipe, buffer: Vec::new(), is_ended: false }, writer.into()))
    }

    /// The reading end of such a pipe, from the program that this process ran before.
    pub fn adopt(pipe: OwnedFd) -> Self {
        Self { pipe: File::from(pipe), buffer: Vec::new(), is_ended: false }
    }

    /// The next line without its end, if it is there; at the end also one that is not whole. Never waits. A line that is longer
    /// than 8 KiB comes in pieces, and what is no UTF-8 is replaced. Control characters stay; writing to the log escapes them.
    pub fn read(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.take_line() {
                return Some(line);
            }
            if self.is_ended || !self.fill() {
                return None;
            }
        }
    }

    /// The lines that more reads of the pipe make whole, until `allowance` is used up. None of those is left behind, so that polling
    /// the pipe tells when there is more. Empty lines cost as much as others.
    pub fn read_some(&mut self, allowance: &mut Allowance) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            while let Some(line) = self.take_line() {
                allowance.take(line.len());
                lines.push(line);
            }
            if self.is_ended || allowance.is_used_up() || !self.fill() {
                return lines;
            }
        }
    }

    /// Everybody has closed the other end, and everything was read.
    pub fn is_at_end(&self) -> bool {
        self.is_ended && self.buffer.is_empty()
    }

    /// False if nothing is there now.
    fn fill(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.pipe.read(&mut chunk) {
            Ok(length) => {
                self.is_ended = length == 0;
                self.buffer.extend_from_slice(chunk.get(..length).unwrap_or_default());
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => {
                self.is_ended = error.kind() != ErrorKind::WouldBlock;
                self.is_ended
            }
        }
    }

    fn take_line(&mut self) -> Option<String> {
        let line_feed = self.buffer.iter().position(|byte| *byte == b'\n').filter(|at| *at <= MAX_LINE_LEN);
        let length = match line_feed {
            Some(at) => at,
            None if self.buffer.len() > MAX_LINE_LEN => character_border(&self.buffer, MAX_LINE_LEN),
            None if self.is_ended && !self.buffer.is_empty() => self.buffer.len(),
            None => return None,
        };
        let line: Vec<u8> = self.buffer.drain(..length + usize::from(line_feed.is_some())).collect();
        let line = line.get(..length).unwrap_or_default();
        Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
    }
}

impl AsRawFd for Lines {
    fn as_raw_fd(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}

/// Where a character begins at most three bytes before `at`, if it does.
fn character_border(bytes: &[u8], at: usize) -> usize {
    let is_border = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (at.saturating_sub(3)..=at).rev().find(is_border).unwrap_or(at)
}

/// A line that is longer is cut.
const MAX_LINE_LEN: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pipe() -> (Lines, File) {
        let (lines, writer) = Lines::pipe().unwrap();
        (lines, File::from(writer))
    }

    #[test]
    fn lines_come_whole_and_the_last_one_at_the_end() {
        let (mut lines, mut writer) = pipe();
        assert_eq!(lines.read(), None);
        writer.write_all(b"one\r\n\ntw").unwrap();
        assert_eq!((lines.read(), lines.read(), lines.read()), (Some("one".to_owned()), Some(String::new()), None));
        writer.write_all(b"o\nlast").unwrap();
        assert_eq!((lines.read(), lines.read()), (Some("two".to_owned()), None));
        assert!(!lines.is_at_end());
        drop(writer);
        assert_eq!((lines.read(), lines.read()), (Some("last".to_owned()), None));
        assert!(lines.is_at_end());
    }

    #[test]
    fn a_turn_has_an_end_and_leaves_no_whole_line_behind() {
        let (mut lines, mut writer) = pipe();
        writer.write_all("x\n".repeat(3000).as_bytes()).unwrap();
        let mut turn = Allowance::of_a_turn();
        assert_eq!((lines.read_some(&mut turn).len(), turn.is_used_up()), (2048, true));
        writer.write_all(b"last").unwrap();
        drop(writer);
        let rest = |lines: &mut Lines| lines.read_some(&mut Allowance::of_a_turn());
        assert_eq!((rest(&mut lines).len(), lines.is_at_end()), (3000 - 2048, false));
        assert_eq!((rest(&mut lines), lines.is_at_end()), (vec!["last".to_owned()], true));
        assert!(rest(&mut lines).is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let (mut lines, mut writer) = pipe();
        writer.write_all(b"a\xff\xfeb\n").unwrap();
        assert_eq!(lines.read().unwrap(), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let (mut lines, mut writer) = pipe();
        let text = format!("x{}", "😀".repeat(5000));
        writer.write_all(text.as_bytes()).unwrap();
        drop(writer);
        let pieces: Vec<_> = std::iter::from_fn(|| lines.read()).collect();
        assert_eq!(pieces.concat(), text);
        assert_eq!(pieces.len(), 3);
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_LINE_LEN));
    }

    #[test]
    fn a_line_of_the_longest_length_is_one() {
        let (mut lines, mut writer) = pipe();
        let text = "x".repeat(MAX_LINE_LEN);
        writer.write_all(format!("{text}\n{text}y\n").as_bytes()).unwrap();
        assert_eq!((lines.read().unwrap(), lines.read().unwrap(), lines.read().unwrap()), (text.clone(), text, "y".to_owned()));
    }
}
