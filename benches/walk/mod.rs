//! The walk of a request from its bytes to those of its answer, without socket, thread and Python.

use std::fs::File;
use std::hint::black_box;
use std::io::IoSlice;
use std::sync::Arc;

use connections::exchange::assembler::Assembled;
use connections::exchange::{Assembler, Ending, Gone, Head, Limits, NothingHeld, Outcome, Reply, Roles, Room, Sink};
use fastcgi_codec::{Decoder, RequestId, Session, SessionLimits};

use crate::options::Options;
use crate::request;

/// The records of a browser's GET, as nginx sends them.
pub fn nginx_get() -> Vec<u8> {
    request::encode(&Options::default(), 1).expect("the parameters are short")
}

/// The body of every answer.
pub const BODY: &[u8] = b"Hello, world!\n";

/// A connection whose peer takes everything.
pub struct Walk {
    decoder: Decoder,
    session: Session,
    assembler: Assembler,
    sink: Arc<dyn Sink>,
}

impl Walk {
    pub fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            session: Session::new(SESSION_LIMITS),
            assembler: Assembler::new(LIMITS),
            sink: Arc::new(Nowhere),
        }
    }

    /// A request from its records.
    pub fn assemble(&mut self, records: &[u8]) -> Assembled {
        fill(&mut self.decoder, records);
        let mut ready = None;
        while let Some(record) = self.decoder.next_record().expect("the records are in order") {
            let event = self.session.handle_record(record).expect("the records are in order");
            if let Outcome::Ready(assembled) = self.assembler.handle_event(event, self.session.open_requests()) {
                ready = Some(assembled);
            }
        }
        ready.expect("the request is complete")
    }

    /// The right to answer it.
    pub fn reply(&self, id: RequestId) -> Reply {
        Reply::new(Arc::clone(&self.sink), Ending { request: id, keep_connection: true }, false)
    }

    /// Its id may be used again.
    pub fn finish(&mut self, id: RequestId) {
        self.session.finish(id);
    }
}

/// As if it had been read from a socket.
pub fn fill(decoder: &mut Decoder, records: &[u8]) {
    decoder.space()[..records.len()].copy_from_slice(records);
    decoder.advance(records.len());
}

/// What an application says before its body.
pub fn head() -> Head {
    let mut head = Head::new(black_box(b"200 OK")).expect("a status line");
    head.push(black_box(b"Content-Type"), black_box(b"text/plain")).expect("a header");
    head.push(black_box(b"Content-Length"), black_box(b"14")).expect("a length");
    head
}

/// Head, body and END_REQUEST.
pub fn answer(mut reply: Reply, head: Head) {
    reply.set_head(head).expect("none was sent");
    reply.end(&[BODY], &NothingHeld).expect("everything is taken");
}

/// A write side that costs nothing.
#[derive(Debug)]
struct Nowhere;

impl Sink for Nowhere {
    fn send(&self, _request: RequestId, pieces: &[IoSlice<'_>]) -> Result<Room, Gone> {
        black_box(pieces);
        Ok(Room::Plenty)
    }

    fn send_file(&self, _: RequestId, _: &[u8], _: &Arc<File>, _: u64, _: usize) -> Result<Room, Gone> {
        Ok(Room::Plenty)
    }

    fn wait_for_room(&self, _request: RequestId) {}

    fn end(&self, _ending: Ending, pieces: &[IoSlice<'_>]) {
        black_box(pieces);
    }

    fn cut(&self, _ending: Ending) {}

    fn is_aborted(&self, _request: RequestId) -> bool {
        false
    }
}

const SESSION_LIMITS: SessionLimits = SessionLimits { max_conns: 1000, max_reqs: 1000 };
const LIMITS: Limits = Limits {
    max_params_size: 1 << 16,
    max_params: 1000,
    max_body_size: 1 << 30,
    body_memory: 1 << 16,
    max_open_requests: 100,
    roles: Roles::RESPONDER,
};
