//! Who asks is told of requests beyond their time, and how many there were.

use serde_json::Value;

use crate::pool::{Hang, Pool};
use crate::support::process::wait_until;

const PROBES: &str = "status-path = \"/status\"\ngraceful-timeout = \"2s\"\n";

/// The figures of a pool: slow, timed out, given up.
fn counts(pool: &Pool) -> [u64; 3] {
    let metrics = pool.text("/status?openmetrics");
    let sample = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {metrics}"));
        line.trim().parse::<f64>().unwrap() as u64
    };
    [
        sample("pyfcgid_slow_requests_total{pool=\"web\"}"),
        sample("pyfcgid_request_timeouts_total{pool=\"web\",step=\"request-timeout\"}"),
        sample("pyfcgid_request_timeouts_total{pool=\"web\",step=\"interrupt-timeout\"}"),
    ]
}

#[track_caller]
fn json(pool: &Pool, command: &str) -> Value {
    let text = pool.control(&format!("{command} --json")).expect_code(0).out;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_was_counted_survives_the_process_a_reload_and_another_binary() {
    let pool = Pool::start(PROBES);
    let old = pool.child();
    assert_eq!(counts(&pool), [0, 0, 0]);
    let mut hang = Hang::begin(&pool, "/hang/loops");
    hang.expect_504();
    let mut hang = Hang::begin(&pool, "/hang/sleeps");
    hang.expect_504();
    let requests = json(&pool, "requests");
    let overdue = requests["requests"].as_array().unwrap();
    assert!(overdue.len() == 1 && overdue[0]["path"] == "/hang/sleeps" && overdue[0]["phase"] == "overdue", "{requests}");
    let told = pool.control("requests").expect_code(0).out;
    assert!(told.contains("overdue") && told.contains("/hang/sleeps"), "{told}");
    wait_until("all to be counted", || counts(&pool) == [2, 2, 1]);
    wait_until("another process", || !pool.children().contains(&old));
    assert_eq!(counts(&pool), [2, 2, 1], "after the process");
    pool.control("reload").expect_code(0);
    assert_eq!(counts(&pool), [2, 2, 1], "after a reload");
    let before = pool.wait_for_children(1);
    pool.signal("USR2");
    wait_until("the children of another binary", || pool.children().is_disjoint(&before) && pool.children().len() == 1);
    assert_eq!(counts(&pool), [2, 2, 1], "after USR2");
    let page = pool.text("/status");
    for (field, count) in [("slow requests:", "2"), ("timed out requests:", "2")] {
        let line = page.lines().find(|line| line.starts_with(field)).unwrap_or_else(|| panic!("no {field} in {page}"));
        assert_eq!(line.split_whitespace().last(), Some(count), "{line}");
    }
    let status = json(&pool, "status");
    println!("{status}");
    pool.end();
}
