//! The package `pyfcgid` of applications, and what of it works in a process of pyfcgid only.

use std::ffi::CStr;

use pyo3::ffi::c_str;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::deadline::set_deadline;
use super::interruption::{RequestAborted, RequestInterrupted, RequestTimeout};
use super::utf8;
use crate::without_python::app_log::{self, RequestNumber, Voice};
use shared::settings::AppLog;

/// Puts it where `import` finds it, and what may be installed under that name does not stand for it.
pub(super) fn add(py: Python<'_>) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    modules.call_method1("pop", (NAME, py.None()))?;
    let package = PyModule::from_code(py, CODE, c"pyfcgid", c"pyfcgid")?;
    package.setattr("request_id", wrap_pyfunction!(request_id, &package)?)?;
    package.setattr("set_deadline", wrap_pyfunction!(set_deadline, &package)?)?;
    // From now on it is that of this package, whatever the application does with it.
    py.get_type::<RequestAborted>();
    py.get_type::<RequestInterrupted>();
    py.get_type::<RequestTimeout>();
    Ok(())
}

/// Has its LogHandler write to the log.
pub(super) fn connect_log_handler(py: Python<'_>, form: AppLog) -> PyResult<()> {
    py.import(NAME)?.setattr("_log", Bound::new(py, Log { form })?)
}

/// The number of the request that this thread answers, as in the log, or None outside of one.
#[pyfunction]
fn request_id() -> Option<String> {
    RequestNumber::current().map(RequestNumber::text)
}

/// Takes what LogHandler has made of a record.
#[pyclass(frozen, module = "pyfcgid")]
struct Log {
    form: AppLog,
}

#[pymethods]
impl Log {
    #[pyo3(signature = (level, text, /))]
    fn __call__(&self, level: i64, text: &Bound<'_, PyString>) {
        let voice = Voice { level: app_log::level_of(level), form: self.form };
        voice.say(RequestNumber::current(), utf8::escape(text).as_bytes());
    }
}

const NAME: &str = "pyfcgid";
/// What the wheel installs for other servers, so that there is one text, and the same names everywhere.
const CODE: &CStr = c_str!(include_str!("../../../../python/pyfcgid/__init__.py"));
