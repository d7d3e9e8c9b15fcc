//! The web server's side of a connection.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::params::Params;
use super::record::{self, Record, kind};

/// How long any single wait may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port.
    Tcp(SocketAddr),
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// One connection to a FastCGI server.
#[derive(Debug)]
pub struct Peer {
    stream: Stream,
    received: Vec<u8>,
    partial: BTreeMap<u16, Answer>,
    /// Request ids in the order of their END_REQUEST records.
    pub end_order: Vec<u16>,
    /// Management records (id 0) in order.
    pub management: Vec<Record>,
    /// What came that is no FastCGI; nothing is read as a record any more.
    pub garbage: Vec<u8>,
    closed: bool,
}

impl Peer {
    /// Connects, or fails after [`DEADLINE`].
    pub fn connect(address: impl Into<Address>) -> Self {
        let address = address.into();
        Self::try_connect(&address).unwrap_or_else(|error| panic!("can't connect to {address:?}: {error}"))
    }

    /// Connects.
    ///
    /// # Errors
    /// What connect(2) says.
    pub fn try_connect(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            Address::Tcp(address) => Stream::Tcp(TcpStream::connect_timeout(address, DEADLINE)?),
        };
        stream.set_deadlines(DEADLINE)?;
        Ok(Self {
            stream,
            received: Vec::new(),
            partial: BTreeMap::new(),
            end_order: Vec::new(),
            management: Vec::new(),
            garbage: Vec::new(),
            closed: false,
        })
    }

    /// One kept request with id 1 and its answer.
    pub fn request(&mut self, params: &Params, body: &[u8]) -> Answer {
        self.send_request(1, true, params, body);
        self.answer(1)
    }

    /// One request without KEEP_CONN, its answer, and the end of the connection.
    pub fn last_request(&mut self, params: &Params, body: &[u8]) -> Answer {
        self.send_request(1, false, params, body);
        let answer = self.answer(1);
        self.expect_closed();
        answer
    }

    /// Sends a whole request without waiting for its answer.
    pub fn send_request(&mut self, id: u16, keep_connection: bool, params: &Params, body: &[u8]) {
        self.send(&record::request(id, keep_connection, &params.encode(), body));
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_send(bytes) {
            panic!("can't send {} bytes: {error}", bytes.len());
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What write(2) says; a server may well have closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The write side alone, for a thread that sends while another one reads.
    #[track_caller]
    pub fn writer(&self) -> Box<dyn Write + Send> {
        match &self.stream {
            Stream::Unix(stream) => Box::new(stream.try_clone().expect("a descriptor")),
            Stream::Tcp(stream) => Box::new(stream.try_clone().expect("a descriptor")),
        }
    }

    /// Waits for the complete answer to one request, or for the end of the connection. Records of other requests are kept.
    #[track_caller]
    pub fn answer(&mut self, id: u16) -> Answer {
        while !self.partial.get(&id).is_some_and(|answer| answer.ended) {
            if !self.receive_record() {
                let mut answer = self.partial.remove(&id).unwrap_or_default();
                answer.closed = true;
                answer.garbage = self.garbage.clone();
                return answer.finish();
            }
        }
        self.partial.remove(&id).expect("looked at above").finish()
    }

    /// Reads until this request's STDOUT holds `text`.
    #[track_caller]
    pub fn wait_for_stdout(&mut self, id: u16, text: &str) {
        while !self.partial.get(&id).is_some_and(|answer| contains(&answer.stdout, text.as_bytes())) {
            assert!(self.receive_record(), "connection ended before {text:?}: {:?}", self.partial.get(&id));
        }
    }

    /// The next management record.
    #[track_caller]
    pub fn management_record(&mut self) -> Record {
        while self.management.is_empty() {
            assert!(self.receive_record(), "connection ended before a management record came");
        }
        self.management.remove(0)
    }

    /// Returns when everything has been read that was sent before: management records are answered by who reads.
    #[track_caller]
    pub fn settle(&mut self) {
        self.send(&record::record(kind::GET_VALUES, 0, b""));
        assert_eq!(self.management_record().kind, kind::GET_VALUES_RESULT);
    }

    /// The next record of any kind; `None` at the end of the connection, or when what comes is not FastCGI.
    #[track_caller]
    pub fn next_record(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.take_record() {
                return Some(record);
            }
            if !self.receive() {
                return None;
            }
        }
    }

    /// Reads on until the connection ends; fails when it stays open or another record comes.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        if let Some(record) = self.next_record() {
            panic!("a record instead of the end of the connection: {record:?}");
        }
        assert!(self.received.is_empty(), "the connection ended inside a record: {:?}", self.received);
    }

    /// Reads on until the connection ends, whatever comes before.
    #[track_caller]
    pub fn drain(&mut self) {
        while self.receive_record() {}
    }

    /// Tells the server that nothing more comes, and goes on reading.
    pub fn shut_down_writing(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes the connection, also where a process that a test is about to start has it, too, until its exec.
    pub fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Limits every single wait of this peer.
    pub fn set_deadline(&self, deadline: Duration) {
        self.stream.set_deadlines(deadline).expect("a socket takes time limits");
    }

    /// Whether nothing comes for `time`.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.set_deadline(time);
        let mut byte = [0];
        let silent = self.received.is_empty() && matches!(self.stream.read(&mut byte), Err(error) if is_timeout(&error));
        self.set_deadline(DEADLINE);
        silent
    }

    /// Whether a management record is answered within `time`.
    pub fn is_answered_within(&mut self, time: Duration) -> bool {
        self.set_deadline(time);
        let sent = self.try_send(&record::record(kind::GET_VALUES, 0, b""));
        sent.is_ok() && matches!(self.stream.read(&mut [0; 64]), Ok(1..))
    }

    /// Takes one more record into the answers; false at the end of the connection.
    fn receive_record(&mut self) -> bool {
        let Some(record) = self.next_record() else {
            return false;
        };
        if record.id == 0 {
            self.management.push(record);
            return true;
        }
        self.partial.entry(record.id).or_default().take(&record);
        if record.kind == kind::END_REQUEST {
            self.end_order.push(record.id);
        }
        true
    }

    fn take_record(&mut self) -> Option<Record> {
        let header: [u8; 8] = self.received.get(..8)?.try_into().expect("8 bytes");
        let [version, kind, id_high, id_low, length_high, length_low, padding, _] = header;
        if version != 1 {
            self.garbage.append(&mut self.received);
            return None;
        }
        let content_end = 8 + usize::from(u16::from_be_bytes([length_high, length_low]));
        let end = content_end + usize::from(padding);
        let content = self.received.get(..end)?[8..content_end].to_vec();
        self.received.drain(..end);
        Some(Record { kind, id: u16::from_be_bytes([id_high, id_low]), content, padding })
    }

    /// Reads more bytes; false at the end of the connection.
    #[track_caller]
    fn receive(&mut self) -> bool {
        if self.closed {
            return false;
        }
        let mut buffer = [0; 65536];
        let started = Instant::now();
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) if self.garbage.is_empty() => self.received.extend_from_slice(&buffer[..count]),
            Ok(count) => self.garbage.extend_from_slice(&buffer[..count]),
            Err(error) if is_timeout(&error) => panic!(
                "nothing came for {:?}; so far {:?}, answers {:?}",
                started.elapsed(),
                self.received,
                self.partial.keys()
            ),
            Err(_) => self.closed = true,
        }
        !self.closed
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Whether `text` is somewhere in `bytes`.
pub fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn set_deadlines(&self, deadline: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(deadline))?;
                stream.set_write_timeout(Some(deadline))
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(deadline))?;
                stream.set_write_timeout(Some(deadline))
            }
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown(how),
            Self::Tcp(stream) => stream.shutdown(how),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match self {
                Self::Unix(stream) => stream.read(buffer),
                Self::Tcp(stream) => stream.read(buffer),
            };
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                return result;
            }
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Tcp(stream) => stream.write_all(bytes),
        }
    }
}
