//! Bytes of any kind, as whatever is a file takes and fills them.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};

/// An object that has bytes, of whatever type and shape.
pub(super) struct Bytes<'py>(Bound<'py, PyAny>);

impl<'py> Bytes<'py> {
    /// # Errors
    /// `TypeError` if it has none, or they do not lie in one row.
    pub(super) fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let view = PyMemoryView::from(object)?;
        view.call_method1(intern!(object.py(), "cast"), (intern!(object.py(), "B"),)).map(Self)
    }

    /// The same, to be written to.
    ///
    /// # Errors
    /// `TypeError` also if they cannot be.
    pub(super) fn writable(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let bytes = Self::of(object)?;
        match bytes.0.getattr(intern!(object.py(), "readonly"))?.is_truthy()? {
            true => Err(PyTypeError::new_err("a read-write bytes-like object is needed")),
            false => Ok(bytes),
        }
    }

    pub(super) fn len(&self) -> PyResult<usize> {
        self.0.len()
    }

    pub(super) fn to_bytes(&self) -> PyResult<Bound<'py, PyBytes>> {
        Ok(self.0.call_method0(intern!(self.0.py(), "tobytes"))?.cast_into()?)
    }

    /// Puts as many of them there as there are in `bytes`, which may not be more. Returns how many.
    pub(super) fn fill(&self, bytes: &Bound<'py, PyBytes>) -> PyResult<usize> {
        let length = bytes.as_bytes().len();
        self.0.set_item(PySlice::new(self.0.py(), 0, length.try_into()?, 1), bytes)?;
        Ok(length)
    }
}
