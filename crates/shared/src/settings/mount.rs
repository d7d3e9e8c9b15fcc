//! Where in the paths of a site an application is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ValueError;

/// Where in the site's paths the application is: what becomes SCRIPT_NAME.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mount {
    /// Found out from what the web server sends.
    Auto,
    /// This prefix: `""` for the root, or `/app`.
    ///
    /// Invariant: empty, or starts with `/`, does not end in `/`, and has no empty, `.` or `..` segment.
    Prefix(String),
}

impl Mount {
    /// Parses `auto`, `""`, `/` (the root as well) or `/prefix`; one slash at the end is dropped.
    ///
    /// # Errors
    /// For a prefix that no path could have.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let prefix = text.strip_suffix('/').unwrap_or(text);
        if prefix.is_empty() {
            return Ok(Self::Prefix(String::new()));
        }
        let Some(segments) = prefix.strip_prefix('/') else {
            return Err(ValueError::new("must be auto, \"\" for the root, or a path such as /app"));
        };
        if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(ValueError::new("must not contain //, . or .. as part of the path"));
        }
        if prefix.contains(['?', '#']) || prefix.chars().any(char::is_control) {
            return Err(ValueError::new("must be a path without ?, # and control characters"));
        }
        Ok(Self::Prefix(prefix.to_owned()))
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Prefix(prefix) => prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_auto_the_root_or_a_clean_prefix() {
        let prefix = |text: &str| Mount::Prefix(text.to_owned());
        let table = [
            ("auto", Mount::Auto),
            ("", prefix("")),
            ("/", prefix("")),
            ("/app", prefix("/app")),
            ("/a/b.c/", prefix("/a/b.c")),
        ];
        for (text, mount) in table {
            assert_eq!(Mount::parse(text), Ok(mount.clone()), "{text}");
            assert_eq!(Mount::parse(&mount.to_string()), Ok(mount));
        }
        for text in ["app", "//", "/a//b", "/a/../b", "/./a", "/..", "/a?b", "/a#b", "/a\n", "Auto"] {
            assert!(Mount::parse(text).is_err(), "{text}");
        }
    }
}
