//! How the values of options are written. Owns what is common to all of them: one value as text, and how many of them a field has.

mod places;
mod quantities;
mod several;
mod words;

use std::fmt::Display;
use std::path::Path;

use super::{Syntax, ValueError};

pub(super) use places::{address, application, directory_path, file_path, module_path, mount, target, target_or_off};
pub(super) use quantities::{
    MOST_REQUESTS, body_size, core_size, integer, memory, mode, moment, number, or_zero, processes, size, time,
};
pub(super) use several::{NO_GROUPS, OWN_GROUPS, clients, distinct, groups, list, optional, timeouts, variables};
pub(super) use words::{
    access_log_format, account, excluded_path, facility, header_name, keyword, level, log_level, path_of_probes, plain, switch,
    syslog_ident, variable_pattern,
};

/// A value as it was typed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    /// The value.
    pub(super) text: &'a str,
    /// The directory that relative paths start from.
    pub(super) base: &'a Path,
    /// The same for paths that Python sees.
    pub(super) python_base: &'a Path,
}

/// How one value of type `T` is written.
pub(super) trait Value<T>: Copy {
    /// The value that this text means.
    fn parse(&self, typed: Text<'_>) -> Result<T, ValueError>;
    /// The text that `parse` takes for this value.
    fn text(&self, value: &T) -> String;
    /// What can be said of such texts beforehand.
    fn syntax(&self) -> Syntax {
        Syntax::Text
    }
}

/// A function that parses is enough where [`Display`] is the way back.
impl<T: Display, F: Fn(Text<'_>) -> Result<T, ValueError> + Copy> Value<T> for F {
    fn parse(&self, typed: Text<'_>) -> Result<T, ValueError> {
        self(typed)
    }

    fn text(&self, value: &T) -> String {
        value.to_string()
    }
}

/// Else there is another function for the way back.
#[derive(Clone, Copy)]
struct Written<P, S>(P, S);

impl<T, P: Fn(Text<'_>) -> Result<T, ValueError> + Copy, S: Fn(&T) -> String + Copy> Value<T> for Written<P, S> {
    fn parse(&self, typed: Text<'_>) -> Result<T, ValueError> {
        self.0(typed)
    }

    fn text(&self, value: &T) -> String {
        self.1(value)
    }
}

/// A value of which more can be said beforehand.
#[derive(Clone, Copy)]
pub(super) struct Described<V>(V, Syntax);

impl<T, V: Value<T>> Value<T> for Described<V> {
    fn parse(&self, typed: Text<'_>) -> Result<T, ValueError> {
        self.0.parse(typed)
    }

    fn text(&self, value: &T) -> String {
        self.0.text(value)
    }

    fn syntax(&self) -> Syntax {
        self.1
    }
}

/// How a field of type `T` is written, which may have no value, or several.
pub(super) trait Form<T> {
    /// The field without any value; `None` if it must have one.
    fn without(&self) -> Option<T>;
    /// The field with one more value: a list is longer by that, anything else is replaced.
    fn with(&self, field: Option<T>, typed: Text<'_>) -> Result<T, ValueError>;
    /// The values of the field, in the form in which they are typed.
    fn show(&self, field: &T) -> Vec<String>;
    /// What can be said of each value beforehand.
    fn syntax(&self) -> Syntax;
}

/// Exactly one value.
impl<T, V: Value<T>> Form<T> for V {
    fn without(&self) -> Option<T> {
        None
    }

    fn with(&self, _: Option<T>, typed: Text<'_>) -> Result<T, ValueError> {
        self.parse(typed)
    }

    fn show(&self, field: &T) -> Vec<String> {
        vec![self.text(field)]
    }

    fn syntax(&self) -> Syntax {
        Value::<T>::syntax(self)
    }
}
