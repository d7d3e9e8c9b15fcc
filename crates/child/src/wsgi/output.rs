//! `sys.stdout` and `sys.stderr`: what an application prints goes to pyfcgid's log, a message for each call, with the number of the
//! request that the thread answers.
//!
//! Each thread has the beginnings of its own lines, so that none gets into those of another. They are said when the request ends, or the
//! thread, or the program.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use log::Level;
use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyCFunction, PyDict, PyTuple};

use super::files::Bytes;
use super::write_only::{self, Refused};
use crate::without_python::app_log::{RequestNumber, Voice};
use crate::without_python::lines::Lines;
use shared::settings::AppLog;

/// The bytes below one of the two text streams.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct Output {
    voice: Voice,
    /// `stdout` or `stderr`.
    name: &'static str,
    /// 1 or 2.
    descriptor: usize,
}

/// What one thread has begun to say on both streams, by their descriptors.
#[derive(Debug, Default)]
struct Begun([Mutex<Option<Unfinished>>; 2]);

#[derive(Debug)]
struct Unfinished {
    lines: Lines,
    voice: Voice,
    request: Option<RequestNumber>,
}

/// Gives the class what all of its files answer alike.
pub(super) fn complete_class(py: Python<'_>) -> PyResult<()> {
    let class = Output::type_object(py);
    class.setattr("mode", "wb")?;
    write_only::complete(&class, &REFUSED)
}

/// Puts both streams into the log, at these levels.
pub(super) fn capture(py: Python<'_>, stdout: Level, stderr: Level, form: AppLog) -> PyResult<()> {
    let (io, sys) = (py.import("io")?, py.import("sys")?);
    for (descriptor, name, level) in [(1, "stdout", stdout), (2, "stderr", stderr)] {
        let output = Bound::new(py, Output { voice: Voice { level, form }, name, descriptor })?;
        let keywords = [("encoding", "utf-8"), ("errors", "backslashreplace")].into_py_dict(py)?;
        // It would mix what threads write at once.
        keywords.set_item("write_through", true)?;
        let text = io.getattr("TextIOWrapper")?.call((&output,), Some(&keywords))?;
        sys.setattr(name, &text)?;
        finish_at_exit(name, text.unbind(), py)?;
    }
    Ok(())
}

/// Has what nobody ends said when the program ends. Before the application is imported, this comes after whatever it does at its end
/// itself.
fn finish_at_exit(name: &'static str, stream: Py<PyAny>, py: Python<'_>) -> PyResult<()> {
    let finish = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let py = arguments.py();
        // The application may have closed ours, or put another one above it.
        drop(stream.call_method0(py, "flush"));
        drop(py.import("sys").and_then(|sys| sys.getattr(name)?.call_method0("flush")));
        finish_all();
    };
    py.import("atexit")?.call_method1("register", (PyCFunction::new_closure(py, None, None, finish)?,)).map(drop)
}

/// For a thread of ours, before it does anything: what the C library needs to end a thread that has written something it takes when
/// that comes first, and ends the process if there is no memory for it.
pub(super) fn provide() {
    OF_THIS_THREAD.with(|_| ());
    drop(std::thread::current());
}

/// Says what this thread has begun: its request, or its import, has ended.
pub(super) fn finish() {
    OF_THIS_THREAD.with(|begun| begun.get().into_iter().for_each(|begun| begun.finish()));
}

/// Says what all threads have begun. Needs no GIL.
pub(super) fn finish_all() {
    let all: Vec<_> = OF_ALL_THREADS.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    all.iter().for_each(|begun| begun.finish());
}

impl Begun {
    fn of_this_thread() -> Arc<Self> {
        OF_THIS_THREAD.with(|begun| Arc::clone(begun.get_or_init(Self::register)))
    }

    fn register() -> Arc<Self> {
        let new = Arc::new(Self::default());
        let mut all = OF_ALL_THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|begun| begun.strong_count() > 0);
        all.push(Arc::downgrade(&new));
        new
    }

    fn use_stream<T>(&self, descriptor: usize, use_it: impl FnOnce(&mut Option<Unfinished>) -> T) -> T {
        use_it(&mut self.0[descriptor - 1].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn finish(&self) {
        for descriptor in [1, 2] {
            drop(self.use_stream(descriptor, Option::take));
        }
    }
}

impl Unfinished {
    fn say(&self, text: Option<Vec<u8>>) {
        if let Some(text) = text {
            self.voice.say(self.request, &text);
        }
    }
}

/// Also at the end of a thread.
impl Drop for Unfinished {
    fn drop(&mut self) {
        let rest = self.lines.take();
        self.say(rest);
    }
}

impl Output {
    fn add(&self, bytes: &[u8]) -> usize {
        self.with_unfinished(|unfinished| {
            if unfinished.lines.is_empty() {
                unfinished.request = RequestNumber::current();
            }
            if !unfinished.lines.has_room_for(bytes) {
                let begun = unfinished.lines.take();
                unfinished.say(begun);
                return unfinished.voice.say(unfinished.request, bytes);
            }
            let text = unfinished.lines.add(bytes);
            unfinished.say(text);
        });
        bytes.len()
    }

    fn with_unfinished(&self, use_it: impl FnOnce(&mut Unfinished)) {
        let new = || Unfinished { lines: Lines::default(), voice: self.voice, request: None };
        Begun::of_this_thread().use_stream(self.descriptor, |unfinished| use_it(unfinished.get_or_insert_with(new)));
    }
}

#[pymethods]
impl Output {
    #[getter]
    fn name(&self) -> String {
        format!("<{}>", self.name)
    }

    /// Takes whatever has bytes, as every raw stream does.
    #[pyo3(signature = (data, /))]
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        match data.cast::<PyBytes>() {
            Ok(bytes) => Ok(self.add(bytes.as_bytes())),
            Err(_) => Ok(self.add(Bytes::of(data)?.to_bytes()?.as_bytes())),
        }
    }

    #[pyo3(signature = (lines, /))]
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        lines.try_iter()?.try_for_each(|line| self.write(&line?).map(drop))
    }

    /// Says the lines that are whole. The beginning of one waits for its end.
    fn flush(&self) {
        self.with_unfinished(|unfinished| {
            let text = unfinished.lines.flush();
            unfinished.say(text);
        });
    }

    /// Says the beginning of a line that will have no end. What others still write is logged all the same.
    fn close(&self) {
        Begun::of_this_thread().use_stream(self.descriptor, |unfinished| drop(unfinished.take()));
    }

    fn fileno(&self) -> usize {
        self.descriptor
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, _exc_info: &Bound<'_, PyAny>) {
        self.close();
    }
}

thread_local! {
    static OF_THIS_THREAD: OnceCell<Arc<Begun>> = const { OnceCell::new() };
}

/// As an `io.BufferedWriter` says it.
const REFUSED: [Refused; 9] = [
    (write_only::READ, "read"),
    (write_only::READ1, "read1"),
    (write_only::READINTO, "read"),
    (write_only::READINTO1, "read1"),
    (write_only::READLINE, "read"),
    (write_only::READLINES, "read"),
    (write_only::NEXT, "read"),
    (write_only::SEEK, "seek"),
    (write_only::TELL, "seek"),
];

static OF_ALL_THREADS: Mutex<Vec<Weak<Begun>>> = Mutex::new(Vec::new());
