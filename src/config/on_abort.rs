use std::fmt;

use super::ValueError;

/// What becomes of an application that runs when the web server gives its request up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAbort {
    /// It runs on. It can ask, and writing ends it.
    Continue,
    /// `pyfcgid.RequestAborted` is raised in it.
    Raise,
}

impl OnAbort {
    /// Parses the value's name.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "continue" => Ok(Self::Continue),
            "raise" => Ok(Self::Raise),
            _ => Err(ValueError::new("must be continue or raise")),
        }
    }
}

impl fmt::Display for OnAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Continue => "continue",
            Self::Raise => "raise",
        })
    }
}
