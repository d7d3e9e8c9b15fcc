//! What a pool tells of itself over FastCGI (`status-path`), in the forms and with the names of PHP-FPM's status page where the meaning
//! is the same.
//!
//! Whoever is asked reads the pool's scoreboard and roster; nobody else does anything for it. What an application has written on the
//! scoreboard are bounded bytes here, which are escaped for the form that is wanted.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::exchange::page::Page;
use shared::scoreboard::Scoreboard;
use shared::scoreboard::refused::RefusedFor;
use shared::scoreboard::roster::RosterView;
use shared::sys::process::monotonic_time;

mod escapes;
mod fields;
mod html;
mod json;
mod metrics;
mod query;
mod snapshot;
mod text;

use query::{Extent, Form, Query};
use snapshot::Snapshot;

/// What a process needs to tell how its pool is.
#[derive(Debug)]
pub struct PoolStatus {
    scoreboard: Arc<Scoreboard>,
    roster: Arc<RosterView>,
    name: String,
    max_queue: usize,
}

/// A moment by both clocks, so that moments of the monotonic one can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    monotonic: Duration,
    /// Since the beginning of 1970.
    wall: Duration,
}

impl PoolStatus {
    /// That of the pool of this name, in which so many requests may wait, and whose supervisor writes `roster`.
    pub fn new((name, max_queue): (&str, usize), scoreboard: Arc<Scoreboard>, roster: Arc<RosterView>) -> Self {
        Self { scoreboard, roster, name: name.to_owned(), max_queue }
    }

    /// The page that this QUERY_STRING asks for.
    pub fn page(&self, query: &[u8]) -> Page {
        let Query { form, extent } = Query::parse(query);
        page(&self.look(Moment::now(), extent), form, extent)
    }

    fn look(&self, now: Moment, extent: Extent) -> Snapshot {
        let board = &self.scoreboard;
        let (record, children) = self.roster.read(|record| snapshot::seen(record, board));
        let shown = match extent {
            Extent::Summary => Vec::new(),
            Extent::Full => snapshot::running(&children, board),
        };
        Snapshot {
            now,
            name: self.name.clone(),
            max_queue: self.max_queue,
            waiting: board.waiting(),
            refused: RefusedFor::ALL.map(|reason| (reason, board.refused(reason))),
            record,
            children,
            running: shown,
        }
    }
}

fn page(snapshot: &Snapshot, form: Form, extent: Extent) -> Page {
    let (kind, body) = match form {
        Form::Text => ("text/plain; charset=utf-8", text::write(snapshot, extent)),
        Form::Json => ("application/json", json::write(snapshot, extent)),
        Form::Html => ("text/html; charset=utf-8", html::write(snapshot, extent)),
        Form::OpenMetrics => (OPEN_METRICS, metrics::write(snapshot)),
    };
    Page { kind, body: body.into_bytes() }
}

impl Moment {
    fn now() -> Self {
        Self { monotonic: monotonic_time(), wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// How long ago it was.
    fn since(self, monotonic: Duration) -> Duration {
        self.monotonic.saturating_sub(monotonic)
    }

    /// When it was, since the beginning of 1970.
    fn wall_of(self, monotonic: Duration) -> Duration {
        self.wall.saturating_sub(self.since(monotonic))
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests;
