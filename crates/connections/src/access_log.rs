//! The access log of a process: a line for each answer.

use std::sync::Arc;

use shared::logging::access::{Answered, Format};
use shared::logging::{self, Timestamp};
use shared::settings::PoolSettings;

use crate::exchange::AnswerLog;

/// What is to be told of the answers of a process of this pool, if it has an access log.
pub fn answer_log(pool: &PoolSettings) -> Option<Arc<dyn AnswerLog>> {
    // It was validated before anything was started.
    let format = pool.access_log_format.as_deref()?.parse().unwrap_or_default();
    Some(Arc::new(AccessLog { format }))
}

#[derive(Debug)]
struct AccessLog {
    format: Format,
}

impl AnswerLog for AccessLog {
    fn note(&self, answered: &Answered<'_>) {
        logging::access(&self.format.values(answered, Timestamp::now()));
    }
}
