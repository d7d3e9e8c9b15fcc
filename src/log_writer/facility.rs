//! Facilities of syslog messages, by name.

use std::fmt;

use shared::settings::{ValueError, nearest};

/// What kind of program syslog messages come from: one of [`Self::WORDS`], by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(usize);

impl Facility {
    /// Parses the name that syslog.conf has for it.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        Self::WORDS.iter().position(|name| *name == text).map(Self).ok_or_else(|| ValueError::new(reason(text)))
    }

    /// All the names that there are, by their numbers, but that those of `local0` and what follows it begin at 16.
    pub const WORDS: &'static [&'static str] = &[
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "local0",
        "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ];

    /// Its number (RFC 3164 §4.1.1), 0 to 23.
    pub fn code(self) -> u8 {
        let number = if self.0 < LOCAL { self.0 } else { self.0 - LOCAL + 16 };
        number as u8
    }
}

fn reason(text: &str) -> String {
    match nearest(text, Facility::WORDS.iter().copied()) {
        Some(name) => format!("must be a syslog facility: did you mean {name}?"),
        None => format!("must be one of {}", Facility::WORDS.join(", ")),
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS[self.0])
    }
}

/// The place of `local0`.
const LOCAL: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_facility_has_its_name_and_its_number() {
        for (name, code) in Facility::WORDS.iter().zip((0..12).chain(16..)) {
            let facility = Facility::parse(name).unwrap();
            assert_eq!((facility.code(), facility.to_string().as_str()), (code, *name));
        }
        assert_eq!((Facility::parse("ftp").unwrap().code(), Facility::parse("local7").unwrap().code()), (11, 23));
    }

    #[test]
    fn an_unknown_facility_is_told_the_nearest_or_all() {
        assert!(Facility::parse("local8").unwrap_err().to_string().contains("did you mean local"));
        assert!(Facility::parse("Daemon").unwrap_err().to_string().contains("did you mean daemon?"));
        assert!(Facility::parse("everything").unwrap_err().to_string().ends_with("local6, local7"));
    }
}
