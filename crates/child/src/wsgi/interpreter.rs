//! The Python interpreter of this process: the application's import, its workers, its end.
//!
//! Owns every call that attaches a thread to Python.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::Level;
use pyo3::PyTypeInfo;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use thiserror::Error;

mod absence;
mod arguments;
mod attendant;
mod file;
mod greenlets;
mod remaining;
mod signals;
mod signature;
mod spawning;
mod stacks;
mod timekeeper;

use super::errors::{self, Errors};
use super::exceptions::traceback;
use super::input::Input;
use super::output::Output;
use super::start_response::{StartResponse, Write};
use super::{Aborted, FileWrapper, Gateway, output, package, utf8};
use absence::Places;
use arguments::Arguments;
pub use attendant::{Attendant, Attending};
use connections::scheduler::Worker;
use shared::logging::codes;
use shared::scoreboard::slot::Slot;
use shared::settings::{App, AppLog, AppSource, PoolSettings};
use signature::Signature;

/// The interpreter. There is one for the life of the process; the thread that makes this is Python's main thread.
#[derive(Debug)]
pub struct Interpreter {
    /// Where modules are searched, for messages.
    places: Places,
    /// Which Python it is, and where.
    pub description: String,
}

/// An imported application.
#[derive(Debug)]
pub struct Application(Py<PyAny>);

/// Workers that run, as Python threads.
#[derive(Debug)]
pub struct Threads(Vec<Py<PyAny>>);

/// Why an application can't be used. Its author's to mend.
#[derive(Debug, Error)]
#[error("cannot load the application {app}: {reason}")]
pub struct LoadError {
    /// The application as it was named.
    pub app: String,
    /// What is wrong, in one line.
    pub reason: String,
    /// The traceback, if Python code failed.
    pub traceback: Option<String>,
}

impl Interpreter {
    /// The Python that runs, with `sys.argv` naming the application.
    ///
    /// # Errors
    /// [`LoadError`], which no ordinary Python gives.
    pub fn start(app: &App) -> Result<Self, LoadError> {
        let set_up = |py: Python<'_>| -> PyResult<Self> {
            let sys = py.import("sys")?;
            sys.setattr("argv", [app.to_string()])?;
            package::add(py)?;
            register_files(py)?;
            let version: String = sys.getattr("version")?.extract()?;
            let version = version.split(' ').next().unwrap_or_default().to_owned();
            let prefix: PathBuf = sys.getattr("prefix")?.extract()?;
            let is_venv = sys.getattr("base_prefix")?.extract::<PathBuf>()? != prefix;
            let executable: PathBuf = sys.getattr("executable")?.extract()?;
            let places = Places { version: version.clone(), venv: is_venv.then_some(prefix), path: Vec::new() };
            Ok(Self { places, description: format!("{version} ({})", executable.display()) })
        };
        attach(|py| set_up(py).map_err(|error| LoadError::python(py, &app.to_string(), "Python cannot be set up", &error)))
    }

    /// Loads now what there may be no memory for once it is needed.
    ///
    /// # Errors
    /// [`LoadError`], if there is none even now.
    pub fn provide_for_shortage(&self, app: &App) -> Result<(), LoadError> {
        attach(|py| {
            let loaded = py.import("traceback").map(drop);
            // They are made when they are used first, and whoever cannot make them panics.
            StartResponse::type_object(py);
            Write::type_object(py);
            Aborted::type_object(py);
            FileWrapper::type_object(py);
            loaded.map_err(|error| LoadError::python(py, &app.to_string(), "Python cannot be set up", &error))
        })
    }

    /// Puts `path` in front of `sys.path`, in its order, and `last` behind everything, so that its modules stand for no others. The last
    /// directory of `path` is the current one.
    ///
    /// # Errors
    /// [`LoadError`], which no ordinary Python gives.
    pub fn set_path(&mut self, path: &[PathBuf], last: Option<&Path>) -> Result<(), LoadError> {
        path.clone_into(&mut self.places.path);
        let set = |py: Python<'_>| -> PyResult<()> {
            let sys_path = py.import("sys")?.getattr("path")?;
            for directory in path.iter().rev() {
                sys_path.call_method1("insert", (0, directory.as_os_str()))?;
            }
            match last {
                Some(last) if !sys_path.contains(last.as_os_str())? => {
                    sys_path.call_method1("append", (last.as_os_str(),)).map(drop)
                }
                _ => Ok(()),
            }
        };
        attach(|py| set(py).map_err(|error| LoadError::python(py, "sys.path", "it cannot be set", &error)))
    }

    /// Sends what the application prints, and what it gives to a LogHandler, to the log. What it prints has these levels.
    ///
    /// # Errors
    /// [`LoadError`], which no ordinary Python gives.
    pub fn capture_output(&self, stdout: Level, stderr: Level, form: AppLog) -> Result<(), LoadError> {
        attach(|py| {
            output::capture(py, stdout, stderr, form)
                .and_then(|()| package::connect_log_handler(py, form))
                .map_err(|error| LoadError::python(py, "sys.stdout", "it cannot be replaced", &error))
        })
    }

    /// Imports the application and finds its callable.
    ///
    /// # Errors
    /// [`LoadError`] with the traceback when the import raises, when there is no such callable, or it can't be called as an
    /// application is.
    pub fn load(&self, app: &App) -> Result<Application, LoadError> {
        attach(|py| {
            let failed = |error: PyErr| LoadError::python(py, &app.to_string(), "its import failed", &error);
            let module = match &app.source {
                AppSource::Module(name) => py.import(name.as_str()).map_err(|error| {
                    let absent = self.places.without(py, app, &error);
                    absent.map_or_else(|| failed(error), |reason| LoadError::new(app, reason))
                })?,
                AppSource::File(path) => match absence::of_file(path) {
                    Some(reason) => return Err(LoadError::new(app, reason)),
                    None => file::import(py, path).map_err(|error| {
                        let advice = absence::beside_file(py, path, &error).unwrap_or_default();
                        let failure = failed(error);
                        LoadError { reason: failure.reason + &advice, ..failure }
                    })?,
                },
            };
            let callable = find_callable(&module, app)?;
            output::finish();
            match greenlets::in_place_of_threads(py) {
                Some(reason) => Err(LoadError::new(app, reason.to_owned())),
                None => Ok(Application(callable.unbind())),
            }
        })
    }

    /// Starts `count` workers, as threads that Python knows by name, which say in their slots what they do.
    ///
    /// # Errors
    /// When a thread can't be started; the others end when the queue is closed.
    pub fn start_workers(
        &self,
        app: &Application,
        settings: &Arc<PoolSettings>,
        worker: &Worker,
        attendant: &Arc<Attendant>,
        (count, slots): (usize, Vec<Slot>),
    ) -> Result<Threads, String> {
        attach(|py| {
            let start = |number: usize| {
                let once = Mutex::new(Some(worker.clone()));
                let (app, settings, attendant) = (app.0.clone_ref(py), Arc::clone(settings), Arc::clone(attendant));
                let slot = slots.get(number - 1).cloned();
                start_thread(py, number, move |py| {
                    let worker = once.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let worker = worker.ok_or_else(|| PyRuntimeError::new_err("a worker runs once"))?;
                    output::provide();
                    let ways = (&attendant, slot.clone());
                    worker.run(&mut Gateway::new(py, app.bind(py).clone(), (&settings, number), ways)?);
                    Ok(())
                })
            };
            (1..=count).map(start).collect::<PyResult<Vec<_>>>().map(Threads).map_err(|error| traceback(py, &error))
        })
    }

    /// Waits for the workers, whose queue must have been closed, until `deadline`. Returns how many are still running.
    pub fn join_workers(&self, threads: &Threads, deadline: Instant) -> usize {
        attach(|py| {
            let mut running = 0;
            for thread in &threads.0 {
                let left = || deadline.saturating_duration_since(Instant::now());
                let join = |left: Duration| thread.bind(py).call_method1("join", (left.as_secs_f64(),));
                let mut ended = join(left().max(Duration::from_millis(1)));
                // Signal handlers of the application's run in this thread meanwhile.
                while let Err(error) = &ended
                    && !left().is_zero()
                {
                    signals::tell_of_failure(py, error);
                    ended = join(left());
                }
                let alive = thread.bind(py).call_method0("is_alive").and_then(|alive| alive.extract::<bool>());
                running += usize::from(ended.is_err() || alive.unwrap_or(true));
            }
            running
        })
    }

    /// Writes what `sys.stdout` and `sys.stderr` still hold.
    pub fn flush_output(&self) {
        attach(flush_streams);
    }

    /// Does what Python does at the end of a program: waits for its other threads, runs `atexit`, writes what files still hold. Must be
    /// called on the thread that started it; may take as long as the application's threads do.
    pub fn finish(&self) {
        attach(|py| {
            for (module, function) in [("threading", "_shutdown"), ("atexit", "_run_exitfuncs")] {
                let result = py.import(module).and_then(|module| module.call_method0(function));
                if let Err(error) = result {
                    log::error!(
                        target: codes::EXIT_HANDLER_FAILED,
                        "{module}.{function} failed at exit:\n{}",
                        traceback(py, &error).trim_end()
                    );
                }
            }
            flush_streams(py);
            if let Err(error) = flush_files(py) {
                log::error!(
                    target: codes::FILES_NOT_FLUSHED,
                    "the files left open cannot be found:\n{}",
                    traceback(py, &error).trim_end()
                );
            }
        });
    }
}

/// Says the beginnings of lines that nobody will end. For an end without exit handlers, which do the same.
pub fn finish_output() {
    output::finish_all();
}

fn flush_streams(py: Python<'_>) {
    for stream in ["stdout", "stderr"] {
        drop(py.import("sys").and_then(|sys| sys.getattr(stream)?.call_method0("flush")));
    }
}

/// Writes what is still in the buffers of files that the application has left open: they are not taken down, as Python would.
fn flush_files(py: Python<'_>) -> PyResult<()> {
    // By its type, in C: objects that stand for others would be asked for their class, and wake up for that.
    let file = py.import("_io")?.getattr("_IOBase")?;
    for object in py.import("gc")?.call_method0("get_objects")?.try_iter()? {
        let object = object?;
        if object.get_type().is_subclass(&file)? {
            // A file that is closed or only read has nothing to write, and says so.
            drop(object.call_method0("flush"));
        }
    }
    Ok(())
}

impl LoadError {
    fn new(app: &App, reason: String) -> Self {
        Self { app: app.to_string(), reason, traceback: None }
    }

    fn python(py: Python<'_>, app: &str, reason: &str, error: &PyErr) -> Self {
        let text = error.value(py).str().map_or_else(|_| String::new(), |text| utf8::escape(&text).into_owned());
        let kind = error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
        let reason = format!("{reason}: {kind}: {}", in_one_line(&text));
        Self { app: app.to_owned(), reason, traceback: Some(traceback(py, error)) }
    }
}

fn worker_name(number: usize) -> String {
    format!("pyfcgid-worker-{number}")
}

/// Starts a worker as a `threading.Thread`.
fn start_thread(
    py: Python<'_>,
    number: usize,
    run: impl Fn(Python<'_>) -> PyResult<()> + Send + Sync + 'static,
) -> PyResult<Py<PyAny>> {
    let run = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| run(arguments.py());
    let keywords = PyDict::new(py);
    keywords.set_item("target", PyCFunction::new_closure(py, None, None, run)?)?;
    keywords.set_item("name", worker_name(number))?;
    // What a request starts inherits it, and a program waits for what is no daemon.
    keywords.set_item("daemon", false)?;
    let thread = py.import("threading")?.getattr("Thread")?.call((), Some(&keywords))?;
    thread.call_method0("start")?;
    Ok(thread.unbind())
}

/// Completes the classes of files, and makes `isinstance(environ["wsgi.input"], io.BufferedIOBase)` true, and so on.
fn register_files(py: Python<'_>) -> PyResult<()> {
    errors::complete_class(py)?;
    output::complete_class(py)?;
    let io = py.import("io")?;
    for (kind, class) in [
        ("BufferedIOBase", Input::type_object(py)),
        ("BufferedIOBase", Output::type_object(py)),
        ("TextIOBase", Errors::type_object(py)),
    ] {
        io.getattr(kind)?.call_method1("register", (class,))?;
    }
    Ok(())
}

/// Nothing but this module attaches, so that it can be seen who may wait for the GIL.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn attach<T>(run: impl FnOnce(Python<'_>) -> T) -> T {
    Python::attach(run)
}

fn find_callable<'py>(module: &Bound<'py, PyModule>, app: &App) -> Result<Bound<'py, PyAny>, LoadError> {
    let py = module.py();
    let (name, mut callable) = match &app.callable {
        Some(name) => (name.as_str(), attribute(module, name, app)?),
        None => {
            let mut found = absence::DEFAULTS.into_iter().filter_map(|name| Some((name, module.getattr(name).ok()?)));
            let lacking = || LoadError::new(app, absence::of_callable(module, absence::DEFAULTS[0], app));
            found.next().ok_or_else(lacking)?
        }
    };
    if app.factory {
        let arguments =
            Arguments::parse(py, &app.arguments).map_err(|reason| LoadError::new(app, format!("{name}() {reason}")))?;
        let called = format!("{name}({}) failed", app.arguments);
        callable = arguments.call(&callable).map_err(|error| LoadError::python(py, &app.to_string(), &called, &error))?;
    }
    if !callable.is_callable() {
        let kind = callable.get_type().name().map_or_else(|_| "object".to_owned(), |kind| kind.to_string());
        let kind = if callable.is_none() { "None" } else { &kind };
        let what = if app.factory { format!("{name}({}) returned", app.arguments) } else { format!("{name} is") };
        return Err(LoadError::new(app, format!("{what} {kind}, which is not callable: a WSGI application must be")));
    }
    if signature::is_plain(&callable) {
        return Ok(callable);
    }
    match Signature::of(&callable) {
        Some(signature) if !signature.takes_a_request() => Err(LoadError::new(app, misfit(&signature, name, app))),
        _ => Ok(callable),
    }
}

/// What is wrong with a callable that does not take what an application is given.
fn misfit(signature: &Signature<'_>, name: &str, app: &App) -> String {
    let what = if app.factory { format!("what {name}() returned") } else { format!("{name}()") };
    let advice = if !app.factory && signature.takes_nothing() {
        format!("if it makes the application, name it with parentheses: {}:{name}()", absence::source(app))
    } else {
        "a WSGI application is called with these two".to_owned()
    };
    format!("{what} does not take (environ, start_response): {advice}")
}

/// What `name`, dotted for an attribute of an attribute, is in the module.
fn attribute<'py>(module: &Bound<'py, PyModule>, name: &str, app: &App) -> Result<Bound<'py, PyAny>, LoadError> {
    let mut names = name.split('.');
    let step = |owner: Bound<'py, PyAny>, name: &str| {
        owner.getattr(name).map_err(|_| LoadError::new(app, absence::of_callable(&owner, name, app)))
    };
    names.try_fold(module.as_any().clone(), step)
}

/// The text of an exception, lines joined, cut to what fits a line: the traceback has it all.
fn in_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_REASON_LEN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Characters of an exception's text in a summary.
const MAX_REASON_LEN: usize = 300;
