//! What the supervisor and a child say to each other over their socket pair.
//!
//! Downwards go [`Command`]s of one byte each, which are states and not counts: one that is sent twice means the same. Upwards go
//! [`Report`]s, framed as a kind, a length and a text. The end of the stream means that the other process has gone. Pure: bytes
//! in, values out.
//!
//! An application that finds its process's end of the link can write there what it likes, so the supervisor takes reports as an
//! enemy's: see [`Reports`].

use std::fmt;

use strum::{EnumDiscriminants, FromRepr};

/// What the supervisor tells a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRepr)]
#[repr(u8)]
pub enum Command {
    /// Answer requests, after [`Report::Ready`]: before it nothing is taken in.
    Begin = b'b',
    /// Take no more connections, finish the requests that have begun, end.
    StopGracefully = b'g',
    /// End at once.
    StopNow = b'q',
    /// The same as a graceful stop, but others serve on: hand the connections over to them.
    Retire = b'r',
    /// To a queue process: line requests up, since a child is about to serve.
    Hold = b'h',
    /// To a queue process: answer requests 503, since none is.
    Refuse = b'x',
    /// To a queue process: children serve.
    Rest = b'z',
    /// SIGTERM, from whomever, as the process itself hears it: stop gracefully, and say so.
    Terminate = b't',
    /// SIGQUIT, likewise.
    Quit = b'u',
    /// Look at the slots: a request may have to be interrupted. [`Report::Looked`] comes back.
    Look = b'l',
    /// Say what the threads are doing: [`Report::Stacks`] comes back.
    TellStacks = b's',
}

impl Command {
    /// Whether this makes an earlier command useless that was not heard yet.
    pub fn supersedes(self, earlier: Self) -> bool {
        let is_duty = |command| matches!(command, Self::Hold | Self::Refuse | Self::Rest);
        self == earlier || is_duty(self) && is_duty(earlier)
    }
}

/// What a child tells the supervisor. The numbers are the kinds that go over the socket.
#[derive(Clone, Debug, PartialEq, Eq, EnumDiscriminants, FromRepr)]
#[strum_discriminants(name(Kind), vis())]
#[repr(u8)]
pub enum Report {
    /// Our module runs in the pool's Python, and reports from now on.
    Loaded = b'B',
    /// The application is imported, and requests are answered after [`Command::Begin`].
    Ready = b'R',
    /// It cannot be.
    Failed(Failure) = b'F',
    /// Every worker has been busy for a moment.
    Saturated = b'S',
    /// That is over.
    Relieved = b'L',
    /// Enough requests were served: replace me.
    Worn = b'W',
    /// Since [`Command::Retire`]: no further request is begun here.
    Retired = b'D',
    /// SIGTERM has told it to end.
    Terminated = b'T',
    /// SIGQUIT has.
    Quit = b'Q',
    /// Since [`Command::Look`]: what its slots say is done, as far as it can be.
    Looked = b'O',
    /// What its threads are doing, as [`stacks`](crate::stacks) has it.
    Stacks(String) = b'P',
    /// Requests have had their time and more, and do not end: replace me.
    Overdue = b'V',
    /// For long no thread has got the GIL, though requests run.
    Deadlocked = b'K',
}

/// Why a child does not serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The exit code that says whose fault it is, of sysexits.
    pub code: u8,
    /// What the operator is told, with the traceback.
    pub text: String,
}

impl Failure {
    /// With this exit code, for this reason.
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl Report {
    /// Whether this makes an earlier report useless that was not sent yet: like commands, reports are states.
    pub fn supersedes(&self, earlier: &Self) -> bool {
        let is_load = |report: &Self| matches!(report, Self::Saturated | Self::Relieved);
        is_load(self) && is_load(earlier) || std::mem::discriminant(self) == std::mem::discriminant(earlier)
    }

    /// As it goes over the socket.
    pub fn encode(&self) -> Vec<u8> {
        let payload = match self {
            Self::Failed(Failure { code, text }) => [&[*code], text.as_bytes()].concat(),
            Self::Stacks(text) => text.as_bytes().to_vec(),
            Self::Loaded | Self::Ready | Self::Saturated | Self::Relieved | Self::Worn | Self::Retired => Vec::new(),
            Self::Terminated | Self::Quit | Self::Looked | Self::Overdue | Self::Deadlocked => Vec::new(),
        };
        let payload = &payload[..payload.len().min(MAX_PAYLOAD_LEN)];
        let mut bytes = vec![Kind::from(self) as u8];
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn decode(kind: u8, payload: &[u8]) -> Option<Self> {
        Some(match (Self::from_repr(kind)?, payload) {
            (Self::Failed(_), [code, text @ ..]) => Self::Failed(Failure::new(*code, String::from_utf8_lossy(text))),
            (Self::Stacks(_), text) => Self::Stacks(String::from_utf8_lossy(text).into_owned()),
            (Self::Failed(_), []) | (_, [_, ..]) => return None,
            (report, []) => report,
        })
    }
}

/// Puts reports together from what is read of the stream. Holds one report at most that is not whole yet, and no length that is
/// announced is believed before the kind can have it.
#[derive(Debug)]
pub struct Reports {
    bytes: Vec<u8>,
    /// Whether a report of a kind that this program does not know is skipped. Else the stream is broken.
    skips_unknown: bool,
}

/// The stream is not what a child of ours writes. There is no way to find the next report in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    kind: u8,
    length: u32,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no report has kind {:#04x} and {} bytes", self.kind, self.length)
    }
}

impl Reports {
    /// Those of a child whose program speaks this [`VERSION`] of the link. What another one says beyond it is skipped.
    pub fn of_version(version: u32) -> Self {
        Self { bytes: Vec::new(), skips_unknown: version != VERSION }
    }

    /// Takes what was read, and adds the reports that are whole by now to `whole`.
    ///
    /// # Errors
    /// [`Broken`]; what was said before that is there.
    pub fn add(&mut self, bytes: &[u8], whole: &mut Vec<Report>) -> Result<(), Broken> {
        self.bytes.extend_from_slice(bytes);
        let mut rest = self.bytes.as_slice();
        let result = loop {
            match self.split(rest) {
                Ok(Some((report, after))) => {
                    whole.extend(report);
                    rest = after;
                }
                Ok(None) => break Ok(()),
                Err(broken) => break Err(broken),
            }
        };
        let used = self.bytes.len() - rest.len();
        self.bytes.drain(..used);
        result
    }

    /// The first report, if it is whole.
    fn split<'a>(&self, bytes: &'a [u8]) -> Result<Option<First<'a>>, Broken> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_LEN>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = u32::from_be_bytes(length);
        let broken = Broken { kind, length };
        let payload_length = length as usize;
        if payload_length > MAX_PAYLOAD_LEN || !self.skips_unknown && !may_have(kind, payload_length) {
            return Err(broken);
        }
        match rest.split_at_checked(payload_length) {
            None => Ok(None),
            Some((payload, after)) => match Report::decode(kind, payload) {
                None if !self.skips_unknown => Err(broken),
                report => Ok(Some((report, after))),
            },
        }
    }
}

/// A report, if it is one of ours, and what is behind it.
type First<'a> = (Option<Report>, &'a [u8]);

/// Whether a report of this kind can be so long.
fn may_have(kind: u8, length: usize) -> bool {
    match Report::from_repr(kind) {
        Some(Report::Failed(_)) => length > 0,
        Some(Report::Stacks(_)) => true,
        report => report.is_some() && length == 0,
    }
}

/// Of what commands and reports there are and what they look like. A program that takes the place of another one (SIGUSR2) is told
/// which one the children that it finds speak.
pub const VERSION: u32 = 6;
const HEAD_LEN: usize = 5;
/// A text that is longer is cut.
pub const MAX_PAYLOAD_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Vec<Report>, Result<(), Broken>) {
        let mut reports = Vec::new();
        let result = Reports::of_version(VERSION).add(bytes, &mut reports);
        (reports, result)
    }

    #[test]
    fn reports_survive_being_cut_anywhere() {
        let reports = [
            Report::Loaded,
            Report::Ready,
            Report::Failed(Failure { code: 70, text: "ä".to_owned() }),
            Report::Saturated,
            Report::Relieved,
            Report::Worn,
            Report::Retired,
            Report::Terminated,
            Report::Quit,
            Report::Looked,
            Report::Stacks("a\nb".to_owned()),
            Report::Overdue,
            Report::Deadlocked,
        ];
        let bytes: Vec<u8> = reports.iter().flat_map(Report::encode).collect();
        let (mut decoder, mut decoded) = (Reports::of_version(VERSION), Vec::new());
        for byte in &bytes {
            decoder.add(&[*byte], &mut decoded).unwrap();
        }
        assert_eq!(decoded, reports);
        assert_eq!(read(&bytes), (reports.to_vec(), Ok(())));
    }

    #[test]
    fn what_no_child_of_ours_writes_breaks_the_link_as_soon_as_it_is_announced() {
        let announced: [&[u8]; 8] = [
            b"O\0\0\0\x01",
            b"P\0\x01\0\x01",
            b"x\0\0\0\0",
            b"x\0\0\0\x02hi",
            b"F\0\x01\0\x01",
            b"F\0\0\0\0",
            b"R\0\0\0\x01",
            b"\0\0\0\0\0",
        ];
        for bytes in announced {
            let (reports, result) = read(&[&Report::Worn.encode(), bytes].concat());
            assert_eq!(reports, [Report::Worn], "{bytes:?}");
            assert!(result.is_err(), "{bytes:?}");
        }
        assert_eq!(read(b"x\0\0\0\x02").1.unwrap_err().to_string(), "no report has kind 0x78 and 2 bytes");
    }

    #[test]
    fn what_a_child_of_another_version_says_beyond_ours_is_skipped_up_to_a_length() {
        let (mut decoder, mut reports) = (Reports::of_version(VERSION + 1), Vec::new());
        decoder.add(b"x\0\0\0\x02hi", &mut reports).unwrap();
        decoder.add(&Report::Worn.encode(), &mut reports).unwrap();
        assert_eq!(reports, [Report::Worn]);
        assert!(decoder.add(b"x\0\x01\0\x01", &mut reports).is_err());
    }

    #[test]
    fn a_text_that_is_too_long_is_cut() {
        let failed = Report::Failed(Failure { code: 1, text: "x".repeat(100_000) });
        let (reports, result) = read(&[failed.encode(), Report::Ready.encode()].concat());
        assert!(matches!(&reports[..], [Report::Failed(Failure { text, .. }), Report::Ready] if text.len() < MAX_PAYLOAD_LEN));
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn commands_are_their_bytes() {
        let commands: Vec<(u8, Command)> = (0..=255).filter_map(|byte| Some((byte, Command::from_repr(byte)?))).collect();
        assert!(commands.len() == 11 && commands.iter().all(|(byte, command)| *command as u8 == *byte), "{commands:?}");
    }
}
