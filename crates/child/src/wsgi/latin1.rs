//! Bytes as PEP 3333's native strings: one code point is one byte.

use std::borrow::Cow;

use pyo3::exceptions::{PyTypeError, PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::raw_text;

/// These bytes as `str`.
pub(super) fn to_str<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &decode(bytes)),
    }
}

/// These bytes as text.
pub(super) fn decode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes of a `str`; `what` names it in the error.
pub(super) fn encode<'a>(what: &str, text: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    let Ok(text) = text.cast::<PyString>() else {
        let kind = text.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{what} must be a str, not {kind}")));
    };
    let Ok(utf8) = raw_text::of(text) else {
        return Err(PyValueError::new_err(format!("{what} has a lone surrogate in it")));
    };
    if utf8.is_ascii() {
        return Ok(Cow::Borrowed(utf8.as_bytes()));
    }
    let bytes: Option<Vec<u8>> = utf8.chars().map(|char| u8::try_from(char).ok()).collect();
    bytes.map(Cow::Owned).ok_or_else(|| not_latin1(what, text))
}

fn not_latin1(what: &str, text: &Bound<'_, PyString>) -> PyErr {
    match text.call_method1("encode", ("latin-1",)) {
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(text.py()) => error,
        _ => PyValueError::new_err(format!("{what} has characters outside latin-1")),
    }
}
