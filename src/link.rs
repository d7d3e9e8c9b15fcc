//! What the supervisor and a child say to each other over their socket pair.
//!
//! Downwards go [`Command`]s of one byte each, which are states and not counts: one that is sent twice means the same. Upwards go
//! [`Report`]s, framed as a kind, a length and a text. The end of the stream means that the other process has gone. Pure: bytes
//! in, values out.

/// What the supervisor tells a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// Take no more connections, finish the requests that have begun, end.
    StopGracefully = b'g',
    /// End at once.
    StopNow = b'q',
    /// The same as a graceful stop, but others serve on: hand the connections over to them.
    Retire = b'r',
    /// Say how you are: [`Report::Numbers`].
    Count = b'n',
}

impl Command {
    /// The command that this byte means.
    pub fn parse(byte: u8) -> Option<Self> {
        [Self::StopGracefully, Self::StopNow, Self::Retire, Self::Count].into_iter().find(|command| *command as u8 == byte)
    }
}

/// What a child tells the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The application is imported and requests are answered.
    Ready,
    /// It cannot be: the exit code that says whose fault it is, and why, with the traceback.
    Failed {
        /// Of sysexits.
        code: u8,
        /// What to print.
        text: String,
    },
    /// Every worker has been busy for a moment.
    Saturated,
    /// That is over.
    Relieved,
    /// Enough requests were served: replace me.
    Worn,
    /// Since [`Command::Retire`]: no further request is begun here.
    Retired,
    /// The answer to [`Command::Count`].
    Numbers(Numbers),
}

/// How a child is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Requests that were given to a worker since it started.
    pub requests: u64,
    /// Workers that answer one now.
    pub busy: u64,
    /// Requests that wait for a worker.
    pub queued: u64,
    /// Open connections.
    pub connections: u64,
}

impl Report {
    /// As it goes over the socket.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Self::Ready => (b'R', Vec::new()),
            Self::Failed { code, text } => (b'F', [&[*code], text.as_bytes()].concat()),
            Self::Saturated => (b'S', Vec::new()),
            Self::Relieved => (b'L', Vec::new()),
            Self::Worn => (b'W', Vec::new()),
            Self::Retired => (b'D', Vec::new()),
            Self::Numbers(Numbers { requests, busy, queued, connections }) => {
                (b'N', [requests, busy, queued, connections].iter().flat_map(|number| number.to_be_bytes()).collect())
            }
        };
        let payload = &payload[..payload.len().min(MAX_PAYLOAD_LEN)];
        let mut bytes = vec![kind];
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn decode(kind: u8, payload: &[u8]) -> Option<Self> {
        Some(match (kind, payload) {
            (b'R', []) => Self::Ready,
            (b'F', [code, text @ ..]) => Self::Failed { code: *code, text: String::from_utf8_lossy(text).into_owned() },
            (b'S', []) => Self::Saturated,
            (b'L', []) => Self::Relieved,
            (b'W', []) => Self::Worn,
            (b'D', []) => Self::Retired,
            (b'N', numbers) => {
                let mut numbers = numbers.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
                let mut next = || numbers.next();
                Self::Numbers(Numbers { requests: next()?, busy: next()?, queued: next()?, connections: next()? })
            }
            _ => return None,
        })
    }
}

/// Puts reports together from what is read of the stream.
#[derive(Debug, Default)]
pub struct Reports {
    bytes: Vec<u8>,
}

impl Reports {
    /// Takes what was read.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole report, if it is there. What is none is skipped: the child is our own program, perhaps of another version.
    pub fn next_report(&mut self) -> Option<Report> {
        loop {
            let (head, rest) = self.bytes.split_first_chunk::<5>()?;
            let [kind, length @ ..] = *head;
            let length = u32::from_be_bytes(length) as usize;
            let report = Report::decode(kind, rest.get(..length)?);
            self.bytes.drain(..5 + length);
            if report.is_some() {
                return report;
            }
        }
    }
}

/// A traceback that is longer is cut.
const MAX_PAYLOAD_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive_being_cut_anywhere() {
        let numbers = Numbers { requests: u64::MAX, busy: 2, queued: 3, connections: 4 };
        let reports = [
            Report::Ready,
            Report::Failed { code: 70, text: "ä".to_owned() },
            Report::Saturated,
            Report::Relieved,
            Report::Worn,
            Report::Retired,
            Report::Numbers(numbers),
        ];
        let bytes: Vec<u8> = reports.iter().flat_map(Report::encode).collect();
        let mut decoder = Reports::default();
        let mut decoded = Vec::new();
        for byte in bytes {
            decoder.add(&[byte]);
            decoded.extend(decoder.next_report());
        }
        assert_eq!(decoded, reports);
    }

    #[test]
    fn a_kind_that_is_not_known_is_skipped() {
        let mut decoder = Reports::default();
        decoder.add(b"x\0\0\0\x02hi");
        decoder.add(&Report::Ready.encode());
        assert_eq!(decoder.next_report(), Some(Report::Ready));
        assert_eq!(decoder.next_report(), None);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut() {
        let mut decoder = Reports::default();
        decoder.add(&Report::Failed { code: 1, text: "x".repeat(100_000) }.encode());
        decoder.add(&Report::Ready.encode());
        assert!(matches!(decoder.next_report(), Some(Report::Failed { text, .. }) if text.len() < MAX_PAYLOAD_LEN));
        assert_eq!(decoder.next_report(), Some(Report::Ready));
    }

    #[test]
    fn commands_are_their_bytes() {
        for command in [Command::StopGracefully, Command::StopNow, Command::Retire, Command::Count] {
            assert_eq!(Command::parse(command as u8), Some(command));
        }
        assert_eq!(Command::parse(0), None);
    }
}
