//! Memory of requests that are not complete: of all connections of the process together, so that many who send slowly, or stop, cannot
//! use up the machine's. Above the limit bodies go to files, those first of which nothing has come for longest; and when all have gone
//! there, whoever has sent nothing for longest is closed.

use std::time::{Duration, Instant};

use super::EventLoop;
use super::connection::Expiry;
use shared::sys;

/// What is kept in memory, and what may be.
#[derive(Debug)]
pub struct Uploads {
    limit: usize,
    used: usize,
    /// The most since memory was given back to the system.
    most: usize,
    /// When to give it back.
    trim_at: Option<Instant>,
}

impl Uploads {
    /// At most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: 0, most: 0, trim_at: None }
    }

    fn is_over(&self) -> bool {
        self.used > self.limit
    }

    /// `before` bytes that were counted are `after` now.
    pub fn change(&mut self, before: usize, after: usize, now: Instant) {
        self.used = (self.used + after).saturating_sub(before);
        self.most = self.most.max(self.used);
        if self.trim_at.is_none() && self.most >= WORTH_TRIMMING && self.used < self.most / 4 {
            self.trim_at = Some(now + TRIM_DELAY);
        }
    }

    /// When something is to be done.
    pub fn next_in(&self, now: Instant) -> Option<Duration> {
        self.trim_at.map(|when| when.saturating_duration_since(now))
    }

    /// Gives memory back that many uploads have used: the allocator keeps it otherwise.
    pub fn give_back(&mut self, now: Instant) {
        if self.trim_at.is_some_and(|when| when <= now) {
            (self.trim_at, self.most) = (None, self.used);
            sys::memory::trim();
        }
    }
}

impl EventLoop {
    /// Counts what a connection keeps after it was read, and makes room if that is too much.
    pub(super) fn count_uploads(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.memory() == connection.counted() {
            return;
        }
        self.uploads.change(connection.count(), connection.counted(), self.now);
        while self.uploads.is_over()
            && let Some(key) = self.stalest()
        {
            self.free(key);
        }
    }

    /// Of which nothing has come for longest: among those that keep what can go to a file, or if there is none among all that keep
    /// something.
    fn stalest(&self) -> Option<usize> {
        let keeping = self.connections.iter().filter(|(_, connection)| connection.counted() > 0);
        let stalest = keeping.min_by_key(|(_, connection)| (connection.is_stored(), connection.last_read()));
        stalest.map(|(key, _)| key)
    }

    fn free(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.is_stored() {
            connection.report_expiry(Expiry::Crowded);
            return self.close(key);
        }
        connection.store_uploads();
        self.uploads.change(connection.count(), connection.counted(), self.now);
    }
}

/// Less is not worth the time.
const WORTH_TRIMMING: usize = 16 * 1024 * 1024;
/// Meanwhile what was complete has been answered.
const TRIM_DELAY: Duration = Duration::from_secs(1);
