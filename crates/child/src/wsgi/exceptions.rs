//! Exceptions on both sides: as which of Python's an application sees what has failed here, and what Python prints of one.

use pyo3::exceptions::{PyAssertionError, PyBrokenPipeError, PyRuntimeError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;

use super::interruption::RequestTimeout;
use super::utf8;
use connections::exchange::ReplyError;

import_exception!(io, UnsupportedOperation);

/// What an application sees when it cannot send.
pub(super) fn to_python(error: &ReplyError) -> PyErr {
    match error {
        ReplyError::Lost(_) => PyBrokenPipeError::new_err(error.to_string()),
        ReplyError::TimedOut => RequestTimeout::new_err(error.to_string()),
        ReplyError::NoHead => PyAssertionError::new_err(error.to_string()),
        ReplyError::Head(_) => PyValueError::new_err(error.to_string()),
        _ => PyRuntimeError::new_err(error.to_string()),
    }
}

/// An exception as Python prints it.
pub(super) fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let arguments = (error.get_type(py), error.value(py), error.traceback(py));
        let lines = py.import("traceback")?.call_method1("format_exception", arguments)?;
        lines.try_iter()?.map(|line| Ok(utf8::escape(line?.cast()?).into_owned())).collect()
    };
    format().unwrap_or_else(|why| format!("{error}\n(its traceback cannot be printed: {why})\n"))
}
