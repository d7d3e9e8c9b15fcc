//! The access log of a process: a line for each answer.

use std::sync::Arc;

use shared::logging::access::{Answered, Format};
use shared::logging::{self, unix_millis};
use shared::settings::PoolSettings;

use crate::exchange::{AnswerLog, SitePath};

/// What is to be told of the answers of a process of this pool, if it has an access log.
pub fn answer_log(pool: &PoolSettings) -> Option<Arc<dyn AnswerLog>> {
    // It was validated before anything was started.
    let format = Format::parse(pool.access_log_format.as_deref()?).unwrap_or_default();
    Some(Arc::new(AccessLog { tells_cpu_time: format.tells_cpu_time(), format, excluded: pool.access_log_exclude.clone() }))
}

#[derive(Debug)]
struct AccessLog {
    format: Format,
    tells_cpu_time: bool,
    excluded: Vec<String>,
}

impl AccessLog {
    /// What went wrong is logged whatever its path.
    fn leaves_out(&self, answered: &Answered<'_>) -> bool {
        answered.status < FIRST_FAILURE && is_one_of(&self.excluded, answered.param)
    }
}

impl AnswerLog for AccessLog {
    fn tells_cpu_time(&self) -> bool {
        self.tells_cpu_time
    }

    fn note(&self, answered: &Answered<'_>) {
        if !self.leaves_out(answered) {
            logging::access(&self.format.values(answered, unix_millis()));
        }
    }
}

/// Whether the path of these parameters is one of these, or begins as one that ends in a slash.
fn is_one_of<'a>(paths: &[String], param: impl Fn(&[u8]) -> Option<&'a [u8]>) -> bool {
    if paths.is_empty() {
        return false;
    }
    let asked = SitePath::of(param);
    paths.iter().map(String::as_bytes).any(|path| if path.ends_with(b"/") { asked.begins_with(path) } else { asked.is(path) })
}

const FIRST_FAILURE: u16 = 500;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn is_left_out(status: u16, script: &str, rest: &str, excluded: &[&str]) -> bool {
        let param = |name: &[u8]| match name {
            b"SCRIPT_NAME" => Some(script.as_bytes()),
            b"PATH_INFO" => Some(rest.as_bytes()),
            b"QUERY_STRING" => Some(b"a=/health".as_slice()),
            _ => None,
        };
        let answered = Answered {
            param: &param,
            request_id: "",
            status,
            body_sent: 0,
            request_length: 0,
            time: Duration::ZERO,
            queue_time: None,
            worker: None,
            cpu_time: None,
            detail: None,
        };
        let excluded = excluded.iter().map(|path| (*path).to_owned()).collect();
        AccessLog { format: Format::default(), tells_cpu_time: false, excluded }.leaves_out(&answered)
    }

    #[test]
    fn paths_are_left_out_whole_or_by_how_they_begin_and_failures_never() {
        let excluded = ["/health", "/static/"];
        for (script, rest) in [("", "/health"), ("/health", ""), ("", "/static/"), ("/static", "/a/b.css")] {
            assert!(is_left_out(200, script, rest, &excluded), "{script} {rest}");
            assert!(is_left_out(499, script, rest, &excluded), "{script} {rest}");
            assert!(!is_left_out(500, script, rest, &excluded), "{script} {rest}");
            assert!(!is_left_out(503, script, rest, &excluded), "{script} {rest}");
            assert!(!is_left_out(200, script, rest, &[]), "{script} {rest}");
        }
        for rest in ["/", "/health/", "/healthy", "/static", "/x/static/", "/x/health", ""] {
            assert!(!is_left_out(200, "", rest, &excluded), "{rest}");
        }
        assert!(is_left_out(404, "", "/anything", &["/"]));
    }
}
