//! Any bytes, split anywhere, give the records and the error that a naive parser finds in them whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use fastcgi_codec::{Decoder, Error};

/// Type, id and content.
type Found = (u8, u16, Vec<u8>);

/// The records, the error if there is one, and whether bytes are left otherwise.
type Outcome = (Vec<Found>, Result<bool, Error>);

fuzz_target!(|data: &[u8]| {
    let Some((sizes, stream)) = data.split_first_chunk::<4>() else {
        return;
    };
    let expected = parse(stream);
    assert_eq!(decode(std::iter::once(stream)), expected);
    assert_eq!(decode(Pieces { rest: stream, sizes: sizes.iter().cycle() }), expected);
});

/// Pieces of 1 to 65,026 bytes: the squares of the sizes, so that small and large ones are about as likely.
struct Pieces<'a, S> {
    rest: &'a [u8],
    sizes: S,
}

impl<'a, S: Iterator<Item = &'a u8>> Iterator for Pieces<'a, S> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let size = 1 + usize::from(*self.sizes.next()?).pow(2);
        let (piece, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        Some(piece).filter(|piece| !piece.is_empty())
    }
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let (mut decoder, mut found) = (Decoder::new(), Vec::new());
    for piece in pieces {
        if let Err(error) = feed(&mut decoder, piece, &mut found) {
            return (found, Err(error));
        }
    }
    (found, Ok(!decoder.is_empty()))
}

fn feed(decoder: &mut Decoder, mut bytes: &[u8], found: &mut Vec<Found>) -> Result<(), Error> {
    while !bytes.is_empty() {
        let space = decoder.space();
        assert!(!space.is_empty() && space.len() <= 128 * 1024);
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        decoder.advance(count);
        bytes = &bytes[count..];
        while let Some(record) = decoder.next_record()? {
            found.push((record.record_type.value(), record.request_id.value(), record.content.to_vec()));
        }
    }
    Ok(())
}

/// FastCGI 1.0 §3.3, naively.
fn parse(mut stream: &[u8]) -> Outcome {
    let mut found = Vec::new();
    loop {
        if let Some(version) = stream.first().filter(|version| **version != 1) {
            return (found, Err(Error::Version(*version)));
        }
        let &[_, record_type, id_high, id_low, length_high, length_low, padding, _, ref body @ ..] = stream else {
            return (found, Ok(!stream.is_empty()));
        };
        let length = usize::from(length_high) * 256 + usize::from(length_low);
        if body.len() < length + usize::from(padding) {
            return (found, Ok(true));
        }
        found.push((record_type, u16::from(id_high) * 256 + u16::from(id_low), body[..length].to_vec()));
        stream = &body[length + usize::from(padding)..];
    }
}
