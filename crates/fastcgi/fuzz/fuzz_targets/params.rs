//! Name-value pairs never panic, what they and their errors say adds up, and encoding them is canonical.
#![no_main]

use libfuzzer_sys::fuzz_target;
use fastcgi_codec::message::Variable;
use fastcgi_codec::params::encode_pair;
use fastcgi_codec::{Pairs, ParamsError};

type Pair<'a> = (&'a [u8], &'a [u8]);

fuzz_target!(|data: &[u8]| {
    let (pairs, error) = decode(data);
    let left = error.map_or(0, |error| check_error(error, data));
    let decoded = &data[..data.len() - left];
    let canonical = encode(&pairs);
    check_lengths(&pairs, decoded, &canonical);
    assert_eq!(decode(&canonical), (pairs, None));
    assert_eq!(Variable::parse_names(data).err(), error);
});

fn decode(stream: &[u8]) -> (Vec<Pair<'_>>, Option<ParamsError>) {
    let (mut found, mut pairs) = (Vec::new(), Pairs::new(stream));
    let error = loop {
        match pairs.next() {
            Some(Ok(pair)) => found.push(pair),
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert_eq!(pairs.next(), None, "nothing comes behind the end or an error");
    (found, error)
}

/// The bytes that belong to no pair.
fn check_error(error: ParamsError, data: &[u8]) -> usize {
    let ParamsError::Truncated { claimed, left } = error else {
        panic!("{error}");
    };
    assert!(left > 0 && left <= data.len());
    assert!(claimed > left as u64 && claimed <= 8 + 2 * 0x7fff_ffff);
    left
}

/// Every byte of the decoded part is a length, a name or a value, and the canonical form is no longer.
fn check_lengths(pairs: &[Pair<'_>], decoded: &[u8], canonical: &[u8]) {
    let contents: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(contents + 2 * pairs.len() <= decoded.len() && decoded.len() <= contents + 8 * pairs.len());
    assert!(canonical.len() <= decoded.len());
    if canonical.len() == decoded.len() {
        assert_eq!(canonical, decoded, "it was canonical");
    }
}

fn encode(pairs: &[Pair<'_>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (name, value) in pairs {
        encode_pair(&mut stream, name, value).expect("it was decoded from far less than 2 GiB");
    }
    stream
}
