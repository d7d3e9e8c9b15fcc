//! What a daemon tells the command that started it, over a pair of sockets: lines to print, then the outcome.
//!
//! A message is a kind, an exit code, a length and a text. The end of the stream without an outcome means that the daemon died.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use shared::sys::process::EX_OSERR;
use shared::sys::terminal;

/// The daemon's end. It is close-on-exec, but a child that the daemon forks has to close it, or the launcher would wait for the
/// child, too.
#[derive(Debug)]
pub struct Readiness {
    /// `None` once the outcome was told.
    to: RefCell<Option<To>>,
    /// Bytes that may still be said: no more than fits in a socket, since a launcher that was stopped (Ctrl-Z) must not stop the
    /// daemon.
    room: Cell<usize>,
}

#[derive(Debug)]
enum To {
    Launcher(UnixStream),
    Terminal,
}

impl Readiness {
    pub(super) fn new(socket: UnixStream) -> Self {
        drop(socket.set_write_timeout(Some(PATIENCE))); // Only if the system gives a socket hardly any room.
        Self { to: RefCell::new(Some(To::Launcher(socket))), room: Cell::new(MAX_SAID) }
    }

    /// For a process that is no daemon: what it says goes to its standard error output, and nobody waits for the outcome.
    pub fn in_foreground() -> Self {
        Self { to: RefCell::new(Some(To::Terminal)), room: Cell::new(usize::MAX) }
    }

    /// The descriptor of the socket, if there is one.
    pub fn descriptor(&self) -> Option<RawFd> {
        match &*self.to.borrow() {
            Some(To::Launcher(socket)) => Some(socket.as_raw_fd()),
            Some(To::Terminal) | None => None,
        }
    }

    /// Has lines printed, warnings for example. What is too much is left out.
    pub fn say(&self, text: &str) {
        let room = self.room.get().saturating_sub(HEAD_LEN);
        let text = cut(text, room);
        if !text.is_empty() {
            self.send(SAY, 0, text);
            self.room.set(room - text.len());
        }
    }

    /// The daemon does its work now: the launcher ends with exit code 0.
    pub fn ready(&self) {
        self.send(OUTCOME, 0, "");
        self.to.take();
    }

    /// It never will: the launcher prints why, and ends with this exit code. After [`Self::ready`] nobody waits to be told.
    pub fn failed(&self, code: u8, text: &str) {
        self.send(OUTCOME, code, cut(text, MAX_REASON));
        self.to.take();
    }

    /// A launcher that has been killed is no trouble of the daemon's.
    fn send(&self, kind: u8, code: u8, text: &str) {
        let result = match &*self.to.borrow() {
            Some(To::Launcher(socket)) => (&mut &*socket).write_all(&encode(kind, code, text)),
            Some(To::Terminal) => print(&mut io::stderr(), text),
            None => Ok(()),
        };
        drop(result);
    }
}

fn encode(kind: u8, code: u8, text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_be_bytes();
    [&[kind, code], &length[..], text.as_bytes()].concat()
}

/// The launcher's side: prints what the daemon says until the outcome, and returns the exit code.
pub(super) fn wait(mut stream: impl Read, output: &mut dyn Write) -> u8 {
    loop {
        match receive(&mut stream) {
            Ok((kind, code, text)) => {
                drop(print(output, &text)); // A terminal that has gone does not change the outcome.
                if kind == OUTCOME {
                    return code;
                }
            }
            Err(_) => {
                drop(print(output, "pyfcgid: the daemon exited before it was ready; see its log"));
                return EX_OSERR;
            }
        }
    }
}

fn receive(stream: &mut impl Read) -> io::Result<(u8, u8, String)> {
    let mut head = [0; HEAD_LEN];
    stream.read_exact(&mut head)?;
    let [kind, code, length @ ..] = head;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_SAID.max(MAX_REASON) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    Ok((kind, code, String::from_utf8_lossy(&text).into_owned()))
}

fn print(output: &mut dyn Write, text: &str) -> io::Result<()> {
    match text.trim_end_matches('\n') {
        "" => Ok(()),
        text => writeln!(output, "{}", terminal::escaped(text)),
    }
}

/// The start of `text`, at most so many bytes, without half a character.
fn cut(text: &str, length: usize) -> &str {
    text.get(..length.min(text.len())).unwrap_or_else(|| cut(text, length - 1))
}

const SAY: u8 = b's';
const OUTCOME: u8 = b'o';
const HEAD_LEN: usize = 6;
const MAX_SAID: usize = 32 * 1024;
/// A traceback that is longer is cut.
const MAX_REASON: usize = 32 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// The exit code and the text of a launcher whose daemon does this.
    fn launcher(daemon: impl FnOnce(Readiness)) -> (u8, String) {
        let (reader, writer) = UnixStream::pair().unwrap();
        daemon(Readiness::new(writer));
        let mut output = Vec::new();
        let code = wait(reader, &mut output);
        (code, String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_ready_daemon_ends_the_launcher_well() {
        assert_eq!(launcher(|readiness| readiness.ready()), (0, String::new()));
    }

    #[test]
    fn warnings_are_printed_before_the_outcome() {
        let result = launcher(|readiness| {
            readiness.say("one\n");
            readiness.say("two: ä");
            readiness.ready();
        });
        assert_eq!(result, (0, "one\ntwo: ä\n".to_owned()));
    }

    #[test]
    fn a_failure_brings_its_code_and_its_text() {
        let result = launcher(|readiness| readiness.failed(78, "Traceback\n  line\nImportError"));
        assert_eq!(result, (78, "Traceback\n  line\nImportError\n".to_owned()));
    }

    #[test]
    fn a_daemon_that_dies_is_not_waited_for() {
        let (code, text) = launcher(drop);
        assert_eq!(code, 71);
        assert!(text.contains("the daemon exited before it was ready"), "{text}");
    }

    #[test]
    fn a_message_cut_short_counts_as_a_death() {
        let mut output = Vec::new();
        assert_eq!(wait(&encode(SAY, 0, "whole")[..3], &mut output), 71);
        assert_eq!(wait(&encode(OUTCOME, 0, "whole")[..8], &mut output), 71);
    }

    #[test]
    fn a_length_that_no_daemon_announces_is_not_believed() {
        let endless = io::repeat(OUTCOME);
        assert_eq!(wait(endless, &mut Vec::new()), 71);
    }

    #[test]
    fn nobody_waits_for_a_launcher_that_does_not_read() {
        let (code, text) = launcher(|readiness| {
            for _ in 0..10 {
                readiness.say(&"x".repeat(10_000));
            }
            readiness.failed(70, &"ä".repeat(100_000));
        });
        assert_eq!(code, 70);
        assert!(text.len() > 50_000 && text.len() <= MAX_SAID + MAX_REASON, "{}", text.len());
    }

    #[test]
    fn a_launcher_that_has_gone_is_no_trouble() {
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(reader);
        Readiness::new(writer).ready();
    }

    #[test]
    fn a_cut_leaves_whole_characters() {
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(cut("aäb", 3), "aä");
        assert_eq!(cut("ä", 9), "ä");
        assert_eq!(cut("ä", 1), "");
    }
}
