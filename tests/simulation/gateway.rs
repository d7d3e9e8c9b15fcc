//! The product's own parts, put together as a connection of the event loop does it, and a handler that echoes.

use std::sync::Arc;

use connections::exchange::assembler::Assembled;
use connections::exchange::{
    Assembler, Ending, Head, Limits, Lost, NothingHeld, Outcome, Refusal, Reply, ReplyError, Request, Roles, Sink,
};
use fastcgi_codec::{Decoder, Event, RequestId, Role, Session, SessionLimits};

use crate::plan::{BODY_LIMIT, CONDUCT, MAX_OPEN};
use crate::random::Random;
use crate::record;
use crate::wire::Wire;

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) wire: Arc<Wire>,
    decoder: Decoder,
    session: Session,
    assembler: Assembler,
    running: Vec<Work>,
    bytes_read: u64,
    begun: usize,
    finished: usize,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            wire: Arc::default(),
            decoder: Decoder::new(),
            session: Session::new(SessionLimits { max_conns: 1, max_reqs: 64 }),
            assembler: Assembler::new(LIMITS),
            running: Vec::new(),
            bytes_read: 0,
            begun: 0,
            finished: 0,
        }
    }
}

impl Gateway {
    /// Reads these bytes, in as many pieces as chance wills.
    pub(crate) fn read(&mut self, bytes: Vec<u8>, random: &mut Random) {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let space = self.decoder.space();
            let count = random.length(rest.len()).min(space.len());
            space[..count].copy_from_slice(&rest[..count]);
            self.take_finished();
            self.decoder.advance(count);
            self.bytes_read += count as u64;
            rest = &rest[count..];
            while self.handle_record() {}
        }
    }

    /// A worker does one thing for one of the exchanges.
    pub(crate) fn work(&mut self, random: &mut Random) {
        if self.running.is_empty() {
            return;
        }
        let chosen = random.below(self.running.len());
        if self.running[chosen].step(random) == Progress::Over {
            self.running.swap_remove(chosen);
        }
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// How much of what the peer has sent has been handled.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The session must count what has begun and not ended.
    pub(crate) fn check_open_requests(&mut self) {
        self.take_finished();
        assert_eq!(self.session.open_requests(), self.begun - self.finished);
    }

    /// The peer closes, and the handlers still running find out.
    pub(crate) fn close(self) -> Arc<Wire> {
        self.wire.close();
        drop(self.running);
        self.wire
    }

    fn take_finished(&mut self) {
        for id in self.wire.take_finished() {
            assert!(self.session.finish(id).is_some(), "request {id} ended twice");
            self.finished += 1;
        }
    }

    fn handle_record(&mut self) -> bool {
        let Some(record) = self.decoder.next_record().expect("the peer sends version 1") else {
            return false;
        };
        let event = self.session.handle_record(record).expect("the peer keeps the order");
        self.begun += usize::from(matches!(event, Event::Begin { .. }));
        match self.assembler.handle_event(event, self.session.open_requests()) {
            Outcome::Pending => {}
            Outcome::Ready(assembled) => self.running.push(Work::new(assembled, Arc::clone(&self.wire))),
            Outcome::Refused(refused) => {
                self.reply(refused.id, refused.keep_connection, refused.head_only).refuse(refused.refusal);
                self.take_finished();
            }
            Outcome::Aborted(id) => self.wire.abort(id),
            Outcome::Answer(bytes) => self.wire.answer(&bytes),
        }
        true
    }

    fn reply(&self, request: RequestId, keep_connection: bool, head_only: bool) -> Reply {
        let sink: Arc<dyn Sink> = Arc::<Wire>::clone(&self.wire);
        Reply::new(sink, Ending { request, keep_connection }, head_only)
    }
}

/// A request that a worker has.
#[derive(Debug)]
struct Work {
    reply: Option<Reply>,
    conduct: Vec<u8>,
    answer: Vec<u8>,
    sent: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    More,
    Over,
}

impl Work {
    fn new(assembled: Assembled, wire: Arc<Wire>) -> Self {
        let Assembled { id, request, keep_connection, head_only } = assembled;
        let mut reply = Reply::new(wire, Ending { request: id, keep_connection }, head_only).in_role(request.role);
        reply.set_head(Head::new(b"200 OK").unwrap()).unwrap();
        let conduct = request.params.get(CONDUCT).unwrap_or_default().to_vec();
        Self { reply: Some(reply), conduct, answer: echo(request), sent: 0 }
    }

    /// Sends the next piece; or fails where the request asks for that.
    fn step(&mut self, random: &mut Random) -> Progress {
        let Some(mut reply) = self.reply.take() else {
            return Progress::Over;
        };
        match (&self.conduct[..], self.sent) {
            (b"refuse", _) => reply.refuse(Refusal::ApplicationFailed),
            (b"drop", _) | (b"break", 1..) => drop(reply),
            _ => return self.send(reply, random),
        }
        Progress::Over
    }

    fn send(&mut self, mut reply: Reply, random: &mut Random) -> Progress {
        let rest = &self.answer[self.sent..];
        let most = rest.len().div_ceil(2);
        let ends = self.conduct != b"break" && self.sent > 0 && random.below(3) == 0;
        let (piece, result) = if ends {
            (rest, reply.end(&[rest], &NothingHeld))
        } else {
            let piece = &rest[..random.length(most).min(rest.len() - 1)];
            (piece, reply.write(piece, &NothingHeld))
        };
        self.sent += piece.len();
        match result {
            Ok(()) if ends => Progress::Over,
            Ok(()) => {
                self.reply = Some(reply);
                Progress::More
            }
            Err(ReplyError::Lost(Lost::Aborted)) => Progress::Over,
            Err(error) => panic!("nothing else goes wrong here: {error}"),
        }
    }
}

/// What the handler saw of its request, and never less than two bytes.
fn echo(request: Request) -> Vec<u8> {
    let pairs = request.params.iter().flat_map(|(name, value)| record::pair(name, value));
    let mut answer: Vec<u8> = pairs.collect();
    answer.push(b'\n');
    for mut stream in [Some(request.body), request.data.map(|data| *data)].into_iter().flatten() {
        answer.extend(stream.read(u64::MAX).unwrap());
    }
    answer
}

/// A body moves to a file soon, as few do; the peer keeps within the rest, but for bodies that are too large by intention.
const LIMITS: Limits = Limits {
    max_params_size: 10_000,
    max_params: 100,
    max_body_size: BODY_LIMIT as u64,
    body_memory: BODY_LIMIT / 2,
    max_open_requests: MAX_OPEN,
    roles: Roles::RESPONDER.with(Role::Authorizer).with(Role::Filter),
};
