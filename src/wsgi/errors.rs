//! `wsgi.errors`: text to pyfcgid's log, in whole lines, and to the web server's if that is asked for. What one call writes stays
//! together, so that a traceback can be read.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::start_response::StartResponse;
use super::utf8;

/// PEP 3333's error stream. It goes on working after its request has ended, for threads that outlive it.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Errors {
    request_id: String,
    /// Where FCGI_STDERR goes, if it is wanted.
    peer: Option<Py<StartResponse>>,
    /// The beginning of a line.
    line: Mutex<String>,
}

impl Errors {
    pub(super) fn new(request_id: String, peer: Option<Py<StartResponse>>) -> Self {
        Self { request_id, peer, line: Mutex::new(String::new()) }
    }

    fn add(&self, text: &str) {
        let lines = {
            let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            line.push_str(text);
            match line.rfind('\n') {
                Some(end) => {
                    let rest = line.split_off(end + 1);
                    std::mem::replace(&mut *line, rest)
                }
                None => return,
            }
        };
        self.log(&lines);
    }

    fn log(&self, lines: &str) {
        log::error!("request {}: {}", self.request_id, lines.trim_end_matches('\n'));
        if let Some(peer) = &self.peer {
            peer.get().write_errors(lines.as_bytes());
        }
    }

    /// Logs the beginning of a line that was not ended.
    pub(super) fn finish(&self) {
        let line = std::mem::take(&mut *self.line.lock().unwrap_or_else(PoisonError::into_inner));
        if !line.is_empty() {
            self.log(&line);
        }
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
}
