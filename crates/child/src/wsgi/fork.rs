//! The end of a process that the application has forked and that comes back from it. It must not answer: the request, its connection
//! and the workers belong to the process that it was forked off.

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use super::Failure;
use super::exceptions::{to_python, traceback};
use shared::sys;

/// Ends this process if it is such a one; `outcome` is what the application came back with.
pub(super) fn end_if_forked<T>(py: Python<'_>, outcome: &Result<T, Failure>) {
    if !sys::fork::is_fork() {
        return;
    }
    match outcome {
        Ok(_) => sys::fork::end(&format!("{CAME_BACK}\n"), 0),
        Err(Failure::Python(error)) if error.is_instance_of::<PySystemExit>(py) => sys::fork::end("", exit_code(py, error)),
        Err(Failure::Python(error)) => end_failed(py, error),
        Err(Failure::Reply(error)) => end_failed(py, &to_python(error)),
    }
}

fn end_failed(py: Python<'_>, error: &PyErr) -> ! {
    sys::fork::end(&format!("{}{CAME_BACK}\n", traceback(py, error)), 1)
}

/// As Python's own end would have it.
fn exit_code(py: Python<'_>, error: &PyErr) -> u8 {
    let code = error.value(py).getattr("code");
    code.map_or(1, |code| if code.is_none() { 0 } else { code.extract::<i64>().map_or(1, |code| code as u8) })
}

const CAME_BACK: &str = "a process forked by the application returned from it; ending it: it should end with os._exit()";
