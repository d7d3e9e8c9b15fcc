//! One input stream of a request on its way in: STDIN, or the DATA of a filter.

use super::body::BodyWriter;
use super::{Body, Limits, Refusal};
use shared::logging::codes;

/// What has come of a stream, and how much is to come.
#[derive(Debug)]
pub(super) struct Incoming {
    body: BodyWriter,
    /// Invariant: not less than the body's length.
    expected: Option<u64>,
}

impl Incoming {
    /// Nothing yet of the `expected` bytes; `None` when only the stream's end tells how many there are.
    pub(super) fn new(expected: Option<u64>, limits: &Limits) -> Result<Self, Refusal> {
        if expected.is_some_and(|expected| expected > limits.max_body_size) {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(Self { body: BodyWriter::new(limits.body_memory, expected.unwrap_or(0)), expected })
    }

    /// Keeps a piece, or as much of it as is expected.
    pub(super) fn take(&mut self, piece: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let wanted = self.expected.map_or(piece.len() as u64, |expected| expected - self.body.length());
        let piece = &piece[..wanted.min(piece.len() as u64) as usize];
        if self.body.length() + piece.len() as u64 > limits.max_body_size {
            return Err(Refusal::BodyTooLarge);
        }
        self.body.write(piece).map_err(|error| {
            log::error!(
                target: codes::BODY_NOT_STORED,
                "cannot store a request body in {}: {error}",
                std::env::temp_dir().display()
            );
            Refusal::BodyNotStored
        })
    }

    /// Bytes that are in memory.
    pub(super) fn memory(&self) -> usize {
        self.body.memory()
    }

    /// Moves them to a temp file if that is worth a descriptor. What can't be moved stays.
    pub(super) fn store(&mut self) {
        if self.body.memory() >= WORTH_A_FILE
            && let Err(error) = self.body.store()
        {
            log::debug!("a request body stays in memory: {error}");
        }
    }

    /// Whether all is there that was announced. Never when nothing was.
    pub(super) fn is_full(&self) -> bool {
        self.expected == Some(self.body.length())
    }

    /// Whether less is there than was announced.
    pub(super) fn is_short(&self) -> bool {
        self.expected.is_some() && !self.is_full()
    }

    /// What has come, to be read.
    pub(super) fn finish(self) -> Result<Body, Refusal> {
        self.body.finish().map_err(|error| {
            log::error!(target: codes::BODY_NOT_STORED, "cannot read a request body back: {error}");
            Refusal::BodyNotStored
        })
    }
}

/// Fewer bytes stay in memory: a page of it is what they take.
const WORTH_A_FILE: usize = 4096;
