//! `pyfcgid request`: one request as a web server would send it, over the project's own codec. Owns what is sent and how the answer
//! is told; refuses to know the command line's grammar.

mod answer;
mod body;
mod connection;
mod error;
mod request;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::config::value::parse_duration;
use crate::config::{ListenAddress, Role, ValueError};
use answer::Answer;
use body::{Body, Input};
use connection::{Connection, Deadline};
use fastcgi_codec::record::{HEADER_LEN, MAX_CONTENT_LEN};
use fastcgi_codec::{RecordType, encoder};
use shared::http::is_token;
use shared::logging::with_causes;
use shared::settings::keyword;

pub use error::Error;

/// A request to send and how to show its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the application listens; never an inherited descriptor. Every address stands for this machine.
    pub connect: ListenAddress,
    /// What the application is asked to be.
    pub role: Role,
    /// The method.
    pub method: Vec<u8>,
    /// Headers by the name that was typed; an empty value takes a usual header away.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body; an authorizer has none.
    pub data: Option<Data>,
    /// The file for a filter, and only for one.
    pub filtered: Option<PathBuf>,
    /// Variables that replace the usual ones of their name.
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the answer's head is printed.
    pub include_head: bool,
    /// Whether a status of 400 or more is an error.
    pub fail: bool,
    /// How long the whole exchange may take; `None` is for ever.
    pub max_time: Option<Duration>,
    /// The path and query as they stand in a request line.
    pub path: Vec<u8>,
}

/// Where the body comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// The command line.
    Bytes(Vec<u8>),
    /// A file, sent as it is.
    File(PathBuf),
    /// Standard input, to its end.
    Stdin,
}

impl Options {
    /// What was typed, parsed; without head and `--fail`. `typed` has the values of each option of the command line, by its name.
    ///
    /// # Errors
    /// A line that names the option and says what is allowed.
    pub fn parse<'a>(typed: impl Fn(&str) -> Vec<&'a OsStr>) -> Result<Self, ValueError> {
        let one = |name| typed(name).pop();
        let role = one("role").map_or(Ok(Role::Responder), parse_role)?;
        check_input_of(role, one("data"), one("data-file"))?;
        let data = one("data").map(parse_data);
        let method = one("method").unwrap_or(OsStr::new(if data.is_some() { "POST" } else { "GET" }));
        Ok(Self {
            connect: parse_connect(one("connect").unwrap_or(OsStr::new(DEFAULT_ADDRESS)))?,
            role,
            method: parse_method(method)?,
            headers: typed("header").into_iter().map(parse_header).collect::<Result<_, _>>()?,
            data,
            filtered: one("data-file").map(PathBuf::from),
            params: typed("param").into_iter().map(parse_param).collect::<Result<_, _>>()?,
            include_head: false,
            fail: false,
            max_time: one("max-time").map(parse_max_time).transpose()?.filter(|time| !time.is_zero()),
            path: parse_path(one("path").unwrap_or(OsStr::new("/")))?,
        })
    }
}

/// Each role has its streams.
fn check_input_of(role: Role, data: Option<&OsStr>, data_file: Option<&OsStr>) -> Result<(), ValueError> {
    match (role, data, data_file) {
        (Role::Authorizer, Some(_), _) => Err(ValueError::new("-d cannot be used with --role authorizer, which gets no body")),
        (Role::Responder | Role::Authorizer, _, Some(_)) => {
            Err(ValueError::new("--data-file can only be used with --role filter"))
        }
        _ => Ok(()),
    }
}

fn refused(option: &str, text: &OsStr, reason: impl Display) -> ValueError {
    ValueError::new(format!("{option} {text:?}: {reason}"))
}

fn parse_connect(text: &OsStr) -> Result<ListenAddress, ValueError> {
    let typed = text.to_str().ok_or_else(|| refused("--connect", text, "must be UTF-8"))?;
    ListenAddress::parse_to_connect(typed).map_err(|error| refused("--connect", text, error))
}

fn parse_role(text: &OsStr) -> Result<Role, ValueError> {
    keyword(&text.to_string_lossy()).map_err(|error| refused("--role", text, error))
}

fn parse_method(text: &OsStr) -> Result<Vec<u8>, ValueError> {
    let method = text.as_bytes();
    if is_token(method) { Ok(method.to_owned()) } else { Err(refused("-X", text, "must be a method such as PUT")) }
}

fn parse_header(text: &OsStr) -> Result<(Vec<u8>, Vec<u8>), ValueError> {
    let error = || refused("-H", text, "must be a header, as in 'Accept: text/html'");
    let (name, value) = split_once(text.as_bytes(), b':').ok_or_else(error)?;
    let value = value.trim_ascii();
    let valid = is_token(name) && !value.iter().any(|byte| b"\r\n\0".contains(byte));
    if valid { Ok((name.to_owned(), value.to_owned())) } else { Err(error()) }
}

fn parse_param(text: &OsStr) -> Result<(Vec<u8>, Vec<u8>), ValueError> {
    let pair = split_once(text.as_bytes(), b'=');
    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| refused("--param", text, "must be NAME=VALUE, as in HTTPS=on"))
}

fn parse_data(text: &OsStr) -> Data {
    match text.as_bytes().strip_prefix(b"@") {
        Some(b"-") => Data::Stdin,
        Some(path) => Data::File(PathBuf::from(OsStr::from_bytes(path))),
        None => Data::Bytes(text.as_bytes().to_owned()),
    }
}

fn parse_max_time(text: &OsStr) -> Result<Duration, ValueError> {
    parse_duration(&text.to_string_lossy(), LONGEST).map_err(|error| refused("--max-time", text, error))
}

fn parse_path(text: &OsStr) -> Result<Vec<u8>, ValueError> {
    let path = text.as_bytes();
    if path.starts_with(b"/") || path == b"*" {
        return Ok(path.to_owned());
    }
    let advice = "must start with a slash, as in /search?q=x; --connect sets where the application listens";
    Err(ValueError::new(format!("{text:?}: {advice}")))
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Sends the request, writes the answer's body to `out`, and what the application says on FCGI_STDERR, and one line about
/// everything that went wrong, to `err`. Gives the exit code: 0, or that of the [`Error`].
pub fn run(options: &Options, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let result = exchange(options, out, err);
    let flushed = out.flush().map_err(Error::Write);
    match result.and(flushed) {
        Ok(()) => 0,
        Err(error) => {
            // There is nobody left to tell when this fails.
            let _ = writeln!(err, "pyfcgid: {}", with_causes(&error));
            error.exit_code()
        }
    }
}

fn exchange(options: &Options, out: &mut impl Write, err: &mut impl Write) -> Result<(), Error> {
    let input = Input::open(options)?;
    let deadline = Deadline::after(options.max_time);
    let connection = Connection::open(&options.connect, deadline)?;
    let head = request::encode_head(options, &input, connection.local_port())?;
    let mut answer = Answer::new(options, out, err);
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(&connection, &head, input).inspect_err(|_| connection.shut_down()));
        let received = answer.receive(&connection);
        // A sender that still waits for room waits for nothing now.
        connection.shut_down();
        match sender.join() {
            Ok(Err(error)) => Err(error),
            _ => received,
        }
    })
}

/// Sends everything; whether the peer has taken it. Fails only for a body that cannot be read: what a broken connection means,
/// the answer says, or its absence.
fn send(connection: &Connection, head: &[u8], input: Input) -> Result<bool, Error> {
    if !(connection.send(head).is_ok() && send_stream(connection, RecordType::Stdin, input.stdin)?) {
        return Ok(false);
    }
    input.data.map_or(Ok(true), |data| send_stream(connection, RecordType::Data, Some(data)))
}

/// A whole stream, its end included; likewise.
fn send_stream(connection: &Connection, stream: RecordType, body: Option<Body>) -> Result<bool, Error> {
    if let Some(mut body) = body {
        let mut content = vec![0; MAX_CONTENT_LEN];
        while let count @ 1.. = body.read(&mut content)? {
            let mut record = Vec::with_capacity(HEADER_LEN + count);
            encoder::encode_stream(&mut record, stream, request::REQUEST_ID, &content[..count]);
            if connection.send(&record).is_err() {
                return Ok(false);
            }
        }
    }
    Ok(connection.send(&encoder::header(stream, request::REQUEST_ID, 0)).is_ok())
}

const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests;
