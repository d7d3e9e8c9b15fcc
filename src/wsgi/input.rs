//! `wsgi.input`, the complete body as a file, and `fcgi.data`, the file that a filter is to transform.

use std::io;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::slot::{Denied, Slot};
use crate::exchange::Body;

/// PEP 3333's input stream, and another of its kind.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Input {
    /// Its key in the environ.
    key: &'static str,
    body: Slot<Body>,
}

impl Input {
    pub(super) fn new(key: &'static str, body: Body) -> Self {
        Self { key, body: Slot::new(body) }
    }

    /// The request has ended: reading is an error from now on.
    pub(super) fn close(&self) {
        self.body.close();
    }

    fn with_body<T: Send>(&self, py: Python<'_>, read: impl FnOnce(&mut Body) -> io::Result<T> + Send) -> PyResult<T> {
        let result = self.body.with(|body| if body.is_in_a_file() { py.detach(|| read(body)) } else { read(body) });
        result
            .map_err(|denied| self.denied(denied))?
            .map_err(|error| PyOSError::new_err(format!("cannot read the request body back: {error}")))
    }

    fn denied(&self, denied: Denied) -> PyErr {
        match denied {
            Denied::InUse => PyRuntimeError::new_err(format!("{} is being read by another thread", self.key)),
            Denied::Over => PyValueError::new_err(format!("{} was used after its request had ended", self.key)),
        }
    }

    fn line(&self, py: Python<'_>, size: Option<i64>) -> PyResult<Vec<u8>> {
        let limit = limit(size);
        self.with_body(py, move |body| body.read_line(limit))
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        let length = self.body.with(|body| limit(size).min(body.left())).map_err(|denied| self.denied(denied))?;
        // Nobody else knows these bytes yet, so the GIL is not needed to fill them.
        PyBytes::new_with(py, length as usize, |bytes| self.with_body(py, |body| body.read_into(bytes)))
    }

    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.line(py, size)?))
    }

    /// All lines, or as many as it takes for `hint` bytes.
    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let lines = PyList::empty(py);
        let enough = hint.filter(|hint| *hint > 0).map_or(u64::MAX, i64::unsigned_abs);
        let mut total = 0;
        while total < enough {
            let line = self.line(py, None)?;
            if line.is_empty() {
                break;
            }
            total += line.len() as u64;
            lines.append(PyBytes::new(py, &line))?;
        }
        Ok(lines)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, None)?;
        Ok((!line.is_empty()).then(|| PyBytes::new(py, &line)))
    }
}

/// `None` and negative sizes mean everything.
fn limit(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(u64::MAX)
}
