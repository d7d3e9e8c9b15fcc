//! The threads that a program waits for at its end: what the application has started and not finished.

use pyo3::prelude::*;

use super::{Threads, attach, utf8};

impl Threads {
    /// The names of the application's threads that keep a program from its end. Daemon threads do not, and the workers are ours.
    /// Waits for the GIL, perhaps for ever.
    pub fn of_the_application(&self) -> Vec<String> {
        attach(|py| self.name_others(py).unwrap_or_default())
    }

    fn name_others(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?;
        let mut names = Vec::new();
        for thread in threading.call_method0("enumerate")?.try_iter()? {
            let thread = thread?;
            let is_ours = thread.is(&main) || self.0.iter().any(|worker| thread.is(worker));
            if !is_ours && !thread.getattr("daemon")?.is_truthy()? {
                names.push(utf8::escape(&thread.getattr("name")?.str()?).into_owned());
            }
        }
        Ok(names)
    }
}
