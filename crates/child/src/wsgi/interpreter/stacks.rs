//! Where Python's threads are, written by `faulthandler`: it needs no GIL, which C code may keep for ever.

use std::os::fd::RawFd;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Interpreter, attach};

impl Interpreter {
    /// Has Python write to `target`, after `delay`, what its threads are doing. The application may use the same alarm for something
    /// else, and then nothing is written.
    pub fn write_stacks_after(&self, delay: Duration, target: RawFd) {
        attach(|py| {
            let set = || -> PyResult<()> {
                let options = PyDict::new(py);
                options.set_item("file", target)?;
                faulthandler(py)?.call_method("dump_traceback_later", (delay.as_secs_f64(),), Some(&options)).map(drop)
            };
            if let Err(error) = set() {
                log::debug!("an import that hangs will not be able to say where: {error}");
            }
        });
    }

    /// Takes that back.
    pub fn write_no_stacks(&self) {
        attach(|py| drop(faulthandler(py).and_then(|module| module.call_method0("cancel_dump_traceback_later"))));
    }
}

fn faulthandler(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("faulthandler")
}
