use super::*;

#[test]
fn lengths_of_one_byte_are_read_as_the_specification_lays_them_out() {
    let stream = b"\x0b\x02SERVER_PORT80\x0b\x0eSERVER_ADDR199.170.183.42";
    let expected = [(&b"SERVER_PORT"[..], &b"80"[..]), (b"SERVER_ADDR", b"199.170.183.42")];
    assert_eq!(decoded(stream), Ok(expected.to_vec()));
    assert_eq!(encoded(&expected), stream);
}

#[test]
fn the_four_mixes_of_short_and_long_lengths_are_read() {
    let long = [b'v'; 200];
    let cases = [
        ([&b"\x01\x01"[..], b"n", b"v"].concat(), &b"n"[..], &b"v"[..]),
        ([&b"\x01\x80\x00\x00\xc8"[..], b"n", &long].concat(), b"n", &long),
        ([&b"\x80\x00\x00\xc8\x01"[..], &long, b"v"].concat(), &long, b"v"),
        ([&b"\x80\x00\x00\xc8\x80\x00\x00\xc8"[..], &long, &long].concat(), &long, &long),
    ];
    for (stream, name, value) in cases {
        assert_eq!(decoded(&stream), Ok(vec![(name, value)]));
        assert_eq!(encoded(&[(name, value)]), stream);
    }
}

#[test]
fn a_length_takes_four_bytes_from_128_on() {
    let cases = [
        (0, vec![0]),
        (1, vec![1]),
        (127, vec![127]),
        (128, vec![0x80, 0, 0, 128]),
        (255, vec![0x80, 0, 0, 255]),
        (256, vec![0x80, 0, 1, 0]),
        (65_535, vec![0x80, 0, 0xff, 0xff]),
        (65_536, vec![0x80, 1, 0, 0]),
        (MAX_LENGTH, vec![0xff; 4]),
    ];
    for (length, expected) in cases {
        let mut bytes = Vec::new();
        encode_length(&mut bytes, length);
        assert_eq!(bytes, expected);
        assert_eq!(parse_length(&bytes), Ok((&b""[..], length)));
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn pairs_of_every_interesting_length_survive_a_round_trip() {
    let lengths = [0, 1, 2, 126, 127, 128, 129, 255, 256, 16_384, 65_534, 65_535, 65_536, 70_000, 1 << 20];
    for name_length in lengths {
        for value_length in lengths {
            let (name, value) = (vec![b'n'; name_length], vec![b'v'; value_length]);
            let stream = encoded(&[(&name, &value), (b"next", b"")]);
            assert_eq!(decoded(&stream), Ok(vec![(&name[..], &value[..]), (b"next", b"")]));
        }
    }
}

#[test]
fn a_short_length_in_four_bytes_is_read() {
    assert_eq!(decoded(b"\x80\0\0\x01\x80\0\0\0n"), Ok(vec![(&b"n"[..], &b""[..])]));
}

#[test]
fn empty_names_and_values_are_pairs_like_any_other() {
    let stream = b"\0\0\0\x01v\x01\0n\0\0";
    let expected = vec![(&b""[..], &b""[..]), (b"", b"v"), (b"n", b""), (b"", b"")];
    assert_eq!(decoded(stream), Ok(expected));
}

#[test]
fn names_and_values_may_hold_any_byte() {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    assert_eq!(decoded(&encoded(&[(&every, &every)])), Ok(vec![(&every[..], &every[..])]));
}

#[test]
fn an_empty_stream_has_no_pairs() {
    assert_eq!(decoded(b""), Ok(vec![]));
}

#[test]
fn a_stream_cut_anywhere_inside_a_pair_is_truncated() {
    let pairs = [(&b"first"[..], &b"1"[..]), (b"second", &[b'2'; 130]), (b"third", b"")];
    let stream = encoded(&pairs);
    let ends: Vec<usize> = (0..=pairs.len()).map(|count| encoded(&pairs[..count]).len()).collect();
    for cut in 0..=stream.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let mut found = Pairs::new(&stream[..cut]);
        for pair in &pairs[..whole] {
            assert_eq!(found.next(), Some(Ok(*pair)), "cut at {cut}");
        }
        match found.next() {
            None => assert_eq!(cut, ends[whole]),
            Some(Err(ParamsError::Truncated { claimed, left })) => {
                assert_eq!(left, cut - ends[whole], "cut at {cut}");
                assert!(claimed > left as u64 && claimed <= (ends[whole + 1] - ends[whole]) as u64, "cut at {cut}");
            }
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn a_pair_that_lies_about_its_lengths_is_refused_without_adding_them_up_wrong() {
    // CVE-2025-23016: the sum of two lengths, and what is added to it, overflowed 32 bits.
    let both = [&[0xff; 8][..], b"name"].concat();
    assert_eq!(decoded(&both), Err(ParamsError::Truncated { claimed: 8 + 2 * 0x7fff_ffff, left: 12 }));
    let name = [&[0xff; 4][..], &[0], b"name"].concat();
    assert_eq!(decoded(&name), Err(ParamsError::Truncated { claimed: 5 + 0x7fff_ffff, left: 9 }));
    let value = [&[1][..], &[0xff; 4], b"name"].concat();
    assert_eq!(decoded(&value), Err(ParamsError::Truncated { claimed: 5 + 1 + 0x7fff_ffff, left: 9 }));
}

#[test]
fn a_pair_one_byte_too_long_is_refused_and_one_that_fits_is_not() {
    assert_eq!(decoded(b"\x01\x02nv"), Err(ParamsError::Truncated { claimed: 5, left: 4 }));
    assert_eq!(decoded(b"\x01\x02nvv"), Ok(vec![(&b"n"[..], &b"vv"[..])]));
}

#[test]
fn the_pairs_before_a_broken_one_are_given_and_none_behind_it() {
    let mut pairs = Pairs::new(b"\x01\x01nv\x7f\x00");
    assert_eq!(pairs.next(), Some(Ok((&b"n"[..], &b"v"[..]))));
    assert_eq!(pairs.next(), Some(Err(ParamsError::Truncated { claimed: 129, left: 2 })));
    assert_eq!(pairs.next(), None);
    assert_eq!(pairs.next(), None);
}

#[test]
fn a_length_above_31_bits_cannot_be_encoded() {
    assert_eq!(checked_length(0x7fff_ffff), Ok(MAX_LENGTH));
    assert_eq!(checked_length(0x8000_0000), Err(ParamsError::TooLong(0x8000_0000)));
    assert_eq!(checked_length(usize::MAX), Err(ParamsError::TooLong(usize::MAX)));
}

#[test]
fn errors_say_what_was_claimed() {
    let truncated = ParamsError::Truncated { claimed: 17, left: 4 };
    assert_eq!(truncated.to_string(), "a name-value pair claims 17 bytes where 4 are left");
    assert_eq!(ParamsError::TooLong(1 << 31).to_string(), "a name or value of 2147483648 bytes cannot be encoded");
}

fn decoded(stream: &[u8]) -> Result<Vec<Pair<'_>>, ParamsError> {
    Pairs::new(stream).collect()
}

fn encoded(pairs: &[Pair<'_>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (name, value) in pairs {
        encode_pair(&mut stream, name, value).expect("far below 2 GiB");
    }
    stream
}
