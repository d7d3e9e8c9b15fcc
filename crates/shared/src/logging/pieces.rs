//! Long texts in pieces.

/// Cuts a text into pieces of at most `max_len` bytes: behind a line feed if there is one, else behind a space, never inside a character. An empty
/// text is one empty piece.
///
/// `max_len` is at least 4, the length of the longest character.
pub fn pieces(text: &str, max_len: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let (piece, after) = text.split_at(piece_len(text, max_len));
        rest = Some(after).filter(|after| !after.is_empty());
        Some(piece)
    })
}

fn piece_len(text: &str, max_len: usize) -> usize {
    if text.len() <= max_len {
        return text.len();
    }
    let end = (0..=max_len).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let piece = text.get(..end).unwrap_or_default();
    piece.rfind('\n').or_else(|| piece.rfind(' ')).map_or(end, |border| border + 1)
}

#[cfg(test)]
mod tests {
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
}
