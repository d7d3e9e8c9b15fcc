//! What an application may make too large for the memory that there is: it is asked for so that it can fail, as a MemoryError.

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// All of them.
pub(super) fn collect<T>(items: impl ExactSizeIterator<Item = PyResult<T>>) -> PyResult<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(items.len()).map_err(|_| PyMemoryError::new_err(()))?;
    for item in items {
        all.push(item?);
    }
    Ok(all)
}

/// The same bytes as an object, where `PyBytes::new` would panic.
pub(super) fn copied<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |copy| {
        copy.copy_from_slice(bytes);
        Ok(())
    })
}
