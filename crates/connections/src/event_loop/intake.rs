//! From the records of one connection to its requests. A request begins here, with its first record, and ends here, when its id is free
//! again; what is kept of it meanwhile by this side is in one record, the session's.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Settings;
use super::line::Line;
use super::listener::Purpose;
use super::outbox::{Input, Outbox};
use super::probes::Probes;
use super::refusals::{self, Refusals};
use crate::exchange::assembler::{Assembled, Refused};
use crate::exchange::{
    Account, AnswerLog, Assembler, ConnectionId, Ending, Exchange, Gone, Outcome, Params, ParamsView, Refusal, Reply, Sink,
};
use crate::scheduler::{Place, Queue};
use fastcgi_codec::{Error, Event, Phase, Record, RequestId, Session};
use shared::scoreboard::refused::RefusedFor;

/// The requests of a connection, as the event loop has them.
#[derive(Debug)]
pub struct Intake {
    /// The write side. Its record of a request is another one, because workers change it while this one is read.
    pub outbox: Arc<Outbox>,
    /// Those that are not complete, apart from the others: whether there are any is asked each time the connection is looked at.
    pub assembler: Assembler,
    /// Since when the next request has waited.
    pub waits_since: Option<Instant>,
    /// Its place, if it is counted among those that wait.
    pub place: Option<Place>,
    /// For how long one may.
    queue_timeout: Option<Duration>,
    /// Whether there have ever been several at once.
    pub multiplexes: bool,
    /// Whether one has ended before its input, so that more may come.
    pub input_left: bool,
    /// What the connection is for.
    pub purpose: Purpose,
    connection: ConnectionId,
    session: Session<Open>,
    answer_log: Option<Arc<dyn AnswerLog>>,
}

/// What is kept of an open request.
#[derive(Debug, Default)]
struct Open {
    begun: Option<Instant>,
    /// How long it had to wait before it was read.
    waited: Option<Duration>,
    /// Of one that the application is to answer. Keeps nothing alive.
    asked: Option<ParamsView>,
}

impl Open {
    /// Since when a worker is wanted for it, if it is complete now. How long its input has taken to come is no waiting.
    fn waits_since(&self, now: Instant) -> Instant {
        self.waited.map_or(now, |waited| now.checked_sub(waited).or(self.begun).unwrap_or(now))
    }
}

/// What a connection borrows from the event loop while it reads.
#[derive(Debug)]
pub struct Context<'a> {
    /// Where complete requests go.
    pub queue: &'a Queue,
    /// Where those wait that any process may take, if this one is to give some away.
    pub line: Option<&'a Line>,
    /// Whether workers do not take what is queued, although they have time.
    pub is_stalled: bool,
    /// Which requests are probes, if any.
    pub probes: Option<&'a Probes>,
    /// What is said of requests that are refused.
    pub refusals: &'a mut Refusals,
    /// A read buffer for whoever needs one.
    pub spare: &'a mut Option<Vec<u8>>,
    /// The time of this turn.
    pub now: Instant,
}

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The peer has closed it.
    PeerClosed,
    /// It cannot be read.
    Broken(io::Error),
    /// The peer has broken the order of records.
    Misbehaved(Error),
}

impl Intake {
    /// Of a connection without requests, whose write side is `outbox`.
    pub fn new((connection, purpose): (ConnectionId, Purpose), outbox: Arc<Outbox>, settings: &Settings) -> Self {
        Self {
            outbox,
            assembler: Assembler::new(settings.request),
            waits_since: None,
            place: None,
            queue_timeout: settings.queue_timeout,
            multiplexes: false,
            input_left: false,
            purpose,
            connection,
            session: Session::keeping(settings.session),
            answer_log: settings.answer_log.clone(),
        }
    }

    /// Takes a record, and does what it leads to. Gives back a complete request for which no worker has time any more, and another process
    /// may have one.
    ///
    /// # Errors
    /// [`End`], of the whole connection.
    pub fn handle(&mut self, record: Record<'_>, context: &mut Context<'_>) -> Result<Option<Assembled>, End> {
        let event = self.session.handle_record(record).map_err(End::Misbehaved)?;
        if let Event::Begin { id, .. } = event {
            self.begin(id, context.now);
        }
        match self.assembler.handle_event(event, self.session.open_requests()) {
            Outcome::Pending => {}
            Outcome::Ready(assembled) if self.is_in_excess(&assembled, context) => return Ok(Some(assembled)),
            Outcome::Ready(assembled) => self.dispatch(assembled, context),
            Outcome::Refused(refused) => self.refuse(refused, context),
            Outcome::Aborted(id) => self.outbox.abort(id),
            Outcome::Answer(bytes) => self.outbox.answer(&bytes).map_err(|Gone| End::PeerClosed)?,
        }
        Ok(None)
    }

    /// Frees the ids of requests that have ended, and notes whether one has before its input. An id is free before the next record is
    /// looked at. Returns what becomes of that.
    pub fn free_ended(&mut self) -> Input {
        let Self { outbox, session, input_left, .. } = self;
        outbox.take_ended(|id| *input_left |= session.finish(id) != Some(Phase::Ended))
    }

    /// How those that are open are called in the log, as far as anything is known of them.
    pub fn names(&mut self) -> Vec<String> {
        self.free_ended();
        let nothing = Params::default();
        let running = self.session.all_kept().filter_map(|open| open.asked.as_ref());
        let running = running.map(|asked| name(self.connection, &asked.params().unwrap_or_default()));
        let others = self.assembler.incomplete().map(|params| name(self.connection, params.unwrap_or(&nothing)));
        running.chain(others).collect()
    }

    fn begin(&mut self, id: RequestId, now: Instant) {
        self.outbox.begin(id);
        self.multiplexes |= self.session.open_requests() > 1;
        let begun = self.waits_since.take();
        let waited = begun.map(|since| self.note_wait(id, now.duration_since(since)));
        let begun = begun.unwrap_or(now);
        self.session.kept(id).into_iter().for_each(|open| (open.begun, open.waited) = (Some(begun), waited));
    }

    /// A request has waited for so long before its first record was read.
    fn note_wait(&mut self, id: RequestId, waited: Duration) -> Duration {
        if self.queue_timeout.is_some_and(|timeout| waited >= timeout) {
            self.assembler.turn_one_away(id, Refusal::WaitedTooLong);
        }
        waited
    }

    /// Whether a complete request, the only one here, may find a worker elsewhere sooner. What has come at once was looked at before it was
    /// read, where it goes nobody knows how long a slow one has come, and one whose turn it was has waited there.
    fn is_in_excess(&mut self, assembled: &Assembled, context: &Context<'_>) -> bool {
        let Assembled { id, request, .. } = assembled;
        let came_in_pieces = |open: &mut Open| {
            let age = open.begun.map_or(Duration::ZERO, |begun| context.now.saturating_duration_since(begun));
            let came_for = age.saturating_sub(open.waited.unwrap_or_default());
            (open.waited.is_some() || !came_for.is_zero()) && came_for < QUICKLY
        };
        let is_probe =
            || context.probes.is_some_and(|probes| probes.find(&request.params, request.role, self.purpose).is_some());
        context.line.is_some()
            && self.place.is_none()
            && self.session.kept(*id).is_some_and(came_in_pieces)
            && (context.is_stalled || context.queue.is_saturated())
            && self.session.open_requests() == 1
            && !is_probe()
    }

    /// Since when a worker is wanted for a request, if it is complete now.
    pub fn would_wait_since(&mut self, id: RequestId, now: Instant) -> Instant {
        self.session.kept(id).map_or(now, |open| open.waits_since(now))
    }

    /// A complete request is none any more: what was read of it is to be read again. Says how far its input had come.
    pub fn take_back(&mut self, id: RequestId) -> Option<Phase> {
        self.outbox.take_back(id);
        self.session.finish(id)
    }

    /// Has a worker answer a complete request.
    pub fn dispatch(&mut self, assembled: Assembled, context: &mut Context<'_>) {
        let Assembled { id, request, keep_connection, head_only } = assembled;
        let account = self.whom_to_tell(id).map(|(log, begun)| Account::of(&request, log, begun));
        let open = self.session.kept(id);
        let begun = open.as_ref().and_then(|open| open.begun).unwrap_or(context.now);
        let since = open.as_ref().map_or(context.now, |open| open.waits_since(context.now));
        open.into_iter().for_each(|open| open.asked = Some(request.params.view()));
        let mut reply = Box::new(self.reply(id, keep_connection, head_only, account).in_role(request.role));
        if let Some(probe) = context.probes.and_then(|probes| probes.find(&request.params, request.role, self.purpose)) {
            probe.answer(&request.params, &mut reply);
            self.free_ended();
        } else if let Err(mut exchange) =
            context.queue.try_dispatch(Exchange { request, reply, begun }, since, self.place.take())
        {
            exchange.reply.refuse(Refusal::Overloaded);
            context.queue.note_refusal(RefusedFor::QueueFull);
            self.free_ended();
            context.refusals.note(Refusal::Overloaded, context.now, || name(self.connection, &exchange.request.params));
        }
    }

    fn refuse(&mut self, refused: Refused, context: &mut Context<'_>) {
        let Refused { id, role, refusal, keep_connection, head_only, params } = refused;
        let account = self.whom_to_tell(id).map(|(log, begun)| Account::of_params(params.clone(), log, begun));
        let mut reply = self.reply(id, keep_connection, head_only, account);
        let probe = context.probes.and_then(|probes| probes.find(&params, role, self.purpose));
        if let Some(probe) = probe.filter(|probe| probe.is_answered_in_spite_of(refusal)) {
            probe.answer(&params, &mut reply);
        } else {
            let refusal = if probe.is_none() { self.purpose.refusal(refusal) } else { refusal };
            // A probe is no request.
            if let Some(reason) = refusals::counted(refusal).filter(|_| probe.is_none()) {
                context.queue.note_refusal(reason);
            }
            reply.refuse(refusal);
            context.refusals.note(refusal, context.now, || name(self.connection, &params));
        }
        self.free_ended();
    }

    fn reply(&self, request: RequestId, keep_connection: bool, head_only: bool, account: Option<Account>) -> Reply {
        let sink: Arc<dyn Sink> = Arc::<Outbox>::clone(&self.outbox);
        Reply::new(sink, Ending { request, keep_connection }, head_only).with_account(account)
    }

    /// Who is to be told what becomes of a request, if anybody, and when it began.
    fn whom_to_tell(&mut self, id: RequestId) -> Option<(Arc<dyn AnswerLog>, Instant)> {
        let answer_log = self.answer_log.as_ref()?;
        Some((Arc::clone(answer_log), self.session.kept(id)?.begun?))
    }
}

/// How a request with these parameters is called in the log.
pub fn name(connection: ConnectionId, params: &Params) -> String {
    format!("a request on connection {connection}{}", line(params))
}

/// The same where nobody knows its connection any more.
pub fn name_alone(params: &Params) -> String {
    format!("a request{}", line(params))
}

fn line(params: &Params) -> String {
    let text = |name: &[u8]| params.get(name).map(String::from_utf8_lossy);
    match (text(b"REQUEST_METHOD"), text(b"REQUEST_URI")) {
        (Some(method), Some(target)) => format!(" ({method} {target})"),
        _ => String::new(),
    }
}

/// Web servers send what they have at once, but in several pieces.
const QUICKLY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use fastcgi_codec::params::encode_pair;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| encode_pair(&mut bytes, name.as_bytes(), value.as_bytes()).unwrap());
        Params::parse(bytes, 10).unwrap()
    }

    #[test]
    fn a_request_is_called_by_its_line_while_its_parameters_are_somewhere() {
        let connection = ConnectionId::new(3);
        let asked = params(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a?b")]);
        let view = asked.view();
        assert_eq!(name(connection, &view.params().unwrap()), "a request on connection 3 (GET /a?b)");
        drop(asked);
        assert!(view.params().is_none(), "a name keeps nothing alive");
        assert_eq!(name(connection, &params(&[("REQUEST_METHOD", "GET")])), "a request on connection 3");
    }
}
