use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use super::variable::{Variable, nearest};
use crate::logging::Timestamp;

/// What is known of a request that was answered.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The value that the peer sent by this name.
    pub param: &'a dyn Fn(&[u8]) -> Option<&'a [u8]>,
    /// When it was answered.
    pub time: Timestamp,
    /// The pool that answered it.
    pub pool: &'a str,
    /// The process that did.
    pub process: u32,
    /// Its name in the log.
    pub request_id: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// How many bytes of a body were sent.
    pub body_bytes_sent: u64,
    /// How many bytes the parameters and the body of the request have.
    pub request_length: u64,
    /// From its first record to the end of the answer.
    pub request_time: Duration,
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("request_id", &self.request_id).field("status", &self.status).finish_non_exhaustive()
    }
}

/// The form of a line: literal text and variables such as `$status` or `${status}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// nginx's `combined` format.
pub const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
                            \"$http_user_agent\"";

impl Default for Format {
    /// [`COMBINED`].
    fn default() -> Self {
        Self::parse(COMBINED).unwrap_or(Self { pieces: Vec::new() }) // It parses, says a test.
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text)
    }
}

impl Format {
    /// Understands what the operator wrote.
    ///
    /// # Errors
    /// When it names a variable that there is not, or could make several lines of one.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        if text.contains(char::is_control) {
            return Err(FormatError::Control);
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once('$') {
            add_text(&mut pieces, literal);
            let (name, after) = split_name(after)?;
            let unknown = || FormatError::Unknown { name: name.to_owned(), nearest: nearest(name) };
            pieces.push(Piece::Variable(Variable::parse(name).ok_or_else(unknown)?));
            rest = after;
        }
        add_text(&mut pieces, rest);
        Ok(Self { pieces })
    }

    /// The line of this request, without a line feed. Values are escaped as nginx does it, and `-` stands for what there is not.
    pub fn line(&self, entry: &Entry<'_>) -> String {
        let mut line = String::with_capacity(256);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Variable(variable) => encode(variable, entry, &mut line),
            }
        }
        line
    }
}

fn add_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// The name of a variable that begins here, and what follows.
fn split_name(text: &str) -> Result<(&str, &str), FormatError> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').ok_or(FormatError::NotClosed);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 { Err(FormatError::NoName) } else { Ok(text.split_at(end)) }
}

fn encode(variable: &Variable, entry: &Entry<'_>, line: &mut String) {
    let param = |name: &[u8]| (entry.param)(name).filter(|value| !value.is_empty());
    // A string takes everything.
    let _ = match variable {
        Variable::Param(name) => return encode_value(param(name).unwrap_or(b"-"), line),
        Variable::Host => return encode_value(param(b"HTTP_HOST").or(param(b"SERVER_NAME")).unwrap_or(b"-"), line),
        Variable::Request => return encode_request(entry, line),
        Variable::RequestUri => return encode_uri(entry, line),
        Variable::RequestId if entry.request_id.is_empty() => return line.push('-'),
        Variable::RequestId => return encode_value(entry.request_id.as_bytes(), line),
        Variable::Pool => return encode_value(entry.pool.as_bytes(), line),
        Variable::TimeIso8601 => return entry.time.encode_iso8601(line),
        Variable::TimeLocal => return entry.time.encode_common_log(line),
        Variable::Msec => return entry.time.encode_seconds(line),
        Variable::BodyBytesSent => write!(line, "{}", entry.body_bytes_sent),
        Variable::Pid => write!(line, "{}", entry.process),
        Variable::RequestLength => write!(line, "{}", entry.request_length),
        Variable::RequestTime => {
            write!(line, "{}.{:03}", entry.request_time.as_secs(), entry.request_time.subsec_millis())
        }
        Variable::Status => write!(line, "{:03}", entry.status),
    };
}

/// The request line as the browser sent it, or as it could have.
fn encode_request(entry: &Entry<'_>, line: &mut String) {
    encode_value((entry.param)(b"REQUEST_METHOD").unwrap_or(b"-"), line);
    line.push(' ');
    encode_uri(entry, line);
    if let Some(protocol) = (entry.param)(b"SERVER_PROTOCOL") {
        line.push(' ');
        encode_value(protocol, line);
    }
}

fn encode_uri(entry: &Entry<'_>, line: &mut String) {
    let param = |name: &[u8]| (entry.param)(name).filter(|value| !value.is_empty());
    if let Some(uri) = param(b"REQUEST_URI") {
        return encode_value(uri, line);
    }
    let path = [param(b"SCRIPT_NAME"), param(b"PATH_INFO")];
    if path == [None, None] {
        line.push('-');
    }
    path.into_iter().flatten().for_each(|path| encode_value(path, line));
    if let Some(query) = param(b"QUERY_STRING") {
        line.push('?');
        encode_value(query, line);
    }
}

/// Nothing in a value can end a line or a quoted field.
fn encode_value(value: &[u8], line: &mut String) {
    for byte in value {
        match *byte {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => {
                let _ = write!(line, "\\x{byte:02X}"); // A string takes everything.
            }
            byte => line.push(char::from(byte)),
        }
    }
}

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There is no such variable.
    #[error("unknown variable ${name}: did you mean ${nearest}?")]
    Unknown {
        /// What was written.
        name: String,
        /// The known one that is most like it.
        nearest: &'static str,
    },
    /// Nothing that could be a name follows.
    #[error("a `$` without a name: write $status or ${{status}}")]
    NoName,
    /// There is no closing brace.
    #[error("a `${{` without `}}`")]
    NotClosed,
    /// A line feed or another control character.
    #[error("a control character: a line of the access log is one line of text")]
    Control,
}
