//! X-Request-ID, by which everybody who has a part in a request calls it: what it came with, or a new one.

use std::hash::{BuildHasher, RandomState};

/// Makes the IDs of requests that did not come with one. Nobody guesses them, and no two are the same, of whatever thread, process or
/// machine: the hashes of the request's number with keys that are random and nobody else's. To make one takes no system call and no lock.
#[derive(Debug)]
pub struct RequestIds([RandomState; 2]);

/// 32 hexadecimal digits, as nginx's `$request_id` has them.
pub type MadeId = [u8; 32];

impl RequestIds {
    /// With keys of its own.
    pub fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    /// A new ID, if what was `sent` is none. `count` is different for each request of the process.
    pub fn instead_of<'a>(&self, mut sent: impl Iterator<Item = &'a [u8]>, count: u64) -> Option<MadeId> {
        match (sent.next(), sent.next()) {
            (Some(id), None) if is_usable(id) => None,
            _ => Some(self.make(count)),
        }
    }

    fn make(&self, count: u64) -> MadeId {
        let mut id = MadeId::default();
        for (digits, key) in id.chunks_exact_mut(16).zip(&self.0) {
            encode_hexadecimal(key.hash_one(count), digits);
        }
        id
    }
}

/// What can stand in a log, a header, a path or a query as it is.
fn is_usable(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+/=@:-".contains(byte);
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(is_plain)
}

fn encode_hexadecimal(number: u64, digits: &mut [u8]) {
    for (two, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        two.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Bytes of an ID that a request comes with.
const MAX_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn instead_of(sent: &[&[u8]]) -> Option<MadeId> {
        RequestIds::new().instead_of(sent.iter().copied(), 1)
    }

    #[test]
    fn what_a_request_came_with_is_kept_if_it_is_an_id() {
        let longest = "x".repeat(128);
        for id in
            ["7", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "Root=1-67891233-abcdef012345678912345678", "a._+/=@:-Z9", &longest]
        {
            assert_eq!(instead_of(&[id.as_bytes()]), None, "{id}");
        }
    }

    #[test]
    fn what_is_none_is_replaced() {
        let too_long = "x".repeat(129);
        for id in ["", " ", "a b", "a,b", "a\n", "a\"", "<a>", "a\\", "a;b", "\u{e4}", "a\0", &too_long] {
            assert!(instead_of(&[id.as_bytes()]).is_some(), "{id:?}");
        }
        assert!(instead_of(&[]).is_some());
        assert!(instead_of(&[b"\xff"]).is_some());
        assert!(instead_of(&[b"one", b"two"]).is_some(), "which of them?");
    }

    #[test]
    fn a_new_one_has_32_hexadecimal_digits_that_no_other_request_has() {
        let makers: Vec<_> = (0..10).map(|_| std::thread::spawn(RequestIds::new).join().unwrap()).collect();
        let ids: Vec<_> = makers.iter().flat_map(|maker| (0..1000).map(|count| maker.make(count))).collect();
        let is_digit = |byte: &u8| DIGITS.contains(byte);
        assert!(ids.iter().flatten().all(is_digit));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 10_000);
        let halves = ids.iter().flat_map(|id| id.chunks(16)).collect::<HashSet<_>>();
        assert_eq!(halves.len(), 20_000, "each half tells them apart");
    }

    #[test]
    fn digits_stand_in_their_order() {
        let mut digits = [0; 16];
        encode_hexadecimal(0x0123_4567_89ab_cdef, &mut digits);
        assert_eq!(&digits, b"0123456789abcdef");
    }
}
