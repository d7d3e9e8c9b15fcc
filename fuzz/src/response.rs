//! What an application says of its answer.

use arbitrary::{Arbitrary, Result, Unstructured};

/// A status and headers, likely enough to be accepted that the fuzzer gets past them.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status line.
    pub status: Vec<u8>,
    /// Names and values.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// What the body's length is said to be afterwards.
    pub length: Option<u32>,
    /// Whether the method is HEAD.
    pub head_only: bool,
}

impl<'a> Arbitrary<'a> for Response {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let (length, head_only) = (input.arbitrary()?, input.arbitrary()?);
        let status = status(input)?;
        let fields = input.arbitrary_iter::<Field>()?.map(|field| field.map(|Field(name, value)| (name, value)));
        Ok(Self { status, fields: fields.collect::<Result<_>>()?, length, head_only })
    }
}

fn status(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    match input.int_in_range(0..=7)? {
        0 => input.arbitrary(),
        1 => Ok(b"204 No Content".to_vec()),
        2 => Ok(b"304 Not Modified".to_vec()),
        _ => Ok([&b"200 "[..], &input.arbitrary::<Vec<u8>>()?].concat()),
    }
}

struct Field(Vec<u8>, Vec<u8>);

impl<'a> Arbitrary<'a> for Field {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let name = match input.int_in_range(0..=3)? {
            0 => input.arbitrary()?,
            1 => b"Content-Length".to_vec(),
            _ => input.choose(&NAMES)?.to_vec(),
        };
        let value = match input.int_in_range(0..=3)? {
            0 => input.arbitrary::<u16>()?.to_string().into_bytes(),
            1 => vec![b'v'; usize::from(input.arbitrary::<u16>()?)],
            _ => input.arbitrary()?,
        };
        Ok(Self(name, value))
    }
}

const NAMES: [&[u8]; 5] = [b"Content-Type", b"Set-Cookie", b"Status", b"Location", b"Transfer-Encoding"];
