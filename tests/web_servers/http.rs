//! A browser: just enough HTTP/1.x to see exactly what a web server sends, and whether it broke off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::support::peer::DEADLINE;

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: Vec<u8>,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    /// HTTP/1.1, `Host: example.com`, and no more than that. The target goes out as it is.
    pub(crate) fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let headers = vec![("Host".into(), "example.com".into()), ("Connection".into(), "close".into())];
        let target = target.as_ref().to_vec();
        Self { method: method.into(), target, version: "HTTP/1.1", headers, body: Body::None }
    }

    pub(crate) fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// HTTP/1.0 without any header.
    pub(crate) fn http_1_0(target: impl AsRef<[u8]>) -> Self {
        Self { version: "HTTP/1.0", headers: Vec::new(), ..Self::get(target) }
    }

    /// One more header line; names may repeat.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body and its Content-Length.
    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self { body: Body::Sized(body), ..self.header("Content-Length", &length) }
    }

    /// With a chunked body, each piece one chunk and one write.
    pub(crate) fn chunked(self, pieces: &[&[u8]]) -> Self {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Self { body: Body::Chunked(pieces), ..self.header("Transfer-Encoding", "chunked") }
    }

    /// The same request to a target with `prefix` before it.
    pub(crate) fn under(mut self, prefix: &str) -> Self {
        self.target.splice(0..0, prefix.bytes());
        self
    }

    /// Sends it to 127.0.0.1 and reads the head of the answer.
    #[track_caller]
    pub(crate) fn open(&self, port: u16) -> Exchange {
        self.try_open(port).expect("a status line")
    }

    /// The same; `None` when the connection ends before a head comes.
    #[track_caller]
    pub(crate) fn try_open(&self, port: u16) -> Option<Exchange> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the web server accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        stream.write_all(&self.head()).expect("the web server takes a request head");
        let mut exchange = Exchange::new(stream, &self.method);
        if self.headers.iter().any(|(name, _)| name == "Expect") {
            exchange.expect_continue();
        }
        exchange.send_body(&self.body);
        exchange.read_final_head().then_some(exchange)
    }

    /// Sends it and reads the whole answer.
    #[track_caller]
    pub(crate) fn send(&self, port: u16) -> Response {
        self.open(port).finish()
    }

    fn head(&self) -> Vec<u8> {
        let mut head = [self.method.as_bytes(), b" ", &self.target, b" ", self.version.as_bytes(), b"\r\n"].concat();
        for (name, value) in &self.headers {
            head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// An answer as it comes in.
#[derive(Debug)]
pub(crate) struct Exchange {
    reader: BufReader<TcpStream>,
    without_body: bool,
    framing: Framing,
    pub(crate) response: Response,
}

/// How the answer's body is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    Close,
    /// Nothing more may come.
    Nothing,
}

/// What came next of a body.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Data(Vec<u8>),
    Complete,
    Cut,
}

impl Exchange {
    fn new(stream: TcpStream, method: &str) -> Self {
        let without_body = method == "HEAD";
        Self { reader: BufReader::new(stream), without_body, framing: Framing::Close, response: Response::default() }
    }

    /// Errors are left for the answer to explain: a server may refuse a body before all of it is sent.
    fn send_body(&mut self, body: &Body) {
        let stream = self.reader.get_mut();
        match body {
            Body::None => {}
            Body::Sized(bytes) => drop(stream.write_all(bytes)),
            Body::Chunked(pieces) => {
                for piece in pieces {
                    let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
                    drop(stream.write_all(&chunk));
                }
                drop(stream.write_all(b"0\r\n\r\n"));
            }
        }
    }

    #[track_caller]
    fn expect_continue(&mut self) {
        assert!(self.read_head(), "no answer to the head");
        assert_eq!(self.response.status, 100, "no 100 Continue: {:?}", self.response);
    }

    #[track_caller]
    fn read_final_head(&mut self) -> bool {
        if !self.read_head() {
            return false;
        }
        let status = self.response.status;
        assert!(status >= 200, "an interim answer nobody asked for: {:?}", self.response);
        self.without_body |= status == 204 || status == 304;
        self.framing = self.find_framing();
        true
    }

    #[track_caller]
    fn read_head(&mut self) -> bool {
        let Some(line) = self.read_line() else {
            return false;
        };
        let mut parts = line.splitn(3, ' ');
        let version = parts.next().unwrap_or_default();
        assert!(version.starts_with("HTTP/1."), "not HTTP: {line:?}");
        let status = parts.next().and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {line:?}"));
        let reason = parts.next().unwrap_or_default().to_owned();
        self.response = Response { status, reason, ..Response::default() };
        while let Some(line) = self.read_line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no colon in {line:?}"));
            self.response.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        true
    }

    fn find_framing(&self) -> Framing {
        let length = self.response.header("Content-Length");
        let chunked = self.response.header("Transfer-Encoding").is_some_and(|coding| coding == "chunked");
        match (self.without_body, chunked, length) {
            (true, ..) => Framing::Nothing,
            (false, true, None) => Framing::Chunked,
            (false, true, Some(_)) => panic!("chunked and a length at once: {:?}", self.response),
            (false, false, Some(length)) => Framing::Length(length.parse().expect("a number")),
            (false, false, None) => Framing::Close,
        }
    }

    /// A line as latin-1 without its end; `None` at the end of the connection.
    fn read_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let ended = matches!(self.reader.read_until(b'\n', &mut line), Ok(1..)) && line.pop() == Some(b'\n');
        ended.then(|| crate::support::answer::latin1(line.strip_suffix(b"\r").unwrap_or(&line)))
    }

    /// Reads until the body so far holds `text`.
    #[track_caller]
    pub(crate) fn read_until(&mut self, text: &[u8]) {
        while !self.response.body.windows(text.len()).any(|window| window == text) {
            match self.next_piece() {
                Piece::Data(bytes) => self.response.body.extend_from_slice(&bytes),
                end => panic!("{end:?} before {text:?} came: {:?}", self.response),
            }
        }
    }

    /// Hands the body on as it comes, without keeping it. Returns whether it was complete.
    pub(crate) fn copy_to(mut self, mut out: impl Write) -> Ending {
        loop {
            match self.next_piece() {
                Piece::Data(bytes) => out.write_all(&bytes).expect("the reader of the copy lives"),
                Piece::Complete => return Ending::Complete,
                Piece::Cut => return Ending::Cut,
            }
        }
    }

    /// Reads the rest.
    pub(crate) fn finish(mut self) -> Response {
        self.read_rest();
        self.response
    }

    /// The same, and leaves the connection open.
    pub(crate) fn read_rest(&mut self) {
        self.response.ending = loop {
            match self.next_piece() {
                Piece::Data(bytes) => self.response.body.extend_from_slice(&bytes),
                Piece::Complete => break Ending::Complete,
                Piece::Cut => break Ending::Cut,
            }
        };
    }

    fn next_piece(&mut self) -> Piece {
        match self.framing {
            Framing::Length(0) => Piece::Complete,
            Framing::Length(left) => match self.read_some(left) {
                Some(bytes) => {
                    self.framing = Framing::Length(left - bytes.len() as u64);
                    Piece::Data(bytes)
                }
                None => Piece::Cut,
            },
            Framing::Chunked => self.next_chunk(),
            Framing::Close | Framing::Nothing => self.read_some(READ_SIZE).map_or(Piece::Complete, Piece::Data),
        }
    }

    fn next_chunk(&mut self) -> Piece {
        let Some(length) = self.read_line().and_then(|line| u64::from_str_radix(&line, 16).ok()) else {
            return Piece::Cut;
        };
        let Some(bytes) = self.read_exactly(length) else {
            return Piece::Cut;
        };
        match (self.read_line(), length) {
            (Some(end), 0) if end.is_empty() => Piece::Complete,
            (Some(end), _) if end.is_empty() => Piece::Data(bytes),
            _ => Piece::Cut,
        }
    }

    fn read_some(&mut self, limit: u64) -> Option<Vec<u8>> {
        let available = self.reader.fill_buf().ok().filter(|bytes| !bytes.is_empty())?;
        let bytes = available[..available.len().min(usize::try_from(limit).unwrap_or(usize::MAX))].to_vec();
        self.reader.consume(bytes.len());
        Some(bytes)
    }

    fn read_exactly(&mut self, length: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes).ok()?;
        (read as u64 == length).then_some(bytes)
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it came, as far as HTTP can tell.
    Complete,
    /// The connection ended before the body did: the browser knows that something is missing.
    #[default]
    Cut,
}

/// A whole answer. Text is latin-1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

impl Response {
    /// The value of the only header of this name.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values = self.headers_named(name);
        assert!(values.len() <= 1, "several {name}: {:?}", self.headers);
        values.into_iter().next()
    }

    /// The values of all headers of this name.
    pub(crate) fn headers_named(&self, name: &str) -> Vec<String> {
        let same = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.clone()).collect()
    }

    /// The body as latin-1.
    pub(crate) fn text(&self) -> String {
        crate::support::answer::latin1(&self.body)
    }

    /// The same, after checking the status and that all of it came.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            (self.status, self.ending),
            (status, Ending::Complete),
            "{} {:?}: {}",
            self.reason,
            self.headers,
            self.text()
        );
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }
}

const READ_SIZE: u64 = 65_536;
