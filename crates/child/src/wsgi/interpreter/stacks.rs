//! Where Python's threads are.
//!
//! Who has the GIL asks for their frames, and runs no code of Python's for that, so that nobody else runs meanwhile. Without it
//! `faulthandler` writes them: it needs no GIL, which C code may keep for ever. It writes the stack of one thread in that very thread, on a
//! signal, so no other thread runs through frames that change.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict};

use super::super::station::Station;
use super::attendant::Attendant;
use super::{Interpreter, attach, worker_name};
use crate::without_python::stack::{self, Frame};
use shared::sys::{fd, poll, process, signal};

/// What was found of one thread.
pub(super) struct Raw {
    /// That it answers; 0 if it answers none.
    pub(super) request: u64,
    pub(super) name: String,
    pub(super) calls: Calls,
}

/// The calls of a thread, the last one first; or the reason for which nothing is known.
pub(super) type Calls = Result<Vec<Frame>, &'static str>;

impl Interpreter {
    /// Has Python write to `target`, after `delay`, what its threads are doing. The application may use the same alarm for something
    /// else, and then nothing is written.
    pub fn write_stacks_after(&self, delay: Duration, target: RawFd) {
        attach(|py| {
            let set = || -> PyResult<()> {
                let options = [("file", target)].into_py_dict(py)?;
                faulthandler(py)?.call_method("dump_traceback_later", (delay.as_secs_f64(),), Some(&options)).map(drop)
            };
            if let Err(error) = set() {
                log::debug!("an import that hangs will not be able to say where: {error}");
            }
        });
    }

    /// Takes that back.
    pub fn write_no_stacks(&self) {
        attach(|py| drop(faulthandler(py).and_then(|module| module.call_method0("cancel_dump_traceback_later"))));
    }

    /// From now on workers can be told of that keep the GIL. After the import, so that the application has its signals first.
    pub fn write_stacks_on_signal(&self, attendant: &Attendant) {
        match attach(Signals::register) {
            Ok(signals) => drop(attendant.signals.set(signals)),
            Err(error) => log::debug!("no stacks will be told of workers that keep the GIL: {error}"),
        }
    }
}

fn faulthandler(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("faulthandler")
}

/// What all threads are doing.
pub(super) fn look(py: Python<'_>, stations: impl Iterator<Item = &'static Station> + Clone) -> Vec<Raw> {
    let threads = || -> PyResult<Vec<Raw>> {
        let frames = current_frames(py)?;
        // Not `enumerate`, which takes a lock that the application may have.
        let active = py.import("threading")?.getattr("_active")?;
        let own = super::super::thread::numbers().python;
        let mut threads = Vec::new();
        for (number, frame) in frames.cast::<PyDict>()?.iter() {
            let ident: u64 = number.extract()?;
            if ident == own {
                continue;
            }
            let name = active.get_item(&number).and_then(|thread| thread.getattr("_name")?.extract());
            let name = name.unwrap_or_else(|_| format!("thread {ident}"));
            let station = stations.clone().find(|station| station.thread.python == ident);
            let request = station.and_then(|station| station.request()).unwrap_or(0);
            threads.push(Raw { request, name, calls: Ok(calls(frame)) });
        }
        Ok(threads)
    };
    threads().unwrap_or_else(|error| {
        log::debug!("Python does not tell what its threads are doing: {error}");
        Vec::new()
    })
}

/// What the worker of a station is doing, if it answers this request.
pub(super) fn look_at(py: Python<'_>, station: &Station, request: u64) -> Calls {
    if station.request() != Some(request) {
        return Err("(it has just ended)");
    }
    let frame = || -> PyResult<Option<Bound<'_, PyAny>>> {
        let frames = current_frames(py)?;
        frames.cast::<PyDict>()?.get_item(station.thread.python)
    };
    let frame = frame().map_err(|_| "(Python does not tell)")?.ok_or("(it runs no Python)")?;
    Ok(calls(frame))
}

/// The frames of all threads. Python up to 3.11 crashes if it gets no memory for one of them, so there has to be some first: nobody but who
/// has the GIL takes it away again.
fn current_frames(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let room = PyBytes::new_with(py, ROOM_FOR_FRAMES, |_| Ok(()))?;
    let sys = py.import("sys")?;
    drop(room);
    sys.call_method0("_current_frames")
}

/// From the last call on.
fn calls(frame: Bound<'_, PyAny>) -> Vec<Frame> {
    let (mut calls, mut next) = (Vec::new(), Some(frame));
    while let Some(frame) = next.take_if(|frame| !frame.is_none())
        && calls.len() < MOST_CALLS
    {
        let read = || -> PyResult<Frame> {
            let code = frame.getattr("f_code")?;
            let function = code.getattr("co_qualname").or_else(|_| code.getattr("co_name"))?;
            let line: Option<usize> = frame.getattr("f_lineno")?.extract()?;
            let [file, function] = [code.getattr("co_filename")?, function].map(|text| text.to_string());
            Ok(Frame { file, line: line.unwrap_or(0), function })
        };
        calls.extend(read());
        next = frame.getattr("f_back").ok();
    }
    calls
}

/// The signal on which a thread writes its stack, and where.
#[derive(Debug)]
pub(super) struct Signals {
    number: i32,
    /// `faulthandler`'s, as the system has it.
    handler: usize,
    /// Read by one at a time.
    reader: Mutex<PipeReader>,
    /// Kept open for the handler.
    _writer: PipeWriter,
}

impl Signals {
    /// Takes a signal that neither Python nor the system knows a handler of.
    fn register(py: Python<'_>) -> PyResult<Self> {
        let (reader, writer) = io::pipe()?;
        // A thread must not wait in the handler.
        fd::never_wait(&writer)?;
        let number = signal::unused_real_time().ok_or_else(|| io::Error::other("all signals are taken"))?;
        let options = [("all_threads", false), ("chain", false)].into_py_dict(py)?;
        options.set_item("file", writer.as_raw_fd())?;
        faulthandler(py)?.call_method("register", (number,), Some(&options))?;
        let handler = signal::handler(number)?;
        Ok(Self { number, handler, reader: Mutex::new(reader), _writer: writer })
    }

    /// What workers are doing: those with a request first, each for a moment at most, and all until then.
    pub(super) fn look(&self, stations: impl Iterator<Item = &'static Station>, until: Instant) -> Vec<Raw> {
        let mut sorted: Vec<&Station> = stations.collect();
        sorted.sort_by_key(|station| station.request().is_none());
        let mut found = Vec::new();
        for station in sorted {
            let calls = if Instant::now() < until {
                self.look_at(station.thread.system, A_MOMENT)
            } else {
                Err("(no time was left for it)")
            };
            found.push(Raw { request: station.request().unwrap_or(0), name: worker_name(station.number), calls });
        }
        found
    }

    /// What the application's own threads are doing that run Python, named by the system's numbers.
    pub(super) fn look_at_others(&self, stations: impl Iterator<Item = &'static Station> + Clone) -> Vec<Raw> {
        let is_worker = |thread: &u32| stations.clone().any(|station| station.thread.system == *thread);
        let others = process::thread_numbers().into_iter().filter(|thread| !is_worker(thread)).take(MOST_OTHERS);
        let raw = |thread| Raw { request: 0, name: format!("thread {thread}"), calls: self.look_at(thread, A_MOMENT) };
        others.map(raw).filter(|raw| raw.calls.is_ok()).collect()
    }

    /// What the thread of this number is doing, if it says so within this time.
    pub(super) fn look_at(&self, thread: u32, patience: Duration) -> Calls {
        // The application may have set a handler since.
        if signal::handler(self.number).ok() != Some(self.handler) {
            return Err("(the application has taken the signal that it is asked with)");
        }
        if signal::is_blocked_in(thread, self.number) {
            return Err("(its thread blocks the signal that it is asked with)");
        }
        let mut reader = self.reader.lock().map_err(|_| "")?;
        read(&mut reader, Duration::ZERO);
        signal::send_to_thread(thread, self.number).map_err(|_| "(its thread has ended)")?;
        match stack::parse(&read(&mut reader, patience)) {
            frames if frames.is_empty() => Err("(no answer: it is stopped, or inside the system)"),
            frames => Ok(frames),
        }
    }
}

/// What comes within this time, and a little longer if something does.
fn read(reader: &mut PipeReader, patience: Duration) -> String {
    // Within a line it has lost the processor.
    let for_more = |text: &[u8]| if text.ends_with(b"\n") { patience.min(BETWEEN_WRITES) } else { patience };
    poll::read_patiently(reader, MOST_OF_A_STACK, for_more)
}

/// Each of at most a thousand threads takes some hundred bytes.
const ROOM_FOR_FRAMES: usize = 512 << 10;
/// How long a thread is waited for, when somebody waits for all of them.
const A_MOMENT: Duration = Duration::from_millis(20);
/// It writes its stack in many pieces.
const BETWEEN_WRITES: Duration = Duration::from_millis(4);
/// Of threads that are no workers.
const MOST_OTHERS: usize = 32;
const MOST_OF_A_STACK: usize = 64 * 1024;
/// Python's own limit is a thousand; an application may set another one.
const MOST_CALLS: usize = 5_000;
