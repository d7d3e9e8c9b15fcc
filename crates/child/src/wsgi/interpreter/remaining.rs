//! The threads that a program waits for at its end: what the application has started and not finished.

use pyo3::prelude::*;

use super::{Threads, attach, utf8};

impl Threads {
    /// The threads of the application that keep a program from its end, each with where it is, for the log. Daemon threads do not, and
    /// the workers are ours. Waits for the GIL, perhaps for ever.
    pub fn of_the_application(&self) -> Vec<String> {
        attach(|py| self.describe_others(py).unwrap_or_default())
    }

    fn describe_others(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?;
        let frames = py.import("sys")?.call_method0("_current_frames")?;
        let mut described = Vec::new();
        for thread in threading.call_method0("enumerate")?.try_iter()? {
            let thread = thread?;
            let is_ours = thread.is(&main) || self.0.iter().any(|worker| thread.is(worker));
            if !is_ours && !thread.getattr("daemon")?.is_truthy()? {
                described.push(describe(&thread, &frames)?);
            }
        }
        Ok(described)
    }
}

/// `Thread-1 (send_mail) at /srv/shop/mail.py:12`
fn describe(thread: &Bound<'_, PyAny>, frames: &Bound<'_, PyAny>) -> PyResult<String> {
    let name = thread.getattr("name")?.str()?;
    let name = utf8::escape(&name);
    let frame = frames.call_method1("get", (thread.getattr("ident")?,))?;
    if frame.is_none() {
        return Ok(name.into_owned());
    }
    let file = frame.getattr("f_code")?.getattr("co_filename")?.str()?;
    Ok(format!("{name} at {}:{}", utf8::escape(&file), frame.getattr("f_lineno")?.extract::<u64>()?))
}
