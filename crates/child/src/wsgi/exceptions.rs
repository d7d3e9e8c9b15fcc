//! Exceptions on both sides: as which of Python's an application sees what has failed here, and what Python prints of one.

use pyo3::exceptions::{PyAssertionError, PyBrokenPipeError, PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::import_exception;
use pyo3::intern;
use pyo3::prelude::*;

use super::interruption::RequestTimeout;
use super::utf8;
use connections::exchange::ReplyError;
use shared::logging::pieces;

import_exception!(io, UnsupportedOperation);

/// What an application sees when it cannot send.
pub(super) fn to_python(error: &ReplyError) -> PyErr {
    match error {
        ReplyError::Lost(_) => PyBrokenPipeError::new_err(error.to_string()),
        ReplyError::TimedOut => RequestTimeout::new_err(error.to_string()),
        ReplyError::NoHead => PyAssertionError::new_err(error.to_string()),
        ReplyError::Head(_) => PyValueError::new_err(error.to_string()),
        ReplyError::NoMemory => PyMemoryError::new_err(error.to_string()),
        _ => PyRuntimeError::new_err(error.to_string()),
    }
}

/// An exception as Python prints it. Where that fails for want of memory, what the functions have left that it came through is let go
/// first: the traceback is what keeps it.
pub(super) fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let arguments = (error.get_type(py), error.value(py), error.traceback(py));
        let lines = py.import("traceback")?.call_method1("format_exception", arguments)?;
        let mut text = String::new();
        for line in lines.try_iter()? {
            let line = line?;
            let line = utf8::escape(line.cast()?);
            let cut = pieces(&line, LONGEST_LINE).next().unwrap_or_default();
            if text.len() > LONGEST || text.try_reserve(cut.len() + 100).is_err() {
                text.push_str("(the rest of it is too long)\n");
                break;
            }
            text.push_str(cut);
            if cut.len() < line.len() {
                text.push_str(&format!("... ({} more bytes left out)\n", line.len() - cut.len()));
            }
        }
        Ok(text)
    };
    let formatted = format().or_else(|why| {
        if !why.is_instance_of::<PyMemoryError>(py) {
            return Err(why);
        }
        drop(why);
        clear_frames(py, error)?;
        format()
    });
    formatted.unwrap_or_else(|why| format!("{error}\n(its traceback cannot be printed: {why})\n"))
}

/// Lets the variables go of all functions that this exception, or one that it came of, has ended.
fn clear_frames(py: Python<'_>, error: &PyErr) -> PyResult<()> {
    let mut exception = error.value(py).clone().into_any();
    for _ in 0..MOST_CHAINED {
        let frames = exception.getattr(intern!(py, "__traceback__"))?;
        py.import(intern!(py, "traceback"))?.call_method1(intern!(py, "clear_frames"), (frames,))?;
        exception = exception.getattr(intern!(py, "__context__"))?;
        if exception.is_none() {
            break;
        }
    }
    Ok(())
}

/// Of a traceback no more than this is printed: more than the log takes.
const LONGEST: usize = 1 << 20;
/// The text of an exception may have any length.
const LONGEST_LINE: usize = 256 << 10;
/// Exceptions that came of each other, and perhaps in a circle.
const MOST_CHAINED: usize = 16;
