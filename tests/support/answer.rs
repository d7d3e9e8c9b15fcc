//! What came back for one request.

use super::record::{Record, kind};

/// The answer to one request, as far as it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// All of STDOUT.
    pub stdout: Vec<u8>,
    /// All of STDERR.
    pub stderr: Vec<u8>,
    /// The content length of each STDOUT record, in order.
    pub stdout_records: Vec<usize>,
    /// From END_REQUEST.
    pub app_status: Option<u32>,
    /// From END_REQUEST.
    pub protocol_status: Option<u8>,
    /// END_REQUEST came.
    pub ended: bool,
    /// The connection ended before END_REQUEST came.
    pub closed: bool,
    /// What came behind the last record and is no FastCGI.
    pub garbage: Vec<u8>,
    /// The number of the Status line; 0 when there is no complete head.
    pub status: u16,
    /// The rest of the Status line.
    pub reason: String,
    /// The header lines in order, without Status. Names as sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Names of all head lines in order, Status included.
    pub head_names: Vec<String>,
    /// What follows the head.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first header of this name in any case, as latin-1.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers_named(name).into_iter().next()
    }

    /// The values of all headers of this name, as latin-1.
    pub fn headers_named(&self, name: &str) -> Vec<String> {
        let same = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        same.map(|(_, value)| latin1(value)).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}) in {self:?}"))
    }

    /// The same, after checking that it is a complete answer with this status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "unexpected answer: {}", self.summary());
        assert!(self.ended, "no END_REQUEST: {}", self.summary());
        self
    }

    /// The answer in a few lines, for messages.
    pub fn summary(&self) -> String {
        let shown = &self.stdout[..self.stdout.len().min(2000)];
        format!(
            "ended {}, closed {}, protocolStatus {:?}, garbage {:?}, stdout {:?}, stderr {:?}",
            self.ended,
            self.closed,
            self.protocol_status,
            self.garbage,
            latin1(shown),
            latin1(&self.stderr)
        )
    }

    /// Takes one record of this request.
    pub(super) fn take(&mut self, record: &Record) {
        assert!(!self.ended, "a record after END_REQUEST: {record:?}");
        match record.kind {
            kind::STDOUT => self.take_stdout(&record.content),
            kind::STDERR => self.stderr.extend_from_slice(&record.content),
            kind::END_REQUEST => self.take_end(&record.content),
            other => panic!("record type {other} is not part of an answer: {record:?}"),
        }
    }

    fn take_stdout(&mut self, content: &[u8]) {
        assert_ne!(self.stdout_records.last(), Some(&0), "STDOUT goes on behind its end");
        self.stdout_records.push(content.len());
        self.stdout.extend_from_slice(content);
    }

    fn take_end(&mut self, content: &[u8]) {
        let body: [u8; 8] = content.try_into().expect("END_REQUEST has 8 bytes");
        let [a, b, c, d, protocol_status, ..] = body;
        self.app_status = Some(u32::from_be_bytes([a, b, c, d]));
        self.protocol_status = Some(protocol_status);
        self.ended = true;
    }

    /// Splits STDOUT into head and body.
    pub(super) fn finish(mut self) -> Self {
        let Some(end) = self.stdout.windows(4).position(|window| window == b"\r\n\r\n") else {
            return self;
        };
        self.body = self.stdout[end + 4..].to_vec();
        let head = self.stdout[..end].to_vec();
        for line in head.split(|byte| *byte == b'\n') {
            self.take_head_line(line.strip_suffix(b"\r").unwrap_or(line));
        }
        self
    }

    fn take_head_line(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or_else(|| panic!("no colon in {:?}", latin1(line)));
        let name = latin1(&line[..colon]);
        let value = line[colon + 1..].trim_ascii().to_vec();
        self.head_names.push(name.clone());
        if name.eq_ignore_ascii_case("Status") {
            let text = latin1(&value);
            let (number, reason) = text.split_once(' ').unwrap_or((&text, ""));
            self.status = number.parse().unwrap_or_else(|_| panic!("bad status {text:?}"));
            self.reason = reason.to_owned();
        } else {
            self.headers.push((name, value));
        }
    }
}

/// Each byte as the character of its number.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
