//! Which files an `include` names.

use std::iter;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use itertools::Itertools;

use crate::config::layer::Item;
use crate::config::{Error, INCLUDE, ValueError};

/// The files that these patterns of the file `main` name: in the order of the patterns, those of one pattern by their names, none
/// twice, and never the file itself.
///
/// # Errors
/// For a pattern that makes no sense, a file without wildcards that is not there, and a directory that cannot be read.
pub(super) fn files(main: &Path, patterns: &[Item]) -> Result<Vec<PathBuf>, Error> {
    let found = patterns.iter().map(matches).collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    Ok(iter::once(main.to_owned()).chain(found).unique_by(real).skip(1).collect())
}

fn matches(pattern: &Item) -> Result<Vec<PathBuf>, Error> {
    let refused = |reason: String| pattern.refused(INCLUDE, ValueError::new(reason));
    let typed = pattern.origin.base().join(&pattern.text);
    if !pattern.text.contains(WILDCARDS) {
        return if typed.exists() { Ok(vec![typed]) } else { Err(refused("no such file".to_owned())) };
    }
    let absolute = below(pattern).ok_or_else(|| refused("needs a directory whose path is valid UTF-8".to_owned()))?;
    let found =
        glob::glob_with(&absolute, AS_A_SHELL).map_err(|error| refused(format!("is not a valid pattern: {}", error.msg)))?;
    let mut files = found
        .take(MOST_FILES + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::Read { path: error.path().into(), source: error.into() })?;
    if files.len() > MOST_FILES {
        return Err(refused(format!("matches more than {MOST_FILES} files")));
    }
    files.retain(|path| !path.is_dir());
    files.sort();
    Ok(files)
}

/// Where a file of this name would be one that the pattern finds, if its directory is named without wildcards.
pub(super) fn place_of(pattern: &Item, name: &str) -> Option<PathBuf> {
    let parent = Path::new(&pattern.text).parent()?.to_str()?;
    if parent.contains(WILDCARDS) {
        return None;
    }
    let path = pattern.origin.base().join(&pattern.text).with_file_name(name);
    let finds = Pattern::new(&below(pattern)?).ok()?;
    finds.matches_path_with(&path, AS_A_SHELL).then_some(path)
}

/// The pattern as it can stand in a file of any directory.
pub(in crate::config) fn absolute(pattern: &Item) -> String {
    let base = below(pattern).and_then(|path| std::path::absolute(path).ok());
    base.map_or_else(|| pattern.text.clone(), |path| path.display().to_string())
}

/// The pattern from the file's directory, whose name is no pattern.
fn below(pattern: &Item) -> Option<String> {
    if Path::new(&pattern.text).is_absolute() {
        return Some(pattern.text.clone());
    }
    let base = Pattern::escape(pattern.origin.base().to_str()?);
    Path::new(&base).join(&pattern.text).to_str().map(str::to_owned)
}

const WILDCARDS: [char; 3] = ['*', '?', '['];
/// Of one pattern.
pub(super) const MOST_FILES: usize = 4096;
/// Hidden files, which editors leave, are not meant by `*`, and neither are files of subdirectories.
const AS_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
