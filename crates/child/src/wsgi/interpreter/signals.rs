//! Signals that the application wants to hear. Python notes one when it comes, in whatever thread that is, and runs the handler when its
//! main thread looks. That one runs no code of the application's here, so it has to be woken.

use std::os::fd::RawFd;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::IntoPyDict;

use super::{Interpreter, attach};
use crate::wsgi::exceptions::traceback;
use shared::logging::codes;

impl Interpreter {
    /// Has Python write a byte to this socket, which does not block, whenever one of its signals has come. An application that has its
    /// own socket for that keeps it, and then the main thread has to look by itself, as often as this says.
    pub fn wake_at_signals(&self, socket: RawFd) -> Option<Duration> {
        attach(|py| {
            let Ok(before @ 0..) = set_wakeup(py, socket) else { return None };
            drop(set_wakeup(py, before));
            log::warn!(
                target: codes::WAKEUP_FD_TAKEN,
                "the application called signal.set_wakeup_fd during its import, so pyfcgid does not: its signal handlers run \
                 up to a second late"
            );
            Some(LOOK)
        })
    }

    /// Takes that back.
    pub fn wake_no_more(&self) {
        attach(|py| drop(set_wakeup(py, -1)));
    }

    /// Runs the handlers of signals that have come. What one raises would end the main thread's work, and ends nothing here.
    pub fn run_signal_handlers(&self) {
        attach(|py| {
            // One that raises leaves the others for the next time; there are no more than there are signals.
            for _ in 0..SIGNALS {
                match py.check_signals() {
                    Ok(()) => return,
                    Err(error) => tell_of_failure(py, &error),
                }
            }
        });
    }

    /// Says which of the signals that pyfcgid needs itself the application has set handlers for.
    pub fn tell_of_handlers_taken(&self) {
        attach(|py| {
            for (name, _) in NEEDED.iter().filter(|(_, number)| has_handler(py, *number).unwrap_or(false)) {
                log::warn!(
                    target: codes::SIGNAL_HANDLER_REPLACED,
                    "the application set a handler for {name} during its import: it is not called, because {name} stops a \
                     process gracefully; atexit handlers and close() of responses are called then"
                );
            }
        });
    }
}

/// A handler has raised this in what the main thread did.
pub(super) fn tell_of_failure(py: Python<'_>, error: &PyErr) {
    log::error!(
        target: codes::SIGNAL_HANDLER_FAILED,
        "a signal handler of the application failed:\n{}",
        traceback(py, error).trim_end()
    );
}

fn set_wakeup(py: Python<'_>, descriptor: RawFd) -> PyResult<RawFd> {
    let options = [("warn_on_full_buffer", false)].into_py_dict(py)?;
    py.import("_signal")?.call_method("set_wakeup_fd", (descriptor,), Some(&options))?.extract()
}

fn has_handler(py: Python<'_>, number: i32) -> PyResult<bool> {
    Ok(py.import("_signal")?.call_method1("getsignal", (number,))?.is_callable())
}

const LOOK: Duration = Duration::from_secs(1);
const SIGNALS: usize = 64;
const NEEDED: [(&str, i32); 2] = [("SIGTERM", shared::sys::signal::TERM), ("SIGQUIT", shared::sys::signal::QUIT)];
