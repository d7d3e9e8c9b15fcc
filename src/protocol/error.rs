use thiserror::Error;

use super::record::{RecordType, RequestId};
use super::session::Phase;

/// What a peer did that FastCGI 1.0 forbids. Every variant is the peer's fault; [`Error::survivor`] says what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The first byte of a record header is not 1: the stream is not FastCGI, or no longer is. There is no way to find the
    /// next record.
    #[error("record version is {0}, not 1: the stream is not FastCGI")]
    Version(u8),
    /// A fixed body has another length than the specification gives it.
    #[error("{record_type} body has {found} bytes, not {expected}")]
    BodyLength {
        /// The record's type.
        record_type: RecordType,
        /// The length the specification gives.
        expected: usize,
        /// The length in the header.
        found: usize,
    },
    /// An application record carries the id of management records, 0.
    #[error("{0} carries request id 0, which is for management records")]
    NullRequestId(RecordType),
    /// A management record carries the id of a request.
    #[error("{0} carries request id {1}, but management records carry 0")]
    ManagementId(RecordType, RequestId),
    /// BEGIN_REQUEST for an id whose request has not ended.
    #[error("BEGIN_REQUEST for request id {0}, which is still in use")]
    RequestIdInUse(RequestId),
    /// A record that may not come now.
    #[error("{record_type} of request {request_id} came while the request was {phase}")]
    Order {
        /// The record's type.
        record_type: RecordType,
        /// The request it belongs to.
        request_id: RequestId,
        /// How far that request was.
        phase: Phase,
    },
    /// A record that only an application sends.
    #[error("{0} came from the web server, but only an application sends it")]
    Direction(RecordType),
    /// The name-value pairs of a management record do not decode.
    #[error("GET_VALUES does not decode")]
    GetValues(#[source] super::ParamsError),
}

/// What goes on after an [`Error`] or a [`ParamsError`](super::ParamsError).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivor {
    /// Nothing: close the connection, and with it every request on it.
    Nothing,
    /// The connection and its other requests; the request at fault is lost.
    Connection,
}

impl Error {
    /// What survives. A peer that breaks the framing or the order of records can't be understood any more, so nothing does.
    pub fn survivor(&self) -> Survivor {
        Survivor::Nothing
    }
}
