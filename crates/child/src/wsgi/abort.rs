//! What an application learns when the web server gives its request up: `pyfcgid.aborted`, and, if that is asked for, an exception
//! in the worker's thread.

use std::sync::Arc;

use pyo3::prelude::*;

use super::interpreter::Attendant;
use super::interruption::Interruption;
use connections::exchange::{AbortListener, AbortProbe, Reply};

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

/// How the event loop, which must not wait for the GIL, passes an abort on.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) interruption: Arc<Interruption>,
    /// The number of the request.
    pub(super) request: u64,
    pub(super) attendant: Arc<Attendant>,
}

impl AbortListener for Notice {
    fn aborted(&self) {
        self.attendant.abort(Arc::clone(&self.interruption), self.request);
    }
}
