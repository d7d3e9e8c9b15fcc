//! A request that came in pieces and is complete when the workers have others, or that no worker has taken when its process retires: it
//! becomes again what its peer sent, so that its connection can wait for the worker of any process.

use std::time::Instant;

use super::Connection;
use crate::event_loop::intake::Context;
use crate::event_loop::line::Line;
use crate::event_loop::outbox::{ConnectionPhase, Status};
use crate::exchange::assembler::Assembled;
use crate::exchange::{Ending, Exchange, Request};
use crate::scheduler::{Place, Queued};
use fastcgi_codec::record::{self, MAX_RECORD_LEN};
use fastcgi_codec::{Decoder, Phase, RecordType, Role, encoder};

impl Connection {
    /// Takes back the only request of this connection, which is counted among those that wait from now on. It is returned when it is not
    /// the only one, is too long to be sent on, or no more may wait.
    pub(super) fn take_back(&mut self, mut assembled: Assembled, context: &Context<'_>) -> Option<Assembled> {
        let ending = Ending { request: assembled.id, keep_connection: assembled.keep_connection };
        let since = self.intake.would_wait_since(assembled.id, context.now);
        let place = || context.line.and_then(Line::place);
        let is_taken_back = self.take_back_if_alone(ending, &mut assembled.request, since, place);
        (!is_taken_back).then_some(assembled)
    }

    /// The same with one of this connection's that no worker has taken out of the queue. How long it has come is forgotten.
    pub fn take_back_queued(&mut self, mut queued: Queued, line: &Line) -> Option<Queued> {
        let Queued { place, since, exchange: Exchange { request, reply, .. } } = &mut queued;
        let place = || place.take().or_else(|| line.place());
        if reply.is_aborted() || !self.take_back_if_alone(reply.ending(), request, *since, place) {
            return Some(queued);
        }
        queued.exchange.reply.forget();
        None
    }

    fn take_back_if_alone(
        &mut self,
        ending: Ending,
        request: &mut Request,
        since: Instant,
        place: impl FnOnce() -> Option<Place>,
    ) -> bool {
        let encoded = self.encode_if_alone(ending, request);
        let Some((mut bytes, place)) = encoded.and_then(|bytes| Some((bytes, place()?))) else { return false };
        self.keep_place(place);
        self.has_waited(since);
        if self.intake.take_back(ending.request) == Some(Phase::Ended) && request.role == Role::Responder {
            encoder::encode_stream(&mut bytes, RecordType::Stdin, ending.request, b"");
        }
        bytes.extend_from_slice(self.decoder.unread());
        self.decoder = Decoder::new();
        self.resume(&bytes, true);
        true
    }

    fn encode_if_alone(&self, ending: Ending, request: &mut Request) -> Option<Vec<u8>> {
        let Status { phase, open, stalled_since, .. } = self.intake.outbox.status();
        let is_alone = phase == ConnectionPhase::Open && open == 1 && stalled_since.is_none() && self.has_whole_requests();
        let room = MAX_RECORD_LEN.checked_sub(STREAM_END_LEN + self.decoder.unread().len())?;
        let bytes = if is_alone { encode(ending, request, room) } else { None }?;
        (!record::begins_several(&[&bytes, self.decoder.unread()].concat())).then_some(bytes)
    }
}

/// The records of a request of up to `room` bytes, but for the end of its input.
fn encode(Ending { request: id, keep_connection }: Ending, request: &mut Request, room: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if request.role == Role::Filter || request.body.is_in_a_file() || request.body.length() > room as u64 {
        return None;
    }
    encoder::encode_begin_request(&mut bytes, id, request.role, keep_connection);
    encoder::encode_params(&mut bytes, id, request.params.iter()).ok()?;
    let body = request.body.read(request.body.length()).and_then(|body| request.body.seek(0).map(|()| body)).ok()?;
    if !body.is_empty() {
        encoder::encode_stream(&mut bytes, RecordType::Stdin, id, &body);
    }
    (bytes.len() <= room).then_some(bytes)
}

/// The end of its input, if that has come.
const STREAM_END_LEN: usize = record::HEADER_LEN;

#[cfg(test)]
mod tests;
