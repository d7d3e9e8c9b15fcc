//! A request's body: in memory while it is small, then in a temp file that has no name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};

/// A complete body.
#[derive(Debug)]
pub struct Body {
    source: Storage,
    length: u64,
    /// Where the next byte is read; may be behind the end.
    position: u64,
}

#[derive(Debug)]
enum Storage {
    Memory(Cursor<Vec<u8>>),
    File(Box<BufReader<File>>),
}

impl Body {
    /// A body of these bytes.
    pub fn from_memory(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self { source: Storage::Memory(Cursor::new(bytes)), length, position: 0 }
    }

    /// Whether a body that does not fit in memory could be stored.
    ///
    /// # Errors
    /// Those of making a file in the temp directory.
    pub fn try_storage() -> io::Result<()> {
        tempfile::tempfile().map(drop)
    }

    /// Bytes in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where the next byte is read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes from there to the end.
    pub fn left(&self) -> u64 {
        self.length.saturating_sub(self.position)
    }

    /// Goes on reading at `position`, where nothing is if that is behind the end.
    ///
    /// # Errors
    /// Those of seeking in the temp file.
    pub fn seek(&mut self, position: u64) -> io::Result<()> {
        match &mut self.source {
            Storage::Memory(cursor) => cursor.set_position(position),
            Storage::File(file) => drop(file.seek(SeekFrom::Start(position))?),
        }
        self.position = position;
        Ok(())
    }

    /// Whether reading may have to wait for a disk.
    pub fn is_in_a_file(&self) -> bool {
        matches!(self.source, Storage::File(_))
    }

    /// Reads `count` bytes, or all that are left if there are fewer.
    ///
    /// # Errors
    /// Those of reading the temp file; `UnexpectedEof` if somebody has cut it.
    pub fn read(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(self.left()) as usize];
        self.read_into(&mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes`, of which there may not be more than are left.
    ///
    /// # Errors
    /// Those of reading the temp file; `UnexpectedEof` if somebody has cut it, or fewer are left.
    pub fn read_into(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.reader().read_exact(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Reads one line, its newline included, or `limit` bytes of it if it is longer.
    ///
    /// # Errors
    /// Those of reading the temp file, and `OutOfMemory`. Nothing is then taken.
    pub fn read_line(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut reader = self.reader().take(limit);
        let result = loop {
            let piece = match reader.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => break Err(error),
            };
            let end = piece.iter().position(|byte| *byte == b'\n').map(|last| last + 1);
            let taken = end.unwrap_or(piece.len());
            // A whole body may be one line, and there may be no memory for it.
            if line.try_reserve(taken).is_err() {
                break Err(ErrorKind::OutOfMemory.into());
            }
            line.extend_from_slice(&piece[..taken]);
            reader.consume(taken);
            if end.is_some() || taken == 0 {
                break Ok(());
            }
        };
        let position = self.position;
        match result {
            Ok(()) => self.position += line.len() as u64,
            Err(_) => self.seek(position)?,
        }
        result.map(|()| line)
    }

    fn reader(&mut self) -> &mut dyn BufRead {
        match &mut self.source {
            Storage::Memory(cursor) => cursor,
            Storage::File(file) => file,
        }
    }
}

/// Collects a body as it comes in.
#[derive(Debug)]
pub struct BodyWriter {
    memory: Vec<u8>,
    memory_limit: usize,
    file: Option<File>,
    length: u64,
}

impl BodyWriter {
    /// Keeps up to `memory_limit` bytes in memory, and everything in a temp file once there are more, or no memory is left. `expected` is a hint
    /// of the body's length.
    pub fn new(memory_limit: usize, expected: u64) -> Self {
        let fits = usize::try_from(expected).is_ok_and(|expected| expected <= memory_limit);
        let mut memory = Vec::new();
        // Without that much memory it goes to a file.
        let _ = memory.try_reserve_exact(if fits { expected as usize } else { 0 });
        Self { memory, memory_limit, file: None, length: 0 }
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// Those of creating and writing the temp file, such as a full disk. The body is then lost.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.length += piece.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(piece);
        }
        let fits = self.memory.len() + piece.len() <= self.memory_limit;
        if fits && self.memory.try_reserve(piece.len()).is_ok() {
            self.memory.extend_from_slice(piece);
            return Ok(());
        }
        self.store()?;
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(piece))
    }

    /// Bytes that are in memory.
    pub fn memory(&self) -> usize {
        self.memory.len()
    }

    /// Moves what is in memory to a temp file, in which the rest then goes, too.
    ///
    /// # Errors
    /// Those of creating and writing the temp file. The body then stays where it is.
    pub fn store(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.memory)?;
            self.file = Some(file);
            self.memory = Vec::new();
        }
        Ok(())
    }

    /// The body, to be read from its start.
    ///
    /// # Errors
    /// Those of seeking in the temp file.
    pub fn finish(self) -> io::Result<Body> {
        let Some(mut file) = self.file else {
            return Ok(Body::from_memory(self.memory));
        };
        file.rewind()?;
        let source = Storage::File(Box::new(BufReader::with_capacity(FILE_BUFFER_LEN, file)));
        Ok(Body { source, length: self.length, position: 0 })
    }
}

const FILE_BUFFER_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(limit: usize, pieces: &[&[u8]]) -> Body {
        let mut writer = BodyWriter::new(limit, 0);
        for piece in pieces {
            writer.write(piece).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn a_body_moves_to_a_file_when_it_outgrows_memory_and_reads_the_same() {
        for (limit, in_a_file) in [(100, false), (11, false), (10, true), (0, true)] {
            let mut body = body(limit, &[b"hello ", b"world"]);
            assert_eq!(body.is_in_a_file(), in_a_file, "limit {limit}");
            assert_eq!(body.length(), 11);
            assert_eq!(body.read(4).unwrap(), b"hell");
            assert_eq!(body.left(), 7);
            assert_eq!(body.read(u64::MAX).unwrap(), b"o world");
            assert_eq!(body.read(1).unwrap(), b"");
        }
    }

    #[test]
    fn reading_goes_on_wherever_it_is_told_to() {
        for limit in [0, 100] {
            let mut body = body(limit, &[b"hello world"]);
            for (position, rest) in [(6, &b"world"[..]), (0, b"hello world"), (11, b""), (100, b""), (10, b"d")] {
                body.seek(position).unwrap();
                assert_eq!((body.position(), body.left()), (position, rest.len() as u64));
                assert_eq!(body.read(u64::MAX).unwrap(), rest);
                assert_eq!(body.position(), position + rest.len() as u64);
                assert_eq!(body.read_line(9).unwrap(), b"");
            }
            body.seek(4).unwrap();
            assert_eq!(body.read_line(4).unwrap(), b"o wo");
            assert_eq!(body.position(), 8);
        }
    }

    #[test]
    fn a_body_that_is_stored_before_it_must_be_reads_the_same() {
        let mut writer = BodyWriter::new(100, 11);
        writer.write(b"hello ").unwrap();
        assert_eq!(writer.memory(), 6);
        writer.store().unwrap();
        writer.store().unwrap();
        writer.write(b"world").unwrap();
        assert_eq!((writer.memory(), writer.length()), (0, 11));
        let mut body = writer.finish().unwrap();
        assert!(body.is_in_a_file());
        assert_eq!(body.read(100).unwrap(), b"hello world");
    }

    #[test]
    fn lines_keep_their_newline_and_honour_the_limit() {
        for limit in [0, 100] {
            let mut body = body(limit, &[b"one\n\nlong line\nend"]);
            assert_eq!(body.read_line(100).unwrap(), b"one\n");
            assert_eq!(body.read_line(100).unwrap(), b"\n");
            assert_eq!(body.read_line(4).unwrap(), b"long");
            assert_eq!(body.read_line(u64::MAX).unwrap(), b" line\n");
            assert_eq!(body.read_line(u64::MAX).unwrap(), b"end");
            assert_eq!(body.read_line(u64::MAX).unwrap(), b"");
            assert_eq!(body.left(), 0);
        }
    }
}
