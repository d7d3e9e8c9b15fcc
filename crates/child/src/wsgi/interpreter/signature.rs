//! Whether what is called with two arguments takes two: a factory that was named like an application would fail only at the first
//! request.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyFunction, PyType};

/// What Python knows of the arguments of a callable.
pub(super) struct Signature<'py>(Bound<'py, PyAny>);

impl<'py> Signature<'py> {
    /// The signature of what a call of `callable` runs. `None` where that cannot be told: of much that is written in C, and of
    /// objects that only say themselves what it is.
    pub(super) fn of(callable: &Bound<'py, PyAny>) -> Option<Self> {
        let inspect = callable.py().import("inspect").ok()?;
        let called = called(callable, inspect.as_any()).ok()?;
        if called.hasattr("__signature__").unwrap_or(true) {
            return None;
        }
        // Of a decorated function it is the decorator's that counts: werkzeug's makes applications of functions of one argument.
        let options = [("follow_wrapped", false)].into_py_dict(callable.py()).ok()?;
        inspect.getattr("signature").and_then(|signature| signature.call((called,), Some(&options))).ok().map(Self)
    }

    /// Whether it can be called as an application is.
    pub(super) fn takes_a_request(&self) -> bool {
        let py = self.0.py();
        self.0.call_method1("bind", (py.None(), py.None())).is_ok()
    }

    /// Whether it can be called as a factory is.
    pub(super) fn takes_nothing(&self) -> bool {
        self.0.call_method0("bind").is_ok()
    }
}

/// Whether this is what most applications are: a function of two arguments, or an object with such a method. For others `inspect` has to
/// be imported, which takes 2 MB.
pub(super) fn is_plain(callable: &Bound<'_, PyAny>) -> bool {
    let takes = |function: &Bound<'_, PyAny>, count: usize| {
        let code = function.cast_exact::<PyFunction>()?.getattr("__code__")?;
        let number = |name| code.getattr(name)?.extract::<usize>();
        PyResult::Ok(number("co_argcount")? == count && number("co_kwonlyargcount")? == 0)
    };
    let method = || takes(&callable.get_type().getattr("__call__")?, 3);
    takes(callable, 2).or_else(|_| method()).unwrap_or(false)
}

/// What has the signature. Of an object it is the method that is called, as it is bound: `inspect` takes a static one for another.
fn called<'py>(callable: &Bound<'py, PyAny>, inspect: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let partial = callable.py().import("functools")?.getattr("partial")?;
    let is_known = callable.is_instance_of::<PyType>() || callable.is_instance(&partial)?;
    if is_known || inspect.call_method1("isroutine", (callable,))?.is_truthy()? {
        return Ok(callable.clone());
    }
    callable.getattr("__call__")
}
