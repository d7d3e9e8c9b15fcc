//! What is sent: records appended to a buffer, streams split into records, and the bytes of whole answers.

use super::ParamsError;
use super::message::{BODY_LEN, BeginRequest, EndRequest, ProtocolStatus, Role, UnknownType, Variable};
use super::params::encode_pair;
use super::record::{HEADER_LEN, Header, MAX_CONTENT_LEN, RecordType, RequestId};

/// The header of a record without padding.
///
/// # Panics
/// Never; a `content_length` above 65,535 is cut to that, and callers split before.
pub fn header(record_type: RecordType, request_id: RequestId, content_length: usize) -> [u8; HEADER_LEN] {
    let content_length = u16::try_from(content_length).unwrap_or(u16::MAX);
    Header { record_type, request_id, content_length, padding_length: 0 }.encode()
}

/// Appends `content` as records of the stream `record_type`. Empty content gives the one empty record that ends the stream, so
/// never pass an empty piece of a stream that goes on.
pub fn encode_stream(out: &mut Vec<u8>, record_type: RecordType, request_id: RequestId, content: &[u8]) {
    if content.is_empty() {
        out.extend_from_slice(&header(record_type, request_id, 0));
    }
    for piece in content.chunks(MAX_CONTENT_LEN) {
        out.extend_from_slice(&header(record_type, request_id, piece.len()));
        out.extend_from_slice(piece);
    }
}

/// Appends BEGIN_REQUEST.
pub fn encode_begin_request(out: &mut Vec<u8>, request_id: RequestId, role: Role, keep_connection: bool) {
    encode_fixed(out, RecordType::BeginRequest, request_id, BeginRequest { role, keep_connection }.encode());
}

/// Appends the whole FCGI_PARAMS stream, its end included.
///
/// # Errors
/// [`ParamsError::TooLong`] if a pair cannot be encoded; `out` is then as it was.
pub fn encode_params<'a>(
    out: &mut Vec<u8>,
    request_id: RequestId,
    pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), ParamsError> {
    let mut stream = Vec::new();
    for (name, value) in pairs {
        encode_pair(&mut stream, name, value)?;
    }
    if !stream.is_empty() {
        encode_stream(out, RecordType::Params, request_id, &stream);
    }
    encode_stream(out, RecordType::Params, request_id, b"");
    Ok(())
}

/// Appends ABORT_REQUEST.
pub fn encode_abort_request(out: &mut Vec<u8>, request_id: RequestId) {
    out.extend_from_slice(&header(RecordType::AbortRequest, request_id, 0));
}

/// The end of an answer: the empty STDOUT record and END_REQUEST, as they are on the wire.
pub fn stdout_end(request_id: RequestId, app_status: u32, protocol_status: ProtocolStatus) -> [u8; STDOUT_END_LEN] {
    let mut end = [0; STDOUT_END_LEN];
    let (stream_end, rest) = end.split_at_mut(HEADER_LEN);
    let (end_header, end_body) = rest.split_at_mut(HEADER_LEN);
    stream_end.copy_from_slice(&header(RecordType::Stdout, request_id, 0));
    end_header.copy_from_slice(&header(RecordType::EndRequest, request_id, BODY_LEN));
    end_body.copy_from_slice(&EndRequest { app_status, protocol_status }.encode());
    end
}

/// Appends GET_VALUES with these names, each once.
pub fn encode_get_values(out: &mut Vec<u8>, variables: &[Variable]) {
    let values = variables.iter().map(|&variable| (variable, String::new()));
    encode_values(out, RecordType::GetValues, values);
}

/// Appends GET_VALUES_RESULT; of a repeated variable the first value counts.
pub fn encode_get_values_result(out: &mut Vec<u8>, values: impl IntoIterator<Item = (Variable, u32)>) {
    let values = values.into_iter().map(|(variable, value)| (variable, value.to_string()));
    encode_values(out, RecordType::GetValuesResult, values);
}

/// Each variable once, so that the body fits in the one record that a management message is.
fn encode_values(out: &mut Vec<u8>, record_type: RecordType, values: impl Iterator<Item = (Variable, String)>) {
    let (mut seen, mut content) = (Vec::new(), Vec::new());
    for (variable, value) in values {
        if !seen.contains(&variable) {
            encode_pair(&mut content, variable.name().as_bytes(), value.as_bytes()).expect("both are a few bytes long");
            seen.push(variable);
        }
    }
    out.extend_from_slice(&header(record_type, RequestId::MANAGEMENT, content.len()));
    out.extend_from_slice(&content);
}

/// Appends UNKNOWN_TYPE for the type byte that was not understood.
pub fn encode_unknown_type(out: &mut Vec<u8>, record_type: u8) {
    encode_fixed(out, RecordType::UnknownType, RequestId::MANAGEMENT, UnknownType { record_type }.encode());
}

fn encode_fixed(out: &mut Vec<u8>, record_type: RecordType, request_id: RequestId, body: [u8; BODY_LEN]) {
    out.extend_from_slice(&header(record_type, request_id, body.len()));
    out.extend_from_slice(&body);
}

/// Bytes of [`stdout_end`].
pub const STDOUT_END_LEN: usize = 2 * HEADER_LEN + BODY_LEN;

#[cfg(test)]
mod tests;
