//! Records by hand: FastCGI 1.0 §3.3 and §8, byte by byte.

/// Record types of FastCGI 1.0 §8.
pub mod kind {
    pub const BEGIN_REQUEST: u8 = 1;
    pub const ABORT_REQUEST: u8 = 2;
    pub const END_REQUEST: u8 = 3;
    pub const PARAMS: u8 = 4;
    pub const STDIN: u8 = 5;
    pub const STDOUT: u8 = 6;
    pub const STDERR: u8 = 7;
    pub const DATA: u8 = 8;
    pub const GET_VALUES: u8 = 9;
    pub const GET_VALUES_RESULT: u8 = 10;
    pub const UNKNOWN_TYPE: u8 = 11;
}

/// Roles of FastCGI 1.0 §8.
pub mod role {
    pub const RESPONDER: u16 = 1;
    pub const AUTHORIZER: u16 = 2;
    pub const FILTER: u16 = 3;
}

/// protocolStatus values of FastCGI 1.0 §8.
pub mod protocol_status {
    pub const REQUEST_COMPLETE: u8 = 0;
    pub const CANT_MPX_CONN: u8 = 1;
    pub const OVERLOADED: u8 = 2;
    pub const UNKNOWN_ROLE: u8 = 3;
}

/// The longest content of one record.
pub const MAX_CONTENT: usize = 0xffff;

/// One record as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub kind: u8,
    pub id: u16,
    pub content: Vec<u8>,
    pub padding: u8,
}

/// The bytes of a record with any header at all; `length` may lie about `content`.
pub fn raw_record(version: u8, kind: u8, id: u16, length: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let [id_high, id_low] = id.to_be_bytes();
    let [length_high, length_low] = length.to_be_bytes();
    let mut bytes = vec![version, kind, id_high, id_low, length_high, length_low, padding, 0];
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + usize::from(padding), 0);
    bytes
}

/// One record without padding.
pub fn record(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    padded_record(kind, id, content, 0)
}

/// One record followed by `padding` bytes.
pub fn padded_record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a record holds at most 65,535 bytes");
    raw_record(1, kind, id, length, content, padding)
}

/// BEGIN_REQUEST.
pub fn begin(id: u16, role: u16, keep_connection: bool) -> Vec<u8> {
    let [high, low] = role.to_be_bytes();
    record(kind::BEGIN_REQUEST, id, &[high, low, u8::from(keep_connection), 0, 0, 0, 0, 0])
}

/// ABORT_REQUEST.
pub fn abort(id: u16) -> Vec<u8> {
    record(kind::ABORT_REQUEST, id, b"")
}

/// A stream cut into records of at most `piece` bytes, with its end.
pub fn stream_in_pieces(kind: u8, id: u16, content: &[u8], piece: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = content.chunks(piece).flat_map(|chunk| record(kind, id, chunk)).collect();
    bytes.extend(record(kind, id, b""));
    bytes
}

/// A stream in as few records as hold it, with its end.
pub fn stream(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    stream_in_pieces(kind, id, content, MAX_CONTENT)
}

/// A whole responder request.
pub fn request(id: u16, keep_connection: bool, params: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = begin(id, role::RESPONDER, keep_connection);
    bytes.extend(stream(kind::PARAMS, id, params));
    bytes.extend(stream(kind::STDIN, id, body));
    bytes
}

/// A length of FastCGI 1.0 §3.4: one byte up to 127, four above.
pub fn length(value: usize) -> Vec<u8> {
    if value < 0x80 {
        return vec![u8::try_from(value).expect("below 128")];
    }
    (u32::try_from(value).expect("a length of 31 bits") | 0x8000_0000).to_be_bytes().to_vec()
}

/// One name-value pair.
pub fn pair(name: &[u8], value: &[u8]) -> Vec<u8> {
    [length(name.len()), length(value.len()), name.to_vec(), value.to_vec()].concat()
}

/// The pairs of a GET_VALUES_RESULT; `None` when they do not decode.
pub fn parse_pairs(mut bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pairs = Vec::new();
    while !bytes.is_empty() {
        let name = take_length(&mut bytes)?;
        let value = take_length(&mut bytes)?;
        let (pair, rest) = bytes.split_at_checked(name.checked_add(value)?)?;
        let (name, value) = pair.split_at(name);
        pairs.push((name.to_vec(), value.to_vec()));
        bytes = rest;
    }
    Some(pairs)
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let size = if bytes.first()? & 0x80 == 0 { 1 } else { 4 };
    let (length, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    let mut value = length.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    value &= 0x7fff_ffff;
    Some(value)
}
