//! Complete answers that no application gave.
//!
//! Web servers ignore protocolStatus and take END_REQUEST without STDOUT for success or hang, so every refusal is a whole
//! CGI answer too.

use std::borrow::Cow;

use fastcgi_codec::{ProtocolStatus, Role};
use shared::logging::codes::{self, Code};

/// Why a request is answered without, or instead of, the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The parameters do not decode.
    MalformedParams,
    /// The parameters have more bytes or pairs than allowed.
    ParamsTooLarge,
    /// CONTENT_LENGTH is not a length, or two of them differ.
    BadContentLength,
    /// No REQUEST_METHOD was sent.
    NoMethod,
    /// FCGI_STDIN ended before CONTENT_LENGTH bytes.
    BodyCutShort,
    /// FCGI_DATA_LENGTH is not a length, or two of them differ.
    BadDataLength,
    /// FCGI_DATA ended before FCGI_DATA_LENGTH bytes.
    DataCutShort,
    /// The body, or a filter's file, is larger than allowed.
    BodyTooLarge,
    /// The body, or a filter's file, could not be kept.
    BodyNotStored,
    /// The path lies outside the mount.
    OutsideMount,
    /// It is no probe, and has come where nothing else is answered: `status-listen`.
    NoProbe,
    /// This role is not offered.
    UnknownRole(Role),
    /// The peer gave the request up before the application ran.
    Aborted,
    /// No room in the queue.
    Overloaded,
    /// No worker has had time for it within `queue-timeout`.
    WaitedTooLong,
    /// No process of the pool serves, and the last one that was started has failed.
    NotServing,
    /// It is a probe, for which this is the answer: `ping-path`.
    Ping,
    /// The process ends, and finishes only what has begun.
    Stopping,
    /// The application has taken longer than it may.
    TimedOut,
    /// No worker could begin it in time, since one thread keeps Python's GIL.
    NobodyRuns,
    /// The application failed, or gave an answer that cannot be sent.
    ApplicationFailed,
}

impl Refusal {
    /// The HTTP status and reason.
    pub const fn status(self) -> &'static str {
        match self {
            Self::MalformedParams
            | Self::BadContentLength
            | Self::NoMethod
            | Self::BodyCutShort
            | Self::BadDataLength
            | Self::DataCutShort => "400 Bad Request",
            Self::UnknownRole(_) => "403 Forbidden",
            Self::OutsideMount | Self::NoProbe => "404 Not Found",
            Self::BodyTooLarge => "413 Content Too Large",
            Self::ParamsTooLarge => "431 Request Header Fields Too Large",
            Self::Aborted => "499 Client Closed Request",
            Self::BodyNotStored | Self::ApplicationFailed => "500 Internal Server Error",
            Self::Overloaded | Self::WaitedTooLong | Self::NotServing | Self::NobodyRuns | Self::Stopping => {
                "503 Service Unavailable"
            }
            Self::TimedOut => "504 Gateway Timeout",
            Self::Ping => "200 OK",
        }
    }

    /// Why, in a word for the access log; none where nothing is wrong.
    pub const fn detail(self) -> Option<&'static str> {
        Some(match self {
            Self::MalformedParams => "malformed-params",
            Self::ParamsTooLarge => "params-too-large",
            Self::BadContentLength => "bad-content-length",
            Self::NoMethod => "no-method",
            Self::BodyCutShort => "body-cut-short",
            Self::BadDataLength => "bad-data-length",
            Self::DataCutShort => "data-cut-short",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyNotStored => "body-not-stored",
            Self::OutsideMount => "outside-mount",
            Self::NoProbe => "no-probe",
            Self::UnknownRole(_) => "unknown-role",
            Self::Aborted => "aborted",
            Self::Overloaded => "overloaded",
            Self::WaitedTooLong => "queue-timeout",
            Self::NobodyRuns => "gil-kept",
            Self::NotServing => "not-serving",
            Self::Ping => return None,
            Self::Stopping => "stopping",
            Self::TimedOut => "request-timeout",
            Self::ApplicationFailed => "application-failed",
        })
    }

    /// The number of the HTTP status.
    pub fn code(self) -> u16 {
        self.status().get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// What the peer is told in END_REQUEST.
    pub const fn protocol_status(self) -> ProtocolStatus {
        match self {
            Self::Overloaded | Self::WaitedTooLong | Self::NotServing | Self::NobodyRuns | Self::Stopping => {
                ProtocolStatus::Overloaded
            }
            Self::UnknownRole(_) => ProtocolStatus::UnknownRole,
            _ => ProtocolStatus::RequestComplete,
        }
    }

    /// What the operator is told: the cause, and what to do where that can be said.
    pub fn reason(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::MalformedParams => "its FCGI_PARAMS cannot be decoded",
            Self::ParamsTooLarge => "its FCGI_PARAMS exceed max-params-size or max-params",
            Self::BadContentLength => "its CONTENT_LENGTH is not a single number",
            Self::NoMethod => "it has no REQUEST_METHOD: does the web server's site include fastcgi_params?",
            Self::BodyCutShort => "its body ended before CONTENT_LENGTH bytes",
            Self::BadDataLength => "its FCGI_DATA_LENGTH is not a single number",
            Self::DataCutShort => "its FCGI_DATA ended before FCGI_DATA_LENGTH bytes",
            Self::BodyTooLarge => "its body exceeds max-body-size",
            Self::BodyNotStored => "its body could not be stored in the temp directory",
            Self::OutsideMount => "its path lies outside the mount",
            Self::NoProbe => "it came on an address of status-listen, and asks for neither status-path nor ping-path",
            Self::UnknownRole(Role::Responder) => "its role, responder, is not accepted: add it to `roles` to allow it",
            Self::UnknownRole(Role::Authorizer) => "its role, authorizer, is not accepted: add it to `roles` to allow it",
            Self::UnknownRole(Role::Filter) => "its role, filter, is not accepted: add it to `roles` to allow it",
            Self::UnknownRole(Role::Other(number)) => return Cow::Owned(format!("its role, {number}, is not a FastCGI role")),
            Self::Aborted => "aborted by the web server",
            Self::Overloaded => "the queue is full (see threads, max-queue)",
            Self::NobodyRuns => "no worker could begin it, since a thread keeps Python's GIL (see pyfcgid stacks)",
            Self::WaitedTooLong => "no worker had time for it within queue-timeout (see threads, processes)",
            Self::NotServing => "no process of the pool is serving: see the pool's last error above",
            Self::Ping => "it is a health check",
            Self::Stopping => "its process was already stopping",
            Self::TimedOut => "it took longer than request-timeout",
            Self::ApplicationFailed => "the application failed",
        })
    }

    /// What the log says that it means.
    pub const fn meaning(self) -> Code {
        match self {
            Self::MalformedParams | Self::BadContentLength | Self::BodyCutShort | Self::BadDataLength | Self::DataCutShort => {
                codes::REQUEST_MALFORMED
            }
            Self::ParamsTooLarge => codes::PARAMS_TOO_LARGE,
            Self::NoMethod => codes::METHOD_MISSING,
            Self::BodyTooLarge => codes::BODY_TOO_LARGE,
            Self::BodyNotStored => codes::BODY_NOT_STORED,
            Self::OutsideMount => codes::PATH_OUTSIDE_MOUNT,
            Self::UnknownRole(_) => codes::ROLE_NOT_ACCEPTED,
            Self::NoProbe => codes::NO_PROBE,
            Self::Aborted => codes::REQUEST_ABORTED,
            Self::Overloaded => codes::QUEUE_FULL,
            Self::WaitedTooLong => codes::WAITED_TOO_LONG,
            Self::NobodyRuns => codes::GIL_KEPT,
            Self::NotServing => codes::NOBODY_SERVES,
            Self::Stopping => codes::REFUSED_BY_STOP,
            Self::TimedOut => codes::REQUEST_TIMED_OUT,
            // Nobody says that a probe was answered.
            Self::ApplicationFailed | Self::Ping => codes::REQUEST_FAILED,
        }
    }

    /// Whether it is said together with `other`. A peer can make up thousands of roles.
    pub fn is_like(self, other: Self) -> bool {
        let is_made_up = |refusal| matches!(refusal, Self::UnknownRole(Role::Other(_)));
        self == other || is_made_up(self) && is_made_up(other)
    }

    /// The CGI head and body; without the body for a HEAD request.
    pub fn document(self, head_only: bool) -> Vec<u8> {
        let (status, body) = (self.status(), self.body());
        let retry = if self.protocol_status() == ProtocolStatus::Overloaded { "Retry-After: 1\r\n" } else { "" };
        let kind = if self == Self::Ping { "text/plain" } else { "text/html" };
        let mut document =
            format!("Content-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n{retry}Status: {status}\r\n\r\n", body.len());
        if !head_only {
            document.push_str(&body);
        }
        document.into_bytes()
    }

    /// How many bytes of [`Self::document`] are body.
    pub fn body_length(self, head_only: bool) -> u64 {
        if head_only { 0 } else { self.body().len() as u64 }
    }

    fn body(self) -> String {
        if self == Self::Ping {
            return "pong".to_owned();
        }
        let status = self.status();
        let title = status.get(4..).unwrap_or(status);
        format!("<!DOCTYPE html>\n<title>{status}</title>\n<h1>{title}</h1>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_complete_answer_with_status_last() {
        let document = String::from_utf8(Refusal::Overloaded.document(false)).unwrap();
        let (head, body) = document.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().last().unwrap(), "Status: 503 Service Unavailable");
        assert!(head.contains("Retry-After: 1"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(body.contains("Service Unavailable"));
        assert_eq!((Refusal::Overloaded.code(), Refusal::Overloaded.body_length(false)), (503, body.len() as u64));
    }

    #[test]
    fn a_head_request_gets_no_body() {
        assert!(Refusal::ApplicationFailed.document(true).ends_with(b"\r\n\r\n"));
        assert_eq!(Refusal::ApplicationFailed.body_length(true), 0);
    }

    #[test]
    fn a_role_that_is_not_offered_is_named_with_what_would_let_it_in() {
        for (role, name) in [(Role::Responder, "responder"), (Role::Authorizer, "authorizer"), (Role::Filter, "filter")] {
            let told = format!("its role, {name}, is not accepted: add it to `roles` to allow it");
            assert_eq!(Refusal::UnknownRole(role).reason(), told);
        }
        assert_eq!(Refusal::UnknownRole(Role::Other(7)).reason(), "its role, 7, is not a FastCGI role");
    }

    #[test]
    fn roles_that_are_made_up_are_one_kind() {
        let of = |number: u16| Refusal::UnknownRole(Role::from(number));
        assert!(of(7).is_like(of(7)) && of(7).is_like(of(8)) && of(2).is_like(of(2)));
        assert!(!of(2).is_like(of(3)) && !of(7).is_like(of(2)) && !of(7).is_like(Refusal::Overloaded));
    }
}
