//! The configuration file, with the files it includes.

mod include;
mod source;
mod text;

use std::path::{Path, PathBuf};

use super::Error;
use super::layer::{Item, Layer, Origin};
use shared::sys::file::read_regular;
use source::Source;

pub(super) use include::absolute as pattern;
pub(super) use source::check_pool_name;
pub(super) use text::{assignment, line, quote, quote_key};

/// What a file says, by itself or with those it includes.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The settings of the whole process.
    pub(super) settings: Layer,
    /// The pools in their order. Invariant: each with name and origin, no name twice.
    pub(super) pools: Vec<Table>,
    /// The patterns of the files it includes.
    pub(super) include: Vec<Item>,
}

/// What is said about one pool.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The pool's name, if it has a table in a file.
    pub(super) name: Option<String>,
    /// Where its table begins.
    pub(super) origin: Option<Origin>,
    /// Its settings.
    pub(super) settings: Layer,
}

impl File {
    /// Reads and parses a file and those it includes.
    ///
    /// # Errors
    /// When one cannot be read, is not TOML, has a key that is not an option, or a value of a kind the option does not take; when
    /// there are two pools of one name.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let mut file = read(path, FilePlace::Main)?;
        for path in include::files(path, &file.include)? {
            file.add(read(&path, FilePlace::Included)?.pools)?;
        }
        Ok(file)
    }

    /// Parses the settings of a program that this one has replaced.
    pub(super) fn of_shown(text: &str) -> Result<Self, Error> {
        Source { path: Path::new("/the previous program"), text }.parse(FilePlace::Main)
    }

    /// Where a file of this name would be included; `None` if nowhere.
    pub(super) fn place_of(&self, name: &str) -> Option<PathBuf> {
        self.include.iter().find_map(|pattern| include::place_of(pattern, name))
    }

    fn add(&mut self, pools: Vec<Table>) -> Result<(), Error> {
        for table in pools {
            if let Some(first) = self.pools.iter().find(|first| first.name == table.name) {
                let origin = |table: &Table| table.origin.clone().unwrap_or(Origin::Default);
                let (first, second) = (origin(first), origin(&table));
                return Err(Error::SecondPool { name: table.name.unwrap_or_default(), first, second });
            }
            self.pools.push(table);
        }
        Ok(())
    }
}

/// The values of these keys at the top of a file, whatever is wrong with the rest of it; and the first mistake in its TOML, which
/// may hide some.
///
/// # Errors
/// When the file cannot be read, or one of them has a value of a kind it does not take.
pub(super) fn read_leniently(path: &Path, keys: &[&str]) -> Result<(Layer, Option<Error>), Error> {
    Source { path, text: &String::from_utf8_lossy(&bytes(path)?) }.parse_leniently(keys)
}

/// What a file may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilePlace {
    /// Everything.
    Main,
    /// Only pools.
    Included,
}

fn read(path: &Path, role: FilePlace) -> Result<File, Error> {
    let bytes = bytes(path)?;
    let source = Source { path, text: &String::from_utf8_lossy(&bytes) };
    match std::str::from_utf8(&bytes) {
        Ok(_) => source.parse(role),
        Err(error) => Err(source.syntax_error(error.valid_up_to(), "not UTF-8 text".to_owned())),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    read_regular(path, MOST_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Of one file.
const MOST_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests;
