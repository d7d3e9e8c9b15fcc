//! Facilities of syslog messages, by name.

use std::fmt;

use shared::settings::{ValueError, nearest};

/// What kind of program syslog messages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    /// Parses the name that syslog.conf has for it.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, code)| Self(*code));
        found.ok_or_else(|| ValueError::new(reason(text)))
    }

    /// All the names that there are.
    pub const WORDS: &'static [&'static str] = &words();

    /// Its number (RFC 3164 §4.1.1), 0 to 23.
    pub fn code(self) -> u8 {
        self.0
    }
}

fn reason(text: &str) -> String {
    match nearest(text, Facility::WORDS.iter().copied()) {
        Some(name) => format!("must be a syslog facility: did you mean {name}?"),
        None => format!("must be one of {}", Facility::WORDS.join(", ")),
    }
}

impl Default for Facility {
    fn default() -> Self {
        DAEMON
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, code)| *code == self.0).map_or("daemon", |(name, _)| name);
        f.write_str(name)
    }
}

const fn words() -> [&'static str; NAMES.len()] {
    let mut words = [""; NAMES.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = NAMES[at].0;
        at += 1;
    }
    words
}

const DAEMON: Facility = Facility(3);
const NAMES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_facility_has_its_name_and_its_number() {
        for (name, code) in NAMES {
            let facility = Facility::parse(name).unwrap();
            assert_eq!((facility.code(), facility.to_string().as_str()), (code, name));
        }
        assert_eq!(Facility::default(), Facility::parse("daemon").unwrap());
    }

    #[test]
    fn an_unknown_facility_is_told_the_nearest_or_all() {
        assert!(Facility::parse("local8").unwrap_err().to_string().contains("did you mean local"));
        assert!(Facility::parse("Daemon").unwrap_err().to_string().contains("did you mean daemon?"));
        assert!(Facility::parse("everything").unwrap_err().to_string().ends_with("local6, local7"));
    }
}
