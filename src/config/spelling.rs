//! Names that were mistyped.

/// The name that was most likely meant: the nearest of `names`, if at most a third of its characters, or one, differ.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names.into_iter().map(|name| (distance(typed, name), name)).min()?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(name)
}

/// How many characters must be put in, taken out, replaced, or exchanged with the next one.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, l) in left.iter().enumerate() {
        let mut next = vec![line + 1];
        for (column, r) in right.iter().enumerate() {
            let replaced = row[column] + usize::from(l != r);
            let is_exchanged = line > 0 && column > 0 && *l == right[column - 1] && left[line - 1] == *r;
            let exchanged = if is_exchanged { before[column - 1] + 1 } else { usize::MAX };
            next.push(replaced.min(exchanged).min(row[column + 1] + 1).min(next[column] + 1));
        }
        before = std::mem::replace(&mut row, next);
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

    #[test]
    fn two_letters_the_wrong_way_round_are_one_mistake() {
        for (typed, meant) in [("abrot", Some("abort")), ("baort", Some("abort")), ("abotr", Some("abort")), ("brota", None)] {
            assert_eq!(nearest(typed, ["abort", "umask"]), meant, "{typed}");
        }
    }
}
