//! The record: an eight-byte header, content of up to 65,535 bytes and padding of up to 255 (FastCGI 1.0 §3.3).

use std::fmt;

use nom::bytes::complete::take;

use super::Error;
use super::numbered::numbered;

/// FCGI_VERSION_1, the only version there is.
pub const VERSION_1: u8 = 1;
/// Bytes in a record header (FCGI_HEADER_LEN).
pub const HEADER_LEN: usize = 8;
/// The most content one record can carry, in bytes.
pub const MAX_CONTENT_LEN: usize = u16::MAX as usize;
/// The most bytes one record can take on the wire: header, content and padding.
pub const MAX_RECORD_LEN: usize = HEADER_LEN + MAX_CONTENT_LEN + u8::MAX as usize;

/// A request's number, unique among the open requests of one connection only. 0 marks management records (§3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u16);

impl RequestId {
    /// FCGI_NULL_REQUEST_ID.
    pub const MANAGEMENT: Self = Self(0);

    /// The id with this number on the wire.
    pub const fn new(id: u16) -> Self {
        Self(id)
    }

    /// The number on the wire.
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

numbered! {
    /// The type byte of a record (§8, "Values for type component of FCGI_Header").
    RecordType: u8 {
        /// FCGI_BEGIN_REQUEST, 1.
        BeginRequest = 1,
        /// FCGI_ABORT_REQUEST, 2.
        AbortRequest = 2,
        /// FCGI_END_REQUEST, 3.
        EndRequest = 3,
        /// FCGI_PARAMS, 4, a stream.
        Params = 4,
        /// FCGI_STDIN, 5, a stream.
        Stdin = 5,
        /// FCGI_STDOUT, 6, a stream.
        Stdout = 6,
        /// FCGI_STDERR, 7, a stream.
        Stderr = 7,
        /// FCGI_DATA, 8, a stream.
        Data = 8,
        /// FCGI_GET_VALUES, 9, a management record.
        GetValues = 9,
        /// FCGI_GET_VALUES_RESULT, 10, a management record.
        GetValuesResult = 10,
        /// FCGI_UNKNOWN_TYPE, 11, a management record.
        UnknownType = 11,
        _: "A type the specification does not define.",
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::BeginRequest => "BEGIN_REQUEST",
            Self::AbortRequest => "ABORT_REQUEST",
            Self::EndRequest => "END_REQUEST",
            Self::Params => "PARAMS",
            Self::Stdin => "STDIN",
            Self::Stdout => "STDOUT",
            Self::Stderr => "STDERR",
            Self::Data => "DATA",
            Self::GetValues => "GET_VALUES",
            Self::GetValuesResult => "GET_VALUES_RESULT",
            Self::UnknownType => "UNKNOWN_TYPE",
            Self::Other(value) => return write!(f, "record type {value}"),
        };
        f.write_str(name)
    }
}

/// A record header without its version, which is checked, and its reserved byte, which is ignored as §3.3 asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of the record.
    pub record_type: RecordType,
    /// The request it belongs to, or [`RequestId::MANAGEMENT`].
    pub request_id: RequestId,
    /// Bytes of content behind the header.
    pub content_length: u16,
    /// Bytes of padding behind the content, to be ignored.
    pub padding_length: u8,
}

impl Header {
    /// Parses the header at the start of `input`; `None` if there are fewer than eight bytes.
    ///
    /// # Errors
    /// [`Error::Version`] as soon as the first byte is there and is not 1.
    pub fn parse(input: &[u8]) -> Result<Option<Self>, Error> {
        match input.first() {
            Some(&VERSION_1) => Ok(Self::parse_fields(input)),
            Some(&version) => Err(Error::Version(version)),
            None => Ok(None),
        }
    }

    fn parse_fields(input: &[u8]) -> Option<Self> {
        let (_, fields) = take::<_, _, ()>(HEADER_LEN)(input).ok()?;
        let [_version, record_type, id_high, id_low, length_high, length_low, padding_length, _reserved] =
            *fields.first_chunk()?;
        let request_id = RequestId(u16::from_be_bytes([id_high, id_low]));
        let content_length = u16::from_be_bytes([length_high, length_low]);
        Some(Self { record_type: record_type.into(), request_id, content_length, padding_length })
    }

    /// The eight bytes on the wire.
    pub const fn encode(self) -> [u8; HEADER_LEN] {
        let id = self.request_id.0.to_be_bytes();
        let length = self.content_length.to_be_bytes();
        [VERSION_1, self.record_type.value(), id[0], id[1], length[0], length[1], self.padding_length, 0]
    }

    /// Bytes of the whole record on the wire, at most [`MAX_RECORD_LEN`].
    pub const fn record_len(self) -> usize {
        HEADER_LEN + self.content_length as usize + self.padding_length as usize
    }
}

/// A complete record, its padding dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The type of the record.
    pub record_type: RecordType,
    /// The request it belongs to, or [`RequestId::MANAGEMENT`].
    pub request_id: RequestId,
    /// The content, at most [`MAX_CONTENT_LEN`] bytes.
    pub content: &'a [u8],
}

/// Whether several requests begin in these bytes, which begin with a record and end anywhere.
pub fn begins_several(mut bytes: &[u8]) -> bool {
    let mut begun = 0;
    while let Some(([_, kind, _, _, high, low, padding, _], _)) = bytes.split_first_chunk::<HEADER_LEN>() {
        begun += usize::from(RecordType::from(*kind) == RecordType::BeginRequest);
        let len = HEADER_LEN + usize::from(u16::from_be_bytes([*high, *low])) + usize::from(*padding);
        bytes = bytes.get(len..).unwrap_or_default();
    }
    begun > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type of §8 with its number, and three that are not there.
    const TYPES: [(u8, RecordType); 14] = [
        (1, RecordType::BeginRequest),
        (2, RecordType::AbortRequest),
        (3, RecordType::EndRequest),
        (4, RecordType::Params),
        (5, RecordType::Stdin),
        (6, RecordType::Stdout),
        (7, RecordType::Stderr),
        (8, RecordType::Data),
        (9, RecordType::GetValues),
        (10, RecordType::GetValuesResult),
        (11, RecordType::UnknownType),
        (0, RecordType::Other(0)),
        (12, RecordType::Other(12)),
        (255, RecordType::Other(255)),
    ];

    #[test]
    fn the_types_have_the_numbers_of_the_specification() {
        for (number, record_type) in TYPES {
            assert_eq!(RecordType::from(number), record_type);
            assert_eq!(record_type.value(), number);
        }
    }

    #[test]
    fn every_type_byte_survives_a_round_trip() {
        for number in 0..=u8::MAX {
            assert_eq!(RecordType::from(number).value(), number);
        }
    }

    #[test]
    fn types_are_named_as_in_the_specification() {
        let names: Vec<_> = TYPES.iter().take(12).map(|(_, record_type)| record_type.to_string()).collect();
        let expected = "BEGIN_REQUEST ABORT_REQUEST END_REQUEST PARAMS STDIN STDOUT STDERR DATA GET_VALUES GET_VALUES_RESULT \
                        UNKNOWN_TYPE record type 0";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn a_header_is_read_in_network_byte_order() {
        let header = Header::parse(&[1, 5, 0x12, 0x34, 0xab, 0xcd, 7, 0]);
        let expected = Header {
            record_type: RecordType::Stdin,
            request_id: RequestId::new(0x1234),
            content_length: 0xabcd,
            padding_length: 7,
        };
        assert_eq!(header, Ok(Some(expected)));
        assert_eq!(expected.encode(), [1, 5, 0x12, 0x34, 0xab, 0xcd, 7, 0]);
    }

    #[test]
    fn headers_of_every_type_survive_a_round_trip() {
        for (_, record_type) in TYPES {
            for (id, content_length, padding_length) in [(0, 0, 0), (1, 1, 1), (255, 256, 128), (u16::MAX, u16::MAX, u8::MAX)] {
                let header = Header { record_type, request_id: RequestId::new(id), content_length, padding_length };
                assert_eq!(Header::parse(&header.encode()), Ok(Some(header)));
            }
        }
    }

    #[test]
    fn the_reserved_byte_is_ignored() {
        assert_eq!(Header::parse(&[1, 6, 0, 1, 0, 2, 3, 0xff]), Header::parse(&[1, 6, 0, 1, 0, 2, 3, 0]));
    }

    #[test]
    fn bytes_behind_the_header_do_not_matter() {
        assert_eq!(Header::parse(&[1, 6, 0, 1, 0, 2, 3, 0, 9, 9, 9]), Header::parse(&[1, 6, 0, 1, 0, 2, 3, 0]));
    }

    #[test]
    fn a_part_of_a_header_is_no_header_yet() {
        let header = [1, 1, 0, 1, 0, 8, 0, 0];
        for length in 0..HEADER_LEN {
            assert_eq!(Header::parse(&header[..length]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn a_wrong_version_is_refused_at_its_first_byte() {
        for version in (0..=u8::MAX).filter(|version| *version != VERSION_1) {
            assert_eq!(Header::parse(&[version]), Err(Error::Version(version)));
            assert_eq!(Header::parse(&[version, 1, 0, 1, 0, 0, 0, 0]), Err(Error::Version(version)));
        }
    }

    #[test]
    fn a_record_takes_header_content_and_padding() {
        let largest = Header {
            record_type: RecordType::Stdin,
            request_id: RequestId::new(1),
            content_length: u16::MAX,
            padding_length: u8::MAX,
        };
        assert_eq!(largest.record_len(), 8 + 65_535 + 255);
        assert_eq!(largest.record_len(), MAX_RECORD_LEN);
        assert_eq!(Header { content_length: 0, padding_length: 0, ..largest }.record_len(), HEADER_LEN);
    }

    #[test]
    fn a_request_id_is_its_number() {
        assert_eq!(RequestId::new(513).value(), 513);
        assert_eq!(RequestId::new(513).to_string(), "513");
        assert_eq!(RequestId::MANAGEMENT, RequestId::new(0));
    }

    #[test]
    fn several_requests_are_seen_to_begin_wherever_the_bytes_end() {
        let begin = [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
        let params = [1, 4, 0, 1, 0, 2, 1, 0, 1, 1, 0];
        let one = [&begin[..], &params].concat();
        let two = [&one[..], &begin].concat();
        assert!(!begins_several(&one) && begins_several(&two) && begins_several(&two[..one.len() + HEADER_LEN]));
        assert!(!begins_several(&two[..one.len() + HEADER_LEN - 1]) && !begins_several(&[]));
        // A length that leads beyond what is there.
        assert!(!begins_several(&[&[1, 4, 0, 1, 255, 255, 255, 0][..], &begin, &begin].concat()));
    }
}
