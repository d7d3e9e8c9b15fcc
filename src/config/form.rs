//! How the values of options are written. Owns what is common to all of them: one value as text, and how many of them a field has.

mod places;
mod quantities;
mod several;
mod words;

use std::path::Path;

use super::{Syntax, ValueError};

pub(super) use places::{address, application, directory_path, file_path, module_path, mount, target, target_or_off};
pub(super) use quantities::{
    MOST_REQUESTS, body_size, core_size, memory, mode, moment, number, or_zero, processes, size, time,
};
pub(super) use several::{NO_GROUPS, OWN_GROUPS, clients, distinct, groups, list, optional, timeouts, variables};
pub(super) use words::{
    access_log_format, account, excluded_path, facility, header_name, keyword, level, log_level, path_of_probes, switch,
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

/// How a field of type `T` is written, which has one value, may have none, or several.
pub(super) trait Form<T>: Copy {
    /// The field without any value; `None` if it must have one.
    fn without(&self) -> Option<T>;
    /// The field with one more value: a list is longer by that, anything else is replaced.
    fn with(&self, field: Option<T>, typed: Text<'_>) -> Result<T, ValueError>;
    /// The values of the field, in the form in which they are typed.
    fn show(&self, field: &T) -> Vec<String>;
    /// What can be said of each value beforehand.
    fn syntax(&self) -> Syntax;

    /// The field with this value alone.
    fn parse(&self, typed: Text<'_>) -> Result<T, ValueError> {
        self.with(self.without(), typed)
    }
}

/// A form by its parts, in the order of the trait.
#[derive(Clone, Copy)]
struct Parts<E, W, S>(E, W, S, Syntax);

impl<T, E, W, S> Form<T> for Parts<E, W, S>
where
    E: Fn() -> Option<T> + Copy,
    W: Fn(Option<T>, Text<'_>) -> Result<T, ValueError> + Copy,
    S: Fn(&T) -> Vec<String> + Copy,
{
    fn without(&self) -> Option<T> {
        self.0()
    }

    fn with(&self, field: Option<T>, typed: Text<'_>) -> Result<T, ValueError> {
        self.1(field, typed)
    }

    fn show(&self, field: &T) -> Vec<String> {
        self.2(field)
    }

    fn syntax(&self) -> Syntax {
        self.3
    }
}

/// Exactly one value: what a text means, the text that means a value, and what is known of such texts.
fn one<T>(
    parse: impl Fn(Text<'_>) -> Result<T, ValueError> + Copy,
    show: impl Fn(&T) -> String + Copy,
    syntax: Syntax,
) -> impl Form<T> {
    Parts(|| None, move |_: Option<T>, typed: Text<'_>| parse(typed), move |value: &T| vec![show(value)], syntax)
}

/// A field that is empty unless it is set: what one more value makes of it, how it is shown, and what is known of its values.
fn several<T: Default>(
    add: impl Fn(T, Text<'_>) -> Result<T, ValueError> + Copy,
    show: impl Fn(&T) -> Vec<String> + Copy,
    syntax: Syntax,
) -> impl Form<T> {
    let with = move |field: Option<T>, typed: Text<'_>| add(field.unwrap_or_default(), typed);
    Parts(|| Some(T::default()), with, show, syntax)
}
