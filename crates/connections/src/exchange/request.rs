//! A complete request: its parameters as bytes, as the peer sent them, and its body.

use std::fmt;
use std::sync::{Arc, Weak};

use super::Body;
use fastcgi_codec::{Pairs, ParamsError, Role};

/// A connection's number in this process. Counts up and is never used again, unlike a descriptor or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The connection with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request whose input is all there.
#[derive(Debug)]
pub struct Request {
    /// The role the peer asked for.
    pub role: Role,
    /// The FCGI_PARAMS.
    pub params: Params,
    /// The FCGI_STDIN, up to CONTENT_LENGTH.
    pub body: Body,
    /// The FCGI_DATA of a filter, up to FCGI_DATA_LENGTH.
    pub data: Option<Body>,
}

/// Name-value pairs in the order they came; names may repeat. Copies are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Params(Arc<Decoded>);

/// A look at parameters that somebody else keeps.
#[derive(Clone, Debug)]
pub struct ParamsView(Weak<Decoded>);

impl ParamsView {
    /// The parameters, if anybody still has them.
    pub fn params(&self) -> Option<Params> {
        self.0.upgrade().map(Params)
    }
}

#[derive(Debug, Default)]
struct Decoded {
    bytes: Vec<u8>,
    pairs: Vec<Pair>,
}

/// Where a pair stands in the bytes: the value follows its name.
#[derive(Clone, Copy, Debug)]
struct Pair {
    start: u32,
    name_length: u32,
    value_length: u32,
}

/// Why the parameters of a request can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamsFault {
    /// They do not decode.
    Malformed(ParamsError),
    /// More pairs than allowed.
    TooMany,
}

impl Params {
    /// Decodes a complete FCGI_PARAMS stream of less than 4 GiB.
    ///
    /// # Errors
    /// [`ParamsFault`] when a pair is malformed or there are more than `max_pairs`.
    pub fn parse(bytes: Vec<u8>, max_pairs: usize) -> Result<Self, ParamsFault> {
        let mut pairs = Vec::with_capacity(TYPICAL_PAIRS);
        let base = bytes.as_ptr() as usize;
        for pair in Pairs::new(&bytes) {
            let (name, value) = pair.map_err(ParamsFault::Malformed)?;
            if pairs.len() == max_pairs {
                return Err(ParamsFault::TooMany);
            }
            let start = (name.as_ptr() as usize - base) as u32;
            pairs.push(Pair { start, name_length: name.len() as u32, value_length: value.len() as u32 });
        }
        Ok(Self(Arc::new(Decoded { bytes, pairs })))
    }

    /// A look at these that does not keep them.
    pub fn view(&self) -> ParamsView {
        ParamsView(Arc::downgrade(&self.0))
    }

    /// The pairs, as (name, value), in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.pairs.iter().map(|pair| self.slices(*pair))
    }

    /// Bytes of the stream they came in.
    pub fn length(&self) -> u64 {
        self.0.bytes.len() as u64
    }

    /// All values of `name`, in the order they came.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let as_long = self.0.pairs.iter().filter(move |pair| pair.name_length as usize == name.len());
        as_long.map(|pair| self.slices(*pair)).filter(move |(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The value of `name`; of several, the last.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        // Few names are as long as another, so that hardly any has to be looked at.
        let as_long = self.0.pairs.iter().rev().filter(|pair| pair.name_length as usize == name.len());
        let found = as_long.map(|pair| self.slices(*pair)).find(|(found, _)| *found == name);
        found.map(|(_, value)| value)
    }

    /// A value of `name`, which is looked for where it was the last time: a web server sends its parameters in the same order each time.
    pub fn get_again(&self, name: &[u8], place: &mut usize) -> Option<&[u8]> {
        let at = |index: usize| self.0.pairs.get(index).filter(|pair| pair.name_length as usize == name.len());
        let is_there = |index: &usize| at(*index).is_some_and(|pair| self.slices(*pair).0 == name);
        if !is_there(place) {
            *place = (0..self.0.pairs.len()).rev().find(is_there)?;
        }
        self.0.pairs.get(*place).map(|pair| self.slices(*pair).1)
    }

    fn slices(&self, pair: Pair) -> (&[u8], &[u8]) {
        let pair_bytes = &self.0.bytes[pair.start as usize..];
        let (name, rest) = pair_bytes.split_at(pair.name_length as usize);
        (name, &rest[..pair.value_length as usize])
    }
}

/// nginx sends 22 and one for each header of the browser.
const TYPICAL_PAIRS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use fastcgi_codec::params::encode_pair;

    fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in pairs {
            encode_pair(&mut out, name.as_bytes(), value.as_bytes()).unwrap();
        }
        out
    }

    #[test]
    fn pairs_keep_their_order_and_the_last_of_a_name_is_found() {
        let params = Params::parse(encoded(&[("A", "1"), ("B", ""), ("A", "2"), ("", "x")]), 10).unwrap();
        let all: Vec<_> = params.iter().collect();
        assert_eq!(all, [(&b"A"[..], &b"1"[..]), (b"B", b""), (b"A", b"2"), (b"", b"x")]);
        assert_eq!(params.get(b"A"), Some(&b"2"[..]));
        assert_eq!(params.all(b"A").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(params.get(b"B"), Some(&b""[..]));
        assert_eq!(params.get(b"C"), None);
    }

    #[test]
    fn a_value_is_found_again_wherever_it_is() {
        let params = |pairs: &[(&str, &str)]| Params::parse(encoded(pairs), 10).unwrap();
        let mut place = 7;
        for pairs in
            [&[("A", "1"), ("B", "2")][..], &[("A", "1"), ("B", "2")], &[("B", "2"), ("A", "1")], &[("C", "3"), ("B", "2")]]
        {
            assert_eq!(params(pairs).get_again(b"B", &mut place), Some(&b"2"[..]), "{pairs:?}");
        }
        assert_eq!(params(&[("A", "1")]).get_again(b"B", &mut place), None);
        assert_eq!(params(&[]).get_again(b"B", &mut place), None);
    }

    #[test]
    fn as_many_pairs_as_allowed_pass_and_one_more_does_not() {
        let bytes = encoded(&[("A", "1"), ("B", "2")]);
        assert!(Params::parse(bytes.clone(), 2).is_ok());
        assert_eq!(Params::parse(bytes, 1).unwrap_err(), ParamsFault::TooMany);
    }

    #[test]
    fn a_cut_pair_is_malformed() {
        let mut bytes = encoded(&[("NAME", "value")]);
        bytes.pop();
        assert!(matches!(Params::parse(bytes, 10), Err(ParamsFault::Malformed(_))));
    }
}
