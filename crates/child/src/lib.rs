//! `_pyfcgid`, the extension module that a pool's own Python loads: all of a child from then on.
//!
//! The program brings it along and hands it over by descriptor, so that both are always of one version. What comes before, and what
//! Python is started with, is the program's (`src/launch`).

#![warn(clippy::unwrap_used)]
#![cfg_attr(not(feature = "python"), allow(dead_code, reason = "who uses it is left out"))]

mod without_python;

#[cfg(feature = "python")]
mod boot;
#[cfg(feature = "python")]
mod check;
#[cfg(feature = "python")]
mod error;
#[cfg(feature = "python")]
mod import_limit;
#[cfg(feature = "python")]
mod life;
#[cfg(feature = "python")]
mod loading;
#[cfg(feature = "python")]
mod wsgi;

#[cfg(feature = "python")]
#[pyo3::pymodule]
mod _pyfcgid {
    use pyo3::prelude::*;

    /// Lives the life of a child with the settings on this descriptor, and ends the process.
    #[pyfunction]
    fn run(py: Python<'_>, settings: i32) {
        py.detach(|| crate::boot::run(settings))
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
