//! What a socket has refused to take, in order, and writing to it until it refuses.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::stream::Stream;
use crate::sys;

/// Bytes and parts of files that are still to be sent.
#[derive(Debug, Default)]
pub struct Unsent {
    pieces: VecDeque<Piece>,
    length: usize,
}

#[derive(Debug)]
enum Piece {
    Bytes { bytes: Vec<u8>, sent: usize },
    File { file: Arc<File>, offset: u64, left: usize },
}

impl Unsent {
    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes to be sent, those in files included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Appends all but the first `sent` bytes of `pieces`.
    pub fn push_rest(&mut self, pieces: &[IoSlice<'_>], sent: usize) {
        let bytes = rest(pieces, sent).concat();
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.pieces.push_back(Piece::Bytes { bytes, sent: 0 });
        }
    }

    /// Appends `length` bytes of `file` from `offset`.
    pub fn push_file(&mut self, file: &Arc<File>, offset: u64, length: usize) {
        self.length += length;
        self.pieces.push_back(Piece::File { file: Arc::clone(file), offset, left: length });
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes until everything is sent (true) or the socket refuses (false).
    ///
    /// # Errors
    /// Those of the socket, and `UnexpectedEof` if a file has become shorter.
    pub fn write_to(&mut self, stream: &Stream) -> io::Result<bool> {
        while let Some(piece) = self.pieces.front() {
            let more = self.pieces.len() > 1;
            let result = match piece {
                Piece::Bytes { bytes, sent } => stream.write(&[IoSlice::new(&bytes[*sent..])], more),
                Piece::File { file, offset, left } => sys::fd::send_file(stream.as_fd(), file, *offset, *left),
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.take(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn take(&mut self, count: usize) {
        self.length -= count;
        let done = match self.pieces.front_mut() {
            Some(Piece::Bytes { bytes, sent }) => {
                *sent += count;
                *sent == bytes.len()
            }
            Some(Piece::File { offset, left, .. }) => {
                *offset += count as u64;
                *left -= count;
                *left == 0
            }
            None => false,
        };
        if done {
            self.pieces.pop_front();
        }
    }
}

/// Writes `pieces` until the socket refuses, and says how many bytes it took.
///
/// # Errors
/// Those of the socket, but not that it refuses.
pub fn write_now(stream: &Stream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut sent = 0;
    while sent < total {
        let result = match sent {
            0 => stream.write(pieces, false),
            _ => stream.write(&rest(pieces, sent).into_iter().map(IoSlice::new).collect::<Vec<_>>(), false),
        };
        match result {
            Ok(0) => break,
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

fn rest<'a>(pieces: &'a [IoSlice<'_>], mut skip: usize) -> Vec<&'a [u8]> {
    let mut rest = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let skipped = skip.min(piece.len());
        skip -= skipped;
        if skipped < piece.len() {
            rest.push(&piece[skipped..]);
        }
    }
    rest
}
