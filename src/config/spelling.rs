//! Names that were mistyped.

/// The name that was most likely meant: the nearest of `names`, if at most a third of its characters, or one, differ.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names.into_iter().map(|name| (distance(typed, name), name)).min()?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(name)
}

/// How many characters must be put in, taken out or replaced.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_has_one_that_was_meant_and_another_word_has_none() {
        let names = ["app", "application", "threads"];
        for (typed, meant) in
            [("ap", Some("app")), ("aplication", Some("application")), ("tread", Some("threads")), ("x", None), ("port", None)]
        {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
        assert_eq!(nearest("app", []), None);
    }
}
