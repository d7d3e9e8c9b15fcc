//! What an application learns of its request's deadline, and how it sets another one: `pyfcgid.deadline`, `pyfcgid.set_deadline`.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;

use super::station::Station;
use shared::sys;

/// `environ["pyfcgid.deadline"]`: a callable that says how many seconds the request has left; None without a limit. One for all
/// requests of a worker.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Deadline(pub(super) &'static Station);

#[pymethods]
impl Deadline {
    fn __call__(&self) -> Option<f64> {
        self.0.left().map(|left| left.as_secs_f64())
    }
}

/// Gives the request of this thread so many seconds from now on, 0 to 31536000 (else ValueError); None is no limit.
#[pyfunction]
#[pyo3(signature = (seconds))]
pub(super) fn set_deadline(seconds: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let left = seconds.map(parse).transpose()?;
    // A process that the application has forked shares the slot.
    if !sys::fork::is_fork()
        && let Some(station) = Station::own().filter(|station| station.times().is_some())
    {
        station.set_left(left);
        station.attendant.hasten();
    }
    Ok(())
}

fn parse(seconds: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let py = seconds.py();
    let refused = || PyValueError::new_err("seconds must be a number from 0 to 31536000, or None");
    // An int may be too large for a float.
    let too_large = |error: PyErr| if error.is_instance_of::<PyOverflowError>(py) { refused() } else { error };
    let seconds: f64 = seconds.extract().map_err(too_large)?;
    Some(seconds).filter(|seconds| (0.0..=LONGEST).contains(seconds)).map(Duration::from_secs_f64).ok_or_else(refused)
}

/// A year.
const LONGEST: f64 = 31_536_000.0;
