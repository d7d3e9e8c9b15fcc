//! What an application learns when the web server gives its request up: `pyfcgid.aborted`, and, if that is asked for, an exception
//! in the worker's thread.

use std::ffi::CStr;
use std::sync::Arc;

use pyo3::ffi::c_str;
use pyo3::prelude::*;

use super::interpreter::Attendant;
use super::interruption::{Interruption, RequestAborted, RequestInterrupted};
use connections::exchange::{AbortListener, AbortProbe, Reply};

/// Puts the module `pyfcgid` where `import` finds it, and what may be installed under that name does not stand for it.
pub(super) fn add_module(py: Python<'_>) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    modules.call_method1("pop", ("pyfcgid", py.None()))?;
    PyModule::from_code(py, MODULE, c"pyfcgid", c"pyfcgid")?;
    // From now on it is that of this module, whatever the application does with it.
    py.get_type::<RequestAborted>();
    py.get_type::<RequestInterrupted>();
    Ok(())
}

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

/// What the wheel installs for other servers, so that there is one text, and the same names everywhere.
const MODULE: &CStr = c_str!(include_str!("../../../../python/pyfcgid/__init__.py"));
