//! The log of a child on its way to the supervisor: one message for each record, on a socket that keeps messages whole, so that
//! threads and forked processes can send at once without a lock.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use log::Level;

use super::codes::{self, Code};
use super::pieces::pieces;
use crate::sys::closing::Guarded;
use crate::sys::log_io::{self, NoRoom};
use crate::sys::{fd, passing};

/// The way from a child that is about to be forked: the supervisor keeps the reader, the child the socket. Both are
/// close-on-exec. The supervisor closes its copy of the socket after the fork, or the reader never meets the end.
///
/// # Errors
/// Those of socketpair(2).
pub fn channel() -> io::Result<(Reader, OwnedFd)> {
    let (socket, sender) = passing::pair()?;
    Ok((Reader::adopt(socket), sender))
}

/// What a child says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A record of its log.
    Record {
        /// How bad it is.
        level: Level,
        /// What it means, if pyfcgid says it.
        code: Option<Code>,
        /// The message, of one line or several.
        text: String,
    },
    /// What the application has said, to be written as it is.
    Plain {
        /// How bad it is.
        level: Level,
        /// One line or several.
        text: String,
    },
    /// A line of the access log.
    Access {
        /// What [`Format::values`](super::access::Format::values) has made, if the application did not send it itself.
        values: String,
    },
}

impl Message {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let lossy = |text| String::from_utf8_lossy(text).into_owned();
        match *kind {
            ACCESS => Some(Self::Access { values: lossy(rest) }),
            CODED => {
                let (kind, rest) = rest.split_first()?;
                let (code, text) = rest.split_at_checked(codes::LEN)?;
                // An application may send anything, and a program of another version knows other codes.
                let code = str::from_utf8(code).ok().and_then(codes::known);
                Some(Self::Record { level: level_of(*kind)?, code, text: lossy(text) })
            }
            kind if kind.is_ascii_lowercase() => {
                Some(Self::Plain { level: level_of(kind.to_ascii_uppercase())?, text: lossy(rest) })
            }
            kind => Some(Self::Record { level: level_of(kind)?, code: None, text: lossy(rest) }),
        }
    }
}

/// How much is taken from one child before others have their turn, in bytes. A message costs something beside its length.
#[derive(Debug)]
pub struct Allowance(usize);

impl Allowance {
    /// What a child may say in a turn of the supervisor.
    pub fn of_a_turn() -> Self {
        Self(TURN)
    }

    /// For what a child has left behind at its end: more than its sockets and pipes hold. Processes that the application has left
    /// behind may still write there, so that it has no end of itself.
    pub fn of_last_words() -> Self {
        Self(LAST_WORDS)
    }

    /// Whether there is nothing left of it: then there may be more to read.
    pub fn is_used_up(&self) -> bool {
        self.0 == 0
    }

    pub(super) fn take(&mut self, length: usize) {
        self.0 = self.0.saturating_sub(length + MESSAGE_COST);
    }
}

/// The supervisor's end.
#[derive(Debug)]
pub struct Reader {
    socket: Guarded<OwnedFd>,
    is_at_end: bool,
    is_broken: bool,
}

impl Reader {
    /// The supervisor's end, from the program that this process ran before.
    pub fn adopt(socket: OwnedFd) -> Self {
        Self { socket: Guarded::new(socket), is_at_end: false, is_broken: false }
    }

    /// The next message, if one is there and `allowance` is not used up. Never waits. A child can write as quickly as this reads, so
    /// what is skipped counts, too: what is no message was sent by the application itself.
    pub fn read(&mut self, allowance: &mut Allowance) -> Option<Message> {
        BUFFER.with_borrow_mut(|buffer| self.read_into(buffer, allowance))
    }

    fn read_into(&mut self, buffer: &mut [u8], allowance: &mut Allowance) -> Option<Message> {
        while !self.is_at_end && !allowance.is_used_up() {
            match passing::receive_bytes(self.socket.as_fd(), buffer) {
                // An application can send a message without a byte, which looks like the end.
                Ok(0) if !fd::is_shut(self.socket.as_fd()) => allowance.take(0),
                Ok(0) => self.is_at_end = true,
                Ok(length) => {
                    allowance.take(length);
                    if let Some(message) = buffer.get(..length).and_then(Message::decode) {
                        return Some(message);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_at_end = error.kind() != ErrorKind::WouldBlock;
                    // What has come along was closed, and there may be more of it.
                    self.is_broken = error.kind() == ErrorKind::InvalidData;
                    return None;
                }
            }
        }
        None
    }

    /// Whether it has sent what no process of pyfcgid does: descriptors.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// The child, and all that it forked, have closed the socket, and everything was read.
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }
}

impl AsRawFd for Reader {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The child's end. It has no lock: a process that the application forks while another thread logs can go on logging.
#[derive(Debug)]
pub(super) struct Sender {
    socket: OwnedFd,
    /// The supervisor has not taken anything for a whole [`PATIENCE`]; until it does, nobody waits for it again.
    is_stuck: AtomicBool,
    lost: AtomicU64,
}

impl Sender {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        log_io::limit_sending(socket.as_fd(), PATIENCE, ROOM)?;
        Ok(Self { socket, is_stuck: AtomicBool::new(false), lost: AtomicU64::new(0) })
    }

    pub(super) fn record(&self, level: Level, code: Option<Code>, text: fmt::Arguments<'_>) {
        self.send_all((Kind::Record(level, code), MAX_MESSAGE_LEN), "", text);
    }

    /// Says this of whom `head` names, which is before each piece of it.
    pub(super) fn said(&self, level: Level, head: &str, text: &str) {
        self.send_all((Kind::Record(level, None), MAX_MESSAGE_LEN), head, format_args!("{text}"));
    }

    /// Lines that others read by machine are not cut, if they are not too long.
    pub(super) fn plain(&self, level: Level, text: fmt::Arguments<'_>) {
        self.send_all((Kind::Plain(level), MAX_PLAIN_LEN), "", text);
    }

    fn send_all(&self, (mut kind, max_len): (Kind, usize), head: &str, text: fmt::Arguments<'_>) {
        let mut whole = Bounded { text: String::with_capacity(256), left_out: 0 };
        let _ = write!(whole, "{text}"); // A `Display` of somebody else's may fail; what it wrote until then is kept.
        for piece in pieces(&whole.text, max_len - MAX_HEAD_LEN - head.len()) {
            self.send(kind, head, piece);
            kind = kind.of_the_rest();
        }
        if whole.left_out > 0 {
            self.send(kind, head, &format!("({} more bytes left out)", whole.left_out));
        }
    }

    pub(super) fn access(&self, values: &str) {
        if let Some(piece) = pieces(values, MAX_MESSAGE_LEN - 1).next() {
            self.send(Kind::Access, "", piece);
        }
    }

    fn send(&self, kind: Kind, head: &str, text: &str) {
        if !self.tell_lost() || !self.try_send(kind, head, text) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says how many lines were lost; whether there is nothing to say any more.
    pub(super) fn tell_lost(&self) -> bool {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let is_told = lost == 0 || {
            let text = format!("lost log lines of this process, because the supervisor did not keep up: {lost}");
            self.try_send(Kind::Record(Level::Warn, Some(codes::CHILD_LINES_LOST)), "", &text)
        };
        if !is_told {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        is_told
    }

    fn try_send(&self, kind: Kind, head: &str, text: &str) -> bool {
        let message = kind.encode(head, text);
        loop {
            let no_room = if self.is_stuck.load(Ordering::Relaxed) { NoRoom::GiveUp } else { NoRoom::Wait };
            let result = log_io::send(self.socket.as_fd(), &message, no_room);
            match result.map_err(|error| error.kind()) {
                Err(ErrorKind::Interrupted) => {}
                result => {
                    self.is_stuck.store(result == Err(ErrorKind::WouldBlock), Ordering::Relaxed);
                    return result.is_ok();
                }
            }
        }
    }
}

/// A text that is not kept beyond [`MAX_RECORD_LEN`], nor where there is no memory for it.
struct Bounded {
    text: String,
    left_out: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = if self.left_out == 0 { MAX_RECORD_LEN - self.text.len() } else { 0 };
        let end = (0..=room.min(piece.len())).rev().find(|end| piece.is_char_boundary(*end)).unwrap_or(0);
        let kept = if self.text.try_reserve(end).is_ok() { &piece[..end] } else { "" };
        self.text.push_str(kept);
        self.left_out += piece.len() - kept.len();
        Ok(())
    }
}

/// What a message is, which is said in its first bytes.
#[derive(Clone, Copy)]
enum Kind {
    Record(Level, Option<Code>),
    Plain(Level),
    Access,
}

impl Kind {
    /// That of the further pieces of a record: what it means is said once.
    fn of_the_rest(self) -> Self {
        match self {
            Self::Record(level, _) => Self::Record(level, None),
            kind => kind,
        }
    }

    fn encode(self, head: &str, text: &str) -> Vec<u8> {
        let [head, text] = [head, text].map(str::as_bytes);
        match self {
            Self::Record(level, Some(code)) => [&[CODED, level_kind(level)], code.as_bytes(), head, text].concat(),
            Self::Record(level, None) => [&[level_kind(level)], head, text].concat(),
            Self::Plain(level) => [&[level_kind(level).to_ascii_lowercase()], head, text].concat(),
            Self::Access => [&[ACCESS], head, text].concat(),
        }
    }
}

fn level_of(kind: u8) -> Option<Level> {
    Level::iter().find(|level| level_kind(*level) == kind)
}

/// The first letter of its name.
fn level_kind(level: Level) -> u8 {
    level.as_str().as_bytes()[0]
}

thread_local! {
    /// The supervisor has one thread and many readers.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_PLAIN_LEN]);
}

/// The kind of a line of the access log; records have their level's.
const ACCESS: u8 = b'A';
/// The kind of a record that has a code: that of its level follows, and the code.
const CODED: u8 = b'C';
/// What stands before the text.
const MAX_HEAD_LEN: usize = 2 + codes::LEN;
/// Fewer short messages than a socket holds, so that a child which writes as quickly as it can uses it up.
const TURN: usize = 64 * 1024;
const LAST_WORDS: usize = 4 << 20;
/// A line of the log costs about as much work as copying so many bytes.
const MESSAGE_COST: usize = 256;
/// The longest message of ours; longer texts are several.
const MAX_MESSAGE_LEN: usize = 32 * 1024;
/// The longest message that is written as it is, which several would not be.
const MAX_PLAIN_LEN: usize = 128 * 1024;
/// An application that prints more at once has a mistake.
const MAX_RECORD_LEN: usize = 1 << 20;
/// How long a thread of the application waits for the supervisor.
const PATIENCE: Duration = Duration::from_millis(100);
/// For what comes while the supervisor does something else. The system may give less.
const ROOM: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Reader, Sender) {
        let (reader, socket) = channel().unwrap();
        (reader, Sender::new(socket).unwrap())
    }

    fn next(reader: &mut Reader) -> Option<Message> {
        reader.read(&mut Allowance::of_a_turn())
    }

    fn record(level: Level, text: &str) -> Message {
        Message::Record { level, code: None, text: text.to_owned() }
    }

    #[test]
    fn records_and_access_lines_arrive_in_order_and_then_the_end() {
        let (mut reader, sender) = pair();
        assert_eq!(next(&mut reader), None);
        for level in Level::iter() {
            sender.record(level, None, format_args!("two\nlines"));
        }
        sender.record(Level::Info, None, format_args!(""));
        sender.access("GET / 200");
        for level in Level::iter() {
            assert_eq!(next(&mut reader), Some(record(level, "two\nlines")));
        }
        assert_eq!(next(&mut reader), Some(record(Level::Info, "")));
        assert_eq!(next(&mut reader), Some(Message::Access { values: "GET / 200".to_owned() }));
        assert_eq!((next(&mut reader), reader.is_at_end()), (None, false));
        drop(sender);
        assert_eq!((next(&mut reader), reader.is_at_end()), (None, true));
    }

    #[test]
    fn a_message_without_a_byte_is_not_the_end() {
        let (mut reader, sender) = pair();
        rustix::net::send(&sender.socket, &[], rustix::net::SendFlags::empty()).unwrap();
        sender.record(Level::Info, None, format_args!("said"));
        assert_eq!(next(&mut reader), Some(record(Level::Info, "said")));
        assert_eq!((next(&mut reader), reader.is_at_end()), (None, false));
    }

    #[test]
    fn a_long_record_comes_in_pieces_and_one_that_is_far_too_long_is_cut() {
        let (mut reader, sender) = pair();
        let text = "größe\n".repeat(MAX_MESSAGE_LEN / 4);
        sender.record(Level::Info, None, format_args!("{text}"));
        let mut received = String::new();
        while let Some(Message::Record { text, .. }) = next(&mut reader) {
            assert!(text.ends_with('\n'));
            received.push_str(&text);
        }
        assert_eq!(received, text);
        let reading = std::thread::spawn(move || {
            let (mut length, mut last) = (0, String::new());
            while !reader.is_at_end() {
                if let Some(Message::Record { text, .. }) = next(&mut reader) {
                    length += text.len();
                    last = text;
                }
            }
            (length, last)
        });
        sender.record(Level::Info, None, format_args!("{}", "x".repeat(3 * MAX_RECORD_LEN)));
        drop(sender);
        let (length, last) = reading.join().unwrap();
        assert!(length <= MAX_RECORD_LEN + 100 && last.contains("more bytes left out"), "{length} {last}");
    }

    #[test]
    fn what_is_written_as_it_is_comes_in_one_piece() {
        let (mut reader, sender) = pair();
        let text = format!("{{\"a\": \"{}\"}}", "x ".repeat(MAX_MESSAGE_LEN));
        sender.plain(Level::Info, format_args!("{text}"));
        assert_eq!(reader.read(&mut Allowance::of_last_words()), Some(Message::Plain { level: Level::Info, text }));
    }

    #[test]
    fn a_stuck_supervisor_costs_one_wait_and_lines_which_are_told() {
        let (mut reader, sender) = pair();
        let mut sent = 0_u64;
        while sender.lost.load(Ordering::Relaxed) < 100 {
            sender.record(Level::Info, None, format_args!("{}", "x".repeat(1000)));
            sent += 1;
        }
        assert!(sender.is_stuck.load(Ordering::Relaxed));
        let begin = std::time::Instant::now();
        (0..1000).for_each(|_| sender.access("lost too"));
        assert!(begin.elapsed() < 10 * PATIENCE, "each of them waited");
        let received = std::iter::from_fn(|| next(&mut reader)).count() as u64;
        sender.record(Level::Info, None, format_args!("taken again"));
        let lost = sent - received + 1000;
        let told = format!("lost log lines of this process, because the supervisor did not keep up: {lost}");
        let code = Some(codes::CHILD_LINES_LOST);
        assert_eq!(next(&mut reader), Some(Message::Record { level: Level::Warn, code, text: told }));
        assert_eq!(next(&mut reader), Some(record(Level::Info, "taken again")));
        assert!(!sender.is_stuck.load(Ordering::Relaxed));
        sender.lost.store(7, Ordering::Relaxed);
        assert!(sender.tell_lost() && sender.tell_lost());
        let told = |message| matches!(message, Some(Message::Record { text, .. }) if text.ends_with("keep up: 7"));
        assert_eq!((told(next(&mut reader)), next(&mut reader)), (true, None), "at the end of the process");
    }

    #[test]
    fn a_supervisor_that_has_gone_does_no_harm() {
        let (reader, sender) = pair();
        drop(reader);
        sender.record(Level::Error, None, format_args!("nobody hears"));
        sender.access("nobody hears");
    }

    #[test]
    fn a_code_comes_along_with_the_first_piece_of_its_record() {
        let (mut reader, sender) = pair();
        sender.record(Level::Warn, Some(codes::SATURATED), format_args!("{}", "x".repeat(MAX_MESSAGE_LEN)));
        let codes = std::iter::from_fn(|| next(&mut reader)).map(|message| match message {
            Message::Record { level: Level::Warn, code, .. } => code,
            other => panic!("{other:?}"),
        });
        assert_eq!(codes.collect::<Vec<_>>(), [Some(codes::SATURATED), None]);
    }

    #[test]
    fn a_code_that_is_none_is_not_told() {
        let (mut reader, sender) = pair();
        let broken = [b"C".as_slice(), b"CW", b"CWPF040", b"C?PF0401x", b"CwPF0401x", b"CCPF0401x"];
        for bytes in broken.into_iter().chain([b"CWPF9999said".as_slice(), b"CW\xff\xff\xff\xff\xff\xffsaid", b"CWPF0401"]) {
            log_io::send(sender.socket.as_fd(), bytes, NoRoom::GiveUp).unwrap();
        }
        assert_eq!(next(&mut reader), Some(record(Level::Warn, "said")));
        assert_eq!(next(&mut reader), Some(record(Level::Warn, "said")));
        let code = Some(codes::SATURATED);
        assert_eq!(next(&mut reader), Some(Message::Record { level: Level::Warn, code, text: String::new() }));
        assert_eq!(next(&mut reader), None);
    }

    #[test]
    fn what_is_no_message_is_skipped() {
        let (mut reader, sender) = pair();
        for bytes in [b"?x".as_slice(), b"\0", b"I\xff"] {
            log_io::send(sender.socket.as_fd(), bytes, NoRoom::GiveUp).unwrap();
        }
        assert_eq!(next(&mut reader), Some(record(Level::Info, "\u{fffd}")));
        assert_eq!(next(&mut reader), None);
    }

    #[test]
    fn what_is_no_message_uses_up_the_allowance_as_well() {
        let (mut reader, sender) = pair();
        for _ in 0..100 {
            log_io::send(sender.socket.as_fd(), b"?", NoRoom::GiveUp).unwrap();
        }
        sender.record(Level::Info, None, format_args!("behind them"));
        let mut allowance = Allowance(50 * (MESSAGE_COST + 1));
        assert_eq!((reader.read(&mut allowance), allowance.is_used_up()), (None, true));
        assert_eq!(next(&mut reader), Some(record(Level::Info, "behind them")));
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let (mut reader, sender) = pair();
        let mut huge = vec![b'x'; 2 * MAX_PLAIN_LEN];
        huge[0] = b'I';
        log_io::send(sender.socket.as_fd(), &huge, NoRoom::GiveUp).unwrap();
        sender.record(Level::Info, None, format_args!("whole"));
        assert!(matches!(next(&mut reader), Some(Message::Record { text, .. }) if text.len() == MAX_PLAIN_LEN - 1));
        assert_eq!(next(&mut reader), Some(record(Level::Info, "whole")));
    }
}
