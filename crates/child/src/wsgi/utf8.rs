//! Text for the log. A `str` may have what UTF-8 has not: lone surrogates, as in the names of files that are none.

use std::borrow::Cow;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::raw_text;

/// The text with lone surrogates escaped, as Python's own stderr has them: `caf\udce9.txt`.
pub(super) fn escape<'a>(text: &'a Bound<'_, PyString>) -> Cow<'a, str> {
    raw_text::of(text)
        .map_or_else(|_| backslashreplace(text).unwrap_or_else(|_| text.to_string_lossy().into_owned()).into(), Cow::from)
}

fn backslashreplace(text: &Bound<'_, PyString>) -> PyResult<String> {
    let arguments = (intern!(text.py(), "utf-8"), intern!(text.py(), "backslashreplace"));
    let bytes = text.call_method1(intern!(text.py(), "encode"), arguments)?.extract::<Vec<u8>>()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
