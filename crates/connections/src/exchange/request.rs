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
    pub data: Option<Box<Body>>,
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
    places: Vec<Place>,
    /// Where the pairs of each name that has a [number](number_of) stand: from the first to behind the last.
    wanted: [(u32, u32); WANTED.len()],
}

/// Where a pair stands in the bytes: the value follows its name.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    name_length: u32,
    value_length: u32,
}

/// A name and its value.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The value follows the name.
    pub bytes: &'a [u8],
    /// Not longer than the bytes.
    pub name_length: usize,
}

impl<'a> Pair<'a> {
    /// Its name.
    #[inline]
    pub fn name(self) -> &'a [u8] {
        &self.bytes[..self.name_length]
    }

    /// Its value.
    #[inline]
    pub fn value(self) -> &'a [u8] {
        &self.bytes[self.name_length..]
    }
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
        let mut places = Vec::with_capacity(TYPICAL_PAIRS);
        let mut wanted = [(0, 0); WANTED.len()];
        let base = bytes.as_ptr() as usize;
        for pair in Pairs::new(&bytes) {
            let (name, value) = pair.map_err(ParamsFault::Malformed)?;
            if places.len() == max_pairs {
                return Err(ParamsFault::TooMany);
            }
            if let Some(number) = number_of(name) {
                let (first, behind) = &mut wanted[number];
                *first = if *behind == 0 { places.len() as u32 } else { *first };
                *behind = places.len() as u32 + 1;
            }
            let start = (name.as_ptr() as usize - base) as u32;
            places.push(Place { start, name_length: name.len() as u32, value_length: value.len() as u32 });
        }
        Ok(Self(Arc::new(Decoded { bytes, places, wanted })))
    }

    /// A look at these that does not keep them.
    pub fn view(&self) -> ParamsView {
        ParamsView(Arc::downgrade(&self.0))
    }

    /// The pairs in the order they came.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        self.0.places.iter().map(|place| self.pair(*place))
    }

    /// The same, as (name, value).
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs().map(|pair| (pair.name(), pair.value()))
    }

    /// Bytes of the stream they came in.
    pub fn length(&self) -> u64 {
        self.0.bytes.len() as u64
    }

    /// All values of `name`, in the order they came.
    #[inline]
    pub fn all<'a>(&'a self, name: &[u8]) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        // Few names are as long as another, so that hardly any has to be looked at.
        let as_long = self.near(name).iter().filter(move |place| place.name_length as usize == name.len());
        as_long.map(|place| self.pair(*place)).filter(move |pair| pair.name() == name).map(Pair::value)
    }

    /// The value of `name`; of several, the last.
    #[inline]
    pub fn get<'a>(&'a self, name: &[u8]) -> Option<&'a [u8]> {
        self.all(name).next_back()
    }

    /// The pairs among which those of `name` are.
    #[inline]
    fn near(&self, name: &[u8]) -> &[Place] {
        match number_of(name).map(|number| self.0.wanted[number]) {
            Some((first, behind)) => &self.0.places[first as usize..behind as usize],
            None => &self.0.places,
        }
    }

    #[inline]
    fn pair(&self, place: Place) -> Pair<'_> {
        let (start, name_length) = (place.start as usize, place.name_length as usize);
        Pair { bytes: &self.0.bytes[start..start + name_length + place.value_length as usize], name_length }
    }
}

#[inline]
fn number_of(name: &[u8]) -> Option<usize> {
    WANTED.iter().position(|wanted| *wanted == name)
}

/// Where those stand that are asked for in every request is noted when they are decoded.
const WANTED: [&[u8]; 4] = [b"REQUEST_METHOD", b"REQUEST_URI", b"REMOTE_ADDR", b"CONTENT_LENGTH"];

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
    fn what_is_asked_for_each_time_is_found_as_everything_else_is() {
        let names =
            ["A", "CONTENT_LENGTH", "REQUEST_METHOD", "CONTENT_LENGTH", "REMOTE_ADDRESS", "CONTENT_LENGTH", "REMOTE_ADDR"];
        let values = ["0", "1", "2", "3", "4", "5", "6"];
        let pairs: Vec<_> = names.into_iter().zip(values).collect();
        let params = Params::parse(encoded(&pairs), 100).unwrap();
        let all = |name: &'static [u8]| params.all(name).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(all(b"CONTENT_LENGTH"), [b"1", b"3", b"5"]);
        assert_eq!(params.get(b"CONTENT_LENGTH"), Some(&b"5"[..]));
        assert_eq!((all(b"REQUEST_METHOD"), params.get(b"REQUEST_METHOD")), (vec![b"2".to_vec()], Some(&b"2"[..])));
        assert_eq!((all(b"A"), params.get(b"REMOTE_ADDR")), (vec![b"0".to_vec()], Some(&b"6"[..])));
        assert_eq!((all(b"REQUEST_URI"), params.get(b"REQUEST_URI"), params.get(b"B")), (vec![], None, None));
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
