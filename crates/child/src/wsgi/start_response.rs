//! `start_response` and `write`, and the reply they share with the worker that iterates over the response.

use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::exceptions::to_python;
use super::station::Station;
use super::{Failure, Gil, Sender, fork, latin1};
use crate::without_python::exclusive::{Denied, Exclusive};
use connections::exchange::{AbortProbe, Head, HeadError, Reply, ReplyError, TimedOut};
use shared::settings::OnAbort;

/// PEP 3333's `start_response` of one request.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct StartResponse {
    request: u64,
    reply: Exclusive<Box<Reply>>,
    /// Whether the web server has given the request up.
    pub(super) probe: AbortProbe,
    station: &'static Station,
}

impl StartResponse {
    /// Of the request of this number, which a worker answers at this station.
    pub(super) fn new(request: u64, reply: Box<Reply>, station: &'static Station) -> Self {
        let probe = reply.abort_probe();
        Self { request, reply: Exclusive::new(reply), probe, station }
    }

    /// Ends the answer, since its time is over, unless somebody is using it, or has done so. Who was woken for that is not to believe
    /// that the peer has gone.
    pub(super) fn time_out(&self, is_woken: bool) -> Option<TimedOut> {
        let end = |reply: &mut Reply| match (reply.has_timed_out(), is_woken) {
            (true, _) => None,
            (false, true) => Some(reply.break_off()),
            (false, false) => Some(reply.time_out()),
        };
        match self.reply.with(|reply| end(reply)) {
            Ok(outcome) => outcome,
            Err(Denied::InUse) => None,
            Err(Denied::Over) => Some(TimedOut::Whole),
        }
    }

    /// Runs code of the application, the only code that is interrupted.
    pub(super) fn run_application<T>(&self, py: Python<'_>, code: impl FnOnce() -> PyResult<T>) -> Result<T, Failure> {
        let outcome = self.station.interruption.run(py, code);
        fork::end_if_forked(py, &outcome);
        outcome
    }

    /// What an application sees when it cannot send.
    fn write_error(&self, py: Python<'_>, error: &ReplyError) -> PyErr {
        let interruption = &self.station.interruption;
        if self.station.is_overdue(self.request) && matches!(error, ReplyError::Lost(_) | ReplyError::TimedOut) {
            return interruption.timeout_here(py, &ReplyError::TimedOut.to_string());
        }
        let is_raised = self.station.settings.abort == OnAbort::Raise && matches!(error, ReplyError::Lost(_));
        let raised = if is_raised { interruption.abort_here(py, &error.to_string()) } else { None };
        raised.unwrap_or_else(|| to_python(error))
    }

    /// The request has ended. Dropping the reply ends the answer if nothing else has.
    pub(super) fn take(&self) -> Option<Box<Reply>> {
        self.reply.close()
    }

    /// Uses the reply, unless the request has ended or another thread is using it.
    pub(super) fn with_reply<T>(&self, use_it: impl FnOnce(&mut Reply) -> T) -> PyResult<T> {
        self.reply.with(|reply| use_it(reply)).map_err(|denied| match denied {
            // Whoever ends it is.
            Denied::InUse if self.station.is_overdue(self.request) => to_python(&ReplyError::TimedOut),
            Denied::InUse => PyRuntimeError::new_err("the response is being sent by another thread"),
            Denied::Over => PyRuntimeError::new_err("start_response or write was used after its request had ended"),
        })
    }

    /// Text for FCGI_STDERR; too late if the request has ended.
    pub(super) fn write_errors(&self, text: &[u8]) {
        drop(self.with_reply(|reply| reply.write_errors(text)));
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info = None, /))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Write>> {
        let this = slf.get();
        if let Some(exc_info) = exc_info
            && this.with_reply(|reply| reply.is_head_sent() && !reply.has_timed_out())?
        {
            return Err(PyErr::from_value(exc_info.get_item(1)?));
        }
        let head = checked_head(status, headers, this.station.settings.sendfile_header.as_deref())?;
        let refused = this.with_reply(|reply| {
            let is_first = exc_info.is_some() || !reply.has_head();
            let is_set = is_first && reply.set_head(head).is_ok();
            (!is_set).then(|| reply.has_timed_out())
        })?;
        match refused {
            None => Bound::new(slf.py(), Write { start_response: slf.clone().unbind() }),
            Some(true) => Err(this.write_error(slf.py(), &ReplyError::TimedOut)),
            Some(false) => Err(PyAssertionError::new_err("start_response was called a second time without exc_info")),
        }
    }
}

/// The `write` callable that `start_response` returns.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Write {
    start_response: Py<StartResponse>,
}

#[pymethods]
impl Write {
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = bytes("write() argument", data)?;
        let start = self.start_response.get();
        let sender = Sender { gil: Gil(py), station: start.station };
        start.with_reply(|reply| reply.write(data.as_bytes(), &sender))?.map_err(|error| start.write_error(py, &error))
    }
}

/// A bytes object, or an error that names what it should have been.
pub(super) fn bytes<'a, 'py>(what: &str, object: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    object.cast::<PyBytes>().map_err(|_| match object.get_type().name() {
        Ok(kind) => PyTypeError::new_err(format!("{what} must be bytes, not {kind}")),
        Err(error) => error,
    })
}

fn checked_head(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>, sendfile: Option<&str>) -> PyResult<Head> {
    let refused = |error: HeadError| PyValueError::new_err(error.to_string());
    let mut head = Head::new(&latin1::encode("status", status)?).map_err(refused)?;
    for header in headers.try_iter()? {
        let header = header?;
        let Ok((name, value)) = header.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() else {
            return Err(PyTypeError::new_err("each header must be a (name, value) tuple"));
        };
        let (name, value) = (latin1::encode("header name", &name)?, latin1::encode("header value", &value)?);
        head.push(&name, &value).map_err(refused)?;
        if sendfile.is_some_and(|sendfile| name.eq_ignore_ascii_case(sendfile.as_bytes())) && !value.is_empty() {
            head.replace_body();
        }
    }
    Ok(head)
}
