//! Files that are written to, and neither read nor sought in: what all of one class answer alike stands in a table, of which the class
//! gets its attributes and methods.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};

use super::exceptions::UnsupportedOperation;

/// Has the files of a class say that they are for writing, and `refused` methods, by their names, raise `UnsupportedOperation`, each with
/// the word that `io` has for it.
pub(super) fn complete(class: &Bound<'_, PyType>, refused: &[(&'static CStr, &'static str)]) -> PyResult<()> {
    let py = class.py();
    // What is written after it was closed is logged all the same.
    class.setattr("closed", false)?;
    for (name, answer) in [(c"readable", false), (c"writable", true), (c"seekable", false), (c"isatty", false)] {
        class.setattr(name, PyCFunction::new_closure(py, Some(name), None, move |_, _| answer)?)?;
    }
    for &(name, what) in refused.iter().chain(&REFUSED_BY_ALL) {
        let refuse = move |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            Err(UnsupportedOperation::new_err(what))
        };
        class.setattr(name, PyCFunction::new_closure(py, Some(name), None, refuse)?)?;
    }
    Ok(())
}

const REFUSED_BY_ALL: [(&CStr, &str); 2] = [(c"detach", "detach"), (c"truncate", "truncate")];
