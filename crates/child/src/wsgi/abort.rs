//! What an application learns when the web server gives its request up: `pyfcgid.aborted`, and, if that is asked for, an exception
//! in the worker's thread.

use pyo3::prelude::*;

use super::start_response::StartResponse;
use super::station::Station;
use connections::exchange::AbortListener;

/// `environ["pyfcgid.aborted"]`: a callable that is true once the web server has given the request up.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Aborted(pub(super) Py<StartResponse>);

#[pymethods]
impl Aborted {
    fn __call__(&self) -> bool {
        self.0.get().probe.is_aborted()
    }
}

/// How the event loop, which must not wait for the GIL, passes an abort on.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) station: &'static Station,
    /// The number of the request.
    pub(super) request: u64,
}

impl AbortListener for Notice {
    fn aborted(&self) {
        self.station.attendant.abort(self.station, self.request);
    }
}
