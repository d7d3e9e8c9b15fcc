//! Pools that start on demand.

use std::time::{Duration, Instant};

use crate::crowd::{Shape, status_of};
use crate::disturbances::queue_process;
use crate::site::{Site, limit, site_of};
use crate::support::process::wait_until;
use crate::support::{Params, Pyfcgid};

const IMPORT: Duration = Duration::from_millis(300);

#[test]
fn a_sleeping_pool_answers_the_first_request_as_soon_as_it_has_started_and_sleeps_again() {
    let settings = "processes = \"0..2\"\nthreads = 2\nidle-timeout = \"1s\"\n";
    let site = Site::start(site_of("waits_at_a_gate.py", settings).env("IMPORT_SECONDS", "0.3"));
    for round in 0..2 {
        let (status, code) = status_of(&site);
        assert_eq!((status["state"].as_str(), code), (Some("sleeping"), Some(0)), "round {round}: {status:#}");
        assert_eq!(site.children().len(), 0);
        let started = Instant::now();
        let mut peers: Vec<_> = (0..4).map(|_| site.connect()).collect();
        peers.iter_mut().for_each(|peer| peer.send_request(1, false, &Params::get("/?0"), b""));
        peers.iter_mut().for_each(|peer| drop(peer.answer(1).expect_status(200)));
        let took = started.elapsed();
        println!("the first requests of a sleeping pool were answered after {took:?}, with an import of {IMPORT:?}");
        assert!(took < IMPORT + limit(Duration::from_millis(50), Duration::from_secs(3)), "{took:?}");
        drop(peers);
        site.wait_for_children(0);
        wait_until("sleep", || status_of(&site).0["state"] == "sleeping");
    }
    site.end();
}

#[test]
fn whoever_finds_a_sleeping_pool_full_is_turned_away() {
    let shape = Shape { processes: 1, threads: 1 };
    let settings = format!("processes = \"0..{}\"\nthreads = {}\nmax-queue = 5\n", shape.processes, shape.threads);
    let site = Site::start(site_of("waits_at_a_gate.py", &settings).env("IMPORT_SECONDS", "1"));
    let mut peers: Vec<_> = (0..20).map(|_| site.connect()).collect();
    peers.iter_mut().for_each(|peer| peer.send_request(1, false, &Params::get("/?0"), b""));
    let statuses: Vec<u16> = peers.iter_mut().map(|peer| peer.answer(1).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 15, "{statuses:?}");
    site.end();
}

/// Ticks of the processor that a process has had.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// How often a process has gone to sleep.
fn switches(process: u32) -> u64 {
    crate::site::status_of(process, "voluntary_ctxt_switches").parse().unwrap()
}

#[test]
fn a_queue_process_rests_while_children_serve_and_while_the_pool_sleeps() {
    for processes in ["2", "\"0..2\""] {
        let site = Site::start(site_of("waits_at_a_gate.py", &format!("processes = {processes}\n")));
        let queue = queue_process(&site);
        wait_until("it to rest", || {
            let before = switches(queue);
            std::thread::sleep(Duration::from_millis(300));
            switches(queue) == before
        });
        let (before, turns) = (ticks(queue), switches(queue));
        std::thread::sleep(Duration::from_secs(2));
        let (ticks, turns) = (ticks(queue) - before, switches(queue) - turns);
        println!("a queue process beside {processes} processes: {ticks} ticks and {turns} wake-ups in 2 s");
        assert!(ticks == 0 && turns <= 1, "{ticks} ticks, {turns} wake-ups");
        let _: &Pyfcgid = &site;
        site.end();
    }
}
