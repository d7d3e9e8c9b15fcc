//! A request that came in pieces and is complete when the workers have others: it becomes again what its peer sent, so that its connection
//! can wait for the worker of any process.

use super::Connection;
use crate::event_loop::intake::Context;
use crate::event_loop::line::Line;
use crate::event_loop::outbox::{ConnectionPhase, Status};
use crate::exchange::assembler::Assembled;
use fastcgi_codec::record::{self, MAX_RECORD_LEN};
use fastcgi_codec::{Decoder, Phase, RecordType, Role, encoder};

impl Connection {
    /// Takes back the only request of this connection, which is counted among those that wait from now on. It is returned when it is not
    /// the only one, is too long to be sent on, or no more may wait.
    pub(super) fn take_back(&mut self, mut assembled: Assembled, context: &Context<'_>) -> Option<Assembled> {
        let place = || context.line.and_then(Line::place);
        let Some((mut bytes, place)) = self.encode_if_alone(&mut assembled).and_then(|bytes| Some((bytes, place()?))) else {
            return Some(assembled);
        };
        self.keep_place(place);
        if self.intake.take_back(assembled.id, context.now) == Some(Phase::Ended) && assembled.request.role == Role::Responder {
            encoder::encode_stream(&mut bytes, RecordType::Stdin, assembled.id, b"");
        }
        bytes.extend_from_slice(self.decoder.unread());
        self.decoder = Decoder::new();
        self.resume(&bytes, true);
        None
    }

    fn encode_if_alone(&self, assembled: &mut Assembled) -> Option<Vec<u8>> {
        let Status { phase, open, stalled_since, .. } = self.intake.outbox.status();
        let is_alone = phase == ConnectionPhase::Open && open == 1 && stalled_since.is_none() && self.has_whole_requests();
        let room = MAX_RECORD_LEN.checked_sub(STREAM_END_LEN + self.decoder.unread().len())?;
        let bytes = if is_alone { encode(assembled, room) } else { None }?;
        (!record::begins_several(&[&bytes, self.decoder.unread()].concat())).then_some(bytes)
    }
}

/// The records of a request of up to `room` bytes, but for the end of its input.
fn encode(assembled: &mut Assembled, room: usize) -> Option<Vec<u8>> {
    let Assembled { id, request, keep_connection, .. } = assembled;
    let mut bytes = Vec::new();
    if request.role == Role::Filter || request.body.is_in_a_file() || request.body.length() > room as u64 {
        return None;
    }
    encoder::encode_begin_request(&mut bytes, *id, request.role, *keep_connection);
    encoder::encode_params(&mut bytes, *id, request.params.iter()).ok()?;
    let body = request.body.read(request.body.length()).and_then(|body| request.body.seek(0).map(|()| body)).ok()?;
    if !body.is_empty() {
        encoder::encode_stream(&mut bytes, RecordType::Stdin, *id, &body);
    }
    (bytes.len() <= room).then_some(bytes)
}

/// The end of its input, if that has come.
const STREAM_END_LEN: usize = record::HEADER_LEN;

#[cfg(test)]
mod tests;
