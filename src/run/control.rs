//! `pyfcgid reload`, `stop` and `status`: says one line to the control socket and prints what comes back.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::daemon::PidFile;
use crate::supervisor::Wish;
use shared::sys::peer;
use shared::sys::poll::{self, Interest};
use shared::sys::process::{EX_OSERR, ProcessId};
use shared::sys::terminal;

/// Returns the exit code: the one that is sent, 71 if the supervisor can't be reached or goes away, but 0 for a stop of what does not
/// run, and 3 for the status of it, as init scripts have it.
pub fn run(wish: &Wish, socket: &Path, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let stream = UnixStream::connect(socket).and_then(|mut stream| {
        stream.write_all(format!("{}\n", wish.line()).as_bytes())?;
        Ok(stream)
    });
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            let is_down = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
            if let Some(process) = holder_of_pid_file(socket).filter(|_| is_down) {
                let advice = format!(
                    "process {process} runs: `kill -HUP {process}` makes it again and reloads, `kill {process}` stops it"
                );
                say(err, &format!("pyfcgid: the control socket {} is gone, but {advice}", socket.display()));
                return EX_OSERR;
            }
            if error.kind() == ErrorKind::PermissionDenied {
                say(err, &format!("pyfcgid: {}", why_locked_out(socket)));
                return EX_OSERR;
            }
            let reason = if is_down { "pyfcgid is not running".to_owned() } else { error.to_string() };
            say(err, &format!("pyfcgid: {reason} (control socket {})", socket.display()));
            return match wish {
                Wish::Stop if is_down => 0,
                Wish::Status(_) | Wish::StatusJson(_) if is_down => NOT_RUNNING,
                _ => EX_OSERR,
            };
        }
    };
    let end = peer::end_of_listener(stream.as_fd()).ok();
    let mut code = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        match line.split_at_checked(1) {
            Some(("+", text)) => say(out, text),
            Some(("-", text)) => say(err, text),
            Some(("=", text)) => code = text.parse().ok(),
            _ => {}
        }
    }
    if *wish == Wish::Stop && code.is_none_or(|code| code == 0) {
        end.iter().for_each(wait_for);
        return 0;
    }
    code.unwrap_or_else(|| {
        say(err, "pyfcgid: it ended before it answered");
        EX_OSERR
    })
}

/// Who has locked the PID file beside which the control socket should be.
fn holder_of_pid_file(socket: &Path) -> Option<ProcessId> {
    let beside = socket.to_str()?.strip_suffix(".control")?;
    PidFile::read(Path::new(beside)).ok()?
}

/// What lets this user in.
fn why_locked_out(socket: &Path) -> String {
    let path = socket.display();
    match socket.metadata() {
        Ok(found) => {
            let (owner, group, mode) = (found.uid(), found.gid(), found.mode() & 0o777);
            format!(
                "this user may not use the control socket {path} (owner {owner}, group {group}, mode {mode:04o}): root and its owner may; \
                 control-socket-group, with control-socket-mode, lets others in, who can then control all pools"
            )
        }
        Err(_) => format!(
            "this user may not enter the directory of the control socket {path}: use another user, or set control-socket to a path in \
             a directory that is open, and control-socket-group to who may use it"
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

/// As the Linux Standard Base has it for `status`.
const NOT_RUNNING: u8 = 3;
const PATIENCE: Duration = Duration::from_secs(5);
