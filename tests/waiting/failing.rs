//! All children of a pool are broken.

use std::fs;
use std::time::{Duration, Instant};

use crate::crowd::status_of;
use crate::site::{Site, kill, limit, says, site_with};
use crate::support::Params;
use crate::support::place::write_module;
use crate::support::process::wait_until;

#[test]
fn a_pool_of_broken_children_says_so_at_once_and_serves_when_it_is_mended() {
    let site = Site::start(site_with(&says("one"), "processes = 2\nthreads = 2\n"));
    let mut kept = site.connect();
    assert_eq!(kept.request(&Params::get("/"), b"").expect_status(200).text(), "one");
    write_module(&site.directory().join("app.py"), "raise RuntimeError(\"no \\\"database\\\"\")\nmore\n");
    site.children().into_iter().for_each(|child| kill(child, "KILL"));
    wait_until("a pool that says that it fails", || status_of(&site).0["state"] == "failing");
    for _ in 0..20 {
        let started = Instant::now();
        let answer = site.ask("/").expect_status(503);
        assert!(answer.header("Retry-After").is_some(), "{}", answer.summary());
        let took = started.elapsed();
        println!("503 of a failing pool after {took:?}");
        assert!(took < limit(Duration::from_millis(100), Duration::from_secs(1)), "{took:?}");
    }
    let (status, code) = status_of(&site);
    assert_eq!(code, Some(4), "{status:#}");
    let failing = &status["failing"];
    assert!(failing["error"].as_str().is_some_and(|error| error.contains("no \"database\"")), "{status:#}");
    assert!(failing["next_try_in"].is_number() || failing["next_try_in"].is_null(), "{status:#}");
    wait_until("the time of the next try", || {
        let text = site.control("status").expect_code(4).out;
        assert!(text.contains("pool web: failing") && text.contains("no \"database\""), "{text}");
        text.contains("next try in ")
    });
    write_module(&site.directory().join("app.py"), &says("two"));
    site.control("reload").expect_code(0);
    assert_eq!(site.text("/"), "two");
    let (status, code) = status_of(&site);
    assert_eq!((status["state"].as_str(), code), (Some("serving"), Some(0)), "{status:#}");
    assert!(site.control("status").expect_code(0).out.contains("pool web: serving"));
    site.end();
}

/// Those who wait for the first respawn are told as soon as it has failed.
#[test]
fn whoever_waits_for_a_child_that_does_not_come_up_is_told_503() {
    let site = Site::start(site_with(&says("one"), "processes = 1\nthreads = 1\n"));
    let broken = "import time\ntime.sleep(0.5)\nraise RuntimeError(\"broken\")\n";
    write_module(&site.directory().join("app.py"), broken);
    kill(*site.children().first().unwrap(), "KILL");
    wait_until("a child that starts", || status_of(&site).0["state"] == "starting");
    let mut waiting: Vec<_> = (0..10).map(|_| site.connect()).collect();
    waiting.iter_mut().for_each(|peer| peer.send_request(1, false, &Params::get("/"), b""));
    wait_until("all to wait", || status_of(&site).0["waiting"] == 10);
    for peer in &mut waiting {
        let answer = peer.answer(1).expect_status(503);
        assert!(answer.header("Retry-After").is_some());
    }
    assert_eq!(status_of(&site).0["waiting"], 0);
    fs::write(site.directory().join("app.py"), says("two")).unwrap();
    // It mends itself, too, by the next try.
    wait_until("a mended pool", || status_of(&site).0["state"] == "serving");
    assert_eq!(site.text("/"), "two");
    site.end();
}
