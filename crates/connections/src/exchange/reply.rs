//! The right to answer one request, once.
//!
//! A [`Reply`] sends the head with the first body bytes, holds the body to its Content-Length, and ends the answer. Dropped
//! before the head went out it answers 500; dropped in the middle of a body it cuts the connection, because nothing a FastCGI
//! application can say makes a web server report half an answer as broken.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use thiserror::Error;

use super::head::{BodyRule, BodySource, StatusPlace};
use super::page::Page;
use super::sending::Sending;
use super::sink::AbortProbe;
use super::{AbortListener, Account, Ending, Head, HeadError, Lost, Pause, Refusal, Sink};
use fastcgi_codec::record::MAX_CONTENT_LEN;
use fastcgi_codec::{ProtocolStatus, Role};

/// Why a piece of an answer could not be sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Nobody is there to be answered. Nobody's fault here.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Body bytes without a head: the application's fault.
    #[error("the response has a body but no head: start_response was not called")]
    NoHead,
    /// The head cannot be sent: the application's fault.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body is shorter than its Content-Length: the application's fault. Nothing was sent, so the reply can still be refused.
    #[error("the response body has {sent} bytes, but its Content-Length says {expected}")]
    BodyShort {
        /// What Content-Length said.
        expected: u64,
        /// What there was to be sent.
        sent: u64,
    },
    /// The same, and a part of it was sent. The connection has been cut.
    #[error("the response body has {sent} bytes, but its Content-Length says {expected}: connection cut")]
    BodyCutShort {
        /// What Content-Length said.
        expected: u64,
        /// What there was.
        sent: u64,
    },
    /// There are so many pieces of the body that there is no memory for the list of them. Nothing was sent.
    #[error("no memory for the pieces of the response")]
    NoMemory,
    /// The application writes on behind the end of the body: its fault. The answer is complete and has ended.
    #[error("the response is complete: nothing can be written after Content-Length bytes, or where there is no body")]
    Complete,
    /// Its time was over, and it was answered without the application, or broken off.
    #[error("the request has taken longer than request-timeout: nothing can be sent any more")]
    TimedOut,
}

/// What has become of an answer whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    /// It is 504.
    Answered,
    /// A part of it was sent, and its connection was cut.
    Cut,
    /// It was whole.
    Whole,
    /// The peer had given the request up.
    Unwanted,
}

/// What is still wanted of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// More of it, as far as is known.
    More,
    /// No more: all that Content-Length says is there.
    Met,
    /// Not a byte: the answer has no body, or the web server makes it.
    Nothing,
}

/// The right to answer one request.
#[derive(Debug)]
pub struct Reply {
    sending: Sending,
    head_only: bool,
    status_place: StatusPlace,
    head: Option<Head>,
    state: State,
    excess: u64,
    /// Bytes that were given for a body although the answer has none.
    unwanted: u64,
    /// The beginning of an authorizer's body. mod_fcgid and lighttpd let a request in at a head that says 200, whether
    /// END_REQUEST comes or not, so that head waits until the answer is known to be whole.
    held: Option<Vec<u8>>,
    /// Status and length of the head that was sent.
    sent_head: (u16, u64),
    account: Option<Box<Account>>,
    has_timed_out: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    HeadUnsent,
    Body { rule: BodyRule, sent: u64 },
    Ended,
}

impl Reply {
    /// The right to answer `ending.request` into `sink`; `head_only` for HEAD requests.
    pub fn new(sink: Arc<dyn Sink>, ending: Ending, head_only: bool) -> Self {
        Self {
            sending: Sending::new(sink, ending),
            head_only,
            status_place: StatusPlace::Last,
            head: None,
            state: State::HeadUnsent,
            excess: 0,
            unwanted: 0,
            held: None,
            sent_head: (0, 0),
            account: None,
            has_timed_out: false,
        }
    }

    /// The same, for a request in this role.
    #[must_use]
    pub fn in_role(mut self, role: Role) -> Self {
        if role == Role::Authorizer {
            self.status_place = StatusPlace::First;
            self.held = Some(Vec::new());
        }
        self
    }

    /// The same, which tells what has become of it if there is somebody to tell.
    pub fn with_account(mut self, account: Option<Account>) -> Self {
        self.account = account.map(Box::new);
        self
    }

    /// The worker of this number has begun the request at that time, which is called so in the log.
    pub fn begin(&mut self, id: &str, worker: usize, at: Instant) {
        if let Some(account) = &mut self.account {
            account.begin(id, worker, at);
        }
    }

    /// The application gets this X-Request-ID, and not what the web server sent.
    pub fn set_x_request_id(&mut self, id: [u8; 32]) {
        if let Some(account) = &mut self.account {
            account.set_x_request_id(id);
        }
    }

    /// Sets or, as long as it was not sent, replaces the head. It goes out with the first body bytes.
    ///
    /// # Errors
    /// Gives the head back when one was sent before.
    pub fn set_head(&mut self, head: Head) -> Result<(), Head> {
        if self.is_head_sent() {
            return Err(head);
        }
        self.head = Some(head.with_status(self.status_place));
        if let Some(held) = &mut self.held {
            held.clear();
        }
        Ok(())
    }

    /// The head that was set and not sent.
    pub fn head_mut(&mut self) -> Option<&mut Head> {
        self.head.as_mut()
    }

    /// Whether a head was set, sent or not.
    pub fn has_head(&self) -> bool {
        self.head.is_some() || self.is_head_sent()
    }

    /// Whether the head is on its way, so that it can't be replaced.
    pub fn is_head_sent(&self) -> bool {
        self.state != State::HeadUnsent
    }

    /// Whether this answers a HEAD request.
    pub fn is_head_only(&self) -> bool {
        self.head_only
    }

    /// Who makes the body; the application as long as there is no head.
    pub fn body_source(&self) -> BodySource {
        match self.state {
            State::Body { rule: BodyRule::Replaced, .. } => BodySource::WebServer,
            _ => self.head.as_ref().map_or(BodySource::Application, Head::body_source),
        }
    }

    /// What is still wanted of the body; more of it as long as there is no head.
    pub fn demand(&self) -> Demand {
        let (rule, there) = match (self.state, &self.head) {
            (State::Body { rule, sent }, _) => (rule, sent),
            (State::HeadUnsent, Some(head)) => (head.body_rule(self.head_only), self.held_length()),
            (State::HeadUnsent, None) => return Demand::More,
            (State::Ended, _) => return Demand::Met,
        };
        match rule {
            BodyRule::Nothing | BodyRule::Replaced => Demand::Nothing,
            BodyRule::Exactly(expected) if there >= expected => Demand::Met,
            BodyRule::Exactly(_) | BodyRule::Open => Demand::More,
        }
    }

    /// Whether the peer has given the request up.
    pub fn is_aborted(&self) -> bool {
        self.sending.is_aborted()
    }

    /// What is to be ended by it.
    pub fn ending(&self) -> Ending {
        self.sending.ending()
    }

    /// The address of where it is sent.
    pub fn destination(&self) -> *const () {
        self.sending.destination()
    }

    /// Says nothing, not even to the access log: somebody else answers the request, of which nothing was said yet.
    pub fn forget(mut self) {
        self.state = State::Ended;
    }

    /// Tells `listener` when the peer gives the request up, at once if it has.
    pub fn on_abort(&self, listener: Arc<dyn AbortListener>) {
        self.sending.on_abort(listener);
    }

    /// A question for [`is_aborted`](Self::is_aborted) that outlives the reply.
    pub fn abort_probe(&self) -> AbortProbe {
        self.sending.abort_probe()
    }

    /// Body bytes that were cut off because of Content-Length or a status without body.
    pub fn excess(&self) -> u64 {
        self.excess
    }

    /// Text for FCGI_STDERR. It is held back until there is something for STDOUT, because HAProxy 2.6 dies otherwise.
    pub fn write_errors(&mut self, text: &[u8]) {
        self.sending.write_errors(text);
    }

    /// Counts a piece behind the end of the body, which is not sent.
    pub fn leave_out(&mut self, piece: &[u8]) {
        let length = piece.len() as u64;
        self.unwanted = self.unwanted.saturating_add(length);
        if !self.head_only && self.body_source() == BodySource::Application {
            self.excess = self.excess.saturating_add(length);
        }
    }

    /// Sends a piece of the body, and the head before the first. Waits, in `pause`, while the sink is full, and sends what is long
    /// there, too. Where there is no body, the head goes out with the end.
    ///
    /// # Errors
    /// [`ReplyError`]; the reply can still be refused if the head was not sent.
    pub fn write(&mut self, piece: &[u8], pause: &dyn Pause) -> Result<(), ReplyError> {
        // Also for an empty piece: an application may have nothing else to give for ever.
        self.check_wanted()?;
        if piece.is_empty() {
            return Ok(());
        }
        let demand = self.demand();
        if demand != Demand::More {
            self.leave_out(piece);
            if demand == Demand::Nothing && self.unwanted <= MAX_UNWANTED {
                return Ok(());
            }
            self.end(&[], pause)?;
            return Err(ReplyError::Complete);
        }
        if self.hold(piece) {
            return Ok(());
        }
        let (head, held) = self.start()?;
        let piece = &piece[..self.admit(piece.len() as u64) as usize];
        Ok(self.sending.send(&[&head, &held, piece], false, pause)?)
    }

    /// Sends the rest of the body, and the head if that is still to be sent, and ends the answer.
    ///
    /// # Errors
    /// [`ReplyError`]; the reply can still be refused if the head was not sent.
    pub fn end(&mut self, pieces: &[&[u8]], pause: &dyn Pause) -> Result<(), ReplyError> {
        if self.has_timed_out {
            return Err(ReplyError::TimedOut);
        }
        if self.state == State::Ended {
            return Ok(());
        }
        self.sending.check_abort()?;
        let (head, held);
        let mut parts = SmallVec::<[&[u8]; FEW_PARTS]>::new();
        // Before anything counts as sent.
        parts.try_reserve_exact(pieces.len() + 2).map_err(|_| ReplyError::NoMemory)?;
        (head, held) = self.start()?;
        parts.extend([&head[..], &held]);
        for piece in pieces {
            parts.push(&piece[..self.admit(piece.len() as u64) as usize]);
        }
        self.check_complete()?;
        self.sending.send(&parts, true, pause)?;
        self.state = State::Ended;
        self.settle();
        Ok(())
    }

    /// Says how many bytes are left of the body, before the first of them is sent.
    ///
    /// # Errors
    /// [`ReplyError::BodyShort`] if those are too few, and nothing was sent yet.
    pub fn announce_rest(&self, length: u64) -> Result<(), ReplyError> {
        let rule = self.head.as_ref().map(|head| head.body_rule(self.head_only));
        let sent = self.held_length() + length;
        match rule {
            Some(BodyRule::Exactly(expected)) if sent < expected => Err(ReplyError::BodyShort { expected, sent }),
            _ => Ok(()),
        }
    }

    /// Sends `length` bytes of a file from `offset` as a piece of the body, without copying them through this process.
    ///
    /// # Errors
    /// [`ReplyError`]. A file that turns out shorter than `length` makes the connection be cut.
    pub fn send_file(&mut self, file: File, offset: u64, length: u64, pause: &dyn Pause) -> Result<(), ReplyError> {
        self.check_wanted()?;
        let (head, held) = self.start()?;
        let end = offset + self.admit(length);
        Ok(self.sending.send_file(&[&head, &held], file, offset, end, pause)?)
    }

    /// Answers with a refusal instead. Does nothing if the head was sent: the answer is then cut when the reply is dropped.
    pub fn refuse(&mut self, refusal: Refusal) {
        if self.is_head_sent() {
            return;
        }
        (self.state, self.sent_head) = (State::Ended, (refusal.code(), 0));
        let document = refusal.document(self.head_only);
        let app_status = u32::from(refusal == Refusal::ApplicationFailed);
        self.sending.end_with(&document, app_status, self.protocol_status(refusal));
        if let Some(account) = self.account.take() {
            // What the peer has given up is thrown away there.
            let body_sent = if refusal == Refusal::Aborted { 0 } else { refusal.body_length(self.head_only) };
            account.settle(refusal.code(), refusal.detail(), body_sent);
        }
    }

    /// Ends the answer, since its time is over; what the application still gives for it goes nowhere.
    pub fn time_out(&mut self) -> TimedOut {
        let before = match self.state {
            State::Ended => TimedOut::Whole,
            _ if self.is_aborted() => TimedOut::Unwanted,
            State::HeadUnsent => TimedOut::Answered,
            State::Body { .. } if self.demand() == Demand::More => TimedOut::Cut,
            State::Body { .. } => TimedOut::Whole,
        };
        match before {
            TimedOut::Answered => self.refuse(Refusal::TimedOut),
            TimedOut::Cut => {
                self.break_off();
            }
            TimedOut::Whole | TimedOut::Unwanted => self.end_as_it_is(),
        }
        self.has_timed_out = true;
        before
    }

    /// The same, when whoever sends it was woken for that: see [`AbortProbe::give_up`](super::AbortProbe::give_up).
    pub fn break_off(&mut self) -> TimedOut {
        self.has_timed_out = true;
        match self.state {
            State::Ended => TimedOut::Whole,
            State::HeadUnsent | State::Body { .. } => {
                self.cut();
                TimedOut::Cut
            }
        }
    }

    /// Whether its time was over.
    pub fn has_timed_out(&self) -> bool {
        self.has_timed_out
    }

    fn check_wanted(&self) -> Result<(), ReplyError> {
        if self.has_timed_out { Err(ReplyError::TimedOut) } else { Ok(self.sending.check_abort()?) }
    }

    /// Answers with this page. If the head is out already, nothing happens.
    pub fn show(&mut self, page: &Page) {
        if self.is_head_sent() {
            return;
        }
        (self.state, self.sent_head) = (State::Ended, (200, 0));
        self.sending.end_with_records(&page.document(self.head_only));
        if let Some(account) = self.account.take() {
            account.settle(200, None, page.body_length(self.head_only));
        }
    }

    /// Ends the answer as dropping it does, and says with which status.
    pub fn conclude(mut self) -> u16 {
        self.end_as_it_is();
        self.sent_head.0
    }

    /// On a kept connection an overload is said in HTTP only: HAProxy 2.6 resets a connection on which it sees OVERLOADED, and
    /// with it the requests beside this one. No web server does anything else with it.
    fn protocol_status(&self, refusal: Refusal) -> ProtocolStatus {
        match refusal.protocol_status() {
            ProtocolStatus::Overloaded if self.ending().keep_connection => ProtocolStatus::RequestComplete,
            status => status,
        }
    }

    /// Ends a request that the peer has given up: nobody reads the rest.
    pub fn end_aborted(&mut self) {
        self.refuse(Refusal::Aborted);
        if self.state != State::Ended {
            self.end_here();
        }
    }

    fn settle(&mut self) {
        if let Some(account) = self.account.take() {
            let (status, head_length) = self.sent_head;
            let detail = if self.has_timed_out { Refusal::TimedOut.detail() } else { None };
            account.settle(status, detail, self.sending.sent().saturating_sub(head_length));
        }
    }

    /// Whether a piece waits for the end of the answer.
    fn hold(&mut self, piece: &[u8]) -> bool {
        match &mut self.held {
            Some(held) if self.head.is_some() && held.len() + piece.len() <= MAX_HELD => {
                held.extend_from_slice(piece);
                true
            }
            _ => false,
        }
    }

    /// The head's bytes, and those of a body that waited, if they are to be sent now; from here on they count as sent.
    fn start(&mut self) -> Result<(Vec<u8>, Vec<u8>), ReplyError> {
        if self.is_head_sent() {
            return Ok((Vec::new(), Vec::new()));
        }
        let head = self.head.as_mut().ok_or(ReplyError::NoHead)?;
        let (bytes, rule) = head.encode(self.head_only)?;
        self.sent_head = (head.code(), bytes.len() as u64);
        self.state = State::Body { rule, sent: 0 };
        self.head = None;
        let mut held = self.held.take().unwrap_or_default();
        held.truncate(self.admit(held.len() as u64) as usize);
        Ok((bytes, held))
    }

    /// How many of `length` more body bytes may be sent.
    fn admit(&mut self, length: u64) -> u64 {
        let State::Body { rule, sent } = &mut self.state else {
            return 0;
        };
        let allowed = match rule {
            BodyRule::Nothing | BodyRule::Replaced => 0,
            BodyRule::Exactly(expected) => length.min(*expected - *sent),
            BodyRule::Open => length,
        };
        *sent += allowed;
        if !self.head_only && *rule != BodyRule::Replaced {
            self.excess += length - allowed;
        }
        allowed
    }

    fn check_complete(&mut self) -> Result<(), ReplyError> {
        match self.state {
            State::Body { rule: BodyRule::Exactly(expected), sent } if sent < expected => {
                if self.sending.sent() == 0 {
                    self.state = State::HeadUnsent;
                    return Err(ReplyError::BodyShort { expected, sent });
                }
                self.cut();
                Err(ReplyError::BodyCutShort { expected, sent })
            }
            _ => Ok(()),
        }
    }

    fn held_length(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.len() as u64)
    }

    /// Ends the answer where it is: by what was sent, nothing of it is missing.
    fn end_here(&mut self) {
        self.state = State::Ended;
        self.sending.end_here();
        self.settle();
    }

    fn cut(&mut self) {
        self.state = State::Ended;
        self.sending.cut();
        self.settle();
    }
}

impl Reply {
    /// Whoever has not ended it did not answer, or not all of it.
    fn end_as_it_is(&mut self) {
        match self.state {
            State::HeadUnsent | State::Body { .. } if self.is_aborted() => self.end_aborted(),
            State::HeadUnsent => self.refuse(Refusal::ApplicationFailed),
            State::Body { .. } if self.demand() == Demand::More => self.cut(),
            State::Body { .. } => self.end_here(),
            State::Ended => {}
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.end_as_it_is();
    }
}

/// Head, what was held back, and two pieces.
const FEW_PARTS: usize = 4;
/// How much of an authorizer's body waits for its end. Longer ones are streamed as everybody's.
const MAX_HELD: usize = MAX_CONTENT_LEN;
/// How much an application may write where there is no body: many answer HEAD as they answer GET. One that never stops must be stopped.
const MAX_UNWANTED: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
