//! Options whose value is one of a few words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ValueError;

/// Defines an enum with the word of each value, in the order in which messages list them.
macro_rules! keywords {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$meaning])* $value,)+
        }

        impl $name {
            /// The words, in their order.
            pub const NAMES: &'static [&'static str] = &[$($word,)+];
            const WORDS: &[(&str, Self)] = &[$(($word, Self::$value),)+];

            /// Parses the value's word.
            ///
            /// # Errors
            /// For any other text.
            pub fn parse(text: &str) -> Result<Self, ValueError> {
                find(text, Self::WORDS)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$value => $word,)+
                })
            }
        }
    };
}

keywords! {
    /// What becomes of an application that runs when the web server gives its request up.
    OnAbort {
        /// It runs on. It can ask, and writing ends it.
        Continue = "continue",
        /// `pyfcgid.RequestAborted` is raised in it.
        Raise = "raise",
    }
}

keywords! {
    /// Where `wsgi.errors` and tracebacks go.
    ErrorsTo {
        /// To pyfcgid's log.
        Log = "log",
        /// To pyfcgid's log, and as FCGI_STDERR to the web server, which writes them to its own.
        Peer = "peer",
    }
}

keywords! {
    /// How what the application prints and writes to `wsgi.errors` is written to the log.
    AppLog {
        /// As messages of the log, with time, level, pool, process and request.
        Decorated = "decorated",
        /// As it is, in lines of its own.
        Plain = "plain",
    }
}

impl AppLog {
    /// The target of log records whose text is written as it is.
    pub const PLAIN_TARGET: &str = "pyfcgid::plain";
}

keywords! {
    /// When REMOTE_USER of the web server reaches the application.
    RemoteUser {
        /// Only with AUTH_TYPE beside it, which says that somebody checked the password.
        Authenticated = "authenticated",
        /// Always: the web server is known to set it only when it is true.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

keywords! {
    /// What a web server may ask the application to be.
    Role {
        /// Answers requests.
        Responder = "responder",
        /// Says whether requests are allowed.
        Authorizer = "authorizer",
        /// Transforms files.
        Filter = "filter",
    }
}

impl Role {
    /// The number that FastCGI gives it (1.0 §8).
    pub const fn number(self) -> u16 {
        match self {
            Self::Responder => 1,
            Self::Authorizer => 2,
            Self::Filter => 3,
        }
    }
}

fn find<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, ValueError> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| ValueError::new(reason(words)))
}

/// "must be a, b or c".
fn reason<T>(words: &[(&str, T)]) -> String {
    let (first, last) = words.split_at(words.len() - 1);
    let first: Vec<_> = first.iter().map(|(word, _)| *word).collect();
    format!("must be {} or {}", first.join(", "), last[0].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_its_value_and_others_are_told_what_there_is() {
        for (word, value) in RemoteUser::WORDS {
            assert_eq!((RemoteUser::parse(word), value.to_string().as_str()), (Ok(*value), *word));
        }
        assert_eq!(OnAbort::parse("Raise").unwrap_err().to_string(), "must be continue or raise");
        assert_eq!(ErrorsTo::parse("").unwrap_err().to_string(), "must be log or peer");
        assert_eq!(Role::parse("server").unwrap_err().to_string(), "must be responder, authorizer or filter");
    }
}
