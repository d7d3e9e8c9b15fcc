//! What to say when the application is not where it was named: what was looked for, where, and what may have been meant.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType};

use shared::settings::{App, AppSource, nearest};
use shared::sys::file::obstacle;

/// Where modules are searched.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Of Python.
    pub(super) version: String,
    pub(super) venv: Option<PathBuf>,
    /// Directories before Python's own; the last one is the current directory.
    pub(super) path: Vec<PathBuf>,
}

impl Places {
    /// What is wrong, in one line, when the failed import of the application's module means that there is no such module. `None` when an
    /// import inside of it failed.
    pub(super) fn without(&self, py: Python<'_>, app: &App, error: &PyErr) -> Option<String> {
        let (module, missing) = (&source(app), missing_module(py, error)?);
        if missing != *module && !module.starts_with(&format!("{missing}.")) {
            return None;
        }
        if self.path.last().is_some_and(|current| current.join(module).is_file()) {
            let with_callable = app.callable.as_ref().map(|_| format!(", as in ./{app}")).unwrap_or_default();
            return Some(format!("there is no module {module}: did you mean the file ./{module}{with_callable}?"));
        }
        match missing.rsplit_once('.') {
            Some((parent, name)) => Some(in_package(py, parent, name)),
            None => Some(format!("there is no module {missing} in {self}: {}", self.advice(&missing))),
        }
    }

    fn advice(&self, missing: &str) -> String {
        if let Some(denied) = self.path.iter().find_map(|directory| denied(directory)) {
            return denied;
        }
        let here: Vec<String> = self.path.iter().flat_map(|directory| modules_in(directory)).collect();
        if let Some(meant) = nearest(missing, here.iter().map(String::as_str)) {
            return format!("did you mean {meant}?");
        }
        let below = self.path.iter().flat_map(|directory| directories_in(directory));
        match below.into_iter().find(|directory| modules_in(directory).iter().any(|name| name == missing)) {
            Some(directory) => format!("it is in {}: add that with --python-path or --chdir", directory.display()),
            None => "correct the name, or set --python-path, --chdir or --venv to where it is".to_owned(),
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |(number, directory): (usize, &PathBuf)| {
            let what = if number + 1 == self.path.len() { "the current directory" } else { "python-path" };
            format!("{} ({what})", directory.display())
        };
        let own = self.path.iter().enumerate().map(named).collect::<Vec<_>>().join(", ");
        match &self.venv {
            Some(venv) => write!(f, "{own} or the venv {}", venv.display()),
            None => write!(f, "{own} or Python {}'s own packages (no venv is set)", self.version),
        }
    }
}

/// The module that was not found, if that is why an import failed.
fn missing_module(py: Python<'_>, error: &PyErr) -> Option<String> {
    let is_that = error.is_instance_of::<PyModuleNotFoundError>(py);
    is_that.then(|| error.value(py).getattr("name").ok()?.extract().ok()).flatten()
}

/// What to do when the import of an application's file failed because of a module that is beside it.
pub(super) fn beside_file(py: Python<'_>, path: &Path, error: &PyErr) -> Option<String> {
    let (directory, missing) = (path.parent()?, missing_module(py, error)?);
    let is_there = modules_in(directory).contains(&missing);
    is_there.then(|| format!(": it is in {}: add that with --python-path", directory.display()))
}

/// There is no `name` in `parent`, which is imported already.
fn in_package(py: Python<'_>, parent: &str, name: &str) -> String {
    let path = py.import(parent).and_then(|parent| parent.getattr("__path__"));
    let path: Option<Vec<PathBuf>> = path.and_then(|path| path.try_iter()?.map(|entry| entry?.extract()).collect()).ok();
    let Some(path) = path else {
        return format!("{parent} is not a package: did you mean {parent}:{name}?");
    };
    let modules: Vec<String> = path.iter().flat_map(|directory| modules_in(directory)).collect();
    let place = path.first().map(|path| format!(" ({})", path.display())).unwrap_or_default();
    let advice = match nearest(name, modules.iter().map(String::as_str)) {
        Some(meant) => format!(": did you mean {parent}.{meant}?"),
        None if modules.is_empty() => String::new(),
        None => format!(": it has {}", list(&modules)),
    };
    format!("there is no module {name} in the package {parent}{place}{advice}")
}

/// What this user is not permitted to read, and who is to change that.
fn denied(path: &Path) -> Option<String> {
    let place = obstacle(path)?;
    let deed = match (place.is_dir(), place == path) {
        (false, _) => "read it".to_owned(),
        (true, true) => "enter it and read it".to_owned(),
        (true, false) => format!("enter it, and read {}", path.display()),
    };
    Some(format!("permission denied at {}: let the user that the pool runs as {deed}", place.display()))
}

/// What is wrong, in one line, with the file of an application that is not there, no file or not to be read.
pub(super) fn of_file(path: &Path) -> Option<String> {
    if let Some(denied) = denied(path) {
        return Some(denied);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let advice = file_in(path).map(|file| format!(": did you mean {}?", file.display())).unwrap_or_default();
            Some(format!("{} is a directory, not a file of Python code{advice}", path.display()))
        }
        Ok(_) => None,
        Err(_) => {
            let advice = other_file(path).map(|file| format!(": did you mean {}?", file.display())).unwrap_or_default();
            Some(format!("there is no file {}{advice}", path.display()))
        }
    }
}

/// The usual file of an application, in a directory.
fn file_in(directory: &Path) -> Option<PathBuf> {
    ["wsgi.py", "app.py", "application.py", "main.py"].into_iter().map(|name| directory.join(name)).find(|path| path.is_file())
}

/// With the extension that was left out, of nearly this name beside it, or of this name one directory below.
fn other_file(path: &Path) -> Option<PathBuf> {
    let (directory, name) = (path.parent()?, path.file_name()?.to_str()?);
    let complete = directory.join(format!("{name}.py"));
    if complete.is_file() {
        return Some(complete);
    }
    let beside: Vec<String> = modules_in(directory).into_iter().map(|module| format!("{module}.py")).collect();
    let near = nearest(name, beside.iter().map(String::as_str)).map(|name| directory.join(name)).filter(|path| path.is_file());
    near.or_else(|| directories_in(directory).into_iter().map(|below| below.join(name)).find(|path| path.is_file()))
}

/// What is wrong, in one line, when `owner` has no `name`: the application's module, or an object in it.
pub(super) fn of_callable(owner: &Bound<'_, PyAny>, name: &str, app: &App) -> String {
    let names = callables(owner);
    let is_module = owner.is_instance_of::<PyModule>();
    let near = nearest(name, names.iter().map(String::as_str));
    let usual = DEFAULTS.into_iter().find(|usual| is_module && names.iter().any(|name| name == usual));
    let lacking = match &app.callable {
        Some(callable) if callable != name => format!("{callable} cannot be resolved: there is no {name}"),
        Some(_) => format!("it has no {name}"),
        None => "it has neither 'application' nor 'app'".to_owned(),
    };
    let factory = FACTORIES.into_iter().find(|factory| is_module && names.iter().any(|name| name == factory));
    let advice = match (near.or(usual), is_module.then(|| wsgi_module(owner)).flatten(), factory) {
        (Some(meant), ..) => format!(": did you mean {meant}?"),
        (None, Some(module), _) => format!(": did you mean {module}?"),
        (None, None, Some(factory)) => format!(": did you mean {}:{factory}()?", source(app)),
        (None, None, None) if names.is_empty() => ", nor anything else that is callable".to_owned(),
        (None, None, None) => format!(": name the callable after a colon, as in module:callable; it has {}", list(&names)),
    };
    format!("{lacking}{advice}")
}

/// The module or file that was named.
pub(super) fn source(app: &App) -> String {
    match &app.source {
        AppSource::Module(name) => name.clone(),
        AppSource::File(path) => path.display().to_string(),
    }
}

/// `mysite.wsgi` for the package of a Django project.
fn wsgi_module(package: &Bound<'_, PyAny>) -> Option<String> {
    let py = package.py();
    package.getattr("__path__").ok()?;
    let name = format!("{}.wsgi", package.getattr("__name__").ok()?.extract::<String>().ok()?);
    let found = py.import("importlib.util").and_then(|util| util.call_method1("find_spec", (&name,))).ok()?;
    (!found.is_none()).then_some(name)
}

/// What can be called and may be an application or make one: not what a module has imported, as far as that can be told.
fn callables(owner: &Bound<'_, PyAny>) -> Vec<String> {
    let Ok(names) = owner.dir().and_then(|names| names.extract::<Vec<String>>()) else {
        return Vec::new();
    };
    let module = owner.is_instance_of::<PyModule>().then(|| owner.getattr("__name__").ok()?.extract::<String>().ok()).flatten();
    let is_own = |value: &Bound<'_, PyAny>| {
        let is_instance = !value.is_instance_of::<PyType>() && value.getattr("__code__").is_err();
        let place = if is_instance { value.get_type().getattr("__module__") } else { value.getattr("__module__") };
        let place = place.and_then(|place| place.extract::<String>()).unwrap_or_default();
        module.as_ref().is_none_or(|module| place == *module) || is_instance && !STRANGERS.contains(&place.as_str())
    };
    let is_callable = |name: &String| {
        !name.starts_with('_') && owner.getattr(name.as_str()).is_ok_and(|value| value.is_callable() && is_own(&value))
    };
    names.into_iter().filter(is_callable).collect()
}

/// The names of the modules and packages in a directory.
fn modules_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = entries(directory)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "py") || path.join("__init__.py").is_file())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| !name.starts_with("__"))
        .collect();
    names.sort_unstable();
    names
}

/// The directories in a directory, without virtual environments and hidden ones.
fn directories_in(directory: &Path) -> Vec<PathBuf> {
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let wanted = |path: &PathBuf| path.is_dir() && !is_hidden(path) && !path.join("pyvenv.cfg").exists();
    let mut found: Vec<PathBuf> = entries(directory).into_iter().filter(wanted).collect();
    found.sort_unstable();
    found
}

/// The beginning of a directory: advice is not worth reading a huge one.
fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().take(MAX_ENTRIES).filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED { format!("{shown}, ...") } else { shown }
}

/// What is taken when no callable is named, in this order.
pub(super) const DEFAULTS: [&str; 2] = ["application", "app"];
const FACTORIES: [&str; 4] = ["create_app", "make_app", "create_application", "get_wsgi_application"];
/// Modules whose callable objects are never an application: functions of C, generic types, Flask's `request` and the like.
const STRANGERS: [&str; 4] = ["builtins", "typing", "werkzeug.local", "functools"];
const MAX_ENTRIES: usize = 1000;
const MAX_LISTED: usize = 6;
