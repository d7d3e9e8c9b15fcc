//! A browser on one kept HTTP/1.1 connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::load::{Client, PATIENCE};
use crate::question::{Question, shown};

/// Opens another connection only when the server said that it would close the last one, or after a failure.
#[derive(Debug)]
pub(crate) struct Browser {
    port: u16,
    connection: Option<TcpStream>,
    received: Vec<u8>,
}

impl Browser {
    /// A browser of the site on this port of 127.0.0.1.
    pub(crate) fn new(port: u16) -> Self {
        Self { port, connection: None, received: Vec::new() }
    }

    fn take_connection(&mut self) -> Result<TcpStream, String> {
        self.received.clear();
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.connect().map_err(|error| format!("no connection: {error}")),
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// The head without the empty line that ends it.
    fn read_head(&mut self, connection: &mut TcpStream) -> Result<String, String> {
        loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..end + 4).collect();
                return Ok(head[..end].iter().map(|byte| char::from(*byte)).collect());
            }
            self.read_more(connection).map_err(|reason| format!("no head: {reason}"))?;
        }
    }

    fn read_body(&mut self, connection: &mut TcpStream, length: usize) -> Result<Vec<u8>, String> {
        while self.received.len() < length {
            self.read_more(connection).map_err(|reason| format!("a body of {length} bytes is cut: {reason}"))?;
        }
        match self.received.len() - length {
            0 => Ok(std::mem::take(&mut self.received)),
            more => Err(format!("{more} bytes behind the answer: {}", shown(&self.received[length..]))),
        }
    }

    fn read_more(&mut self, connection: &mut TcpStream) -> Result<(), String> {
        let mut buffer = [0; 16_384];
        match connection.read(&mut buffer) {
            // A socket with a time limit does not go on by itself when this process was stopped for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            Ok(0) => Err(format!("the connection ended after {:?}", shown(&self.received))),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(format!("{error} after {:?}", shown(&self.received))),
        }
    }
}

impl Client for Browser {
    fn ask(&mut self, question: &Question) -> Result<Vec<u8>, String> {
        let mut connection = self.take_connection()?;
        connection.write_all(&request(question)).map_err(|error| format!("the request is not taken: {error}"))?;
        let head = Head::parse(self.read_head(&mut connection)?)?;
        let body = self.read_body(&mut connection, head.length)?;
        if head.status != 200 {
            return Err(format!("{}\n{}", head.text, shown(&body)));
        }
        self.connection = (!head.closes).then_some(connection);
        Ok(body)
    }
}

/// What counts of an answer's head.
struct Head {
    text: String,
    status: u16,
    length: usize,
    closes: bool,
}

impl Head {
    fn parse(text: String) -> Result<Self, String> {
        let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let length = value(&text, "Content-Length").and_then(|value| value.parse().ok());
        let closes = value(&text, "Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        match (status, length) {
            (Some(status), Some(length)) => Ok(Self { text, status, length, closes }),
            _ => Err(format!("no status or no length: {text}")),
        }
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn request(question: &Question) -> Vec<u8> {
    let mut bytes = format!("{} {} HTTP/1.1\r\nHost: example.com\r\n", question.method(), question.target()).into_bytes();
    if !question.body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", question.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&question.body);
    bytes
}
