//! Where lines go, as it is typed.

use std::fmt;
use std::path::PathBuf;

use shared::settings::ValueError;

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// To standard error.
    Stderr,
    /// To standard output.
    Stdout,
    /// To the syslog daemon of this machine.
    Syslog,
    /// To the end of this file.
    File(PathBuf),
}

impl LogTarget {
    /// Parses `stderr`, `stdout`, `syslog` or `file:PATH`.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let is_file = |path: &str| !path.is_empty() && !path.ends_with('/') && !path.contains('\0');
        match text {
            "stderr" => Ok(Self::Stderr),
            "stdout" => Ok(Self::Stdout),
            "syslog" => Ok(Self::Syslog),
            _ => match text.strip_prefix("file:") {
                Some(path) if is_file(path) => Ok(Self::File(path.into())),
                Some(_) => Err(ValueError::new("must name a file after file:, as in file:/var/log/pyfcgid.log")),
                None if text.contains('/') && is_file(text) => {
                    Err(ValueError::new(format!("must start with file:, as in file:{text}")))
                }
                None => Err(ValueError::new("must be stderr, stdout, syslog or file:PATH")),
            },
        }
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::Stdout => f.write_str("stdout"),
            Self::Syslog => f.write_str("syslog"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_shown_as_they_are_typed() {
        for text in ["stderr", "stdout", "syslog", "file:/var/log/a b.log"] {
            assert_eq!(LogTarget::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_told_what_is_right() {
        for (text, right) in [
            ("terminal", "stderr, stdout, syslog or file:PATH"),
            ("", "stderr, stdout, syslog or file:PATH"),
            ("/var/log/a", "must start with file:, as in file:/var/log/a"),
            ("file:", "must name a file"),
            ("file:/var/log/", "must name a file"),
            ("file:/a\0b", "must name a file"),
        ] {
            assert!(LogTarget::parse(text).unwrap_err().to_string().contains(right), "{text}");
        }
    }
}
