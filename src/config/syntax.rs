//! What can be said of the values of an option without trying them: for pages that describe it, and for editors.

use std::time::Duration;

/// How one value of an option is written. It never rules out what the option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Text, of which nothing is said beforehand.
    Text,
    /// A whole number, both ends included.
    Number {
        /// The least.
        low: i64,
        /// The most.
        high: i64,
    },
    /// Bytes, a number or one with a unit.
    Size {
        /// The fewest.
        low: u64,
        /// The most; `u64::MAX` is any.
        high: u64,
        /// Whether 0 is a value beside these.
        or_zero: bool,
    },
    /// A duration, a number of seconds or numbers with units.
    Time {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// Permissions in octal digits.
    Mode,
    /// True or false.
    Switch,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Text that this regular expression finds, one of those that all dialects have in common.
    Pattern {
        /// The regular expression.
        pattern: &'static str,
        /// The numbers that it may be as well, both ends included.
        numbers: Option<(u64, u64)>,
    },
}

impl Syntax {
    /// Whether it is a number, perhaps with a unit.
    pub fn is_quantity(self) -> bool {
        matches!(self, Self::Number { .. } | Self::Size { .. } | Self::Time { .. })
    }
}
