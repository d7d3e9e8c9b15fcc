use super::*;

fn cut(text: &str) -> Vec<&str> {
    pieces(text, 8).collect()
}

#[test]
fn pieces_end_behind_a_line_feed_a_space_or_a_character() {
    assert_eq!(cut(""), [""]);
    assert_eq!(cut("12345678"), ["12345678"]);
    assert_eq!(cut("123456789"), ["12345678", "9"]);
    assert_eq!(cut("1234567ä"), ["1234567", "ä"]);
    assert_eq!(cut("a\nb\nlonger than that"), ["a\nb\n", "longer ", "than ", "that"]);
}

#[test]
fn nothing_is_lost_wherever_it_is_cut() {
    let text = "größe 😀 of\nthings\n\n\n that ärë lóng";
    for max_len in 4..text.len() + 1 {
        let cut: Vec<_> = pieces(text, max_len).collect();
        assert_eq!(cut.concat(), text);
        assert!(cut.iter().all(|piece| piece.len() <= max_len && !piece.is_empty()));
    }
}
