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
mod tests;
