//! The client's end of the control socket: asks a running pyfcgid, and says why it cannot be asked. Knows no request's meaning.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socket2::{Domain, SockAddr, Socket, Type};

use super::say;
use crate::config::SupervisorFiles;
use crate::control_protocol::{self, ControlAnswer, ControlRequest};
use crate::daemon::PidFile;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("{0}: start it with `pyfcgid serve`, or, if it is a service, `systemctl start pyfcgid`")]
    NotRunning(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("the running pyfcgid exited before it answered")]
    Ended,
    #[error("the running pyfcgid does not answer")]
    Late,
    #[error(
        "the running pyfcgid is another version, whose answer this one does not understand: send it SIGUSR2 to replace it with \
         this one"
    )]
    Unknown,
    /// There are no values, but an exit code, and lines for stderr.
    #[error("{1}")]
    Refused(u8, String),
}

impl Unanswered {
    /// Says so on stderr. Returns the exit code: what was answered, else that for what does not run, or for all the rest.
    pub(super) fn tell(&self, not_running: u8, otherwise: u8) -> u8 {
        if let Self::Refused(code, text) = self {
            text.lines().for_each(say);
            return *code;
        }
        say(&format!("pyfcgid: {self}"));
        if let Self::NotRunning(_) = self { not_running } else { otherwise }
    }
}

/// Sends a request. Waits no longer for each step than `patience`, if that is given.
pub(super) fn connect(
    files: &SupervisorFiles,
    request: &ControlRequest,
    patience: Option<Duration>,
) -> Result<UnixStream, Unanswered> {
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Of connect(2), too, which waits while others that were not let in yet fill the backlog.
        socket.set_write_timeout(patience)?;
        socket.set_read_timeout(patience)?;
        socket.connect(&SockAddr::unix(&files.control_socket)?)?;
        let mut stream = UnixStream::from(OwnedFd::from(socket));
        stream.write_all(control_protocol::line(request).as_bytes())?;
        Ok(stream)
    };
    connect().map_err(|error| unreachable(files, &error))
}

/// Asks for values. Returns the exit code that belongs to them, too.
pub(super) fn ask<T: DeserializeOwned>(
    files: &SupervisorFiles,
    request: &ControlRequest,
    patience: Duration,
) -> Result<(T, u8), Unanswered> {
    let stream = connect(files, request, Some(patience))?;
    let (mut values, mut errors) = (None, String::new());
    let code = read(stream, |text| values = Some(text), |text| errors += &text)?;
    match values {
        Some(text) => control_protocol::parse(&text).map(|values| (values, code)).ok_or(Unanswered::Unknown),
        None if errors.contains(UNKNOWN_REQUEST) => Err(Unanswered::Unknown),
        None => Err(Unanswered::Refused(code, errors)),
    }
}

/// Reads what comes for stdout and stderr until the connection ends, and returns the exit code that comes at last.
pub(super) fn read(stream: UnixStream, mut out: impl FnMut(String), mut err: impl FnMut(String)) -> Result<u8, Unanswered> {
    let mut exit = Err(Unanswered::Ended);
    for line in BufReader::new(stream.take(MAX_ANSWERS)).lines() {
        let line = match line {
            Ok(line) => line,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(Unanswered::Late),
            Err(_) => break,
        };
        match control_protocol::parse(&line).ok_or(Unanswered::Unknown)? {
            ControlAnswer::Stdout(text) => out(text),
            ControlAnswer::Stderr(text) => err(text),
            ControlAnswer::Exit(code) => exit = Ok(code),
        }
    }
    exit
}

fn unreachable(files: &SupervisorFiles, error: &io::Error) -> Unanswered {
    let path = files.control_socket.display();
    let not_running = || Unanswered::NotRunning(format!("pyfcgid is not running (control socket {path})"));
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            match files.pid_file.as_deref().and_then(|path| PidFile::read(path).ok()?) {
                Some(process) => Unanswered::Unreachable(format!(
                    "the control socket {path} is gone, but process {process} is running: `kill -HUP {process}` recreates the \
                     socket and reloads, `kill {process}` stops it"
                )),
                None => not_running(),
            }
        }
        // It has ended since connect(2). Its PID file goes a moment later.
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => not_running(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Unanswered::Late,
        ErrorKind::PermissionDenied => Unanswered::Unreachable(why_locked_out(&files.control_socket)),
        _ => Unanswered::Unreachable(format!("{error} (control socket {path})")),
    }
}

/// What lets this user in.
fn why_locked_out(socket: &Path) -> String {
    let path = socket.display();
    match socket.metadata() {
        Ok(found) => {
            let (owner, group, mode) = (found.uid(), found.gid(), found.mode() & 0o777);
            format!(
                "permission denied for the control socket {path} (owner {owner}, group {group}, mode {mode:04o}): root and its \
                 owner may use it; control-socket-group, with control-socket-mode, lets others in, who can then control all \
                 pools"
            )
        }
        Err(_) => format!(
            "permission denied for the directory of the control socket {path}: use another user, or set control-socket to a \
             path in an accessible directory, and control-socket-group to the group that may use it"
        ),
    }
}

/// What a version says that knows less.
const UNKNOWN_REQUEST: &str = "unknown request";
/// The supervisor answers at once, if it answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of answers that are read: more than the status of a thousand processes has, or stacks all of whose characters are escaped.
const MAX_ANSWERS: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_while_it_is_asked_does_not_run() {
        let files = SupervisorFiles::of_socket("control".into());
        for how in [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset] {
            let told = unreachable(&files, &how.into());
            assert_eq!(told, Unanswered::NotRunning("pyfcgid is not running (control socket control)".to_owned()));
        }
    }
}
