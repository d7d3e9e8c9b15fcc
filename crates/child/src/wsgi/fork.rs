//! The end of a process that the application has forked and that comes back from it. It must not answer: the request, its connection
//! and the workers belong to the process that it was forked off.

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use super::Failure;
use super::exceptions::{to_python, traceback};
use shared::logging::codes;
use shared::sys::fork::is_fork;
use shared::sys::process::exit_now;

/// Ends this process if it is such a one; `outcome` is what the application came back with.
pub(super) fn end_if_forked<T>(py: Python<'_>, outcome: &Result<T, Failure>) {
    if !is_fork() {
        return;
    }
    let (how, code) = match outcome {
        Ok(_) => (String::new(), 0),
        Err(Failure::Python(error)) if error.is_instance_of::<PySystemExit>(py) => exit_now(exit_code(py, error)),
        Err(Failure::Python(error)) => failed(py, error),
        Err(Failure::Reply(error)) => failed(py, &to_python(error)),
    };
    log::warn!(
        target: codes::FORK_RETURNED,
        "a process forked by the application returned from it; ending it: it should end with os._exit(){how}"
    );
    exit_now(code)
}

fn failed(py: Python<'_>, error: &PyErr) -> (String, u8) {
    (format!("\n{}", traceback(py, error).trim_end()), 1)
}

/// As Python's own end would have it.
fn exit_code(py: Python<'_>, error: &PyErr) -> u8 {
    let code = error.value(py).getattr("code");
    code.map_or(1, |code| if code.is_none() { 0 } else { code.extract::<i64>().map_or(1, |code| code as u8) })
}
