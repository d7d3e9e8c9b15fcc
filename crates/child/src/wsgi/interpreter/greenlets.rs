//! Whether the application has put greenlets in the place of threads, in which no worker can run.

use pyo3::prelude::*;

/// What is wrong, and what to do.
pub(super) fn in_place_of_threads(py: Python<'_>) -> Option<&'static str> {
    let is_patched = |module: &str, question: &str, name: &str| -> PyResult<bool> {
        let modules = py.import("sys")?.getattr("modules")?;
        let module = modules.get_item(module)?;
        module.call_method1(question, (name,))?.is_truthy()
    };
    // A module that was not imported has patched nothing.
    if is_patched("gevent.monkey", "is_module_patched", "threading").unwrap_or(false) {
        return Some(GEVENT);
    }
    is_patched("eventlet.patcher", "is_monkey_patched", "thread").unwrap_or(false).then_some(EVENTLET)
}

const GEVENT: &str = "gevent has replaced Python's threads with greenlets, but each worker is a thread: call \
                      monkey.patch_all(thread=False), or leave it out and set `threads`";
const EVENTLET: &str = "eventlet has replaced Python's threads with greenlets, but each worker is a thread: call \
                        monkey_patch(thread=False), or leave it out and set `threads`";
