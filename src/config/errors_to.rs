use std::fmt;

use super::ValueError;

/// Where `wsgi.errors` and tracebacks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorsTo {
    /// To pyfcgid's log.
    Log,
    /// To pyfcgid's log, and as FCGI_STDERR to the web server, which writes them to its own.
    Peer,
}

impl ErrorsTo {
    /// Parses the value's name.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "log" => Ok(Self::Log),
            "peer" => Ok(Self::Peer),
            _ => Err(ValueError::new("must be log or peer")),
        }
    }
}

impl fmt::Display for ErrorsTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::Peer => "peer",
        })
    }
}
