//! Standard error and standard output as targets.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::Error;
use super::sink::Sink;
use shared::sys::log_io;

/// Standard error or output: a terminal, the pipe of whoever started this, or the journal. Others share it, so it cannot be made
/// non-blocking; it is written in pieces for which poll(2) promises room.
pub(super) struct Stream<W>(pub(super) W);

impl Stream<File> {
    /// Standard output, past the buffer that std has for it.
    pub(super) fn stdout() -> Result<Self, Error> {
        let out = io::stdout().as_fd().try_clone_to_owned().map_err(Error::Stdout)?;
        Ok(Self(out.into()))
    }
}

impl<W: Write + AsFd + Send> Sink for Stream<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if !log_io::is_writable(self.0.as_fd()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.0.write(piece.get(..PROMISED_ROOM).unwrap_or(piece))
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.0.as_fd().as_raw_fd())
    }

    fn reopen(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// A pipe that is writable has room for so much.
const PROMISED_ROOM: usize = 4096;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::log_writer::output::Output;

    #[test]
    fn a_full_pipe_never_blocks_and_gets_all_lines_later() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut output = Output::new(Box::new(Stream(writer)));
        let lines: Vec<_> = (0..500).map(|number| format!("{number} {}\n", "x".repeat(number))).collect();
        for line in &lines {
            output.push(line.as_bytes().to_vec());
            output.flush();
        }
        assert!(output.is_waiting(), "the pipe was larger than {} bytes", lines.concat().len());
        let expected = lines.concat();
        let mut read = vec![0; expected.len()];
        for chunk in read.chunks_mut(5000) {
            reader.read_exact(chunk).unwrap();
            output.flush();
        }
        assert_eq!(String::from_utf8(read).unwrap(), expected);
        assert!(!output.is_waiting());
    }

    #[test]
    fn a_pipe_that_nobody_reads_loses_lines_and_nothing_else() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut output = Output::new(Box::new(Stream(writer)));
        output.push(b"one\n".to_vec());
        output.flush();
        assert!(!output.is_waiting());
        assert_eq!(output.take_lost(), None, "it does not work again");
    }
}
