//! The control socket: what `pyfcgid reload`, `stop` and `status` talk to.
//!
//! A client sends one line and reads lines until the connection ends: `+text` for its stdout, `-text` for its stderr, and at last
//! `=code`, its exit code. Owns the clients and their lines; refuses to know what a request means.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::config::EX_USAGE;
use crate::listener::{Access, BindError, Listener, Patience};
use crate::sys;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `pyfcgid reload`.
    Reload,
    /// `pyfcgid stop`.
    Stop,
    /// `pyfcgid status`.
    Status,
    /// `pyfcgid status --json`.
    StatusJson,
}

impl Wish {
    /// Its line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Stop => "stop",
            Self::Status => "status",
            Self::StatusJson => "status json",
        }
    }

    fn parse(line: &str) -> Option<Self> {
        [Self::Reload, Self::Stop, Self::Status, Self::StatusJson].into_iter().find(|wish| wish.as_str() == line.trim_end())
    }
}

/// A listening control socket with its clients.
#[derive(Debug)]
pub struct ControlSocket {
    /// Kept for the file, which goes with it.
    listener: Listener,
    path: PathBuf,
    acceptor: UnixListener,
    clients: Vec<Client>,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    line: Vec<u8>,
}

impl ControlSocket {
    /// Binds it with these permission bits.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path, mode: u32, patience: Patience) -> Result<Self, BindError> {
        let access = Access { mode, user: None, group: None };
        Self::of(Listener::bind_unix(path, access, BACKLOG, patience)?, path)
    }

    /// Takes it over from the program before this one.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn adopt(descriptor: RawFd, path: &Path) -> Result<Self, BindError> {
        let descriptor = sys::fd::inherited(descriptor).map_err(|_| BindError::NotListening(descriptor))?;
        Self::of(Listener::adopt_unix(descriptor, None, path)?, path)
    }

    fn of(listener: Listener, path: &Path) -> Result<Self, BindError> {
        let address = format!("unix:{}", path.display());
        let acceptor = sys::fd::duplicate(listener.as_raw_fd()).map_err(|source| BindError::Other { address, source })?;
        Ok(Self { listener, path: path.to_owned(), acceptor: acceptor.into(), clients: Vec::new() })
    }

    /// Where it was bound.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listening descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.listener.as_raw_fd()
    }

    /// What to wait for.
    pub fn readable(&self) -> impl Iterator<Item = RawFd> + '_ {
        std::iter::once(self.listener.as_raw_fd()).chain(self.clients.iter().map(|client| client.stream.as_raw_fd()))
    }

    /// Accepts and reads; returns the clients that have said what they want.
    pub fn handle(&mut self) -> Vec<(Client, Wish)> {
        while let Ok((stream, _)) = self.acceptor.accept() {
            if stream.set_nonblocking(true).is_ok() && self.clients.len() < MAX_CLIENTS {
                self.clients.push(Client { stream, line: Vec::new() });
            }
        }
        let mut wishes = Vec::new();
        for mut client in std::mem::take(&mut self.clients) {
            match client.read() {
                Ok(None) => self.clients.push(client),
                Ok(Some(line)) => match Wish::parse(&line) {
                    Some(wish) => wishes.push((client, wish)),
                    None => client.end(EX_USAGE, "pyfcgid: this is not known here: is the running pyfcgid an older one?"),
                },
                Err(_) => {}
            }
        }
        wishes
    }
}

impl Client {
    /// Takes over a client whose connection was inherited.
    pub fn adopt(stream: UnixStream) -> Self {
        Self { stream, line: Vec::new() }
    }

    fn read(&mut self) -> io::Result<Option<String>> {
        let mut buffer = [0; MAX_LINE_LEN];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.line.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        if self.line.len() > MAX_LINE_LEN {
            return Err(ErrorKind::InvalidData.into());
        }
        let whole = self.line.contains(&b'\n');
        Ok(whole.then(|| String::from_utf8_lossy(&self.line).into_owned()))
    }

    /// Lines for its stdout.
    pub fn say(&mut self, text: &str) {
        self.send('+', text);
    }

    /// Ends it with an exit code, and lines for its stderr.
    pub fn end(mut self, code: u8, text: &str) {
        self.send('-', text);
        self.send('=', &code.to_string());
    }

    /// A client that has gone is no loss, and one that does not read loses the rest.
    fn send(&mut self, kind: char, text: &str) {
        let lines: String = text.lines().map(|line| format!("{kind}{line}\n")).collect();
        if let Err(error) = self.stream.write_all(lines.as_bytes()) {
            log::debug!("a client of the control socket does not read its answer: {error}");
        }
    }
}

const BACKLOG: u32 = 16;
const MAX_CLIENTS: usize = 64;
const MAX_LINE_LEN: usize = 64;
