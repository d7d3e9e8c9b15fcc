use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use log::Level;
use syslog::{LogFormat, Severity};

use super::pieces::pieces;
use super::sink::Sink;
use super::{Error, Facility, Line, Timestamp};
use crate::sys::log_io::{self, NoRoom, SocketType};

/// The syslog daemon. When it goes away, lines wait until it is back.
pub(super) struct Syslog {
    form: Form,
    path: PathBuf,
    /// None while nobody listens.
    connection: Option<(OwnedFd, SocketType)>,
    /// How long a message may be.
    max_len: usize,
}

impl Syslog {
    /// A daemon that is only being restarted is no error: its socket is there.
    pub(super) fn open(path: &Path, ident: &str, facility: Facility) -> Result<Self, Error> {
        let form = Form { ident: ident.to_owned(), facility };
        let mut syslog = Self { form, path: path.to_owned(), connection: None, max_len: USUAL_MAX_LEN };
        match syslog.connect() {
            Err(source) if ![ErrorKind::ConnectionRefused, ErrorKind::WouldBlock].contains(&source.kind()) => {
                Err(Error::Syslog { path: path.to_owned(), source })
            }
            _ => Ok(syslog),
        }
    }

    fn connect(&mut self) -> io::Result<()> {
        self.connection = None;
        self.connection = Some(log_io::connect(&self.path)?);
        Ok(())
    }

    /// Sends to who listens now.
    fn send(&mut self, message: &[u8]) -> io::Result<usize> {
        if self.connection.is_none() {
            self.connect().map_err(|_| ErrorKind::WouldBlock)?;
        }
        let Some((socket, kind)) = &self.connection else {
            return Err(ErrorKind::WouldBlock.into());
        };
        match kind {
            SocketType::Datagram => log_io::send(socket.as_fd(), without_end(message), NoRoom::GiveUp).map(|_| message.len()),
            SocketType::Stream => log_io::send(socket.as_fd(), message, NoRoom::GiveUp),
        }
    }

    /// A limit of the system that is lower than ours: this message is cut, and those to come are split.
    fn send_shorter(&mut self, message: &[u8]) -> io::Result<usize> {
        self.max_len = (message.len() / 2).max(MIN_MAX_LEN);
        let Some(cut) = message.get(..self.max_len).filter(|_| message.len() > self.max_len) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        self.send(cut).map(|_| message.len())
    }

    fn encode_message(&self, severity: Severity, tag: Tag<'_>, text: &str) -> Vec<u8> {
        let mut message = Vec::with_capacity(64 + text.len());
        // Writing to memory does not fail.
        let _ = self.form.format(&mut message, severity, (tag, text));
        message.push(END);
        message
    }
}

impl Sink for Syslog {
    fn encode(&self, line: &Line<'_>, add: &mut dyn FnMut(Vec<u8>)) {
        let mut text = String::new();
        line.encode_text(&mut text);
        let tag = Tag { time: line.time, pool: Some(line.pool).filter(|pool| *pool != self.form.ident), process: line.process };
        for line_text in text.lines().chain(text.is_empty().then_some("")) {
            for piece in pieces(line_text, self.max_len - MAX_HEAD_LEN) {
                add(self.encode_message(severity(line.level), tag, piece));
            }
        }
    }

    fn encode_access(&self, process: u32, line: &str, add: &mut dyn FnMut(Vec<u8>)) {
        let tag = Tag { time: Timestamp::now(), pool: None, process };
        for piece in pieces(line, self.max_len - MAX_HEAD_LEN) {
            add(self.encode_message(Severity::LOG_INFO, tag, piece));
        }
    }

    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        match self.send(message) {
            Err(error) if log_io::is_disconnected(&error) => {
                self.connection = None;
                self.send(message).map_err(|error| if log_io::is_disconnected(&error) { self.wait() } else { error })
            }
            Err(error) if log_io::is_too_long(&error) => self.send_shorter(message),
            result => result,
        }
    }

    fn descriptor(&self) -> Option<RawFd> {
        self.connection.as_ref().map(|(socket, _)| socket.as_raw_fd())
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.connect().map_err(|source| Error::Syslog { path: self.path.clone(), source })
    }
}

impl Syslog {
    fn wait(&mut self) -> io::Error {
        self.connection = None;
        ErrorKind::WouldBlock.into()
    }
}

/// The form of RFC 3164 as syslog(3) has it. The crate's own tells UTC as if it were local time, and knows only one process.
struct Form {
    ident: String,
    facility: Facility,
}

/// What stands before the text.
#[derive(Clone, Copy)]
struct Tag<'a> {
    time: Timestamp,
    pool: Option<&'a str>,
    process: u32,
}

impl LogFormat<(Tag<'_>, &str)> for Form {
    fn format<W: Write>(&self, out: &mut W, severity: Severity, (tag, text): (Tag<'_>, &str)) -> syslog::Result<()> {
        let priority = self.facility.code() | severity as u8;
        let mut head = format!("<{priority}>");
        tag.time.encode_syslog(&mut head);
        let _ = write!(head, " {}[{}]: ", self.ident, tag.process); // A string takes everything.
        if let Some(pool) = tag.pool {
            let _ = write!(head, "{pool}: ");
        }
        out.write_all(head.as_bytes()).and_then(|()| out.write_all(text.as_bytes())).map_err(syslog::Error::Write)
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::LOG_ERR,
        Level::Warn => Severity::LOG_WARNING,
        Level::Info => Severity::LOG_INFO,
        Level::Debug | Level::Trace => Severity::LOG_DEBUG,
    }
}

/// A datagram ends by itself.
fn without_end(message: &[u8]) -> &[u8] {
    message.strip_suffix(&[END]).unwrap_or(message)
}

/// What ends a message on a stream, as syslog(3) has it.
const END: u8 = 0;
/// rsyslog takes 8192 bytes unless told otherwise.
const USUAL_MAX_LEN: usize = 8000;
/// Names of programs and pools are short.
const MAX_HEAD_LEN: usize = 512;
const MIN_MAX_LEN: usize = 1024;
