use std::fmt;

use super::ValueError;

/// When REMOTE_USER of the web server reaches the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteUser {
    /// Only with AUTH_TYPE beside it, which says that somebody checked the password.
    Authenticated,
    /// Always: the web server is known to set it only when it is true.
    Always,
    /// Never.
    Never,
}

impl RemoteUser {
    /// Parses the value's name.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "authenticated" => Ok(Self::Authenticated),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(ValueError::new("must be authenticated, always or never")),
        }
    }
}

impl fmt::Display for RemoteUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authenticated => "authenticated",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}
