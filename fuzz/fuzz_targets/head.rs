//! Whatever an application sets, a response head has the accepted fields in their order, each on a line of its own, and
//! `Status` as its last; what may follow it is what Content-Length and the status say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pyfcgid_connections::exchange::head::BodyRule;
use pyfcgid_connections::exchange::{Head, HeadError};
use pyfcgid_fuzz::Response;

fuzz_target!(|response: Response| {
    let Response { status, fields, length, head_only } = response;
    let Ok(mut head) = Head::new(&status) else {
        return;
    };
    let (mut expected, mut content_length) = (Vec::new(), None);
    for (name, value) in &fields {
        if head.push(name, value).is_ok() {
            extend_expected(&mut expected, &mut content_length, head.code(), (name, value));
        }
    }
    let forbids_body = matches!(head.code(), 204 | 304);
    if let Some(length) = length {
        head.set_content_length(length.into());
        if content_length.is_none() && !forbids_body {
            content_length = Some(length.into());
            expected.push(format!("Content-Length: {length}").into_bytes());
        }
    }
    let encoded = head.encode(head_only);
    let longest_reason = if has_reason(&status) { 0 } else { LONGEST_REASON };
    expected.push([&b"Status: "[..], &with_reason(status, &encoded)].concat());
    let rule = match content_length {
        _ if head_only || forbids_body => BodyRule::Nothing,
        Some(length) => BodyRule::Exactly(length),
        None => BodyRule::Open,
    };
    check(encoded, &expected, rule, longest_reason);
});

type Encoded = Result<(Vec<u8>, BodyRule), HeadError>;

fn has_reason(status: &[u8]) -> bool {
    !status[3..].iter().all(u8::is_ascii_whitespace)
}

/// Where the reason is empty the standard one stands, or none. Which one is not known of a head that was not written.
fn with_reason(status: Vec<u8>, encoded: &Encoded) -> Vec<u8> {
    if has_reason(&status) {
        return status;
    }
    let code = &status[..3];
    let Ok((bytes, _)) = encoded else {
        return code.to_vec();
    };
    let line = bytes.strip_suffix(b"\r\n\r\n").expect("it ends").rsplit(|byte| *byte == b'\n').next().expect("a line");
    let written = line.strip_prefix(b"Status: ").expect("it is the last");
    let reason = written.strip_prefix(code).expect("the same code");
    assert!(matches!(reason, [] | [b' ', b'A'..=b'Z', ..]) && reason.iter().all(|byte| (b' '..=b'~').contains(byte)));
    written.to_vec()
}

/// A second Content-Length is dropped if it is equal, and so is any on a 204.
fn extend_expected(expected: &mut Vec<Vec<u8>>, content_length: &mut Option<u64>, code: u16, (name, value): (&[u8], &[u8])) {
    assert!(!name.is_empty() && !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    assert!(!FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)));
    if !name.eq_ignore_ascii_case(b"content-length") {
        expected.push([name, b": ", value].concat());
        return;
    }
    let digits = std::str::from_utf8(value.trim_ascii()).expect("it was accepted");
    let length = digits.parse().expect("it was accepted");
    let before = content_length.replace(length);
    assert!(before.is_none_or(|before| before == length), "two that differ are refused");
    if before.is_none() && code != 204 {
        expected.push(format!("Content-Length: {digits}").into_bytes());
    }
}

/// A head that was not written may have had a reason of up to so many bytes more.
fn check(encoded: Encoded, expected: &[Vec<u8>], expected_rule: BodyRule, longest_reason: usize) {
    let block = expected.iter().flat_map(|line| [line, &b"\r\n"[..]].concat()).chain(*b"\r\n").collect::<Vec<u8>>();
    match encoded {
        Ok((bytes, rule)) => {
            assert!(bytes.len() <= 65_535, "it fits in one record");
            assert_eq!((bytes, rule), (block, expected_rule));
        }
        Err(HeadError::TooLong(length)) => {
            assert!(length > 65_535 && (block.len()..=block.len() + longest_reason).contains(&length), "{length}");
        }
        Err(error) => panic!("{error}"),
    }
}

/// Of the standard reasons, with the space before it.
const LONGEST_REASON: usize = " Network Authentication Required".len();
const FORBIDDEN: [&[u8]; 5] = [b"status", b"connection", b"transfer-encoding", b"keep-alive", b"upgrade"];
