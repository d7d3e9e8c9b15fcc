//! The access log of a process: a line for each answer.

use std::sync::Arc;

use shared::logging::access::{Entry, Format};
use shared::logging::{self, Timestamp};
use shared::settings::Pool;

use crate::exchange::{AnswerLog, Answered};

/// What is to be told of the answers of a process of this pool, if it has an access log.
pub fn answer_log(pool: &Pool) -> Option<Arc<dyn AnswerLog>> {
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
