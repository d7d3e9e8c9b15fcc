//! Whether the form of the access log is one.

use crate::config::{self, Config, ValueError};
use shared::logging::access::{Format, FormatError};

/// Whether there is every variable that the format names.
pub fn validate(config: &Config) -> Result<(), config::Error> {
    format_of(config).map(drop).map_err(|fault| config::Error::BadValue {
        origin: config.origin(FORMAT),
        key: FORMAT,
        value: config.access_log_format.clone(),
        reason: ValueError::new(fault.to_string()),
    })
}

/// The form of its lines.
pub fn format(config: &Config) -> Format {
    format_of(config).unwrap_or_default() // It was validated before anything was started.
}

fn format_of(config: &Config) -> Result<Format, FormatError> {
    Format::parse(&config.access_log_format)
}

const FORMAT: &str = "access-log-format";
