//! Files that are written to, and neither read nor sought in: what all of one class answer alike stands in a table, of which the class
//! gets its attributes and methods.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};

use super::exceptions::UnsupportedOperation;

/// A method's name, and its documentation: its signature, as `inspect` finds it.
pub(super) type Method = (&'static CStr, &'static CStr);
/// A method, and the word that `io` has for its refusal.
pub(super) type Refused = (Method, &'static str);

/// Has the files of a class say that they are for writing, and `refused` methods raise `UnsupportedOperation`.
pub(super) fn complete(class: &Bound<'_, PyType>, refused: &[Refused]) -> PyResult<()> {
    let py = class.py();
    // What is written after it was closed is logged all the same.
    class.setattr("closed", false)?;
    for ((name, signature), answer) in ANSWERED {
        class.setattr(name, PyCFunction::new_closure(py, Some(name), Some(signature), move |_, _| answer)?)?;
    }
    for &((name, signature), what) in refused.iter().chain(&REFUSED_BY_ALL) {
        let refuse = move |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            Err(UnsupportedOperation::new_err(what))
        };
        class.setattr(name, PyCFunction::new_closure(py, Some(name), Some(signature), refuse)?)?;
    }
    Ok(())
}

pub(super) const FILENO: Method = (c"fileno", c"fileno()\n--\n\n");
pub(super) const READ: Method = (c"read", c"read(size=-1, /)\n--\n\n");
pub(super) const READ1: Method = (c"read1", c"read1(size=-1, /)\n--\n\n");
pub(super) const READINTO: Method = (c"readinto", c"readinto(buffer, /)\n--\n\n");
pub(super) const READINTO1: Method = (c"readinto1", c"readinto1(buffer, /)\n--\n\n");
pub(super) const READLINE: Method = (c"readline", c"readline(size=-1, /)\n--\n\n");
pub(super) const READLINES: Method = (c"readlines", c"readlines(hint=-1, /)\n--\n\n");
pub(super) const NEXT: Method = (c"__next__", c"__next__()\n--\n\n");
pub(super) const SEEK: Method = (c"seek", c"seek(offset, whence=0, /)\n--\n\n");
pub(super) const TELL: Method = (c"tell", c"tell()\n--\n\n");

const ANSWERED: [(Method, bool); 4] = [
    ((c"readable", c"readable()\n--\n\n"), false),
    ((c"writable", c"writable()\n--\n\n"), true),
    ((c"seekable", c"seekable()\n--\n\n"), false),
    ((c"isatty", c"isatty()\n--\n\n"), false),
];
const REFUSED_BY_ALL: [Refused; 2] =
    [((c"detach", c"detach()\n--\n\n"), "detach"), ((c"truncate", c"truncate(pos=None, /)\n--\n\n"), "truncate")];
