//! `pyfcgid reload`, `stop`, `status`, `stacks` and `interrupt`: tells the running pyfcgid over its control socket, and prints what it answers.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::cli::Control;
use crate::config::SupervisorFiles;
use crate::control_protocol::{self, ControlAnswer, ControlRequest};
use crate::daemon::PidFile;
use shared::sys::peer;
use shared::sys::poll::{self, Interest};
use shared::sys::process::EX_OSERR;
use shared::sys::terminal;

/// Returns the exit code: the one that is sent, 71 if the supervisor can't be reached or goes away, but 0 for a stop of what does not
/// run, and 3 for the status of it, as init scripts have it.
pub fn run(control: &Control, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let Control { request, files } = control;
    let stream = match connect(&files.control_socket, request) {
        Ok(stream) => stream,
        Err(error) => {
            let (code, reason) = unreachable(request, files, &error);
            say(err, &format!("pyfcgid: {reason}"));
            return code;
        }
    };
    let end = peer::end_of_listener(stream.as_fd()).ok();
    let code = print_answers(stream, out, err);
    if *request == ControlRequest::Stop && matches!(code, Ok(0) | Err(Unanswered::Ended)) {
        end.iter().for_each(wait_for);
        return 0;
    }
    code.unwrap_or_else(|reason| {
        say(err, &format!("pyfcgid: {reason}"));
        EX_OSERR
    })
}

fn connect(socket: &Path, request: &ControlRequest) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(control_protocol::line(request).as_bytes())?;
    Ok(stream)
}

/// The exit code, and why there is no answer.
fn unreachable(request: &ControlRequest, files: &SupervisorFiles, error: &io::Error) -> (u8, String) {
    let path = files.control_socket.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            if let Some(process) = files.pid_file.as_deref().and_then(|path| PidFile::read(path).ok()?) {
                let advice = format!(
                    "process {process} is running: `kill -HUP {process}` recreates the socket and reloads, `kill {process}` \
                     stops it"
                );
                return (EX_OSERR, format!("the control socket {path} is gone, but {advice}"));
            }
            let (code, advice) = match request {
                ControlRequest::Stop => (0, ""),
                ControlRequest::Status { .. } => (NOT_RUNNING, HOW_TO_START),
                _ => (EX_OSERR, HOW_TO_START),
            };
            (code, format!("pyfcgid is not running (control socket {path}){advice}"))
        }
        ErrorKind::PermissionDenied => (EX_OSERR, why_locked_out(&files.control_socket)),
        _ => (EX_OSERR, format!("{error} (control socket {path})")),
    }
}

/// Why there is no exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Unanswered {
    #[error("the running pyfcgid exited before it answered")]
    Ended,
    #[error(
        "the running pyfcgid is another version, whose answer this one does not understand: send it SIGUSR2 to replace it with \
         this one"
    )]
    Unknown,
}

/// Prints what comes until the connection ends, and returns the exit code that comes at last.
fn print_answers(stream: UnixStream, out: &mut impl Write, err: &mut impl Write) -> Result<u8, Unanswered> {
    let mut exit = Err(Unanswered::Ended);
    for line in BufReader::new(stream.take(MAX_ANSWERS)).lines().map_while(Result::ok) {
        match control_protocol::parse(&line).ok_or(Unanswered::Unknown)? {
            ControlAnswer::Stdout(text) => text.lines().for_each(|line| say(out, line)),
            ControlAnswer::Stderr(text) => text.lines().for_each(|line| say(err, line)),
            ControlAnswer::Exit(code) => exit = Ok(code),
        }
    }
    exit
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

/// All has been done by then, but for the end of the process itself.
fn wait_for(end: &OwnedFd) {
    drop(poll::wait(&[(end.as_raw_fd(), Interest::Readable)], Some(PATIENCE)));
}

fn say(to: &mut impl Write, line: &str) {
    drop(writeln!(to, "{}", terminal::escaped(line)));
}

const HOW_TO_START: &str = ": start it with `pyfcgid serve`, or, if it is a service, `systemctl start pyfcgid`";
/// As the Linux Standard Base has it for `status`.
const NOT_RUNNING: u8 = 3;
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of answers that are read: much more than the status of a thousand processes has.
const MAX_ANSWERS: u64 = 16 << 20;
