//! Which requests a child answers, as its slots say, and what is told of them when it has ended.

use std::time::Duration;

use super::super::process::Process;
use super::RunningPool;
use crate::log_writer;
use shared::logging::access::Answered;
use shared::scoreboard::slot::{Glance, Phase, Said};
use shared::sys::process::{ProcessId, monotonic_time};

impl RunningPool {
    /// What a child that has ended was answering, in words. Requests whose answer had not ended get their lines in the access log, which
    /// it cannot send any more. All that its workers say may be an invention of the application's.
    pub(super) fn note_lost(&mut self, child: &Process) -> String {
        let now = monotonic_time();
        let found: Vec<_> = self.busy(child).collect();
        for Glance { request, phase, .. } in found.iter().filter(|glance| glance.phase != Phase::Closing) {
            let status = if *phase == Phase::Aborted { ABORTED } else { BAD_GATEWAY };
            // What is overdue was answered 504, and has its line.
            if *phase != Phase::Overdue {
                note_in_access_log(&self.name, (child.id, request), status, now);
            }
            self.past.note_lost(status, now.saturating_sub(request.taken));
        }
        let unanswered = found.into_iter().filter(|glance| glance.phase != Phase::Overdue);
        in_words(child.id, &unanswered.map(|glance| glance.request).collect::<Vec<_>>(), now)
    }
}

/// A request, as it is named in messages.
fn describe(process: ProcessId, said: &Said, now: Duration) -> String {
    let age = now.saturating_sub(said.taken).as_secs_f64();
    format!("{}, {age:.1} s", said.name(process.number().cast_unsigned()))
}

fn in_words(process: ProcessId, lost: &[Said], now: Duration) -> String {
    if lost.is_empty() {
        return String::new();
    }
    let named: Vec<String> = lost.iter().take(MOST_NAMED).map(|said| describe(process, said, now)).collect();
    let more = if lost.len() > MOST_NAMED { format!("; and {} more", lost.len() - MOST_NAMED) } else { String::new() };
    format!(", answering {}{more}", named.join("; "))
}

fn note_in_access_log(pool: &str, (process, said): (ProcessId, &Said), status: u16, now: Duration) {
    let param = |name: &[u8]| match name {
        b"REQUEST_METHOD" => Some(said.method.as_slice()),
        b"REQUEST_URI" => Some(said.path.as_slice()),
        b"REMOTE_ADDR" => Some(said.remote.as_slice()),
        _ => None,
    };
    let answered = Answered {
        param: &param,
        request_id: &format!("{process}-{}", said.number),
        status,
        body_sent: 0,
        request_length: 0,
        time: now.saturating_sub(said.taken),
        queue_time: None,
        worker: None,
        cpu_time: None,
        detail: Some("process-ended"),
    };
    log_writer::write_access_of(pool, process.number().cast_unsigned(), &answered);
}

/// What the web server answers.
const BAD_GATEWAY: u16 = 502;
/// What nobody waits for.
const ABORTED: u16 = 499;
const MOST_NAMED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(number: u64) -> Said {
        let (method, path) = (b"GET".to_vec(), b"/\x1b[2J\n\xff".to_vec());
        Said { number, taken: Duration::from_secs(5), method, path, ..Said::default() }
    }

    #[test]
    fn a_request_is_named_in_one_line_of_text() {
        let (process, now) = (ProcessId::new(7).unwrap(), Duration::from_millis(8_250));
        assert_eq!(describe(process, &said(3), now), "request 7-3 (GET /\\u{1b}[2J\\n\u{fffd}), 3.2 s");
        let cut = Said { path_is_cut: true, path: b"/a".to_vec(), ..said(3) };
        assert_eq!(describe(process, &cut, Duration::ZERO), "request 7-3 (GET /a...), 0.0 s");
    }

    #[test]
    fn of_many_requests_some_are_named() {
        let process = ProcessId::new(7).unwrap();
        let lost = |count| (0..count).map(said).collect::<Vec<_>>();
        assert_eq!(in_words(process, &[], Duration::ZERO), "");
        assert!(in_words(process, &lost(2), Duration::ZERO).starts_with(", answering request 7-0 (GET "));
        let words = in_words(process, &lost(20), Duration::ZERO);
        assert!(
            words.contains("request 7-15 ") && !words.contains("request 7-16 ") && words.ends_with("; and 4 more"),
            "{words}"
        );
    }
}
