//! What a FastCGI server for Python cannot be much faster than on this machine: one thread that does everything in turn, never lets go
//! of the GIL, and checks nothing. `benches/compare` measures it beside the servers; it is of no other use.
//!
//! It is a module for Python, which `benches/apps/floor_server.py` serves an application with.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};

use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};
use slab::Slab;

const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const HEADER_LEN: usize = 8;
const BUFFER_LEN: usize = 8192;
const LISTENER: Token = Token(usize::MAX);

#[pymodule]
mod floor {
    use super::{Application, turn};
    use pyo3::prelude::*;

    /// Serves the application of a module on a Unix socket, for ever.
    #[pyfunction]
    fn serve(py: Python<'_>, socket: &str, module: &str) -> PyResult<()> {
        turn(socket, &Application::import(py, module)?)
    }
}

fn turn(socket: &str, application: &Application<'_>) -> PyResult<()> {
    let (mut poll, mut events, mut connections) = (Poll::new()?, Events::with_capacity(64), Slab::<Connection>::new());
    let mut listener = UnixListener::bind(socket)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept_all(&listener, &poll, &mut connections)?;
            } else if !connections[event.token().0].answer(application)? {
                connections.remove(event.token().0);
            }
        }
    }
}

fn accept_all(listener: &UnixListener, poll: &Poll, connections: &mut Slab<Connection>) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            accepted => accepted?.0,
        };
        let entry = connections.vacant_entry();
        poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE)?;
        entry.insert(Connection { stream, buffer: vec![0; BUFFER_LEN], filled: 0, params: Vec::new(), keep: false });
    }
}

struct Connection {
    stream: UnixStream,
    buffer: Vec<u8>,
    filled: usize,
    params: Vec<u8>,
    keep: bool,
}

impl Connection {
    /// Answers what is there; whether the connection stays.
    fn answer(&mut self, application: &Application<'_>) -> PyResult<bool> {
        loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(_) => return Ok(false),
            }
            if !self.answer_read(application)? {
                return Ok(false);
            }
        }
    }

    fn answer_read(&mut self, application: &Application<'_>) -> PyResult<bool> {
        let mut used = 0;
        while let Some((record, content, length)) = record_at(&self.buffer[used..self.filled]) {
            match record[1] {
                BEGIN_REQUEST => (self.keep, self.params) = (content[2] & 1 == 1, Vec::new()),
                PARAMS => self.params.extend_from_slice(content),
                STDIN if content.is_empty() => {
                    let answer = records([record[2], record[3]], &application.call(&self.params)?);
                    if self.stream.write_all(&answer).is_err() || !self.keep {
                        return Ok(false);
                    }
                }
                _ => {}
            }
            used += length;
        }
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        Ok(true)
    }
}

/// The first record, its content, and its length with padding, if it is whole.
fn record_at(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let header = bytes.get(..HEADER_LEN)?;
    let end = HEADER_LEN + usize::from(u16::from_be_bytes([header[4], header[5]]));
    let length = end + usize::from(header[6]);
    bytes.get(..length).map(|record| (record, &record[HEADER_LEN..end], length))
}

/// STDOUT with the answer, its end, and END_REQUEST.
fn records(id: [u8; 2], answer: &[u8]) -> Vec<u8> {
    let header = |kind: u8, length: usize| [1, kind, id[0], id[1], (length >> 8) as u8, length as u8, 0, 0];
    [&header(STDOUT, answer.len())[..], answer, &header(STDOUT, 0), &header(END_REQUEST, 8), &[0; 8]].concat()
}

/// What start_response was called with, as it is sent.
type Head = Arc<Mutex<Vec<u8>>>;

struct Application<'py> {
    callable: Bound<'py, PyAny>,
    start_response: Bound<'py, PyCFunction>,
    head: Head,
    /// What is the same in every environ.
    fixed: Bound<'py, PyDict>,
}

impl<'py> Application<'py> {
    fn import(py: Python<'py>, module: &str) -> PyResult<Self> {
        let fixed = PyDict::new(py);
        fixed.set_item("wsgi.version", (1, 0))?;
        fixed.set_item("wsgi.url_scheme", "http")?;
        fixed.set_item("wsgi.input", py.import("io")?.call_method0("BytesIO")?)?;
        fixed.set_item("wsgi.errors", py.import("sys")?.getattr("stderr")?)?;
        for name in ["wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"] {
            fixed.set_item(name, false)?;
        }
        let head = Head::default();
        let kept = Arc::clone(&head);
        let start_response = PyCFunction::new_closure(py, None, None, move |arguments: &Bound<'_, PyTuple>, _| {
            let (status, headers): (String, Vec<(String, String)>) = arguments.extract()?;
            let mut text = format!("Status: {status}\r\n");
            headers.iter().for_each(|(name, value)| text.extend([name, ": ", value, "\r\n"]));
            *kept.lock().expect("one thread") = (text + "\r\n").into_bytes();
            PyResult::Ok(())
        })?;
        Ok(Self { callable: py.import(module)?.getattr("application")?, start_response, head, fixed })
    }

    fn call(&self, mut params: &[u8]) -> PyResult<Vec<u8>> {
        let environ = self.fixed.copy()?;
        while !params.is_empty() {
            let (name_length, value_length) = (length(&mut params), length(&mut params));
            let (name, rest) = params.split_at(name_length);
            let (value, rest) = rest.split_at(value_length);
            environ.set_item(String::from_utf8_lossy(name), String::from_utf8_lossy(value))?;
            params = rest;
        }
        let pieces = self.callable.call1((environ, &self.start_response))?;
        let mut answer = std::mem::take(&mut *self.head.lock().expect("one thread"));
        for piece in pieces.try_iter()? {
            answer.extend_from_slice(piece?.cast::<PyBytes>()?.as_bytes());
        }
        Ok(answer)
    }
}

/// A length of one or four bytes, taken off the front.
fn length(bytes: &mut &[u8]) -> usize {
    let width = if bytes[0] < 128 { 1 } else { 4 };
    let (length, rest) = bytes.split_at(width);
    *bytes = rest;
    length.iter().fold(0, |length, byte| length << 8 | usize::from(byte & if width == 1 { 0xff } else { 0x7f }))
}
