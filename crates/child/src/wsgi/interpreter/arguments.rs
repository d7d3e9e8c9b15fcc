//! The arguments of a factory: Python's literals, which have no effects.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::utf8;

/// What a factory is called with.
pub(super) struct Arguments<'py> {
    positional: Vec<Bound<'py, PyAny>>,
    named: Bound<'py, PyDict>,
}

impl<'py> Arguments<'py> {
    /// What stands between the parentheses.
    ///
    /// # Errors
    /// In one line, what of it is no literal.
    pub(super) fn parse(py: Python<'py>, text: &str) -> Result<Self, String> {
        let mut arguments = Self { positional: Vec::new(), named: PyDict::new(py) };
        if text.trim().is_empty() {
            return Ok(arguments);
        }
        let source = format!("f({text})");
        let no_python = |error: PyErr| format!("has arguments that are not valid Python: {}", message(py, &error));
        let ast = py.import("ast").map_err(no_python)?;
        let call = ast.call_method1("parse", (&source, "<arguments>", "eval")).and_then(|tree| tree.getattr("body"));
        let call = call.map_err(no_python)?;
        let literals = Literals { ast: ast.as_any(), source: &source };
        for argument in nodes(&call, "args") {
            arguments.positional.push(literals.value(&argument)?);
        }
        for keyword in nodes(&call, "keywords") {
            arguments.add(&literals, &keyword)?;
        }
        Ok(arguments)
    }

    fn add(&mut self, literals: &Literals<'_, 'py>, keyword: &Bound<'py, PyAny>) -> Result<(), String> {
        let py = keyword.py();
        let failed = |error: PyErr| message(py, &error);
        let value = keyword.getattr("value").map_err(failed)?;
        let Ok(name) = keyword.getattr("arg").and_then(|name| name.extract::<String>()) else {
            return Err(literals.refuse("**", &value));
        };
        if self.named.contains(&name).map_err(failed)? {
            return Err(format!("is given {name} twice"));
        }
        self.named.set_item(name, literals.value(&value)?).map_err(failed)
    }

    /// Calls the factory.
    pub(super) fn call(self, factory: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        factory.call(PyTuple::new(factory.py(), self.positional)?, Some(&self.named))
    }
}

/// What makes values of a parsed source.
struct Literals<'a, 'py> {
    ast: &'a Bound<'py, PyAny>,
    source: &'a str,
}

impl<'py> Literals<'_, 'py> {
    fn value(&self, node: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, String> {
        self.ast.call_method1("literal_eval", (node,)).map_err(|_| self.refuse("", node))
    }

    fn refuse(&self, stars: &str, node: &Bound<'py, PyAny>) -> String {
        let segment =
            self.ast.call_method1("get_source_segment", (self.source, node)).and_then(|text| text.extract::<String>());
        let text = format!("{stars}{}", segment.unwrap_or_default());
        let is_name = stars.is_empty() && node.hasattr("id").unwrap_or(false);
        let advice = if is_name { format!(": did you mean \"{text}\"?") } else { String::new() };
        format!("takes literals, such as \"text\", 5, True or [1, 2]: {text} is not one{advice}")
    }
}

fn nodes<'py>(call: &Bound<'py, PyAny>, field: &str) -> Vec<Bound<'py, PyAny>> {
    call.getattr(field).and_then(|nodes| nodes.extract()).unwrap_or_default()
}

/// A syntax error's own text has the place in a source that nobody has typed like this.
fn message(py: Python<'_>, error: &PyErr) -> String {
    let value = error.value(py);
    let text = value.getattr("msg").and_then(|text| text.str()).or_else(|_| value.str());
    text.map_or_else(|_| error.to_string(), |text| utf8::escape(&text).into_owned())
}
