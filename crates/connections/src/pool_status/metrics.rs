//! OpenMetrics 1.0, with the names that all of pyfcgid's metrics have. No label comes from the network.

use std::fmt::Display;
use std::time::Duration;

use super::escapes;
use super::snapshot::Snapshot;
use shared::scoreboard::roster::{CHILD_WORDS, EXITS, STOPPED};
use shared::scoreboard::tally::{BOUNDS, Histogram, STEP_NAMES};

/// All metrics of the pool.
pub(super) fn write(snapshot: &Snapshot) -> String {
    let mut page = Exposition { pool: escapes::label(&snapshot.name), text: String::new() };
    write_processes(&mut page, snapshot);
    write_requests(&mut page, snapshot);
    write_life(&mut page, snapshot);
    page.text + "# EOF\n"
}

fn write_processes(page: &mut Exposition, snapshot: &Snapshot) {
    page.begin("build", "info", None, "The program that runs.");
    page.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.begin("processes", "gauge", None, "Children, by what they are doing.");
    for state in CHILD_WORDS[1..].iter().chain([&STOPPED]) {
        page.sample("processes", &[("state", state)], snapshot.children_that_are(state));
    }
    page.gauge("processes_limit", "The most children there may be.", snapshot.record.wanted[2]);
    page.begin("workers", "gauge", None, "Workers, by whether they have a request.");
    let busy = snapshot.busy();
    page.sample("workers", &[("state", "idle")], snapshot.workers().saturating_sub(busy));
    page.sample("workers", &[("state", "busy")], busy);
    page.begin("queue_requests", "gauge", Some("requests"), "Requests that wait for a worker.");
    page.sample("queue_requests", &[], snapshot.waiting);
    page.begin("queue_limit_requests", "gauge", Some("requests"), "The most requests that may wait for a worker.");
    page.sample("queue_limit_requests", &[], snapshot.max_queue);
    page.gauge("connections", "Open connections of web servers to children.", snapshot.connections());
}

fn write_requests(page: &mut Exposition, snapshot: &Snapshot) {
    let tally = snapshot.tally();
    page.begin("requests", "counter", None, "Requests that have ended, by the class of their status.");
    for (class, count) in CLASSES.iter().zip(tally.classes) {
        page.sample("requests_total", &[("class", class)], count);
    }
    page.histogram("request_duration_seconds", "How long requests have taken, from their first record on.", &tally.duration);
    page.histogram("queue_wait_seconds", "How long requests have waited for a worker.", &tally.queue_wait);
    let help = "Requests that were answered 503 because max-queue of them were waiting, they themselves for queue-timeout, no child \
                had started, or a thread kept Python's GIL.";
    page.begin("refused_requests", "counter", None, help);
    for (reason, count) in snapshot.refused {
        page.sample("refused_requests_total", &[("reason", reason.word())], count);
    }
    page.begin("aborted_requests", "counter", None, "Requests that the web server has given up.");
    page.sample("aborted_requests_total", &[], tally.aborted);
    page.begin("slow_requests", "counter", None, "Requests that have run for longer than slow-request-timeout.");
    page.sample("slow_requests_total", &[], tally.slow);
    page.begin("request_timeouts", "counter", None, "Requests that have run for longer than this option allows.");
    for (step, count) in STEP_NAMES.iter().zip(tally.timeouts) {
        page.sample("request_timeouts_total", &[("step", step)], count);
    }
}

fn write_life(page: &mut Exposition, snapshot: &Snapshot) {
    let record = &snapshot.record;
    page.begin("process_exits", "counter", None, "Children that have ended, by how.");
    for (reason, count) in EXITS.iter().zip(record.exits) {
        page.sample("process_exits_total", &[("reason", reason)], count);
    }
    page.begin("reloads", "counter", None, "Reloads, by how they have ended.");
    page.sample("reloads_total", &[("result", "success")], record.reloads[0]);
    page.sample("reloads_total", &[("result", "failure")], record.reloads[1]);
    if let Some((at, is_good)) = record.last_reload {
        page.gauge("last_reload_success", "Whether the last reload succeeded.", u8::from(is_good));
        let name = "last_reload_timestamp_seconds";
        page.begin(name, "gauge", Some("seconds"), "When the last reload ended, since 1970.");
        page.sample(name, &[], seconds(snapshot.now.wall_of(at)));
    }
}

/// What is written so far.
struct Exposition {
    pool: String,
    text: String,
}

impl Exposition {
    fn begin(&mut self, family: &str, kind: &str, unit: Option<&str>, help: &str) {
        let unit = unit.map_or_else(String::new, |unit| format!("# UNIT {PREFIX}{family} {unit}\n"));
        self.text.push_str(&format!("# TYPE {PREFIX}{family} {kind}\n{unit}# HELP {PREFIX}{family} {help}\n"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.begin(name, "gauge", None, help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let pool = &self.pool;
        let labels: String = labels.iter().map(|(name, value)| format!(",{name}=\"{value}\"")).collect();
        self.text.push_str(&format!("{PREFIX}{name}{{pool=\"{pool}\"{labels}}} {value}\n"));
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.begin(name, "histogram", Some("seconds"), help);
        let bounds = BOUNDS.iter().map(|bound| seconds(Duration::from_micros(*bound))).chain(["+Inf".to_owned()]);
        let mut count = 0_u64;
        for (bound, inside) in bounds.zip(histogram.buckets) {
            count = count.saturating_add(inside);
            self.sample(&format!("{name}_bucket"), &[("le", &bound)], count);
        }
        self.sample(&format!("{name}_sum"), &[], seconds(Duration::from_micros(histogram.sum)));
        self.sample(&format!("{name}_count"), &[], count);
    }
}

/// With a point, as the canonical form of bounds has it.
fn seconds(time: Duration) -> String {
    let text = format!("{:.6}", time.as_secs_f64());
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

const PREFIX: &str = "pyfcgid_";
/// By the first digit; what has none comes first.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
