//! What was typed, before anybody asks what it means.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Error, Fallback, Kind, SETTINGS, Setting, ValueError};

/// Where a value was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag,
    /// In this environment variable.
    Environment(String),
    /// In a file, on this line, counted from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Nowhere: it is the default.
    Default,
}

impl Origin {
    /// The directory that relative paths typed here start from: the file's own, else the current one (an empty path).
    pub fn base(&self) -> &Path {
        match self {
            Self::File { path, .. } => path.parent().unwrap_or(Path::new("")),
            Self::Flag | Self::Environment(_) | Self::Default => Path::new(""),
        }
    }

    /// The option `key` as who typed this would type it.
    pub(super) fn spell(&self, key: &str) -> String {
        match self {
            Self::Flag => format!("--{key}"),
            Self::Environment(_) => super::setting::variable(key),
            Self::File { .. } | Self::Default => key.to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment(variable) => f.write_str(variable),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One value as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub text: String,
    /// Where it was typed.
    pub origin: Origin,
}

impl Item {
    /// The error that this is no value for the option `key`.
    pub(super) fn refused(&self, key: &'static str, reason: ValueError) -> Error {
        Error::BadValue { origin: self.origin.clone(), key, value: self.text.clone(), reason }
    }
}

/// What one source says: the values of each setting it has.
pub type Layer = BTreeMap<&'static str, Vec<Item>>;

/// What all sources say about one pool or the whole process, the strongest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers<'a>(pub(super) [&'a Layer; 4]);

impl<'a> Layers<'a> {
    /// What the strongest source says that has this setting.
    pub(super) fn strongest(&self, name: &str) -> &'a [Item] {
        self.0.iter().find_map(|layer| layer.get(name)).map_or(&[], Vec::as_slice)
    }

    /// The first item of it.
    pub(super) fn first(&self, name: &str) -> Option<&'a Item> {
        self.strongest(name).first()
    }

    /// What the file says for a pool alone, and whether that counts: what is typed elsewhere is for every pool.
    pub(super) fn of_table(&self, name: &str) -> (&'a [Item], bool) {
        let [flags, variables, table, _] = self.0;
        let is_typed = [flags, variables].into_iter().any(|layer| layer.contains_key(name));
        (table.get(name).map_or(&[], Vec::as_slice), !is_typed)
    }

    /// The items that count, in the order in which they are to be set.
    pub(super) fn items(&self, name: &str, kind: Kind) -> Vec<&'a Item> {
        let mut found: Vec<_> = self.0.iter().filter_map(|layer| layer.get(name)).collect();
        if kind != Kind::Pairs {
            found.truncate(1);
        }
        found.into_iter().rev().flatten().collect()
    }

    /// What each of the command line, the environment and the file says in vain.
    pub(super) fn hidden(&self, name: &str, kind: Kind) -> Vec<&'a [Item]> {
        let typed = self.0.iter().take(self.0.len() - 1).filter_map(|layer| layer.get(name));
        if kind == Kind::Pairs { Vec::new() } else { typed.skip(1).map(Vec::as_slice).collect() }
    }
}

/// Where the values of a pool, or of the whole process, were typed.
pub(super) type Origins = BTreeMap<&'static str, Origin>;

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What `PYFCGID_*` variables say. An empty one counts as not set, and an unknown one is ignored, since container platforms make up
/// variables of that form for a service of that name.
///
/// # Errors
/// For a value that is not UTF-8.
pub(super) fn environment_layer(environment: Environment<'_>) -> Result<Layer, Error> {
    let mut layer = Layer::new();
    for setting in SETTINGS.iter() {
        if let Some(Item { text, origin }) = read_variable(setting.name, &setting.variable(), environment)? {
            let separators: &[char] = match setting.kind {
                Kind::List { in_environment, .. } => in_environment,
                Kind::Pairs => &[','],
                Kind::One | Kind::Switch => &[],
            };
            layer.insert(setting.name, split(setting, &text, separators, &origin));
        }
    }
    Ok(layer)
}

/// The defaults, and what variables of other programs say.
///
/// # Errors
/// For a value that is not UTF-8.
pub(super) fn default_layer(environment: Environment<'_>) -> Result<Layer, Error> {
    let mut layer = Layer::new();
    for setting in SETTINGS.iter() {
        let found = match setting.default {
            Fallback::Value(text) => Some(Item { text: text.to_owned(), origin: Origin::Default }),
            Fallback::Variable(variable) => read_variable(setting.name, variable, environment)?,
            Fallback::Nothing => None,
        };
        layer.extend(found.map(|item| (setting.name, vec![item])));
    }
    Ok(layer)
}

/// The items of one flag or one string of a file.
pub fn split_text(setting: &Setting, text: &str, origin: &Origin) -> Vec<Item> {
    let separators = match setting.kind {
        Kind::List { in_text, .. } => in_text,
        Kind::Pairs | Kind::One | Kind::Switch => &[],
    };
    split(setting, text, separators, origin)
}

fn read_variable(name: &'static str, variable: &str, environment: Environment<'_>) -> Result<Option<Item>, Error> {
    let origin = Origin::Environment(variable.to_owned());
    match environment(variable).filter(|value| !value.is_empty()).map(OsString::into_string).transpose() {
        Ok(text) => Ok(text.map(|text| Item { text, origin })),
        Err(value) => Err(Error::not_utf8(origin, name, &value)),
    }
}

/// Without separators all of it is one item, empty or not. So is a text in which no value of a list is that must have one: what is
/// no value is told what would be.
fn split(setting: &Setting, text: &str, separators: &[char], origin: &Origin) -> Vec<Item> {
    let item = |text: &str| Item { text: text.to_owned(), origin: origin.clone() };
    let values: Vec<_> = text.split(separators).map(str::trim).filter(|part| !part.is_empty()).map(item).collect();
    let is_whole = separators.is_empty() || values.is_empty() && !setting.may_be_empty();
    if is_whole { vec![item(text)] } else { values }
}
