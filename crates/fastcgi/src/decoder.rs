//! Bytes split anywhere become records. Owns the read buffer of one connection, and refuses to let it outgrow one record.

use super::record::{Header, MAX_RECORD_LEN, Record};
use super::{Error, record::HEADER_LEN};

/// Collects what was read and takes records out of it.
///
/// Read into [`space`](Self::space), say how much with [`advance`](Self::advance), then call
/// [`next_record`](Self::next_record) until it gives `None`. Between requests the buffer can be lent to another connection
/// with [`take_buffer`](Self::take_buffer), so an idle connection holds no memory.
///
/// The buffer has 16 KiB, and 128 KiB once a record needed more.
///
/// Invariant: `start <= end <= buffer.len() <= LARGE_BUFFER_LEN`.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Decoder {
    /// A decoder without a buffer; [`space`](Self::space) makes one when it is needed.
    pub const fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Room for the next read: enough for the record that is incomplete so far. Never empty once
    /// [`next_record`](Self::next_record) has said `None`; after its error, or before all records are taken out, it can be.
    ///
    /// # Panics
    /// Never.
    pub fn space(&mut self) -> &mut [u8] {
        let needed = self.pending_len();
        if self.buffer.len() < needed.min(LARGE_BUFFER_LEN) {
            self.grow(if needed <= SMALL_BUFFER_LEN { SMALL_BUFFER_LEN } else { LARGE_BUFFER_LEN });
        } else if self.start == self.end || self.start + needed > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..]
    }

    /// The first `count` bytes of [`space`](Self::space) have been filled; more than it has room for counts as all of it.
    pub fn advance(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }

    /// The next complete record, or `None` until more has been read.
    ///
    /// # Errors
    /// [`Error::Version`] when no record header stands where one must; the stream is then lost.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Error> {
        let unread = &self.buffer[self.start..self.end];
        let Some(header) = Header::parse(unread)? else {
            return Ok(None);
        };
        let Some(record) = unread.get(HEADER_LEN..header.record_len()) else {
            return Ok(None);
        };
        self.start += header.record_len();
        let content = &record[..usize::from(header.content_length)];
        Ok(Some(Record { record_type: header.record_type, request_id: header.request_id, content }))
    }

    /// Whether every byte read so far belonged to a record that was taken out.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What was read and not taken out.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Bytes of memory that it keeps.
    pub fn memory(&self) -> usize {
        self.buffer.len()
    }

    /// Keeps no more memory than the record that is incomplete needs: the buffer may have been made for longer ones.
    pub fn shrink(&mut self) {
        let needed = if self.is_empty() { 0 } else { self.pending_len() };
        if needed < self.buffer.len() {
            self.grow(needed);
        }
    }

    /// Gives the buffer away if nothing is in it, so that it can serve another connection.
    pub fn take_buffer(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() || self.buffer.is_empty() {
            return None;
        }
        (self.start, self.end) = (0, 0);
        Some(std::mem::take(&mut self.buffer))
    }

    /// Takes a buffer another decoder gave away. Ignored if this one has its own; what is longer than a decoder's own is cut.
    pub fn lend_buffer(&mut self, mut buffer: Vec<u8>) {
        if self.buffer.is_empty() {
            buffer.truncate(LARGE_BUFFER_LEN);
            self.buffer = buffer;
        }
    }

    /// Moves what is unread to the start of a new buffer: fresh zeroed memory is cheaper than zeroing what `resize` appends.
    fn grow(&mut self, length: usize) {
        let unread = &self.buffer[self.start..self.end];
        let mut grown = vec![0; length];
        grown[..unread.len()].copy_from_slice(unread);
        (self.start, self.end) = (0, unread.len());
        self.buffer = grown;
    }

    /// Bytes that the incomplete record takes in all, as far as that is known, and at least one more than there are.
    fn pending_len(&self) -> usize {
        let unread = &self.buffer[self.start..self.end];
        match Header::parse(unread) {
            Ok(Some(header)) => header.record_len().max(unread.len() + 1),
            _ => HEADER_LEN.max(unread.len() + 1),
        }
    }
}

/// Holds the whole request of a browser without a body in one read.
const SMALL_BUFFER_LEN: usize = 16 * 1024;
/// Holds any record, and several of an upload in one read.
const LARGE_BUFFER_LEN: usize = 128 * 1024;
const _: () = assert!(LARGE_BUFFER_LEN >= MAX_RECORD_LEN);

#[cfg(test)]
mod tests;
