//! What HTTP says of the bytes of names and paths.

/// Whether this is a token, such as the name of a header or a method (RFC 9110 §5.6.2).
#[inline]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN_BYTES[usize::from(*byte)])
}

/// A path with its escapes decoded once: `%41` is `A`, and what is no escape stays as it is (RFC 3986 §2.1).
pub fn decode_path(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        let escape = if first == b'%' { tail.get(..2).and_then(hex_byte) } else { None };
        decoded.push(escape.unwrap_or(first));
        rest = if escape.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
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
    }
}
