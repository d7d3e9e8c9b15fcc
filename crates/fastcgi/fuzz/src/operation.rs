//! One thing that happens on a connection.

use arbitrary::Arbitrary;
use fastcgi_codec::params::encode_pair;
use fastcgi_codec::{Header, RecordType, RequestId, Role, encoder};

/// A record from the peer, or an answer to it. Ids of one byte, so that they meet often; 0 among them.
#[derive(Clone, Debug, PartialEq, Eq, Arbitrary)]
pub enum Operation {
    /// BEGIN_REQUEST.
    Begin { id: u8, role: u8, keep_connection: bool },
    /// A piece of PARAMS, or its end.
    Params { id: u8, length: u8 },
    /// A piece of STDIN, or its end.
    Stdin { id: u8, length: u8 },
    /// A piece of DATA, or its end.
    Data { id: u8, length: u8 },
    /// ABORT_REQUEST.
    Abort { id: u8 },
    /// The request has been answered.
    Finish { id: u8 },
    /// GET_VALUES for these variables, those of the specification and others.
    GetValues { names: Vec<u8> },
    /// Any record.
    Raw { record_type: u8, id: u8, padding: u8, content: Vec<u8> },
}

impl Operation {
    /// The record on the wire; nothing for an answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let stream = |out: &mut Vec<u8>, record_type, id: u8, length: u8| {
            encoder::encode_stream(out, record_type, RequestId::new(id.into()), &vec![id; length.into()]);
        };
        match self {
            Self::Begin { id, role, keep_connection } => {
                let role = Role::from(u16::from(*role));
                encoder::encode_begin_request(&mut out, RequestId::new((*id).into()), role, *keep_connection);
            }
            Self::Params { id, length } => stream(&mut out, RecordType::Params, *id, *length),
            Self::Stdin { id, length } => stream(&mut out, RecordType::Stdin, *id, *length),
            Self::Data { id, length } => stream(&mut out, RecordType::Data, *id, *length),
            Self::Abort { id } => encoder::encode_abort_request(&mut out, RequestId::new((*id).into())),
            Self::Finish { .. } => (),
            Self::GetValues { names } => encode_raw(&mut out, RecordType::GetValues.value(), 0, 0, &variables(names)),
            Self::Raw { record_type, id, padding, content } => encode_raw(&mut out, *record_type, *id, *padding, content),
        }
        out
    }
}

/// Name-value pairs without values.
fn variables(choices: &[u8]) -> Vec<u8> {
    let mut pairs = Vec::new();
    for choice in choices {
        let name = NAMES[usize::from(*choice) % NAMES.len()];
        encode_pair(&mut pairs, name, b"").expect("the names are short");
    }
    pairs
}

fn encode_raw(out: &mut Vec<u8>, record_type: u8, id: u8, padding_length: u8, content: &[u8]) {
    let content = &content[..content.len().min(u16::MAX.into())];
    let header = Header {
        record_type: record_type.into(),
        request_id: RequestId::new(id.into()),
        content_length: content.len().try_into().expect("it was cut to that"),
        padding_length,
    };
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(content);
    out.resize(out.len() + usize::from(padding_length), 0xff);
}

const NAMES: [&[u8]; 5] = [b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS", b"FCGI_OTHER", b""];
