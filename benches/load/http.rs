//! Answers over HTTP/1.1: one after the other.

use std::io;

use crate::answer::{Answer, Finished, header, status_code};
use crate::options::Expected;

/// Where in an answer the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    /// In a body of which so much is left.
    Body(u64),
    /// In a body that ends with the connection.
    Rest,
    ChunkSize,
    Chunk(u64),
    /// At the end of the line behind a chunk.
    ChunkEnd,
    /// In the lines behind the last chunk.
    Trailer,
}

pub struct Http {
    buffer: Vec<u8>,
    end: usize,
    place: Place,
    answer: Answer,
}

impl Http {
    pub fn new() -> Self {
        Self { buffer: Vec::new(), end: 0, place: Place::Head, answer: Answer::default() }
    }

    pub fn space(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER_LEN];
        }
        &mut self.buffer[self.end..]
    }

    /// Takes what was read into the space, and adds the answers that are complete.
    pub fn advance(&mut self, count: usize, expected: &Expected, finished: &mut Vec<Finished>) -> io::Result<()> {
        self.end += count;
        let buffer = std::mem::take(&mut self.buffer);
        let mut start = 0;
        while let Some(used) = self.step(&buffer[start..self.end], expected, finished)? {
            start += used;
        }
        self.buffer = buffer;
        self.buffer.copy_within(start..self.end, 0);
        self.end -= start;
        if self.end == self.buffer.len() { Err(io::Error::other("a line without an end")) } else { Ok(()) }
    }

    /// The connection has ended, and with it perhaps an answer.
    pub fn close(&mut self, expected: &Expected, finished: &mut Vec<Finished>) {
        if self.place == Place::Rest {
            self.finish(expected, finished);
        }
    }

    pub fn has_begun(&self) -> bool {
        self.answer.begun || self.place != Place::Head
    }

    /// Takes one thing from the start of what is there: how many bytes it was, or none if more must come first.
    fn step(&mut self, bytes: &[u8], expected: &Expected, finished: &mut Vec<Finished>) -> io::Result<Option<usize>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        match self.place {
            Place::Head => self.head(bytes, expected, finished).map(Some),
            Place::Body(left) => {
                let (used, left) = self.body(bytes, left, expected);
                self.place = Place::Body(left);
                if left == 0 {
                    self.finish(expected, finished);
                }
                Ok(Some(used))
            }
            Place::Rest => {
                self.answer.take_body(bytes, expected);
                Ok(Some(bytes.len()))
            }
            Place::Chunk(left) => {
                let (used, left) = self.body(bytes, left, expected);
                self.place = if left == 0 { Place::ChunkEnd } else { Place::Chunk(left) };
                Ok(Some(used))
            }
            Place::ChunkSize | Place::ChunkEnd | Place::Trailer => self.line(bytes, expected, finished),
        }
    }

    fn head(&mut self, bytes: &[u8], expected: &Expected, finished: &mut Vec<Finished>) -> io::Result<usize> {
        let Some((head, used)) = self.answer.take_head(bytes) else {
            return Ok(bytes.len());
        };
        let text = String::from_utf8_lossy(&head);
        self.answer.status = status_code(text.split_once(' ').map_or("", |(_, rest)| rest))?;
        self.place = place_behind(&head)?;
        if self.place == Place::Body(0) {
            self.finish(expected, finished);
        }
        Ok(used)
    }

    /// How much was used, and how much is left of the body or chunk.
    fn body(&mut self, bytes: &[u8], left: u64, expected: &Expected) -> (usize, u64) {
        let used = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.answer.take_body(&bytes[..used], expected);
        (used, left - used as u64)
    }

    fn line(&mut self, bytes: &[u8], expected: &Expected, finished: &mut Vec<Finished>) -> io::Result<Option<usize>> {
        let Some(length) = bytes.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&bytes[..length]);
        match self.place {
            Place::ChunkSize => self.place = place_of_chunk(line.trim())?,
            Place::ChunkEnd => self.place = Place::ChunkSize,
            _ if line.trim().is_empty() => self.finish(expected, finished),
            _ => {}
        }
        Ok(Some(length + 1))
    }

    fn finish(&mut self, expected: &Expected, finished: &mut Vec<Finished>) {
        self.place = Place::Head;
        finished.push(self.answer.finish(1, expected));
    }
}

const BUFFER_LEN: usize = 64 * 1024;

fn place_behind(head: &[u8]) -> io::Result<Place> {
    if header(head, "Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Ok(Place::ChunkSize);
    }
    match header(head, "Content-Length") {
        Some(length) => length.parse().map(Place::Body).map_err(io::Error::other),
        None => Ok(Place::Rest),
    }
}

fn place_of_chunk(line: &str) -> io::Result<Place> {
    let size = line.split(';').next().unwrap_or_default();
    match u64::from_str_radix(size, 16).map_err(io::Error::other)? {
        0 => Ok(Place::Trailer),
        size => Ok(Place::Chunk(size)),
    }
}
