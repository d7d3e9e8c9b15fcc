//! What is known of an option, for the command line, the environment, the file, the help and `check`.

use super::{Config, Pool, SETTINGS, Syntax};

/// One option: everything the command line, the environment, the file, the help and `check` need to know about it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in kebab-case: the key in the file and, behind `--`, the flag.
    pub name: &'static str,
    /// Where it stands in the help.
    pub group: Group,
    /// How many values it takes and how they are separated.
    pub kind: Kind,
    /// What the help calls its value.
    pub value_name: &'static str,
    /// What it does, for the help: one sentence without a full stop, and what is special about its values.
    pub help: &'static str,
    /// What it is when nobody says anything.
    pub default: Fallback,
    /// What can be said of each of its values beforehand.
    pub syntax: fn() -> Syntax,
    /// Shows it, if it sets something of the whole process: the values there are, in the form in which they are typed; none if it is
    /// not set.
    pub of_process: Option<fn(&Config) -> Vec<String>>,
    /// The same for what it sets of a pool. With both, it is of the whole process, but for pools whose table says otherwise.
    pub of_pool: Option<fn(&Pool) -> Vec<String>>,
}

impl Setting {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Whether it may stand there in the file.
    pub fn stands_in(&self, scope: Scope) -> bool {
        match scope {
            Scope::Global => self.of_process.is_some(),
            Scope::Pool => self.of_pool.is_some(),
        }
    }

    /// Whether it is a list that may have no value at all.
    pub fn may_be_empty(&self) -> bool {
        self.kind.is_list() && self.default == Fallback::Nothing
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        variable(self.name)
    }
}

/// The environment variable that sets the option `name`.
pub(super) fn variable(name: &str) -> String {
    format!("PYFCGID_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// What a setting is without being set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value.
    Value(&'static str),
    /// Nothing, and that is fine.
    Nothing,
    /// The value of another program's environment variable, else nothing.
    Variable(&'static str),
}

/// How many values a setting takes, and what separates them where there is only one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    One,
    /// True or false; as a flag it needs no value.
    Switch,
    /// A list. The flag can be repeated, and the file has an array. A source that sets the list replaces what a weaker one said.
    List {
        /// What separates the values in the environment.
        in_environment: &'static [char],
        /// What separates values in one flag and in one string of the file.
        in_text: &'static [char],
    },
    /// A list of `NAME=VALUE`, or a table in the file. A stronger source replaces the names it has, the others stay.
    Pairs,
}

impl Kind {
    /// A list with commas.
    pub(super) const LIST: Self = Self::List { in_environment: &[','], in_text: &[','] };
    /// A list of what may have commas in it, but for the environment.
    pub(super) const ADDRESSES: Self = Self::List { in_environment: &[','], in_text: &[] };
    /// A list as PATH is one.
    pub(super) const PATHS: Self = Self::List { in_environment: &[':', ','], in_text: &[':'] };

    /// Whether the flag can be repeated.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List { .. } | Self::Pairs)
    }
}

/// Where in the file a setting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// At the top, before the first table: it is about the whole process.
    Global,
    /// In a `[pool.NAME]` table.
    Pool,
}

/// The headings of the help, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The application and how it is served.
    Pool,
    /// Listening sockets.
    Sockets,
    /// The interpreter.
    Python,
    /// What a request may use.
    Limits,
    /// How long things may take.
    Time,
    /// As whom the application runs, and what it may do.
    Identity,
    /// How pyfcgid runs in the background.
    Daemon,
    /// The log.
    Log,
}

impl Group {
    /// Every group, in the order of the help.
    pub const ALL: [Self; 8] =
        [Self::Pool, Self::Sockets, Self::Python, Self::Limits, Self::Time, Self::Identity, Self::Daemon, Self::Log];

    /// The heading in the help.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Pool => "Pool options",
            Self::Sockets => "Socket options",
            Self::Python => "Python options",
            Self::Limits => "Limits",
            Self::Time => "Time limits",
            Self::Identity => "Identity options",
            Self::Daemon => "Daemon options",
            Self::Log => "Log options",
        }
    }
}
