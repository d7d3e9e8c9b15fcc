//! Options whose value is one of a few words: the names of the values in small letters.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use super::ValueError;

/// The value that has this word.
///
/// # Errors
/// For any other text, with the words that there are.
pub fn keyword<T: FromStr + VariantNames>(text: &str) -> Result<T, ValueError> {
    let (last, first) = T::VARIANTS.split_last().unwrap_or((&"", &[]));
    text.parse().map_err(|_| ValueError::new(format!("must be {} or {last}", first.join(", "))))
}

/// What becomes of an application that runs when the web server gives its request up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum OnAbort {
    /// It runs on. It can ask, and writing ends it.
    Continue,
    /// `pyfcgid.RequestAborted` is raised in it.
    Raise,
}

/// Where `wsgi.errors` and tracebacks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum ErrorsTo {
    /// To pyfcgid's log.
    Log,
    /// To pyfcgid's log, and as FCGI_STDERR to the web server, which writes them to its own.
    Peer,
}

/// How what the application prints and writes to `wsgi.errors` is written to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum AppLog {
    /// As messages of the log, with time, level, pool, process and request.
    Decorated,
    /// As it is, in lines of its own.
    Plain,
}

impl AppLog {
    /// The target of log records whose text is written as it is.
    pub const PLAIN_TARGET: &str = "pyfcgid::plain";
}

/// When REMOTE_USER of the web server reaches the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum RemoteUser {
    /// Only with AUTH_TYPE beside it, which says that somebody checked the password.
    Authenticated,
    /// Always: the web server is known to set it only when it is true.
    Always,
    /// Never.
    Never,
}

/// What a web server may ask the application to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// Answers requests.
    Responder = 1,
    /// Says whether requests are allowed.
    Authorizer = 2,
    /// Transforms files.
    Filter = 3,
}

impl Role {
    /// The number that FastCGI gives it (1.0 §8).
    pub const fn number(self) -> u16 {
        self as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_its_value_and_others_are_told_what_there_is() {
        for word in RemoteUser::VARIANTS {
            assert_eq!(keyword::<RemoteUser>(word).unwrap().to_string(), *word);
        }
        assert_eq!(keyword::<OnAbort>("Raise").unwrap_err().to_string(), "must be continue or raise");
        assert_eq!(keyword::<ErrorsTo>("").unwrap_err().to_string(), "must be log or peer");
        assert_eq!(keyword::<Role>("server").unwrap_err().to_string(), "must be responder, authorizer or filter");
    }
}
