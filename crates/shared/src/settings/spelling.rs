//! Names that were mistyped.

use strsim::osa_distance;

/// The name that was most likely meant: the nearest of `names`, if at most a third of its characters, or one, are put in, taken out, replaced,
/// or exchanged with the next one.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names.into_iter().map(|name| (osa_distance(typed, name), name)).min()?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(name)
}

#[cfg(test)]
mod tests;
