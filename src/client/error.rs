//! Why a request has no answer, or not the one that was wanted.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use thiserror::Error;

use crate::config::ListenAddress;
use fastcgi_codec::{ParamsError, ProtocolStatus};

/// Why a request has no answer, or not the one that was wanted. Ends the request; nothing else is affected.
#[derive(Debug, Error)]
pub enum Error {
    /// The host's name has no address.
    #[error("cannot resolve the host of {0}")]
    Resolve(ListenAddress, #[source] io::Error),
    /// Nobody takes the connection.
    #[error("cannot connect to {address}: {}", connect_advice(source))]
    Connect {
        /// Where to.
        address: ListenAddress,
        /// Why.
        source: io::Error,
    },
    /// A variable is longer than FastCGI can say.
    #[error("cannot send the variables")]
    Params(#[source] ParamsError),
    /// The body cannot be read.
    #[error("cannot read the body from {}", .0.display())]
    ReadBody(PathBuf, #[source] io::Error),
    /// The time allowed is over.
    #[error("no complete response within --max-time")]
    Timeout,
    /// The connection broke while receiving.
    #[error("the connection broke {}: is that pyfcgid's listen address?", place(.0))]
    Receive(Received, #[source] io::Error),
    /// The peer closed the connection before the answer was complete.
    #[error("the connection was closed {}: the application's log may say why", place(.0))]
    Closed(Received),
    /// The answer broke in the middle.
    #[error("the response was cut short: the application's log says why")]
    Cut,
    /// What came is not FastCGI.
    #[error("the response is not FastCGI: {0}")]
    NotFastCgi(&'static str, #[source] Option<fastcgi_codec::Error>),
    /// The answer does not begin with headers and an empty line.
    #[error("the response has no header block: {0}")]
    NoHead(&'static str),
    /// END_REQUEST says that the request was not served.
    #[error("the request was refused: END_REQUEST says {}", status_text(.0))]
    Refused(ProtocolStatus),
    /// The status is 400 or more, and that was to be an error.
    #[error("the response status is {0}")]
    Status(String),
    /// The answer cannot be written where it should go.
    #[error("cannot write the response")]
    Write(#[source] io::Error),
}

/// How much of the answer there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Not a byte.
    Nothing,
    /// Something, but no complete header block.
    NoHead,
    /// The header block, but not the end.
    Head,
}

impl Error {
    /// The exit code, curl's for the same thing where there is one.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Resolve(..) => 6,
            Self::Connect { .. } => 7,
            Self::NotFastCgi(..) | Self::NoHead(_) | Self::Refused(_) => 8,
            Self::Cut
            | Self::Closed(Received::NoHead | Received::Head)
            | Self::Receive(Received::NoHead | Received::Head, _) => 18,
            Self::Status(_) => 22,
            Self::Write(_) => 23,
            Self::ReadBody(..) => 26,
            Self::Timeout => 28,
            Self::Closed(Received::Nothing) => 52,
            Self::Receive(Received::Nothing, _) => 56,
            Self::Params(_) => crate::config::EX_USAGE,
        }
    }
}

fn connect_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "no such socket: is pyfcgid running, and is this its listen address?",
        ErrorKind::ConnectionRefused => "nothing is listening there: is pyfcgid running, and is this its listen address?",
        ErrorKind::PermissionDenied => "permission denied: see the option socket-mode, and the directory's permissions",
        _ => "is pyfcgid running, and is this its listen address?",
    }
}

fn place(received: &Received) -> &'static str {
    match received {
        Received::Nothing => "before any response arrived",
        Received::NoHead => "before the response headers were complete",
        Received::Head => "in the middle of the response",
    }
}

fn status_text(status: &ProtocolStatus) -> String {
    match status {
        ProtocolStatus::RequestComplete => "REQUEST_COMPLETE".to_owned(),
        ProtocolStatus::CantMpxConn => "CANT_MPX_CONN, only one request at a time per connection".to_owned(),
        ProtocolStatus::Overloaded => "OVERLOADED, no room for another request".to_owned(),
        ProtocolStatus::UnknownRole => "UNKNOWN_ROLE, the pool does not accept this role (see its option roles)".to_owned(),
        ProtocolStatus::Other(value) => format!("{value}, which FastCGI does not define"),
    }
}
