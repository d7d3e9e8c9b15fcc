//! `sys.stdout` and `sys.stderr`: what an application prints goes to pyfcgid's log, a line at a time.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};

use super::files::{Bytes, UnsupportedOperation};

/// The bytes below one of the two text streams.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Output {
    level: log::Level,
    descriptor: i32,
    /// The beginning of a line.
    line: Mutex<Vec<u8>>,
}

/// Puts both streams into the log: stdout at level info, stderr at level warn.
pub(super) fn capture(py: Python<'_>) -> PyResult<()> {
    let (io, sys) = (py.import("io")?, py.import("sys")?);
    for (name, descriptor, level) in [("stdout", 1, log::Level::Info), ("stderr", 2, log::Level::Warn)] {
        let output = Bound::new(py, Output { level, descriptor, line: Mutex::new(Vec::new()) })?;
        let keywords = PyDict::new(py);
        keywords.set_item("encoding", "utf-8")?;
        keywords.set_item("errors", "backslashreplace")?;
        keywords.set_item("line_buffering", true)?;
        let stream = io.getattr("TextIOWrapper")?.call((&output,), Some(&keywords))?;
        sys.setattr(name, &stream)?;
        close_at_exit(name, stream.unbind(), output.unbind(), py)?;
    }
    Ok(())
}

/// Has the beginning of a line that nobody ends said when the program ends. Before the application is imported, this comes after
/// whatever it does at its end itself.
fn close_at_exit(name: &'static str, stream: Py<PyAny>, output: Py<Output>, py: Python<'_>) -> PyResult<()> {
    let close = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let py = arguments.py();
        // The application may have closed ours, or put another one above it.
        drop(stream.call_method0(py, "flush"));
        drop(py.import("sys").and_then(|sys| sys.getattr(name)?.call_method0("flush")));
        output.get().close();
    };
    py.import("atexit")?.call_method1("register", (PyCFunction::new_closure(py, None, None, close)?,)).map(drop)
}

impl Output {
    fn add(&self, bytes: &[u8]) -> usize {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.extend_from_slice(bytes);
        let end = match line.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => newline + 1,
            None if line.len() > MAX_LINE => line.len(),
            None => 0,
        };
        let rest = line.split_off(end);
        let lines = std::mem::replace(&mut *line, rest);
        drop(line);
        self.log(&lines);
        bytes.len()
    }

    fn log(&self, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines() {
            log::log!(self.level, "{line}");
        }
    }
}

#[pymethods]
impl Output {
    #[getter]
    fn closed(&self) -> bool {
        false
    }

    #[getter]
    fn name(&self) -> &'static str {
        if self.descriptor == 1 { "<stdout>" } else { "<stderr>" }
    }

    #[getter]
    fn mode(&self) -> &'static str {
        "wb"
    }

    /// Takes whatever has bytes, as every raw stream does.
    #[pyo3(signature = (data, /))]
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        match data.cast::<PyBytes>() {
            Ok(bytes) => Ok(self.add(bytes.as_bytes())),
            Err(_) => Ok(self.add(Bytes::of(data)?.to_bytes()?.as_bytes())),
        }
    }

    #[pyo3(signature = (lines, /))]
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        lines.try_iter()?.try_for_each(|line| self.write(&line?).map(drop))
    }

    /// Nothing is held back but the beginning of a line, which waits for its end.
    fn flush(&self) {}

    /// Says the beginning of a line that will have no end.
    fn close(&self) {
        let line = std::mem::take(&mut *self.line.lock().unwrap_or_else(PoisonError::into_inner));
        self.log(&line);
    }

    fn fileno(&self) -> i32 {
        self.descriptor
    }

    fn isatty(&self) -> bool {
        false
    }

    fn readable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        false
    }

    fn writable(&self) -> bool {
        true
    }

    fn detach(&self) -> PyResult<()> {
        Err(UnsupportedOperation::new_err("detach"))
    }

    #[pyo3(signature = (_size = None, /))]
    fn read(&self, _size: Option<i64>) -> PyResult<()> {
        Err(UnsupportedOperation::new_err("read"))
    }

    #[pyo3(signature = (_size = None, /))]
    fn read1(&self, _size: Option<i64>) -> PyResult<()> {
        Err(UnsupportedOperation::new_err("read1"))
    }

    #[pyo3(signature = (_buffer, /))]
    fn readinto(&self, _buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        Err(UnsupportedOperation::new_err("read"))
    }

    #[pyo3(signature = (_buffer, /))]
    fn readinto1(&self, _buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        Err(UnsupportedOperation::new_err("read1"))
    }

    #[pyo3(signature = (_size = None, /))]
    fn readline(&self, _size: Option<i64>) -> PyResult<()> {
        Err(UnsupportedOperation::new_err("read"))
    }

    #[pyo3(signature = (_hint = None, /))]
    fn readlines(&self, _hint: Option<i64>) -> PyResult<()> {
        Err(UnsupportedOperation::new_err("read"))
    }

    #[pyo3(signature = (_offset, _whence = 0, /))]
    fn seek(&self, _offset: i64, _whence: i64) -> PyResult<u64> {
        Err(UnsupportedOperation::new_err("seek"))
    }

    fn tell(&self) -> PyResult<u64> {
        Err(UnsupportedOperation::new_err("seek"))
    }

    #[pyo3(signature = (_size = None, /))]
    fn truncate(&self, _size: Option<i64>) -> PyResult<u64> {
        Err(UnsupportedOperation::new_err("truncate"))
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self) -> PyResult<Option<()>> {
        Err(UnsupportedOperation::new_err("read"))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyAny>) {
        self.close();
    }
}

/// A line that goes on without end is logged in pieces of about this many bytes.
const MAX_LINE: usize = 64 * 1024;
