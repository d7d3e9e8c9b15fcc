//! What an application learns when the web server gives its request up: `pyfcgid.aborted`, and, if that is asked for, an exception
//! in the worker's thread.
//!
//! Python delivers an exception from another thread between two bytecodes of whatever the thread runs just then. So a thread of
//! its own raises it, under the GIL, and only while the application runs for that very request; what has not arrived when the
//! application returns is taken out of the way before anything else runs.

use std::ffi::c_long;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::import_exception;
use pyo3::prelude::*;

use super::{Failure, thread};
use crate::without_python::interruption::Interrupted;
use connections::exchange::{AbortListener, AbortProbe, Lost, Reply, ReplyError};

import_exception!(pyfcgid, RequestAborted);

/// `environ["pyfcgid.aborted"]`: a callable that is true once the web server has given the request up.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Aborted(AbortProbe);

impl Aborted {
    pub(super) fn new(reply: &Reply) -> Self {
        Self(reply.abort_probe())
    }
}

#[pymethods]
impl Aborted {
    fn __call__(&self) -> bool {
        self.0.is_aborted()
    }
}

/// What raises in one worker's thread.
#[derive(Debug)]
pub(super) struct Interrupter {
    thread: c_long,
    aborts: Sender<Arc<Interruption>>,
}

impl Interrupter {
    /// For the thread that calls; `aborts` leads to the thread that raises.
    pub(super) fn new(aborts: Sender<Arc<Interruption>>) -> Self {
        Self { thread: thread::current(), aborts }
    }

    /// Listens for the abort of the request that is to be answered now.
    pub(super) fn listen(&self, reply: &Reply) -> Arc<Interruption> {
        let interruption = Arc::new(Interruption { thread: self.thread, state: Mutex::new(Interrupted::Outside) });
        let notice = Notice { interruption: Arc::clone(&interruption), aborts: self.aborts.clone() };
        reply.on_abort(Arc::new(notice));
        interruption
    }
}

/// How the event loop, which must not wait for the GIL, passes an abort on.
#[derive(Debug)]
struct Notice {
    interruption: Arc<Interruption>,
    aborts: Sender<Arc<Interruption>>,
}

impl AbortListener for Notice {
    fn aborted(&self) {
        // Without a thread that raises the process is ending.
        drop(self.aborts.send(Arc::clone(&self.interruption)));
    }
}

/// The abort of one request, in the thread of its worker. Each request has its own, so that none can hit the next.
#[derive(Debug)]
pub(super) struct Interruption {
    /// The worker's, as Python counts them.
    thread: c_long,
    state: Mutex<Interrupted>,
}

impl Interruption {
    /// Runs code of the application, which the abort may interrupt.
    pub(super) fn run<T>(&self, py: Python<'_>, code: impl FnOnce() -> PyResult<T>) -> Result<T, Failure> {
        if !self.with_state(Interrupted::enter) {
            return Err(ReplyError::from(Lost::Aborted).into());
        }
        let _inside = Inside { interruption: self, py };
        Ok(code()?)
    }

    /// The peer has given the request up: raises in the worker's thread if the application runs.
    pub(super) fn abort(&self, py: Python<'_>) {
        let exception = py.get_type::<RequestAborted>();
        self.with_state(|state| {
            if state.abort() {
                thread::raise_in(&exception, self.thread);
            }
        });
    }

    /// The same, found out by the application itself, which failed to write: whether it is to see the exception at once.
    pub(super) fn abort_here(&self, py: Python<'_>) -> bool {
        if thread::current() != self.thread {
            return false;
        }
        let (raise, was_raised) = self.with_state(|state| (state.abort(), *state == Interrupted::Raised));
        raise || was_raised && take_back(py)
    }

    /// Whether the application was interrupted.
    pub(super) fn was_raised(&self) -> bool {
        self.with_state(|state| *state == Interrupted::Raised)
    }

    fn with_state<T>(&self, use_it: impl FnOnce(&mut Interrupted) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The application runs, until this is dropped, be it by a panic.
struct Inside<'a, 'py> {
    interruption: &'a Interruption,
    py: Python<'py>,
}

impl Drop for Inside<'_, '_> {
    fn drop(&mut self) {
        if self.interruption.with_state(Interrupted::leave) {
            take_back(self.py);
        }
    }
}

/// Takes an exception that has not arrived yet out of this thread; says whether there was one. It is let arrive in code that does
/// nothing: setting none instead makes Python look for one at every call and jump for the rest of its life, up to 3.12.
fn take_back(py: Python<'_>) -> bool {
    let arrived = py.eval(c"[0 for _ in (1, 2, 3)]", None, None).err();
    arrived.is_some_and(|error| error.is_instance_of::<RequestAborted>(py))
}
