//! What HTTP says of the bytes of names and paths.

/// Whether this is a token, such as the name of a header or a method (RFC 9110 §5.6.2).
#[inline]
pub fn is_token(text: &[u8]) -> bool {
    // Without an early end: nearly all of them are.
    !text.is_empty() && text.iter().fold(true, |is_token, byte| is_token & TOKEN_BYTES[usize::from(*byte)])
}

/// A path with its escapes decoded once: `%41` is `A`, and what is no escape stays as it is (RFC 3986 §2.1).
pub fn decode_path(path: &[u8]) -> Vec<u8> {
    unescaped(path, b"%")
}

/// The bytes of a text in which two hexadecimal digits behind `mark` are a byte. What is no escape is what it is.
pub fn unescaped(text: &[u8], mark: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, others)) = rest.split_first() {
        let escaped = rest.strip_prefix(mark).and_then(|rest| rest.split_first_chunk::<2>());
        let byte = escaped.and_then(|(digits, behind)| Some((byte_of(*digits)?, behind)));
        let (byte, behind) = byte.unwrap_or((*first, others));
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

fn byte_of(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_a_header_may_be_called() {
        for text in ["GET", "X-Frame-Options", "!#$%&'*+-.^_`|~", "0"] {
            assert!(is_token(text.as_bytes()), "{text}");
        }
        for text in ["", "a b", "a:", "(", "/", "ä", "\0", "\u{7f}", "\""] {
            assert!(!is_token(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn escapes_are_decoded_once_and_what_is_none_stays() {
        assert_eq!(decode_path(b"/a%20b%2525%zz%4"), b"/a b%25%zz%4");
        assert_eq!(decode_path(b"%+1%00%fF%"), b"%+1\0\xff%");
        assert_eq!(unescaped(b"a\\xC3\\xA4\\x5Cx", b"\\x"), b"a\xc3\xa4\\x");
        assert_eq!(unescaped(b"\\x\\xC\\xGG\\", b"\\x"), b"\\x\\xC\\xGG\\");
    }
}
