//! The text of a `str` as it lies in memory, for which the stable interface has no name before Python 3.10, though all have the function.

#![allow(unsafe_code)]

use std::ffi::c_char;
use std::slice;

use pyo3::ffi::{Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyString;

unsafe extern "C" {
    fn PyUnicode_AsUTF8AndSize(text: *mut PyObject, length: *mut Py_ssize_t) -> *const c_char;
}

/// Its text.
///
/// # Errors
/// `UnicodeEncodeError` when it has lone surrogates.
pub(super) fn of<'a>(text: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    let mut length = 0;
    // SAFETY: this thread is attached, as `text` shows, which is a `str`; the length outlives the call.
    let first = unsafe { PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut length) };
    if first.is_null() {
        return Err(PyErr::fetch(text.py()));
    }
    // SAFETY: Python keeps so many bytes of UTF-8 there as long as the `str` lives.
    Ok(unsafe { std::str::from_utf8_unchecked(slice::from_raw_parts(first.cast(), length.unsigned_abs())) })
}
