//! The answer to a request, taken apart as it comes.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::connection::Connection;
use super::error::Received;
use super::request::REQUEST_ID;
use super::{Error, Options, split_once};
use fastcgi_codec::message::EndRequest;
use fastcgi_codec::{Decoder, ProtocolStatus, Record, RecordType};

/// Takes the answer apart and passes it on as it comes.
pub(super) struct Answer<'a, O, E> {
    options: &'a Options,
    out: &'a mut O,
    err: &'a mut E,
    received: Received,
    /// Whether a record has come.
    has_begun: bool,
    head: Head,
    /// The status that makes the answer an error, with its reason.
    failure: Option<String>,
}

impl<'a, O: Write, E: Write> Answer<'a, O, E> {
    pub(super) fn new(options: &'a Options, out: &'a mut O, err: &'a mut E) -> Self {
        Self { options, out, err, received: Received::Nothing, has_begun: false, head: Head::default(), failure: None }
    }

    /// Reads until END_REQUEST.
    pub(super) fn receive(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut decoder = Decoder::new();
        loop {
            while let Some(record) = decoder.next_record().map_err(|error| self.not_a_record(error))? {
                if self.handle_record(record)?.is_break() {
                    return self.failure.take().map_or(Ok(()), |status| Err(Error::Status(status)));
                }
            }
            let received = self.received;
            let count = connection.receive(decoder.space(), |error| Error::Receive(received, error))?;
            if count == 0 {
                return Err(Error::Closed(received));
            }
            decoder.advance(count);
            self.received = if self.head.complete { Received::Head } else { Received::NoHead };
        }
    }

    /// A peer that has sent a record speaks FastCGI: bytes that are none are how pyfcgid ends an answer that broke in the middle.
    fn not_a_record(&self, error: fastcgi_codec::Error) -> Error {
        if self.has_begun { Error::Cut } else { not_fastcgi(error) }
    }

    /// Breaks when the answer is over.
    fn handle_record(&mut self, record: Record<'_>) -> Result<ControlFlow<()>, Error> {
        self.has_begun = true;
        match record.record_type {
            _ if record.request_id != REQUEST_ID => {}
            RecordType::Stdout => self.handle_stdout(record.content)?,
            RecordType::Stderr => pass_on(self.err, record.content)?,
            RecordType::EndRequest => return self.handle_end(record.content),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn handle_stdout(&mut self, content: &[u8]) -> Result<(), Error> {
        if self.head.complete {
            return self.write_body(content);
        }
        let Some(body) = self.head.take(content)? else {
            return Ok(());
        };
        self.received = Received::Head;
        let (status, text) = self.head.status()?;
        self.failure = Some(text).filter(|_| self.options.fail && status >= FIRST_FAILURE);
        if self.options.include_head {
            pass_on(self.out, &self.head.bytes)?;
        }
        self.write_body(body)
    }

    /// Like curl's, a failed answer's body is not printed.
    fn write_body(&mut self, content: &[u8]) -> Result<(), Error> {
        if self.failure.is_some() { Ok(()) } else { pass_on(self.out, content) }
    }

    fn handle_end(&mut self, content: &[u8]) -> Result<ControlFlow<()>, Error> {
        let end = EndRequest::parse(content).map_err(not_fastcgi)?;
        match end.protocol_status {
            ProtocolStatus::RequestComplete if self.head.complete => Ok(ControlFlow::Break(())),
            ProtocolStatus::RequestComplete => Err(Error::NoHead("it ended before an empty line")),
            status => Err(Error::Refused(status)),
        }
    }
}

/// A response head as CGI has it (RFC 3875 §6).
#[derive(Debug, Default)]
struct Head {
    /// Everything up to the empty line, which is part of it.
    bytes: Vec<u8>,
    /// Bytes of the line that is not complete, without `\r`.
    line_len: usize,
    complete: bool,
}

impl Head {
    /// Takes what belongs to the head; gives what is behind it once it is complete.
    fn take<'a>(&mut self, content: &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        for (at, byte) in content.iter().enumerate() {
            match byte {
                b'\n' if self.line_len == 0 => {
                    self.bytes.extend_from_slice(&content[..=at]);
                    self.complete = true;
                    return Ok(Some(&content[at + 1..]));
                }
                b'\n' => self.line_len = 0,
                b'\r' => {}
                _ => self.line_len += 1,
            }
        }
        self.bytes.extend_from_slice(content);
        if self.bytes.len() > MAX_HEAD_LEN { Err(Error::NoHead("no empty line in its first 256 KiB")) } else { Ok(None) }
    }

    /// The status and how it was said: `Status`, else what CGI implies.
    fn status(&self) -> Result<(u16, String), Error> {
        let lines = || self.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        if let Some(status) = lines().next().and_then(|line| line.strip_prefix(b"HTTP/")) {
            return parse_status(status.split(|byte| *byte == b' ').skip(1).collect::<Vec<_>>().join(&b' ').as_slice());
        }
        if lines().any(|line| !line.is_empty() && !line.contains(&b':')) || lines().all(<[u8]>::is_empty) {
            return Err(Error::NoHead("it does not begin with header lines such as Content-Type: text/html"));
        }
        let field = |name: &str| lines().find_map(|line| field_value(line, name));
        match field("status") {
            Some(status) => parse_status(status),
            None if field("location").is_some() => Ok((302, "302".to_owned())),
            None => Ok((200, "200".to_owned())),
        }
    }
}

fn field_value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, value) = split_once(line, b':')?;
    found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
}

fn parse_status(text: &[u8]) -> Result<(u16, String), Error> {
    let code = text.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit));
    let ends = text.get(3).is_none_or(|byte| *byte == b' ');
    let number = code.filter(|_| ends).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    let shown = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
    number.map(|number| (number, shown)).ok_or(Error::NoHead("its Status is not a three-digit number"))
}

fn pass_on(to: &mut impl Write, content: &[u8]) -> Result<(), Error> {
    // Flushed piece by piece, so that a streamed answer is seen as it comes.
    to.write_all(content).and_then(|()| to.flush()).map_err(|error: io::Error| Error::Write(error))
}

fn not_fastcgi(error: fastcgi_codec::Error) -> Error {
    match error {
        fastcgi_codec::Error::Version(b'H') => {
            Error::NotFastCgi("it looks like HTTP, so --connect may name a web server", None)
        }
        other => Error::NotFastCgi("is --connect the application's listen address?", Some(other)),
    }
}

const FIRST_FAILURE: u16 = 400;
const MAX_HEAD_LEN: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> Result<(u16, String), Error> {
        let mut parsed = Head::default();
        parsed.take(head.as_bytes())?.expect("the head is complete");
        parsed.status()
    }

    #[test]
    fn a_head_ends_at_the_first_empty_line_wherever_it_is_cut() {
        for (text, head_len) in [("A: b\r\n\r\nbody", 8), ("A: b\n\nbody\n\n", 6), ("A: b\r\nC: d\n\r\n", 13)] {
            for cut in 0..=head_len {
                let mut head = Head::default();
                let (first, second) = text.as_bytes().split_at(cut);
                let rest = match head.take(first).unwrap() {
                    Some(rest) => rest.to_vec(),
                    None => head.take(second).unwrap().unwrap().to_vec(),
                };
                assert_eq!(head.bytes, text.as_bytes()[..head_len], "{text:?} at {cut}");
                assert!(text.as_bytes()[head_len..].starts_with(&rest));
            }
        }
    }

    #[test]
    fn the_status_is_what_the_head_says_or_implies() {
        let table = [
            ("Status: 404 Not Found\r\n\r\n", 404, "404 Not Found"),
            ("Content-Type: a\nsTATUS:500\n\n", 500, "500"),
            ("Location: /x\n\n", 302, "302"),
            ("Content-Type: a\n\n", 200, "200"),
            ("HTTP/1.1 503 Busy\r\nA: b\r\n\r\n", 503, "503 Busy"),
        ];
        for (head, code, text) in table {
            assert_eq!(status(head).unwrap(), (code, text.to_owned()), "{head}");
        }
        for head in
            ["\n", "\r\n", "hello\n\n", "A: b\nhello\n\n", "Status: OK\n\n", "Status: 2000\n\n", "Status:\n\n", "HTTP/1.1\n\n"]
        {
            assert_eq!(status(head).unwrap_err().exit_code(), 8, "{head}");
        }
    }

    #[test]
    fn a_head_without_an_end_is_given_up() {
        let mut head = Head::default();
        let line = b"X-Long: abcdefghijklmnopqrstuvwxyz\r\n";
        let taken = (0..MAX_HEAD_LEN).map(|_| head.take(line)).find(Result::is_err);
        assert!(matches!(taken, Some(Err(Error::NoHead(_)))));
        assert!(head.bytes.len() <= MAX_HEAD_LEN + line.len());
    }
}
