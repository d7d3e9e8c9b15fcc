//! An exception in the thread of one request: its abort, its deadline, or that the administrator interrupts it.
//!
//! Python delivers an exception from another thread between two bytecodes of whatever the thread runs just then. So a thread of
//! its own raises it, under the GIL, and only while the application runs for that very request; what has not arrived when the
//! application returns is taken out of the way before anything else runs.

use std::ffi::c_long;

use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::{Failure, thread};
use crate::without_python::interruption::{Cause, Interruptible, Raise};
use connections::exchange::{Lost, ReplyError};

import_exception!(pyfcgid, RequestAborted);
import_exception!(pyfcgid, RequestInterrupted);
import_exception!(pyfcgid, RequestTimeout);

/// How the requests of one worker are interrupted, one after the other.
#[derive(Debug)]
pub(super) struct Interruption {
    /// The worker's, as Python counts them.
    thread: c_long,
    /// Begun by the thread whose it is, with each request.
    pub(super) state: Interruptible,
}

impl Interruption {
    /// For the thread that calls.
    pub(super) fn new() -> Self {
        Self { thread: thread::current(), state: Interruptible::default() }
    }

    /// Runs code of the application, which an exception may interrupt.
    pub(super) fn run<T>(&self, py: Python<'_>, code: impl FnOnce() -> PyResult<T>) -> Result<T, Failure> {
        self.state.enter().map_err(|cause| match cause {
            Cause::Abort => Failure::Reply(ReplyError::from(Lost::Aborted)),
            Cause::Administrator => Failure::Python(RequestInterrupted::new_err("before the application ran")),
            Cause::Deadline => Failure::Reply(ReplyError::TimedOut),
        })?;
        let _inside = Inside { interruption: self, py };
        Ok(code()?)
    }

    /// Runs the last code of the application, whatever has happened before.
    pub(super) fn run_close<T>(&self, py: Python<'_>, code: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
        self.state.close();
        let _inside = Inside { interruption: self, py };
        code()
    }

    /// Raises in the worker's thread, if the application runs for this request; else it will not run any more. Whether it is in time.
    pub(super) fn raise(&self, py: Python<'_>, request: u64, cause: Cause) -> bool {
        let raise = self.state.raise(request, cause);
        if raise == Raise::Now {
            thread::raise_in(&exception(py, cause), self.thread);
        }
        raise != Raise::TooLate
    }

    /// The application itself has found out that the request was aborted, since it failed to write: the exception that it is to see at
    /// once, if any.
    pub(super) fn abort_here(&self, py: Python<'_>, what: &str) -> Option<PyErr> {
        if thread::current() != self.thread {
            return None;
        }
        match self.state.raise(self.state.request(), Cause::Abort) {
            Raise::Now => Some(RequestAborted::new_err(what.to_owned())),
            _ if self.state.raised().is_some() => take_back(py),
            _ => None,
        }
    }

    /// The same of its time.
    pub(super) fn timeout_here(&self, py: Python<'_>, what: &str) -> PyErr {
        let on_its_way = if thread::current() == self.thread { take_back(py) } else { None };
        on_its_way.unwrap_or_else(|| RequestTimeout::new_err(what.to_owned()))
    }
}

fn exception(py: Python<'_>, cause: Cause) -> Bound<'_, PyType> {
    match cause {
        Cause::Abort => py.get_type::<RequestAborted>(),
        Cause::Administrator => py.get_type::<RequestInterrupted>(),
        Cause::Deadline => py.get_type::<RequestTimeout>(),
    }
}

/// The application runs, until this is dropped, be it by a panic.
struct Inside<'a, 'py> {
    interruption: &'a Interruption,
    py: Python<'py>,
}

impl Drop for Inside<'_, '_> {
    fn drop(&mut self) {
        if self.interruption.state.leave() {
            drop(take_back(self.py));
        }
    }
}

/// Takes an exception that has not arrived yet out of this thread, if there is one. It is let arrive in code that does nothing: setting
/// none instead makes Python look for one at every call and jump for the rest of its life, up to 3.12.
fn take_back(py: Python<'_>) -> Option<PyErr> {
    let arrived = py.eval(c"[0 for _ in (1, 2, 3)]", None, None).err()?;
    is_ours(py, &arrived).then_some(arrived)
}

/// Whether it is one that is raised here.
pub(super) fn is_ours(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<RequestAborted>(py)
        || error.is_instance_of::<RequestInterrupted>(py)
        || error.is_instance_of::<RequestTimeout>(py)
}
