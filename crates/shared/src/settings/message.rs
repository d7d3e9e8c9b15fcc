//! What crosses an exec: a file without a name that nobody can change any more, whose number the new program is given. Everything
//! else that crosses are descriptors, and their numbers are in it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::fd::{OwnedFd, RawFd};

use log::LevelFilter;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::PoolSettings;
use crate::sys::memory_file;

/// What a new process of a pool has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// That of the program that sends it: of another one, nothing else is believed.
    pub version: String,
    /// What it is to do.
    pub errand: Errand,
    /// Its pool.
    pub pool: PoolSettings,
    /// What is logged.
    pub log_level: LevelFilter,
}

/// What a process is there for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// Answer requests.
    Serve(Ties, Ends),
    /// Import the application, and say on this socket how that went.
    Check(RawFd),
}

/// The descriptors, by number, that the processes of a pool share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ties {
    /// The listening sockets.
    pub listeners: Vec<RawFd>,
    /// Those on which nothing but probes are answered.
    pub status_listeners: Vec<RawFd>,
    /// Where connections are handed over, and where they come from.
    pub passage: [RawFd; 2],
    /// Both ends of the line of requests that wait.
    pub line: [RawFd; 2],
    /// The scoreboard.
    pub scoreboard: RawFd,
    /// What the supervisor says of the pool.
    pub roster: RawFd,
    /// Its seat at the scoreboard.
    pub seat: usize,
    /// The slots of its workers there. Workers beyond them have none.
    pub slots: Range<usize>,
}

impl Ties {
    /// The sockets among them.
    pub fn sockets(&self) -> Vec<RawFd> {
        [&self.listeners[..], &self.status_listeners, &self.passage, &self.line].concat()
    }

    /// All of them.
    pub fn descriptors(&self) -> Vec<RawFd> {
        [&self.sockets()[..], &[self.scoreboard, self.roster]].concat()
    }
}

/// A process's own channels to the supervisor, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Commands come in and reports go out.
    pub link: RawFd,
    /// Takes log records.
    pub log: RawFd,
}

/// Why something is not a message.
#[derive(Debug, Error)]
pub enum MessageError {
    /// It cannot be read.
    #[error("the settings cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is too long, cut short, or something else.
    #[error("what was received is not a settings message ({0})")]
    Invalid(String),
    /// It is another program's.
    #[error("the settings are from pyfcgid {0}, but this module is from pyfcgid {VERSION}")]
    OtherVersion(String),
}

impl Message {
    /// Puts it into a sealed file, which is close-on-exec.
    ///
    /// # Errors
    /// Those of memfd_create(2) and write(2).
    pub fn send(&self) -> io::Result<OwnedFd> {
        memory_file::sealed(c"pyfcgid-settings", &serde_json::to_vec(self)?)
    }

    /// Reads what [`Self::send`] has made.
    ///
    /// # Errors
    /// [`MessageError`]
    pub fn receive(file: OwnedFd) -> Result<Self, MessageError> {
        let mut file = File::from(file);
        file.rewind()?;
        let mut bytes = Vec::new();
        (&file).take(MAX_LEN + 1).read_to_end(&mut bytes)?;
        let invalid = |error: serde_json::Error| MessageError::Invalid(error.to_string());
        if bytes.len() as u64 > MAX_LEN {
            return Err(MessageError::Invalid(format!("more than {MAX_LEN} bytes")));
        }
        if !memory_file::is_sealed(&file) {
            return Err(MessageError::Invalid("somebody could change it".to_owned()));
        }
        let version: Version = serde_json::from_slice(&bytes).map_err(invalid)?;
        if version.version != VERSION {
            return Err(MessageError::OtherVersion(version.version));
        }
        serde_json::from_slice(&bytes).map_err(invalid)
    }
}

/// What stays the same in all of them.
#[derive(Deserialize)]
struct Version {
    version: String,
}

/// What a process that checks says first: the module runs. Then comes its exit code, which is none of these.
pub const LOADED: u8 = 255;
/// Of program and module, which belong together.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// An environment of applications, lists of networks and a long access-log-format are in it, or were when they were typed.
const MAX_LEN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::Write;
    use std::os::unix::ffi::OsStringExt;
    use std::time::Duration;

    use log::Level;

    use super::super::{App, AppLog, AppSource, Deadlines, ErrorsTo, Mount, OnAbort, PathTimeout, RemoteUser, Role};
    use super::*;
    use crate::network::Network;

    fn message() -> Message {
        let pool = PoolSettings {
            name: "shop".to_owned(),
            app: App::parse("/srv/shop/page.wsgi:make(\"ä\")").unwrap(),
            addresses: vec!["unix:/run/shop.sock".to_owned()],
            processes: 4,
            threads: 2,
            mount: Mount::Prefix("/shop".to_owned()),
            remote_user: RemoteUser::Never,
            errors: ErrorsTo::Peer,
            app_log: AppLog::Plain,
            stdout_level: Level::Info,
            stderr_level: Level::Warn,
            request_id: true,
            abort: OnAbort::Raise,
            roles: vec![Role::Authorizer],
            sendfile_header: None,
            max_connections: 10,
            allowed_clients: Some(vec![Network::parse("192.0.2.0/24").unwrap()]),
            python_path: vec!["/srv/shop".into()],
            searches_beside_file: true,
            max_params_size: 1,
            max_params: 2,
            max_body_size: u64::MAX,
            body_memory: 3,
            uploads_memory: 4,
            ping_path: Some("/ping".to_owned()),
            status_path: Some("/status".to_owned()),
            status_is_apart: true,
            max_queue: 5,
            queue_timeout: Some(Duration::from_millis(1500)),
            max_requests: Some(6),
            max_requests_jitter: 7,
            memory_limit: Some(1 << 30),
            dumps_core: true,
            startup_timeout: Duration::from_millis(1500),
            idle_timeout: None,
            socket_timeout: Some(Duration::from_secs(60)),
            graceful_timeout: Duration::ZERO,
            deadlines: Deadlines {
                slow: Some(Duration::from_secs(10)),
                request: None,
                interrupt: Some(Duration::from_secs(5)),
                deadlock: None,
                paths: vec![PathTimeout { path: "/reports/".to_owned(), limit: Some(Duration::from_secs(300)) }],
            },
            access_log_format: Some("$request".to_owned()),
            access_log_exclude: vec!["/health".to_owned()],
        };
        let ties = Ties {
            listeners: vec![3, 4],
            status_listeners: vec![13],
            passage: [5, 6],
            line: [7, 8],
            scoreboard: 9,
            roster: 14,
            seat: 10,
            slots: 16..24,
        };
        let errand = Errand::Serve(ties, Ends { link: 11, log: 12 });
        Message { version: VERSION.to_owned(), errand, pool, log_level: LevelFilter::Debug }
    }

    #[test]
    fn what_is_sent_is_received() {
        let mut sent = message();
        assert_eq!(Message::receive(sent.send().unwrap()).unwrap(), sent);
        sent.errand = Errand::Check(3);
        sent.pool.python_path = vec![OsString::from_vec(b"/\xff".to_vec())];
        sent.pool.app.source = AppSource::File(OsString::from_vec(b"/\xff.py".to_vec()).into());
        assert_eq!(Message::receive(sent.send().unwrap()).unwrap(), sent);
    }

    #[test]
    fn nobody_can_change_it() {
        let mut file = File::from(message().send().unwrap());
        assert!(file.write_all(b"x").is_err() && file.set_len(0).is_err());
    }

    fn refused(bytes: &[u8]) -> String {
        Message::receive(memory_file::sealed(c"test", bytes).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_cut_short_too_long_or_another_programs_is_refused() {
        let bytes = serde_json::to_vec(&message()).unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            assert!(refused(&bytes[..length]).starts_with("what was received is not a settings message ("), "{length}");
        }
        let long = [&bytes[..], &vec![b' '; 1 << 20]].concat();
        assert_eq!(refused(&long), "what was received is not a settings message (more than 1048576 bytes)");
        assert!(refused(b"{\"version\":\"9.9\"}").starts_with("the settings are from pyfcgid 9.9, but this module is from"));
        let open = tempfile::tempfile().unwrap();
        (&open).write_all(&bytes).unwrap();
        assert!(Message::receive(open.into()).unwrap_err().to_string().contains("somebody could change it"));
    }
}
