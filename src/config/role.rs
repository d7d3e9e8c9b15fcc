use std::fmt;

use super::ValueError;

/// What a web server may ask the application to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers requests.
    Responder,
    /// Says whether requests are allowed.
    Authorizer,
    /// Transforms files.
    Filter,
}

impl Role {
    /// Parses the role's name.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "responder" => Ok(Self::Responder),
            "authorizer" => Ok(Self::Authorizer),
            "filter" => Ok(Self::Filter),
            _ => Err(ValueError::new("must be responder, authorizer or filter")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Responder => "responder",
            Self::Authorizer => "authorizer",
            Self::Filter => "filter",
        })
    }
}
