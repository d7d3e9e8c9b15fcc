//! `wsgi.errors`: text to pyfcgid's log, in whole messages, and to the web server's if that is asked for. What one call writes stays
//! together, so that a traceback can be read.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::start_response::StartResponse;
use super::utf8;
use super::write_only::{self, Refused};
use crate::without_python::app_log::{RequestNumber, Voice};
use crate::without_python::lines::Lines;

/// PEP 3333's error stream. It goes on working after its request has ended, for threads that outlive it.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Errors {
    request: RequestNumber,
    voice: Voice,
    /// Where FCGI_STDERR goes, if it is wanted.
    peer: Option<Py<StartResponse>>,
    /// Most requests have none.
    lines: OnceLock<Mutex<Lines>>,
}

/// Gives the class what all of its files answer alike.
pub(super) fn complete_class(py: Python<'_>) -> PyResult<()> {
    let class = Errors::type_object(py);
    for (name, text) in [("name", "<wsgi.errors>"), ("mode", "w"), ("encoding", "utf-8"), ("errors", "backslashreplace")] {
        class.setattr(name, text)?;
    }
    class.setattr("newlines", py.None())?;
    write_only::complete(&class, &REFUSED)
}

impl Errors {
    pub(super) fn new(request: RequestNumber, voice: Voice, peer: Option<Py<StartResponse>>) -> Self {
        Self { request, voice, peer, lines: OnceLock::new() }
    }

    fn add(&self, text: &str) {
        let lines = self.lines.get_or_init(Mutex::default);
        let has_room = lock(lines).has_room_for(text.as_bytes());
        if has_room {
            let whole = lock(lines).add(text.as_bytes());
            return whole.iter().for_each(|text| self.say(text));
        }
        self.finish();
        self.say(text.as_bytes());
    }

    fn say(&self, text: &[u8]) {
        self.voice.say(Some(self.request), text);
        if let Some(peer) = &self.peer {
            peer.get().write_errors(text);
        }
    }

    /// Logs the beginning of a line that was not ended.
    pub(super) fn finish(&self) {
        let rest = self.lines.get().and_then(|lines| lock(lines).take());
        rest.iter().for_each(|text| self.say(text));
    }
}

#[pymethods]
impl Errors {
    #[pyo3(signature = (text, /))]
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        self.add(&utf8::escape(text));
        text.len()
    }

    #[pyo3(signature = (lines, /))]
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.add(&utf8::escape(line?.cast::<PyString>()?));
        }
        Ok(())
    }

    fn flush(&self) {
        self.finish();
    }

    /// What others still write is logged all the same.
    fn close(&self) {
        self.finish();
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyAny>) {
        self.finish();
    }
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As an `io.TextIOWrapper` above such a file says it.
const REFUSED: [Refused; 7] = [
    (write_only::FILENO, "fileno"),
    (write_only::READ, "not readable"),
    (write_only::READLINE, "not readable"),
    (write_only::READLINES, "not readable"),
    (write_only::NEXT, "not readable"),
    (write_only::SEEK, "underlying stream is not seekable"),
    (write_only::TELL, "underlying stream is not seekable"),
];
