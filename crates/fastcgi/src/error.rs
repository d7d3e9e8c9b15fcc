//! What a peer can do wrong with records. What an error costs is told in [the crate](crate).

use std::fmt;

use super::record::{RecordType, RequestId};
use super::session::Phase;

/// What a peer did that FastCGI 1.0 forbids. Every variant is the peer's fault and costs the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The first byte of a record header is not 1: the stream is not FastCGI, or no longer is. There is no way to find the
    /// next record.
    Version(u8),
    /// A fixed body has another length than the specification gives it.
    BodyLength {
        /// The record's type.
        record_type: RecordType,
        /// The length the specification gives.
        expected: usize,
        /// The length in the header.
        found: usize,
    },
    /// An application record carries the id of management records, 0.
    NullRequestId(RecordType),
    /// A management record carries the id of a request.
    ManagementId(RecordType, RequestId),
    /// BEGIN_REQUEST for an id whose request has not ended.
    RequestIdInUse(RequestId),
    /// A record that may not come now, for a request that is open.
    Order {
        /// The record's type.
        record_type: RecordType,
        /// The request it belongs to.
        request_id: RequestId,
        /// How far that request was.
        phase: Phase,
    },
    /// A record that only an application sends.
    Direction(RecordType),
    /// The names that GET_VALUES asks for do not decode.
    GetValues(super::ParamsError),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Version(version) => {
                write!(out, "record version is {version}, not 1: the stream is not FastCGI{}", http_hint(version))
            }
            Self::BodyLength { record_type, expected, found } => {
                write!(out, "{record_type} body has {found} bytes, not {expected}")
            }
            Self::NullRequestId(record_type) => {
                write!(out, "{record_type} carries request id 0, which is for management records")
            }
            Self::ManagementId(record_type, id) => {
                write!(out, "{record_type} carries request id {id}, but management records carry 0")
            }
            Self::RequestIdInUse(id) => write!(out, "BEGIN_REQUEST for request id {id}, which is still in use"),
            Self::Order { record_type, request_id, phase } => {
                write!(out, "{record_type} of request {request_id} came while the request was {phase}")
            }
            Self::Direction(record_type) => {
                write!(out, "{record_type} came from the web server, but only an application sends it")
            }
            Self::GetValues(_) => out.write_str("GET_VALUES does not decode"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::GetValues(cause) = self { Some(cause) } else { None }
    }
}

/// HTTP begins with the capital letters of a method.
fn http_hint(version: u8) -> &'static str {
    if version.is_ascii_uppercase() { " (is it HTTP? nginx needs fastcgi_pass, Apache fcgi://)" } else { "" }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::{ParamsError, Role};

    #[test]
    fn every_error_says_what_the_peer_did() {
        let id = RequestId::new(7);
        let body = Error::BodyLength { record_type: RecordType::BeginRequest, expected: 8, found: 9 };
        let order = |record_type, phase| Error::Order { record_type, request_id: id, phase };
        let cases = [
            (Error::Version(2), "record version is 2, not 1: the stream is not FastCGI"),
            (
                Error::Version(b'G'),
                "record version is 71, not 1: the stream is not FastCGI (is it HTTP? nginx needs fastcgi_pass, Apache fcgi://)",
            ),
            (body, "BEGIN_REQUEST body has 9 bytes, not 8"),
            (Error::NullRequestId(RecordType::Stdin), "STDIN carries request id 0, which is for management records"),
            (Error::ManagementId(RecordType::GetValues, id), "GET_VALUES carries request id 7, but management records carry 0"),
            (Error::RequestIdInUse(id), "BEGIN_REQUEST for request id 7, which is still in use"),
            (
                order(RecordType::Stdin, Phase::Params(Role::Responder)),
                "STDIN of request 7 came while the request was reading PARAMS",
            ),
            (
                order(RecordType::Params, Phase::Stdin(Role::Responder)),
                "PARAMS of request 7 came while the request was reading STDIN",
            ),
            (order(RecordType::Params, Phase::Data), "PARAMS of request 7 came while the request was reading DATA"),
            (order(RecordType::Params, Phase::Ended), "PARAMS of request 7 came while the request was complete"),
            (Error::Direction(RecordType::Stdout), "STDOUT came from the web server, but only an application sends it"),
            (Error::GetValues(ParamsError::Truncated { claimed: 9, left: 1 }), "GET_VALUES does not decode"),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn get_values_that_does_not_decode_names_its_cause() {
        let error = Error::GetValues(ParamsError::Truncated { claimed: 9, left: 1 });
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("a name-value pair claims 9 bytes where 1 are left"));
        assert!(Error::Version(0).source().is_none());
    }
}
