//! The access log of a child: a line for each answer.

use std::sync::Arc;

use crate::config::{self, Config, Pool, ValueError};
use crate::exchange::{Answered, Journal};
use crate::logging::access::{Entry, Format, FormatError};
use crate::logging::{self, Timestamp};

/// Whether there is every variable that the format names.
pub fn validate(config: &Config) -> Result<(), config::Error> {
    format_of(config).map(drop).map_err(|fault| config::Error::BadValue {
        origin: config.origin(FORMAT),
        key: FORMAT,
        value: config.access_log_format.clone(),
        reason: ValueError::new(fault.to_string()),
    })
}

/// What is to be told of the answers of a process of this pool, if it has an access log.
pub fn journal(pool: &Pool, config: &Config) -> Option<Arc<dyn Journal>> {
    pool.access_log_in(config)?;
    Some(Arc::new(AccessLog { format: format(config) }))
}

/// The form of its lines.
pub fn format(config: &Config) -> Format {
    format_of(config).unwrap_or_default() // It was validated before anything was started.
}

fn format_of(config: &Config) -> Result<Format, FormatError> {
    Format::parse(&config.access_log_format)
}

#[derive(Debug)]
struct AccessLog {
    format: Format,
}

impl Journal for AccessLog {
    fn note(&self, answered: &Answered<'_>) {
        let param = |name: &[u8]| answered.params.get(name);
        logging::access(&self.format.values(&Entry {
            param: &param,
            time: Timestamp::now(),
            request_id: answered.request_id,
            status: answered.status,
            body_bytes_sent: answered.body_sent,
            request_length: answered.request_length,
            request_time: answered.time,
            queue_time: answered.queue_time,
            status_detail: answered.detail,
        }));
    }
}

const FORMAT: &str = "access-log-format";
