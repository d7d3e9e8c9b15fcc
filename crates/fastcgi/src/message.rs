//! The fixed bodies: BeginRequest, EndRequest and UnknownType, and the two bodies of name-value pairs for management
//! (FastCGI 1.0 §4, §5.1, §5.5).

use super::numbered::numbered;
use super::{Error, Pairs, ParamsError, RecordType};

numbered! {
    /// What the peer wants the application to be (§6).
    Role: u16 {
        /// FCGI_RESPONDER, 1: answers an HTTP request.
        Responder = 1,
        /// FCGI_AUTHORIZER, 2: says whether a request is allowed.
        Authorizer = 2,
        /// FCGI_FILTER, 3: transforms a file.
        Filter = 3,
        _: "A role the specification does not define.",
    }
}

/// The body of BEGIN_REQUEST (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeginRequest {
    /// The role asked for.
    pub role: Role,
    /// FCGI_KEEP_CONN: the peer closes the connection; otherwise the application does, after END_REQUEST.
    pub keep_connection: bool,
}

impl BeginRequest {
    /// Parses the eight bytes. Flags other than FCGI_KEEP_CONN and the reserved bytes are ignored.
    ///
    /// # Errors
    /// [`Error::BodyLength`] unless there are exactly eight bytes.
    pub fn parse(content: &[u8]) -> Result<Self, Error> {
        let &[a, b, flags, ..] = check_length(RecordType::BeginRequest, content)?;
        Ok(Self { role: u16::from_be_bytes([a, b]).into(), keep_connection: flags & FLAG_KEEP_CONN != 0 })
    }

    /// The eight bytes on the wire.
    pub const fn encode(self) -> [u8; BODY_LEN] {
        let role = self.role.value().to_be_bytes();
        [role[0], role[1], if self.keep_connection { FLAG_KEEP_CONN } else { 0 }, 0, 0, 0, 0, 0]
    }
}

numbered! {
    /// How a request ended, seen from the protocol (§5.5).
    ProtocolStatus: u8 {
        /// FCGI_REQUEST_COMPLETE, 0.
        RequestComplete = 0,
        /// FCGI_CANT_MPX_CONN, 1: the application does not multiplex. pyfcgid never says so.
        CantMpxConn = 1,
        /// FCGI_OVERLOADED, 2: no room for the request.
        Overloaded = 2,
        /// FCGI_UNKNOWN_ROLE, 3: the role is not offered.
        UnknownRole = 3,
        _: "A status the specification does not define.",
    }
}

/// The body of END_REQUEST (§5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndRequest {
    /// The application's exit status, as a CGI program's.
    pub app_status: u32,
    /// How the request ended.
    pub protocol_status: ProtocolStatus,
}

impl EndRequest {
    /// Parses the eight bytes; the reserved ones are ignored.
    ///
    /// # Errors
    /// [`Error::BodyLength`] unless there are exactly eight bytes.
    pub fn parse(content: &[u8]) -> Result<Self, Error> {
        let &[a, b, c, d, protocol_status, ..] = check_length(RecordType::EndRequest, content)?;
        Ok(Self { app_status: u32::from_be_bytes([a, b, c, d]), protocol_status: protocol_status.into() })
    }

    /// The eight bytes on the wire.
    pub const fn encode(self) -> [u8; BODY_LEN] {
        let status = self.app_status.to_be_bytes();
        [status[0], status[1], status[2], status[3], self.protocol_status.value(), 0, 0, 0]
    }
}

/// The body of UNKNOWN_TYPE (§4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownType {
    /// The type byte that was not understood.
    pub record_type: u8,
}

impl UnknownType {
    /// Parses the eight bytes; the reserved ones are ignored.
    ///
    /// # Errors
    /// [`Error::BodyLength`] unless there are exactly eight bytes.
    pub fn parse(content: &[u8]) -> Result<Self, Error> {
        let &[record_type, ..] = check_length(RecordType::UnknownType, content)?;
        Ok(Self { record_type })
    }

    /// The eight bytes on the wire.
    pub const fn encode(self) -> [u8; BODY_LEN] {
        [self.record_type, 0, 0, 0, 0, 0, 0, 0]
    }
}

/// A variable that GET_VALUES asks for (§4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// FCGI_MAX_CONNS: transport connections accepted at once.
    MaxConns,
    /// FCGI_MAX_REQS: requests accepted at once.
    MaxReqs,
    /// FCGI_MPXS_CONNS: "1" if connections are multiplexed.
    MpxsConns,
}

impl Variable {
    /// The variable's name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxConns => "FCGI_MAX_CONNS",
            Self::MaxReqs => "FCGI_MAX_REQS",
            Self::MpxsConns => "FCGI_MPXS_CONNS",
        }
    }

    /// The variables named in the body of GET_VALUES, in its order. Names that are not understood are left out, as §4.1 asks;
    /// so are repeated ones.
    ///
    /// # Errors
    /// [`ParamsError`] if the body does not decode.
    pub fn parse_names(content: &[u8]) -> Result<Vec<Self>, ParamsError> {
        let mut asked = Vec::new();
        for pair in Pairs::new(content) {
            let (name, _) = pair?;
            if let Some(known) = Self::from_name(name).filter(|known| !asked.contains(known)) {
                asked.push(known);
            }
        }
        Ok(asked)
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        [Self::MaxConns, Self::MaxReqs, Self::MpxsConns].into_iter().find(|known| known.name().as_bytes() == name)
    }
}

fn check_length(record_type: RecordType, content: &[u8]) -> Result<&[u8; BODY_LEN], Error> {
    content.try_into().map_err(|_| Error::BodyLength { record_type, expected: BODY_LEN, found: content.len() })
}

/// Every fixed body has eight bytes.
pub const BODY_LEN: usize = 8;
const FLAG_KEEP_CONN: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::encode_pair;

    #[test]
    fn begin_request_is_laid_out_as_in_the_specification() {
        let cases = [
            ([0, 1, 0, 0, 0, 0, 0, 0], Role::Responder, false),
            ([0, 1, 1, 0, 0, 0, 0, 0], Role::Responder, true),
            ([0, 2, 0, 0, 0, 0, 0, 0], Role::Authorizer, false),
            ([0, 3, 1, 0, 0, 0, 0, 0], Role::Filter, true),
            ([0, 0, 0, 0, 0, 0, 0, 0], Role::Other(0), false),
            ([1, 1, 1, 0, 0, 0, 0, 0], Role::Other(257), true),
        ];
        for (bytes, role, keep_connection) in cases {
            let body = BeginRequest { role, keep_connection };
            assert_eq!(BeginRequest::parse(&bytes), Ok(body));
            assert_eq!(body.encode(), bytes);
        }
    }

    #[test]
    fn begin_request_ignores_reserved_bytes_and_other_flags() {
        let quiet = BeginRequest { role: Role::Responder, keep_connection: false };
        assert_eq!(BeginRequest::parse(&[0, 1, 0xfe, 1, 2, 3, 4, 5]), Ok(quiet));
        assert_eq!(BeginRequest::parse(&[0, 1, 0xff, 1, 2, 3, 4, 5]), Ok(BeginRequest { keep_connection: true, ..quiet }));
    }

    #[test]
    fn end_request_is_laid_out_as_in_the_specification() {
        let cases = [
            ([0, 0, 0, 0, 0, 0, 0, 0], 0, ProtocolStatus::RequestComplete),
            ([0, 0, 3, 171, 1, 0, 0, 0], 939, ProtocolStatus::CantMpxConn),
            ([0x80, 0, 0, 0, 2, 0, 0, 0], 0x8000_0000, ProtocolStatus::Overloaded),
            ([0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0], u32::MAX, ProtocolStatus::UnknownRole),
            ([0, 0, 0, 1, 4, 0, 0, 0], 1, ProtocolStatus::Other(4)),
        ];
        for (bytes, app_status, protocol_status) in cases {
            let body = EndRequest { app_status, protocol_status };
            assert_eq!(EndRequest::parse(&bytes), Ok(body));
            assert_eq!(body.encode(), bytes);
        }
        assert_eq!(EndRequest::parse(&[0, 0, 0, 0, 0, 7, 7, 7]), EndRequest::parse(&[0; 8]));
    }

    #[test]
    fn unknown_type_is_laid_out_as_in_the_specification() {
        assert_eq!(UnknownType::parse(&[57, 0, 0, 0, 0, 0, 0, 0]), Ok(UnknownType { record_type: 57 }));
        assert_eq!(UnknownType::parse(&[57, 1, 2, 3, 4, 5, 6, 7]), Ok(UnknownType { record_type: 57 }));
        assert_eq!(UnknownType { record_type: 57 }.encode(), [57, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_fixed_body_has_eight_bytes_and_no_other_number() {
        let bytes = [1; 300];
        for found in (0..=bytes.len()).filter(|length| *length != BODY_LEN) {
            let content = &bytes[..found];
            let error = |record_type| Error::BodyLength { record_type, expected: 8, found };
            assert_eq!(BeginRequest::parse(content), Err(error(RecordType::BeginRequest)));
            assert_eq!(EndRequest::parse(content), Err(error(RecordType::EndRequest)));
            assert_eq!(UnknownType::parse(content), Err(error(RecordType::UnknownType)));
        }
    }

    #[test]
    fn every_role_and_status_survives_a_round_trip() {
        for value in 0..=u16::MAX {
            assert_eq!(Role::from(value).value(), value);
        }
        for value in 0..=u8::MAX {
            assert_eq!(ProtocolStatus::from(value).value(), value);
        }
    }

    #[test]
    fn get_values_names_keep_their_order() {
        let content = names(&[b"FCGI_MPXS_CONNS", b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS"]);
        let expected = vec![Variable::MpxsConns, Variable::MaxConns, Variable::MaxReqs];
        assert_eq!(Variable::parse_names(&content), Ok(expected));
    }

    #[test]
    fn get_values_leaves_out_repeated_and_unknown_names() {
        let content =
            names(&[b"FCGI_MAX_REQS", b"", b"FCGI_MAX_REQ", b"fcgi_max_reqs", b"FCGI_MAX_REQS", b"FCGI_MAX_CONNS\0", b"X"]);
        assert_eq!(Variable::parse_names(&content), Ok(vec![Variable::MaxReqs]));
    }

    #[test]
    fn get_values_ignores_the_values_that_come_with_the_names() {
        let mut content = Vec::new();
        encode_pair(&mut content, b"FCGI_MAX_CONNS", b"17").expect("short");
        assert_eq!(Variable::parse_names(&content), Ok(vec![Variable::MaxConns]));
    }

    #[test]
    fn get_values_without_names_asks_for_nothing() {
        assert_eq!(Variable::parse_names(b""), Ok(vec![]));
    }

    #[test]
    fn get_values_that_is_cut_does_not_decode() {
        let content = names(&[b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS"]);
        let error = Variable::parse_names(&content[..content.len() - 1]);
        assert_eq!(error, Err(ParamsError::Truncated { claimed: 15, left: 14 }));
    }

    fn names(names: &[&[u8]]) -> Vec<u8> {
        let mut content = Vec::new();
        for name in names {
            encode_pair(&mut content, name, b"").expect("short");
        }
        content
    }
}
