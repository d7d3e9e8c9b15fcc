//! Processes that the application starts anew, without a fork, import its functions by the names of their modules. That fails for an
//! application's file that no `import` finds, with a traceback that names a module nobody knows.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use shared::logging::codes;

/// Says so once, when the application starts such a process: what starts them is imported then.
pub(super) fn warn_of_it(py: Python<'_>, path: &Path) -> PyResult<()> {
    let witness = Bound::new(py, Witness { path: path.to_owned() })?;
    py.import("sys")?.getattr("meta_path")?.call_method1("insert", (0, witness)).map(drop)
}

/// A finder that finds nothing, but sees what is looked for.
#[pyclass(frozen, module = "pyfcgid")]
struct Witness {
    path: PathBuf,
}

#[pymethods]
impl Witness {
    #[pyo3(signature = (name, _path = None, _target = None, /))]
    fn find_spec(&self, name: &str, _path: Option<Bound<'_, PyAny>>, _target: Option<Bound<'_, PyAny>>) -> Option<Py<PyAny>> {
        if STARTERS.contains(&name) {
            log::warn!(
                target: codes::SPAWN_CANNOT_IMPORT,
                "{} cannot be imported by the processes that multiprocessing starts with spawn or forkserver: put what they run into a \
                 module, or use fork",
                self.path.display()
            );
        }
        None
    }
}

/// The modules that start processes with spawn and with forkserver. Whoever uses one imports no other.
const STARTERS: [&str; 2] = ["multiprocessing.popen_spawn_posix", "multiprocessing.popen_forkserver"];
