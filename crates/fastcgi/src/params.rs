//! Name-value pairs: two lengths of one or four bytes each, the name, the value (FastCGI 1.0 §3.4).
//!
//! A peer controls all four numbers, so lengths are compared with what is there before anything is taken, and added in 64 bits.

use std::fmt;
use std::iter::FusedIterator;

use nom::number::complete::{be_u8, be_u32};
use nom::{IResult, Parser};

/// Name-value pairs that do not decode, or can't be encoded. Framing is intact, so the connection survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamsError {
    /// The stream ends inside a pair, or a pair claims more bytes than there are. The peer's fault; costs the request.
    Truncated {
        /// Bytes the pair takes in all, its lengths included. If the stream ends inside the lengths: the least it can take.
        claimed: u64,
        /// Bytes from the start of the pair to the end of the stream; always fewer than `claimed`.
        left: usize,
    },
    /// A name or a value is too long to be encoded: more than 2³¹ − 1 bytes. The caller's fault.
    TooLong(usize),
}

impl fmt::Display for ParamsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { claimed, left } => write!(out, "a name-value pair claims {claimed} bytes where {left} are left"),
            Self::TooLong(length) => write!(out, "a name or value of {length} bytes cannot be encoded"),
        }
    }
}

impl std::error::Error for ParamsError {}

/// Iterates over the pairs of a complete stream, as (name, value). Stops after the first error.
///
/// Empty names and values are pairs like any other; what they mean is not for the codec to say.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// The pairs in `stream`, the content of all its records one after another.
    pub fn new(stream: &'a [u8]) -> Self {
        Self { rest: stream }
    }
}

impl FusedIterator for Pairs<'_> {}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ParamsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Nearly all lengths are short, so that is looked at first.
        if let [name, value, body @ ..] = self.rest
            && (name | value) & LONG_LENGTH == 0
            && let Some((name, rest)) = body.split_at_checked(usize::from(*name))
            && let Some((value, rest)) = rest.split_at_checked(usize::from(*value))
        {
            self.rest = rest;
            return Some(Ok((name, value)));
        }
        if self.rest.is_empty() {
            return None;
        }
        let pair = parse_pair(self.rest);
        self.rest = match &pair {
            Ok((_, rest)) => rest,
            Err(_) => &[],
        };
        Some(pair.map(|(pair, _)| pair))
    }
}

/// Appends one pair to `out`, each length in its shortest form.
///
/// # Errors
/// [`ParamsError::TooLong`] when a length does not fit in 31 bits; `out` is then as it was.
pub fn encode_pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), ParamsError> {
    let (name_length, value_length) = (checked_length(name.len())?, checked_length(value.len())?);
    encode_length(out, name_length);
    encode_length(out, value_length);
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    Ok(())
}

type Pair<'a> = (&'a [u8], &'a [u8]);

#[inline(never)]
fn parse_pair(input: &[u8]) -> Result<(Pair<'_>, &[u8]), ParamsError> {
    let left = input.len();
    let Ok((body, (name_length, value_length))) = parse_lengths(input) else {
        return Err(ParamsError::Truncated { claimed: left as u64 + 1, left });
    };
    let claimed = (left - body.len()) as u64 + u64::from(name_length) + u64::from(value_length);
    if claimed > left as u64 {
        return Err(ParamsError::Truncated { claimed, left });
    }
    let (name, rest) = body.split_at(name_length as usize);
    let (value, rest) = rest.split_at(value_length as usize);
    Ok(((name, value), rest))
}

fn parse_lengths(input: &[u8]) -> IResult<&[u8], (u32, u32), ()> {
    (parse_length, parse_length).parse(input)
}

fn parse_length(input: &[u8]) -> IResult<&[u8], u32, ()> {
    match input.first() {
        Some(first) if first & LONG_LENGTH == 0 => be_u8.map(u32::from).parse(input),
        _ => be_u32.map(|length| length & MAX_LENGTH).parse(input),
    }
}

fn checked_length(length: usize) -> Result<u32, ParamsError> {
    match u32::try_from(length) {
        Ok(fits) if fits <= MAX_LENGTH => Ok(fits),
        _ => Err(ParamsError::TooLong(length)),
    }
}

fn encode_length(out: &mut Vec<u8>, length: u32) {
    match u8::try_from(length) {
        Ok(short) if short & LONG_LENGTH == 0 => out.push(short),
        _ => out.extend_from_slice(&(length | !MAX_LENGTH).to_be_bytes()),
    }
}

/// The bit that says a length has four bytes.
const LONG_LENGTH: u8 = 0x80;
const MAX_LENGTH: u32 = 0x7fff_ffff;

#[cfg(test)]
mod tests;
