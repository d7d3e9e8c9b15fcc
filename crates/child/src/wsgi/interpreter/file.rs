//! The import of an application's file, which may have any name.
//!
//! If `import STEM` finds this very file, that is how it is imported, so that it is one module for everybody. Else the module has a
//! private name: under its own it would take the place of another one, of `shop.py` for `shop.wsgi`, or of Python's `logging`.

use std::fs;
use std::path::Path;

use pyo3::prelude::*;

use super::spawning;

/// Imports the file.
pub(super) fn import<'py>(py: Python<'py>, path: &Path) -> PyResult<Bound<'py, PyModule>> {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    if is_found_as(py, &stem, path) { py.import(stem) } else { import_apart(py, path, &private_name(&stem)) }
}

/// Whether `import` finds this file under this name. A name with a dot would have its first part imported.
fn is_found_as(py: Python<'_>, stem: &str, path: &Path) -> bool {
    let find = || py.import("importlib.util")?.call_method1("find_spec", (stem,))?.getattr("origin")?.extract::<String>();
    let is_same = |found: String| {
        fs::canonicalize(found).ok().is_some_and(|found| fs::canonicalize(path).is_ok_and(|path| path == found))
    };
    !stem.contains('.') && find().is_ok_and(is_same)
}

/// The same in every process of the pool, so that what one has pickled another can read.
fn private_name(stem: &str) -> String {
    let stem: String = stem.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    format!("_pyfcgid_app_{stem}")
}

fn import_apart<'py>(py: Python<'py>, path: &Path, name: &str) -> PyResult<Bound<'py, PyModule>> {
    let util = py.import("importlib.util")?;
    let loader = py.import("importlib.machinery")?.getattr("SourceFileLoader")?.call1((name, path.as_os_str()))?;
    let spec = util.call_method1("spec_from_loader", (name, &loader))?;
    let module = util.call_method1("module_from_spec", (spec,))?.cast_into::<PyModule>()?;
    py.import("sys")?.getattr("modules")?.set_item(name, &module)?;
    spawning::warn_of_it(py, path)?;
    // The cache is named after the stem, and that of page.wsgi would be the one of page.py.
    let code = if path.extension().is_some_and(|end| end == "py") {
        loader.call_method1("get_code", (name,))?
    } else {
        let source = loader.call_method1("get_data", (path.as_os_str(),))?;
        loader.call_method1("source_to_code", (source, path.as_os_str()))?
    };
    py.import("builtins")?.call_method1("exec", (code, module.dict()))?;
    Ok(module)
}
