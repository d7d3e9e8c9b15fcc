//! Python: the interpreter, and PEP 3333 between an [`Exchange`] and the application.
//!
//! Owns everything that knows Python; no other module does. Knows no socket and no record: a request comes in complete, and
//! an answer goes into its [`Reply`].

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use log::Level;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use thiserror::Error;

use connections::exchange::answer_log::X_REQUEST_ID;
use connections::exchange::{Body, BodySource, Demand, Exchange, Params, Pause, Reply, ReplyError, Request, TimedOut};
use connections::scheduler::Handler;
use shared::logging::codes;
use shared::scoreboard::slot::{Phase, Slot};
use shared::settings::{ErrorsTo, Mount, OnAbort, PoolSettings};

mod abort;
mod deadline;
mod environ;
mod errors;
mod exceptions;
mod file_wrapper;
mod files;
mod fork;
mod input;
pub mod interpreter;
mod interruption;
mod latin1;
mod output;
mod package;
mod raw_text;
mod sender;
mod shortage;
mod start_response;
mod station;
mod telling;
mod thread;
mod utf8;
mod write_only;

use crate::without_python::app_log::{RequestNumber, Voice};
use crate::without_python::interruption::Cause;
use crate::without_python::request_ids::{MadeId, RequestIds};
use crate::without_python::turns::Turns;
use abort::{Aborted, Notice};
use deadline::Deadline;
use environ::EnvironBuilder;
use errors::Errors;
use exceptions::{to_python, traceback};
use file_wrapper::FileWrapper;
use input::Input;
use interpreter::Attendant;
use sender::Sender;
use shortage::collect;
use start_response::{StartResponse, bytes};
use station::Station;
use telling::Told;

/// Being attached to Python, on one worker.
#[derive(Clone, Copy)]
struct Gil<'py>(Python<'py>);

impl Pause for Gil<'_> {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        self.0.detach(|| {
            wait();
            TURNS.ask();
        });
        TURNS.got();
    }

    fn step_aside(&self, work: &mut (dyn FnMut() + Send)) {
        self.pause(&mut || {
            work();
            TURNS.step_aside();
        });
    }

    fn is_to_give_way(&self) -> bool {
        TURNS.is_overdue()
    }
}

/// Runs an application on one worker.
struct Gateway<'py> {
    gil: Gil<'py>,
    app: Bound<'py, PyAny>,
    environs: RefCell<EnvironBuilder<'py>>,
    process: u32,
    /// If each request has an X-Request-ID.
    request_ids: Option<RequestIds>,
    station: &'static Station,
    told: Told,
}

/// The objects an application gets for one request.
struct Objects<'py> {
    start_response: Bound<'py, StartResponse>,
    input: Bound<'py, Input>,
    /// A filter's.
    data: Option<Bound<'py, Input>>,
    errors: Bound<'py, Errors>,
}

/// Why an answer is not whole.
#[derive(Debug, Error)]
#[error(transparent)]
enum Failure {
    Python(#[from] PyErr),
    Reply(#[from] ReplyError),
}

impl Pause for Gateway<'_> {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        self.told.note_wait();
        self.gil.pause(wait);
    }

    fn is_to_give_way(&self) -> bool {
        self.gil.is_to_give_way()
    }

    fn give_way(&self) {
        self.told.note_wait();
        self.gil.give_way();
    }
}

impl Handler for Gateway<'_> {
    fn handle(&mut self, exchange: Exchange) {
        let number = RequestNumber { process: self.process, count: REQUESTS.fetch_add(1, Ordering::Relaxed) };
        let _answering = number.begin();
        let (Exchange { request, reply, begun }, taken) = (exchange, self.told.taken());
        let what = (&request.params, &self.station.settings.deadlines);
        // A panic costs the request, and it is told of all the same.
        let mut telling = self.told.begin(self.station, number.count, (begun, taken), what);
        telling.status = self.answer((number, taken), request, reply);
    }

    fn pass_over(&mut self, begun: Instant) {
        self.station.slot().into_iter().for_each(|slot| slot.pass_over(begun));
    }
}

impl<'py> Gateway<'py> {
    /// On the worker's thread.
    fn new(
        py: Python<'py>,
        app: Bound<'py, PyAny>,
        (settings, worker): (&Arc<PoolSettings>, usize),
        (attendant, slot): (&Arc<Attendant>, Option<Slot>),
    ) -> PyResult<Self> {
        let station = Station::new(worker, settings, attendant, slot);
        let deadline = Bound::new(py, Deadline(station))?;
        let environs = EnvironBuilder::new(py, settings, (py.get_type::<FileWrapper>().as_any(), deadline.as_any()))?;
        let request_ids = settings.request_id.then(RequestIds::new);
        let environs = RefCell::new(environs);
        Ok(Self { gil: Gil(py), app, environs, process: std::process::id(), request_ids, station, told: Told::default() })
    }

    /// Answers a request, and says with which status.
    fn answer(&self, (number, taken): (RequestNumber, Instant), request: Request, mut reply: Box<Reply>) -> u16 {
        let id = number.text();
        reply.begin(&id, self.station.number, taken);
        let line = RequestLine { id: &id, params: &request.params };
        let made_id = self.make_x_request_id(number, &request.params, &mut reply);
        let environ = match self.environs.borrow_mut().build(&request, made_id.as_ref()) {
            Ok(Ok(environ)) => environ,
            Ok(Err(refusal)) => {
                log::warn!(target: refusal.meaning(), "{line} was answered {}: {}", refusal.status(), self.path_fault());
                reply.refuse(refusal);
                return refusal.code();
            }
            Err(error) => {
                self.log_traceback(&line, &error);
                return FAILED;
            }
        };
        match self.objects((number, &id), &environ, (request.body, request.data), reply) {
            Ok(objects) => self.serve((&line, number), &environ, objects),
            Err(error) => {
                self.log_traceback(&line, &error);
                FAILED
            }
        }
    }

    fn sender(&self) -> Sender<'_, 'py> {
        Sender { gil: self.gil, station: self.station }
    }

    /// An X-Request-ID for a request that came without one, if there is to be one.
    fn make_x_request_id(&self, number: RequestNumber, params: &Params, reply: &mut Reply) -> Option<MadeId> {
        let made = self.request_ids.as_ref()?.instead_of(params.all(X_REQUEST_ID), number.count)?;
        reply.set_x_request_id(made);
        Some(made)
    }

    /// Why a path does not belong to the application.
    fn path_fault(&self) -> String {
        match &self.station.settings.mount {
            Mount::Auto => {
                "its PATH_INFO does not start with a slash: does the web server split the path inside a segment?".to_owned()
            }
            Mount::Prefix(prefix) => format!("its path is not below mount = \"{prefix}\""),
        }
    }

    fn objects(
        &self,
        (number, id): (RequestNumber, &str),
        environ: &Bound<'py, PyDict>,
        bodies: (Body, Option<Box<Body>>),
        reply: Box<Reply>,
    ) -> PyResult<Objects<'py>> {
        let py = self.gil.0;
        let (body, data) = bodies;
        environ.set_item(intern!(py, "pyfcgid.request_id"), id)?;
        if self.station.settings.abort == OnAbort::Raise {
            reply.on_abort(Arc::new(Notice { station: self.station, request: number.count }));
        }
        let start_response = Bound::new(py, StartResponse::new(number.count, reply, self.station))?;
        self.station.answer_with(number.count, start_response.clone().unbind());
        environ.set_item(intern!(py, "pyfcgid.aborted"), Bound::new(py, Aborted(start_response.clone().unbind()))?)?;
        let peer = (self.station.settings.errors == ErrorsTo::Peer).then(|| start_response.clone().unbind());
        let voice = Voice { level: Level::Error, form: self.station.settings.app_log };
        let errors = Bound::new(py, Errors::new(number, voice, peer))?;
        environ.set_item(intern!(py, "wsgi.errors"), &errors)?;
        let input = Bound::new(py, Input::new("wsgi.input", body))?;
        environ.set_item(intern!(py, "wsgi.input"), &input)?;
        let data = data.map(|data| Bound::new(py, Input::new("fcgi.data", *data))).transpose()?;
        if let Some(data) = &data {
            environ.set_item(intern!(py, "fcgi.data"), data)?;
        }
        Ok(Objects { start_response, input, data, errors })
    }

    fn serve(
        &self,
        (line, number): (&RequestLine<'_>, RequestNumber),
        environ: &Bound<'py, PyDict>,
        objects: Objects<'py>,
    ) -> u16 {
        let Objects { start_response, input, data, errors } = objects;
        let outcome = self.call(line, environ, &start_response);
        let is_overdue = self.station.is_overdue(number.count);
        if self.station.interruption.state.raised() == Some(Cause::Abort) {
            log::info!(
                target: codes::APPLICATION_INTERRUPTED,
                "{line}: aborted by the web server, so RequestAborted was raised in the application"
            );
        }
        errors.get().finish();
        output::finish();
        if is_overdue {
            self.break_off(number, start_response.get());
            self.tell_overdue(outcome.err());
        } else if let Err(failure) = outcome {
            self.report(line, &failure, start_response.get());
        } else if self.station.interruption.state.cause() == Some(Cause::Administrator) {
            log::warn!(
                target: codes::REQUEST_INTERRUPTED,
                "{line} was interrupted by the administrator, but the application went on and answered it"
            );
        }
        for input in [Some(input), data].into_iter().flatten() {
            input.get().close();
        }
        let Some(reply) = start_response.get().take() else { return FAILED };
        if reply.excess() > 0 {
            log::warn!(
                target: codes::RESPONSE_TOO_LONG,
                "{line}: {} bytes after the end of its response were not sent",
                reply.excess()
            );
        }
        reply.conclude()
    }

    /// Calls the application, sends what it returns, and closes that whatever happens.
    fn call(
        &self,
        line: &RequestLine<'_>,
        environ: &Bound<'py, PyDict>,
        start: &Bound<'py, StartResponse>,
    ) -> Result<(), Failure> {
        let py = self.gil.0;
        let response = start.get().run_application(py, || self.app.call1((environ, start)))?;
        let outcome = self.send(&response, start.get());
        self.station.slot().into_iter().for_each(|slot| slot.set_phase(Phase::Closing));
        self.close(line, &response);
        outcome
    }

    /// Lists and tuples have no `close`, and to find that out takes longer than to send them.
    fn close(&self, line: &RequestLine<'_>, response: &Bound<'py, PyAny>) {
        if response.is_exact_instance_of::<PyList>() || response.is_exact_instance_of::<PyTuple>() {
            return;
        }
        let close = response.getattr_opt(intern!(self.gil.0, "close"));
        let run = |close: Option<Bound<'py, PyAny>>| {
            let interruption = &self.station.interruption;
            close.map(|close| interruption.run_close(self.gil.0, || close.call0())).transpose()
        };
        let closed = close.and_then(run).map_err(Failure::from);
        fork::end_if_forked(self.gil.0, &closed);
        let interrupted = self.station.interruption.state.cause().is_some();
        if let Err(Failure::Python(error)) = closed
            && !(interrupted && interruption::is_ours(self.gil.0, &error))
        {
            self.log_traceback(line, &error);
        }
    }

    fn send(&self, response: &Bound<'py, PyAny>, start: &StartResponse) -> Result<(), Failure> {
        if self.is_body_replaced(start)? {
            return self.end(start);
        }
        if let Ok(list) = response.cast_exact::<PyList>() {
            return self.send_whole(list.iter(), start);
        }
        if let Ok(tuple) = response.cast_exact::<PyTuple>() {
            return self.send_whole(tuple.iter(), start);
        }
        if let Ok(wrapper) = response.cast_exact::<FileWrapper>()
            && let Some(part) = wrapper.get().real_file(self.gil.0)?
        {
            return self.send_file(part, start);
        }
        self.send_pieces(response, start)
    }

    /// A response that is all there is sent in as few writes as it takes, and its length is known.
    fn send_whole(
        &self,
        mut items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
        start: &StartResponse,
    ) -> Result<(), Failure> {
        let in_bytes = |item| bytes("an item of the response", item).map(PyBytesMethods::as_bytes);
        // Most have one item.
        if items.len() == 1 {
            let Some(item) = items.next() else { return self.send_at_once(&[], start) };
            return self.send_at_once(&[in_bytes(&item)?], start);
        }
        let items = collect(items.map(Ok))?;
        let pieces: Vec<&[u8]> = collect(items.iter().map(in_bytes))?;
        self.send_at_once(&pieces, start)
    }

    fn send_at_once(&self, pieces: &[&[u8]], start: &StartResponse) -> Result<(), Failure> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        Ok(start.with_reply(|reply| {
            let head_only = reply.is_head_only();
            if let Some(head) = reply.head_mut().filter(|_| length > 0 || !head_only) {
                head.set_content_length(length as u64);
            }
            reply.end(pieces, &self.sender())
        })??)
    }

    /// Each piece is sent before the next is asked for, as PEP 3333 wants, and nothing is asked for where no body is sent. Whoever has
    /// given all of its Content-Length is asked once more, so that one that ends there comes to its end, and then no longer.
    fn send_pieces(&self, response: &Bound<'py, PyAny>, start: &StartResponse) -> Result<(), Failure> {
        let mut demand = start.with_reply(|reply| reply.demand())?;
        if demand == Demand::Nothing {
            return self.end(start);
        }
        let mut pieces = start.run_application(self.gil.0, || response.try_iter())?;
        while let Some(piece) = start.run_application(self.gil.0, || pieces.next().transpose())? {
            let piece = bytes("an item of the response", &piece)?.as_bytes();
            let was_met = demand == Demand::Met;
            demand = start.with_reply(|reply| self.send_piece(piece, was_met, reply))??;
            if was_met || demand == Demand::Nothing {
                break;
            }
        }
        self.end(start)
    }

    /// Sends what is wanted of a piece, and says what is after it.
    fn send_piece(&self, piece: &[u8], was_met: bool, reply: &mut Reply) -> Result<Demand, ReplyError> {
        match reply.demand() {
            _ if !reply.has_head() => return Err(ReplyError::NoHead),
            Demand::Nothing => reply.leave_out(piece),
            Demand::Met if was_met => reply.leave_out(piece),
            _ => reply.write(piece, &self.sender())?,
        }
        // An iterator that is not written in Python does not give way by itself, and here nothing is sent meanwhile.
        if piece.is_empty() {
            self.gil.pause(&mut || ());
        }
        Ok(reply.demand())
    }

    /// Whether the web server sends a file, so that the application's response is not to be read.
    fn is_body_replaced(&self, start: &StartResponse) -> PyResult<bool> {
        Ok(self.station.settings.sendfile_header.is_some()
            && start.with_reply(|reply| reply.body_source())? == BodySource::WebServer)
    }

    fn end(&self, start: &StartResponse) -> Result<(), Failure> {
        Ok(start.with_reply(|reply| reply.end(&[], &self.sender()))??)
    }

    fn send_file(&self, part: file_wrapper::FilePart, start: &StartResponse) -> Result<(), Failure> {
        Ok(start.with_reply(|reply| {
            if let Some(head) = reply.head_mut() {
                head.set_content_length(part.length);
            }
            reply.announce_rest(part.length)?;
            reply.send_file(part.file, part.offset, part.length, &self.sender())?;
            reply.end(&[], &self.sender())
        })??)
    }

    /// What went wrong goes to the log; that the peer has left is nothing to report.
    fn report(&self, line: &RequestLine<'_>, failure: &Failure, start: &StartResponse) {
        let error = match failure {
            Failure::Reply(error @ ReplyError::Lost(_)) => return log::debug!("{line}: {error}"),
            Failure::Python(error) if self.station.interruption.state.cause() == Some(Cause::Administrator) => {
                let text = traceback(self.gil.0, error);
                return log::warn!(
                    target: codes::REQUEST_INTERRUPTED,
                    "{line} was interrupted by the administrator:\n{}",
                    text.trim_end()
                );
            }
            Failure::Python(_) if start.with_reply(|reply| reply.is_aborted()).unwrap_or(false) => {
                return log::debug!("{line}: the application stopped because the web server aborted the request");
            }
            Failure::Reply(error) => to_python(error),
            Failure::Python(error) => error.clone_ref(self.gil.0),
        };
        let text = self.log_traceback(line, &error);
        if self.station.settings.errors == ErrorsTo::Peer {
            start.write_errors(text.as_bytes());
        }
    }

    /// A worker that was woken when its time was over, while it sent, ends the answer itself if it is the first to see that.
    fn break_off(&self, number: RequestNumber, start: &StartResponse) {
        if start.time_out(true) == Some(TimedOut::Cut) {
            self.station.slot().into_iter().for_each(|slot| slot.note_overdue(number.count));
            let (name, age) = (self.station.name(), self.station.age(Instant::now()).as_secs_f64());
            log::warn!(
                target: codes::REQUEST_TIMED_OUT,
                "{name} has run for {age:.1} s (request-timeout): its response was cut while the web server read it"
            );
        }
    }

    /// Where it was when its time was over was said then.
    fn tell_overdue(&self, failure: Option<Failure>) {
        let how = match failure {
            None => "by itself".to_owned(),
            Some(Failure::Reply(_)) => "when it could send no more".to_owned(),
            Some(Failure::Python(error)) if interruption::is_ours(self.gil.0, &error) => "by RequestTimeout".to_owned(),
            Some(Failure::Python(error)) => format!("by an exception:\n{}", traceback(self.gil.0, &error).trim_end()),
        };
        let age = self.station.age(Instant::now()).as_secs_f64();
        self.station.attendant.say_ended(format!("{}, which had timed out, ended after {age:.1} s {how}", self.station.name()));
    }

    fn log_traceback(&self, line: &RequestLine<'_>, error: &PyErr) -> String {
        let text = traceback(self.gil.0, error);
        log::error!(target: codes::REQUEST_FAILED, "{line} failed:\n{}", text.trim_end());
        text
    }
}

/// How a request is named in the log.
struct RequestLine<'a> {
    id: &'a str,
    params: &'a Params,
}

impl std::fmt::Display for RequestLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |name: &[u8]| String::from_utf8_lossy(self.params.get(name).unwrap_or(b"-"));
        write!(f, "request {} ({} {})", self.id, text(b"REQUEST_METHOD"), text(b"REQUEST_URI"))
    }
}

/// The status of a request that nobody has answered.
const FAILED: u16 = 500;

/// Of the one GIL.
static TURNS: Turns = Turns::new();

/// Numbers of requests in this process, for all its workers.
static REQUESTS: AtomicU64 = AtomicU64::new(1);
