//! The syslog daemon as a target.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use log::Level;
use syslog::{LogFormat, Severity};

use super::sink::Sink;
use super::{Error, Facility, Line};
use shared::logging::Timestamp;
use shared::logging::pieces;
use shared::settings::AppLog;
use shared::sys::log_io::{self, NoRoom, SocketType};

/// The syslog daemon. When it goes away, lines wait until it is back.
pub(super) struct Syslog {
    ident: String,
    facility: Facility,
    path: PathBuf,
    /// None while nobody listens.
    connection: Option<(OwnedFd, SocketType)>,
    /// How long a message may be.
    max_len: usize,
}

impl Syslog {
    /// Connects to the daemon. One that is only being restarted is no error: its socket is there.
    pub(super) fn open(path: &Path, ident: &str, facility: Facility) -> Result<Self, Error> {
        let mut syslog = Self::unconnected(path, ident, facility);
        match syslog.connect() {
            Err(source) if ![ErrorKind::ConnectionRefused, ErrorKind::WouldBlock].contains(&source.kind()) => {
                Err(Error::Syslog { path: path.to_owned(), source })
            }
            _ => Ok(syslog),
        }
    }

    /// Connects with the first line: where a daemon has been before, one will be again.
    pub(super) fn unconnected(path: &Path, ident: &str, facility: Facility) -> Self {
        let (ident, path) = (ident.to_owned(), path.to_owned());
        Self { ident, facility, path, connection: None, max_len: USUAL_MAX_LEN }
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

    fn encode_messages<'a>(&'a self, severity: Severity, tag: Tag<'a>, text: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
        pieces(text, self.max_len - MAX_HEAD_LEN).map(move |piece| {
            let mut message = Vec::with_capacity(64 + piece.len());
            // Writing to memory does not fail.
            let _ = self.format(&mut message, severity, (tag, piece));
            message.push(END);
            message
        })
    }
}

impl Sink for Syslog {
    /// A message has a head in any case, but not the pool's name.
    fn encode(&self, line: &Line<'_>, form: AppLog) -> Vec<Vec<u8>> {
        let text = line.encode_text();
        let pool = Some(line.pool).filter(|pool| form == AppLog::Decorated && *pool != self.ident);
        let tag = Tag { time: line.time, pool, process: line.process };
        let lines = text.lines().chain(text.is_empty().then_some(""));
        lines.flat_map(|text| self.encode_messages(severity(line.level), tag, text)).collect()
    }

    fn encode_access(&self, process: u32, line: &str) -> Vec<Vec<u8>> {
        self.encode_messages(Severity::LOG_INFO, Tag { time: Timestamp::now(), pool: None, process }, line).collect()
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

/// What stands before the text.
#[derive(Clone, Copy)]
struct Tag<'a> {
    time: Timestamp,
    pool: Option<&'a str>,
    process: u32,
}

/// The form of RFC 3164 as syslog(3) has it. The crate's own tells UTC as if it were local time, and knows only one process.
impl LogFormat<(Tag<'_>, &str)> for Syslog {
    fn format<W: Write>(&self, out: &mut W, severity: Severity, (tag, text): (Tag<'_>, &str)) -> syslog::Result<()> {
        let mut time = String::new();
        tag.time.encode_syslog(&mut time);
        let (priority, pool) =
            (self.facility.code() << 3 | severity as u8, tag.pool.map_or(String::new(), |pool| format!("{pool}: ")));
        write!(out, "<{priority}>{time} {}[{}]: {pool}{text}", self.ident, tag.process).map_err(syslog::Error::Write)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use shared::logging::codes;
    use tempfile::TempDir;

    use super::*;
    use crate::log_writer::output::Output;

    fn facility() -> Facility {
        Facility::parse("daemon").unwrap()
    }

    struct Daemon {
        directory: TempDir,
        socket: Option<UnixDatagram>,
    }

    impl Daemon {
        fn start() -> Self {
            let mut daemon = Self { directory: TempDir::new().unwrap(), socket: None };
            daemon.restart();
            daemon
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("log")
        }

        fn stop(&mut self) {
            self.socket = None;
            fs::remove_file(self.path()).unwrap();
        }

        fn restart(&mut self) {
            let socket = UnixDatagram::bind(self.path()).unwrap();
            socket.set_nonblocking(true).unwrap();
            self.socket = Some(socket);
        }

        fn output(&self) -> Output {
            Output::new(Box::new(Syslog::open(&self.path(), "pyfcgid", facility()).unwrap()))
        }

        fn message(&self) -> Option<String> {
            let mut buffer = vec![0; 65_536];
            let length = self.socket.as_ref().unwrap().recv(&mut buffer).ok()?;
            Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
        }

        /// What stands behind priority and time.
        fn texts(&self) -> Vec<String> {
            std::iter::from_fn(|| self.message())
                .map(|message| message[message.find(" pyf").unwrap() + 1..].to_owned())
                .collect()
        }
    }

    fn write(output: &mut Output, pool: &str, text: &str) {
        let time = Timestamp::at(1_795_200_374_123, 60);
        let line = Line { time, level: Level::Warn, pool, process: 4711, code: None, text };
        output.sink.encode(&line, AppLog::Decorated).into_iter().for_each(|piece| output.push(piece));
        output.flush();
    }

    #[test]
    fn a_message_has_priority_local_time_ident_process_and_pool() {
        let daemon = Daemon::start();
        let mut output = daemon.output();
        write(&mut output, "blog", "it broke");
        assert_eq!(daemon.message().unwrap(), "<28>Nov 20 19:46:14 pyfcgid[4711]: blog: it broke");
        write(&mut output, "pyfcgid", "");
        assert_eq!(daemon.texts(), ["pyfcgid[4711]: "]);
    }

    #[test]
    fn a_code_stands_before_the_text_once() {
        let daemon = Daemon::start();
        let mut output = daemon.output();
        let time = Timestamp::at(1_795_200_374_123, 60);
        let (code, text) = (Some(codes::REQUEST_FAILED), "failed:\nError");
        let line = Line { time, level: Level::Error, pool: "blog", process: 4711, code, text };
        output.sink.encode(&line, AppLog::Decorated).into_iter().for_each(|piece| output.push(piece));
        output.flush();
        assert_eq!(daemon.texts(), ["pyfcgid[4711]: blog: PF0501 failed:", "pyfcgid[4711]: blog:     Error"]);
    }

    #[test]
    fn each_line_is_a_message_and_a_long_one_several() {
        let daemon = Daemon::start();
        let mut output = daemon.output();
        write(&mut output, "pyfcgid", "Traceback:\n  File\0\nError\x1b");
        assert_eq!(
            daemon.texts(),
            ["pyfcgid[4711]: Traceback:", "pyfcgid[4711]:       File\\u{0}", "pyfcgid[4711]:     Error\\u{1b}"]
        );
        let long = "ä".repeat(20_000);
        write(&mut output, "pyfcgid", &long);
        let texts = daemon.texts();
        assert_eq!(texts.iter().map(|text| text.strip_prefix("pyfcgid[4711]: ").unwrap()).collect::<String>(), long);
        assert!(texts.len() > 1 && texts.iter().all(|text| text.len() < USUAL_MAX_LEN));
    }

    #[test]
    fn lines_wait_while_the_daemon_is_being_restarted() {
        let mut daemon = Daemon::start();
        let mut output = daemon.output();
        write(&mut output, "pyfcgid", "before");
        assert_eq!(daemon.texts(), ["pyfcgid[4711]: before"]);
        daemon.stop();
        write(&mut output, "pyfcgid", "during");
        assert!(output.is_waiting() && output.sink.descriptor().is_none());
        daemon.restart();
        write(&mut output, "pyfcgid", "after");
        assert_eq!(daemon.texts(), ["pyfcgid[4711]: during", "pyfcgid[4711]: after"]);
        daemon.stop();
        daemon.restart();
        write(&mut output, "pyfcgid", "unnoticed");
        assert_eq!(daemon.texts(), ["pyfcgid[4711]: unnoticed"]);
        assert!(!output.is_waiting());
    }

    #[test]
    fn lines_wait_for_a_daemon_that_is_slow() {
        let daemon = Daemon::start();
        let mut output = daemon.output();
        let mut sent = Vec::new();
        while !output.is_waiting() {
            sent.push(format!("pyfcgid[4711]: {}", sent.len()));
            write(&mut output, "pyfcgid", &(sent.len() - 1).to_string());
        }
        assert!(output.sink.descriptor().is_some());
        let mut received = daemon.texts();
        output.flush();
        received.extend(daemon.texts());
        assert_eq!(received, sent);
        assert!(!output.is_waiting());
    }

    #[test]
    fn a_daemon_with_a_stream_socket_gets_messages_with_an_end() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("log");
        let listener = UnixListener::bind(&path).unwrap();
        let mut output = Output::new(Box::new(Syslog::open(&path, "pyfcgid", facility()).unwrap()));
        let (mut stream, _) = listener.accept().unwrap();
        write(&mut output, "pyfcgid", "one\ntwo");
        drop(output);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let ends: Vec<_> = text.split_terminator('\0').map(|message| &message[message.find("]: ").unwrap()..]).collect();
        assert_eq!((ends, text.ends_with('\0')), (vec!["]: one", "]:     two"], true));
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error_and_one_that_nobody_listens_on_is_none() {
        let mut daemon = Daemon::start();
        daemon.socket = None;
        Syslog::open(&daemon.path(), "pyfcgid", facility()).map(drop).unwrap();
        let missing = daemon.directory.path().join("missing");
        let error = Syslog::open(&missing, "pyfcgid", facility()).map(drop).unwrap_err().to_string();
        assert!(error.contains("missing") && error.contains("syslog-socket"), "{error}");
        Syslog::open(Path::new(&"x".repeat(200)), "pyfcgid", facility()).map(drop).unwrap_err();
    }

    #[test]
    fn a_limit_of_the_system_shortens_messages() {
        let daemon = Daemon::start();
        let mut syslog = Syslog::open(&daemon.path(), "pyfcgid", facility()).unwrap();
        assert_eq!(syslog.send_shorter(&[b'x'; 6000]).unwrap(), 6000);
        assert_eq!((daemon.message().unwrap().len(), syslog.max_len), (3000, 3000));
        syslog.send_shorter(b"too long already").unwrap_err();
        assert_eq!(syslog.max_len, MIN_MAX_LEN);
    }
}
