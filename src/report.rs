//! What a running pyfcgid tells of itself: the values that its supervisor sends over the control socket, and that `--json` prints. How
//! people see them is in the files below.
//!
//! `docs/status.schema.json` describes them for others: a field may come to it, but none goes or changes its meaning without another
//! [`SCHEMA`]. Times are in seconds, memory is in bytes. Whatever comes from a request, or from memory that an application can write
//! to, is text from an enemy: [`json`] and [`Page`] escape it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use shared::scoreboard::tally::{BOUNDS, Histogram};
use shared::sys::terminal;

pub mod amount;
mod health;
mod page;
mod requests;
mod stacks;
mod status;

pub use health::Limits;
pub use page::{Look, Mood, Page, cut, one_line};
pub use requests::{COLUMNS, table};
pub use stacks::{LEFT_OUT, ProcessStacks, RequestStack, Stacks, ThreadStack};

/// The version of what is told.
pub const SCHEMA: u32 = 1;

/// How the whole process is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// That of the program.
    pub version: String,
    /// The supervisor's process id.
    pub pid: u32,
    /// Since the program has begun.
    pub uptime: u64,
    /// What to do while there is no pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Why the last reload has failed, unless one has succeeded since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_reload: Option<String>,
    /// The last one that is over.
    pub last_reload: Option<LastReload>,
    /// How many reloads there were, by their result.
    pub reloads: BTreeMap<String, u64>,
    /// Lines of the logs that nobody has seen.
    pub log_lines_lost: u64,
    /// Upper bounds of all buckets of histograms but the last.
    pub bounds: Vec<f64>,
    /// In the order of the configuration.
    pub pools: Vec<PoolStatus>,
}

/// A reload that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastReload {
    /// When, in seconds since 1970.
    pub at: u64,
    /// How long ago.
    pub ago: u64,
    /// `succeeded` or `failed`.
    pub result: String,
    /// The pool that was meant; all of them if none.
    pub pool: Option<String>,
}

/// How a pool is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// `serving`, `saturated`, `stopped`, `starting`, `failing`, `sleeping` or `stopping`.
    pub state: String,
    /// Whether requests to it are answered.
    pub serves: bool,
    /// It ends because the configuration does not have it any more, which is as it should be.
    pub removed: bool,
    /// Its addresses.
    pub listen: Vec<String>,
    /// Children that there are to be.
    pub wanted: usize,
    /// Children by what they are doing; those that are stopped by a signal are that alone.
    pub processes: BTreeMap<String, usize>,
    /// Of its children that serve.
    pub workers: Workers,
    /// Requests without a worker.
    pub waiting: usize,
    /// How many may wait.
    pub max_queue: usize,
    /// For how long the first on the line has waited.
    pub first_waits: Option<f64>,
    /// For how long no worker has taken a request, if that is too long: all of them are busy, or somebody has waited all the time.
    pub stuck: Option<f64>,
    /// Requests that its workers have answered so far, also in children that have gone.
    pub answered: u64,
    /// The same by the class of their status.
    pub requests: BTreeMap<String, u64>,
    /// Those among them that the web server has given up.
    pub aborted: u64,
    /// Requests that were slow (`slow-request-timeout`), ended or not.
    pub slow: u64,
    /// Requests that took longer than an option allows, ended or not, by that option: `request-timeout` or `interrupt-timeout`.
    pub timeouts: BTreeMap<String, u64>,
    /// Requests that were answered 503 because as many waited as may.
    pub refused: u64,
    /// Requests that were answered 503 because nobody had a worker for them, by the reason.
    pub refused_by: BTreeMap<String, u64>,
    /// From a request's first record to its end.
    pub duration: Times,
    /// From its first record until a worker has taken it.
    pub queue_wait: Times,
    /// Why no child comes up.
    pub failing: Option<FailingStatus>,
    /// How children have ended so far.
    pub exits: BTreeMap<String, u64>,
    /// Resident in all children together; what they share counts in each.
    pub memory: u64,
    /// CPU time of the children that there are.
    pub cpu: f64,
    /// The queue process's id.
    pub queue_process: Option<i32>,
    /// Its children.
    pub children: Vec<ChildStatus>,
}

/// Workers of children that serve and are not stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// They have a request.
    pub busy: usize,
    /// They have none.
    pub idle: usize,
}

/// How long something has taken, over the life of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// How often.
    pub count: u64,
    /// All of them together.
    pub sum: f64,
    /// What half of them did not exceed, as far as the buckets tell.
    pub p50: Option<f64>,
    /// The same for 95 of 100.
    pub p95: Option<f64>,
    /// The same for 99 of 100.
    pub p99: Option<f64>,
    /// How many took up to each of [`Status::bounds`] and more than the one before; the last, more than all.
    pub buckets: Vec<u64>,
}

/// Why no child comes up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FailingStatus {
    /// For how long.
    pub r#for: f64,
    /// What the last one has said.
    pub error: String,
    /// When another one is tried.
    pub next_try_in: Option<f64>,
}

/// How a child is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChildStatus {
    /// Its process id.
    pub pid: i32,
    /// `starting`, `ready`, `serving`, `retiring` or `ending`.
    pub state: String,
    /// Whether a signal or a debugger has stopped it.
    pub stopped: bool,
    /// Of the pool's code and settings.
    pub generation: u32,
    /// Since its start.
    pub uptime: u64,
    /// Whether it has a place where it says what follows.
    pub known: bool,
    /// Those that have begun.
    pub requests: u64,
    /// Workers that it has.
    pub workers: usize,
    /// Those of them that have a request.
    pub busy: usize,
    /// The age of the oldest request that a worker has.
    pub oldest: Option<f64>,
    /// Requests that wait there.
    pub queued: u64,
    /// Its connections.
    pub connections: u64,
    /// What of it is resident.
    pub memory: Option<u64>,
    /// Its CPU time.
    pub cpu: Option<f64>,
}

/// What runs now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The oldest first.
    pub requests: Vec<RunningRequest>,
    /// How many there are beside these.
    pub more: u64,
}

/// A request that a worker has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningRequest {
    /// Its number, as it stands in the log: of its process, and in that.
    pub id: String,
    /// Since a worker has taken it.
    pub age: f64,
    /// `application`, `sending`, `closing`, `overdue` or `aborted`.
    pub phase: String,
    /// Its pool.
    pub pool: String,
    /// The process id of its child.
    pub pid: i32,
    /// Whether that is stopped.
    pub stopped: bool,
    /// REQUEST_METHOD.
    pub method: String,
    /// The path that was asked for, without its query.
    pub path: String,
    /// Whether the path goes on.
    pub cut: bool,
    /// REMOTE_ADDR.
    pub remote: String,
    /// Whether the worker changed it whenever it was read: then it need not belong together.
    pub torn: bool,
    /// What its thread is doing, if that was asked.
    pub stack: Option<RequestStack>,
}

impl Times {
    /// Those of a histogram.
    pub fn of(histogram: &Histogram) -> Self {
        let quantile = |part| histogram.quantile(part).map(|length| length.as_secs_f64());
        Self {
            count: histogram.count(),
            sum: histogram.sum as f64 / 1e6,
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            buckets: histogram.buckets.to_vec(),
        }
    }

    /// The histogram again, but for its sum.
    pub fn histogram(&self) -> Histogram {
        let bucket = |index| self.buckets.get(index).copied().unwrap_or_default();
        Histogram { buckets: std::array::from_fn(bucket), sum: 0 }
    }
}

impl Status {
    /// Whether every pool does that is to.
    pub fn serves(&self) -> bool {
        self.pools.iter().all(|pool| pool.serves || pool.removed)
    }
}

/// The bounds of histograms.
pub fn bounds() -> Vec<f64> {
    BOUNDS.iter().map(|micros| *micros as f64 / 1e6).collect()
}

/// To the millisecond.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

/// A line of JSON with nothing in it that commands a terminal.
pub fn json(value: &impl Serialize) -> String {
    // No map has keys that are not text, which is all that JSON refuses.
    let plain = serde_json::to_string(value).unwrap_or_default();
    let mut line = String::with_capacity(plain.len());
    for c in plain.chars() {
        // Nothing but text is outside of strings, and those of the second plane are no commands.
        match c {
            c if terminal::is_text(c) => line.push(c),
            c => write!(line, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use shared::scoreboard::tally::BUCKETS;

    use super::*;

    #[test]
    fn json_commands_no_terminal_and_is_still_the_same_text() {
        let path = "/größe\u{1b}[2J\u{9b}\u{202e}\u{7f}\t\"\\\u{fffd}";
        let request = RunningRequest { path: path.to_owned(), ..RunningRequest::default() };
        let line = json(&request);
        assert!(line.chars().all(|c| terminal::is_text(c) && c != '\t'), "{line}");
        assert_eq!(serde_json::from_str::<RunningRequest>(&line).unwrap(), request);
    }

    #[test]
    fn a_histogram_comes_out_as_it_went_in() {
        let mut histogram = Histogram { sum: 1_500_000, ..Histogram::default() };
        (histogram.buckets[0], histogram.buckets[BUCKETS - 1]) = (3, 1);
        let times = Times::of(&histogram);
        assert_eq!((times.count, times.sum, times.p99), (4, 1.5, Some(60.0)));
        assert_eq!(times.histogram(), Histogram { sum: 0, ..histogram });
        assert_eq!(Times { buckets: vec![1; 99], ..times }.histogram().buckets, [1; BUCKETS]);
        assert_eq!(bounds().len(), BUCKETS - 1);
    }
}
