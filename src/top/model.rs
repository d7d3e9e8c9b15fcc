//! What `pyfcgid top` knows: two samples, what has changed between them, and what its user wants to see. No terminal, no clock.

use std::time::{Duration, Instant};

use crate::report::{PoolStatus, Requests, RunningRequest, Status, Times};
use shared::scoreboard::tally::Histogram;

/// What was told at one moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// How it is.
    pub status: Status,
    /// What runs.
    pub requests: Requests,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct Model {
    earlier: Option<(Instant, Sample)>,
    now: Option<(Instant, Sample)>,
    /// What is said about pyfcgid itself, and until when if it answers.
    notice: Option<(String, Instant)>,
    /// How pools are sorted: a place in [`ORDERS`].
    pub order: usize,
    /// Only what has this in it is shown.
    pub filter: String,
    /// Whether a filter is being typed.
    pub is_typing: bool,
    /// Whether what is shown stays as it is.
    pub is_paused: bool,
    /// Whether the keys are explained.
    pub is_helping: bool,
    /// Requests above the first one that is shown.
    pub skipped: usize,
}

/// A pool, and what it did in the interval.
#[derive(Clone, Debug)]
pub struct PoolRow<'a> {
    /// How it is now.
    pub pool: &'a PoolStatus,
    /// Requests that ended a second.
    pub rate: f64,
    /// Those among them that were answered 5xx.
    pub errors: f64,
    /// How long those took.
    pub times: Times,
}

impl PoolRow<'_> {
    /// The part of its workers that has a request.
    fn busy(&self) -> f64 {
        let workers = self.pool.workers;
        workers.busy as f64 / (workers.busy + workers.idle).max(1) as f64
    }
}

impl Model {
    /// Takes in what was told, or why nothing was.
    pub fn take(&mut self, told: Result<Sample, String>, now: Instant) {
        let sample = match told {
            Ok(sample) => sample,
            Err(reason) => {
                self.notice = Some((reason, now));
                return;
            }
        };
        let is_another = self.now.as_ref().is_some_and(|(_, before)| is_restart(&before.status, &sample.status));
        self.earlier = self.now.take().filter(|_| !is_another);
        self.now = Some((now, sample));
        let restarted = is_another.then(|| ("pyfcgid has been started again".to_owned(), now + SAID_FOR));
        self.notice = restarted.or_else(|| self.notice.take().filter(|(_, end)| now < *end));
    }

    /// What was told last.
    pub fn status(&self) -> Option<&Status> {
        self.now.as_ref().map(|(_, sample)| &sample.status)
    }

    /// What is to be said about pyfcgid itself.
    pub fn notice(&self) -> Option<String> {
        self.notice.as_ref().map(|(text, _)| text.clone())
    }

    /// How much time lies between the samples; without two of them, since its start.
    pub fn interval(&self) -> Duration {
        match (&self.earlier, &self.now) {
            (Some((earlier, _)), Some((now, _))) => now.duration_since(*earlier),
            (None, Some((_, sample))) => Duration::from_secs(sample.status.uptime.max(1)),
            _ => Duration::ZERO,
        }
    }

    /// The pools that are to be seen, in their order.
    pub fn pools(&self) -> Vec<PoolRow<'_>> {
        let seconds = self.interval().as_secs_f64().max(0.001);
        let pools = self.status().into_iter().flat_map(|status| &status.pools);
        let shown = pools.filter(|pool| self.has(&[&pool.name, &pool.state]));
        let mut rows: Vec<PoolRow<'_>> = shown.map(|pool| pool_row(pool, self.before(&pool.name), seconds)).collect();
        let (_, key) = ORDERS[self.order];
        rows.sort_by(|one, other| key(other).total_cmp(&key(one)));
        rows
    }

    /// The requests that are to be seen, the oldest first, and how many there are beside those that are known.
    pub fn requests(&self) -> (Vec<&RunningRequest>, u64) {
        let Some((_, Sample { requests, .. })) = &self.now else {
            return Default::default();
        };
        let matches = |request: &&RunningRequest| {
            self.has(&[&request.id, &request.pool, &request.remote, &request.method, &request.path, &request.phase])
        };
        (requests.requests.iter().filter(matches).collect(), requests.more)
    }

    fn before(&self, name: &str) -> Option<&PoolStatus> {
        let (_, sample) = self.earlier.as_ref()?;
        sample.status.pools.iter().find(|pool| pool.name == name)
    }

    fn has(&self, texts: &[&str]) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// Another process, or another program in the same one.
fn is_restart(before: &Status, now: &Status) -> bool {
    before.pid != now.pid || now.uptime < before.uptime
}

fn pool_row<'a>(pool: &'a PoolStatus, before: Option<&PoolStatus>, seconds: f64) -> PoolRow<'a> {
    let errors = |pool: &PoolStatus| pool.requests.get("5xx").copied().unwrap_or_default();
    let (answered_before, errors_before) = before.map_or((0, 0), |before| (before.answered, errors(before)));
    let durations = before.map_or_else(Histogram::default, |before| before.duration.histogram());
    PoolRow {
        pool,
        rate: pool.answered.saturating_sub(answered_before) as f64 / seconds,
        errors: errors(pool).saturating_sub(errors_before) as f64 / seconds,
        times: Times::of(&pool.duration.histogram().since(&durations)),
    }
}

/// What is largest comes first.
pub type Key = fn(&PoolRow<'_>) -> f64;
/// By what pools are sorted, and what that is called. The first leaves them as they stand in the configuration.
pub const ORDERS: [(&str, Key); 7] = [
    ("configured", |_| 0.0),
    ("busy", |row| row.busy()),
    ("requests/s", |row| row.rate),
    ("slowest", |row| row.times.p99.unwrap_or(-1.0)),
    ("queue", |row| row.pool.waiting as f64),
    ("errors", |row| row.errors),
    ("memory", |row| row.pool.memory as f64),
];
/// A restart is told for so long.
const SAID_FOR: Duration = Duration::from_secs(10);

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::report::Workers;
    use super::*;

    /// A sample of two pools of which each has answered so many requests, half of them 500.
    pub(in super::super) fn sample(pid: u32, uptime: u64, answered: [u64; 2]) -> Sample {
        let pool = |name: &str, answered: u64, memory: u64| {
            let mut histogram = Histogram::default();
            histogram.buckets[if name == "blog" { 3 } else { 9 }] = answered;
            PoolStatus {
                name: name.to_owned(),
                state: "serving".to_owned(),
                answered,
                requests: [("5xx".to_owned(), answered / 2)].into(),
                duration: Times::of(&histogram),
                workers: Workers { busy: 1, idle: 3 },
                memory,
                ..PoolStatus::default()
            }
        };
        let pools = vec![pool("blog", answered[0], 1), pool("shop", answered[1], 2)];
        let request = |id: &str, path: &str| RunningRequest {
            id: id.to_owned(),
            path: path.to_owned(),
            pool: "shop".to_owned(),
            phase: "application".to_owned(),
            ..RunningRequest::default()
        };
        let requests = vec![request("7-1", "/old\u{1b}[2J"), request("7-2", "/größe")];
        let status = Status { version: "1".to_owned(), pid, uptime, pools, ..Status::default() };
        Sample { status, requests: Requests { requests, more: 2, ..Requests::default() } }
    }

    fn rates(model: &Model) -> Vec<(&str, f64, f64)> {
        model.pools().into_iter().map(|row| (row.pool.name.as_str(), row.rate, row.errors)).collect()
    }

    #[test]
    fn what_is_told_is_what_has_changed_between_two_samples() {
        let (mut model, begin) = (Model::default(), Instant::now());
        model.take(Ok(sample(7, 100, [1000, 200])), begin);
        assert_eq!(rates(&model), [("blog", 10.0, 5.0), ("shop", 2.0, 1.0)]);
        model.take(Ok(sample(7, 102, [1010, 200])), begin + Duration::from_secs(2));
        assert_eq!(rates(&model), [("blog", 5.0, 2.5), ("shop", 0.0, 0.0)]);
        let times: Vec<_> = model.pools().into_iter().map(|row| row.times.p99).collect();
        assert!(times[0].is_some_and(|time| time <= 0.01) && times[1].is_none(), "{times:?}");
    }

    #[test]
    fn pools_are_sorted_and_filtered_as_wanted() {
        let mut model = Model::default();
        model.take(Ok(sample(7, 100, [1, 200])), Instant::now());
        let names = |model: &Model| rates(model).into_iter().map(|(name, ..)| name.to_owned()).collect::<Vec<_>>();
        for (order, (word, _)) in ORDERS.iter().enumerate() {
            model.order = order;
            let is_shop_first = ["requests/s", "slowest", "errors", "memory"].contains(word);
            assert_eq!(names(&model), if is_shop_first { ["shop", "blog"] } else { ["blog", "shop"] }, "{word}");
        }
        model.filter = "GRÖ".to_owned();
        assert_eq!((names(&model).len(), model.requests().0.len(), model.requests().1), (0, 1, 2));
    }

    #[test]
    fn a_restart_is_said_and_nothing_is_counted_across_it() {
        let (mut model, begin) = (Model::default(), Instant::now());
        model.take(Ok(sample(7, 100, [1000, 0])), begin);
        model.take(Err("it is not running".to_owned()), begin);
        assert_eq!(model.notice().unwrap(), "it is not running");
        assert!(!model.pools().is_empty(), "what was known stays");
        model.take(Ok(sample(8, 2, [10, 0])), begin + Duration::from_secs(1));
        assert_eq!(
            (model.notice().unwrap().as_str(), rates(&model)[0]),
            ("pyfcgid has been started again", ("blog", 5.0, 2.5))
        );
        model.take(Ok(sample(8, 20, [10, 0])), begin + Duration::from_secs(20));
        assert_eq!(model.notice(), None);
        model.take(Ok(sample(8, 1, [10, 0])), begin + Duration::from_secs(21));
        assert!(model.notice().is_some(), "another program in the same process");
    }
}
