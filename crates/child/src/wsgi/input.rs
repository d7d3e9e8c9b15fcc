//! `wsgi.input`, the complete body as a file, and `fcgi.data`, the file that a filter is to transform: what `io.BytesIO` is for reading,
//! since libraries ask for more than PEP 3333 promises.

use std::io::{self, ErrorKind};

use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::exceptions::UnsupportedOperation;
use super::files::Bytes;
use super::shortage::copied;
use crate::without_python::exclusive::{Denied, Exclusive};
use connections::exchange::Body;

/// PEP 3333's input stream, and another of its kind.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Input {
    /// Its key in the environ.
    key: &'static str,
    body: Exclusive<Body>,
}

impl Input {
    pub(super) fn new(key: &'static str, body: Body) -> Self {
        Self { key, body: Exclusive::new(body) }
    }

    fn with_body<T: Send>(&self, py: Python<'_>, read: impl FnOnce(&mut Body) -> io::Result<T> + Send) -> PyResult<T> {
        self.using(|body| on_disk(py, body, read))?
    }

    fn using<T>(&self, use_it: impl FnOnce(&mut Body) -> T) -> PyResult<T> {
        self.body.with(use_it).map_err(|denied| match denied {
            Denied::InUse => PyRuntimeError::new_err(format!("{} is being read by another thread", self.key)),
            Denied::Over => {
                PyValueError::new_err(format!("{} was used after it was closed, or after its request had ended", self.key))
            }
        })
    }

    fn line(&self, py: Python<'_>, size: Option<i64>) -> PyResult<Vec<u8>> {
        let limit = limit(size);
        self.with_body(py, move |body| body.read_line(limit))
    }

    /// That it is open, as `io` wants for whatever is asked of a file.
    fn check(&self) -> PyResult<()> {
        self.using(|_| ())
    }

    fn unsupported<T>(&self, what: &'static str) -> PyResult<T> {
        self.check()?;
        Err(UnsupportedOperation::new_err(what))
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.using(|body| {
            let length = limit(size).min(body.left());
            // Nobody else knows these bytes yet, so the GIL is not needed to fill them.
            PyBytes::new_with(py, length as usize, |bytes| on_disk(py, body, |body| body.read_into(bytes)))
        })?
    }

    /// The same: nothing is ever waited for.
    #[pyo3(signature = (size = None, /))]
    fn read1<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.read(py, size)
    }

    #[pyo3(signature = (buffer, /))]
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let target = Bytes::writable(buffer)?;
        let bytes = self.read(py, Some(target.len()?.try_into()?))?;
        target.fill(&bytes)
    }

    #[pyo3(signature = (buffer, /))]
    fn readinto1(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.readinto(py, buffer)
    }

    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        copied(py, &self.line(py, size)?)
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
            lines.append(copied(py, &line)?)?;
        }
        Ok(lines)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, None)?;
        (!line.is_empty()).then(|| copied(py, &line)).transpose()
    }

    /// As of a BytesIO: what is before the start is an error if it was said so, and else the start.
    #[pyo3(signature = (offset, whence = 0, /))]
    fn seek(&self, py: Python<'_>, offset: i64, whence: i64) -> PyResult<u64> {
        self.with_body(py, |body| {
            let from = match whence {
                0 if offset < 0 => return Ok(Err(format!("negative seek value {offset}"))),
                0 => 0,
                1 => body.position(),
                2 => body.length(),
                _ => return Ok(Err(format!("invalid whence ({whence}, should be 0, 1 or 2)"))),
            };
            let position = from.saturating_add_signed(offset).min(i64::MAX.unsigned_abs());
            body.seek(position).map(|()| Ok(position))
        })?
        .map_err(PyValueError::new_err)
    }

    fn tell(&self) -> PyResult<u64> {
        self.using(|body| body.position())
    }

    /// Nothing can be read from now on, as after the end of the request.
    pub(super) fn close(&self) {
        self.body.close();
    }

    #[getter]
    fn closed(&self) -> bool {
        self.body.is_over()
    }

    fn readable(&self) -> PyResult<bool> {
        self.check().map(|()| true)
    }

    fn writable(&self) -> PyResult<bool> {
        self.check().map(|()| false)
    }

    fn seekable(&self) -> PyResult<bool> {
        self.check().map(|()| true)
    }

    fn isatty(&self) -> PyResult<bool> {
        self.check().map(|()| false)
    }

    fn flush(&self) -> PyResult<()> {
        self.check()
    }

    /// A body may be in memory, and in a file it is nobody else's.
    fn fileno(&self) -> PyResult<i32> {
        self.unsupported("fileno")
    }

    fn detach(&self) -> PyResult<()> {
        self.unsupported("detach")
    }

    #[pyo3(signature = (_size = None, /))]
    fn truncate(&self, _size: Option<i64>) -> PyResult<u64> {
        self.unsupported("truncate")
    }

    #[pyo3(signature = (_data, /))]
    fn write(&self, _data: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.unsupported("write")
    }

    #[pyo3(signature = (_lines, /))]
    fn writelines(&self, _lines: &Bound<'_, PyAny>) -> PyResult<()> {
        self.unsupported("write")
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().check().map(|()| slf)
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyAny>) {
        self.close();
    }
}

/// Reads without the GIL what may have to wait for a disk.
fn on_disk<T: Send>(py: Python<'_>, body: &mut Body, read: impl FnOnce(&mut Body) -> io::Result<T> + Send) -> PyResult<T> {
    let result = if body.is_in_a_file() { py.detach(|| read(body)) } else { read(body) };
    result.map_err(|error| match error.kind() {
        ErrorKind::OutOfMemory => PyMemoryError::new_err(()),
        _ => PyOSError::new_err(format!("cannot read the request body back: {error}")),
    })
}

/// `None` and negative sizes mean everything.
fn limit(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(u64::MAX)
}
