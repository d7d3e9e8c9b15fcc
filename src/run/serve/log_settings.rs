use crate::config::{Config, LogTarget};
use crate::logging::{Settings, Target};
use crate::run::error::Error;

/// What the configuration says of the log.
pub fn of(config: &Config) -> Result<Settings, Error> {
    todo!()
}
