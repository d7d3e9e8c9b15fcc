//! Clients of the control socket that do not behave, and a supervisor that has no descriptors to spare.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::reports::cpu_seconds;
use crate::site::{STATUS_REQUEST, Site, says, site_with, wait_until_gone};
use crate::support::process::wait_until;

fn client(site: &Site) -> UnixStream {
    let client = UnixStream::connect(site.directory().join("site.pid.control")).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client
}

fn silent(site: &Site, count: usize) -> Vec<UnixStream> {
    (0..count).map(|_| client(site)).collect()
}

#[test]
fn clients_that_say_nothing_lock_nobody_out() {
    let mut site = Site::start(site_with(&says("x"), ""));
    let idle = silent(&site, 200);
    site.control("status").expect_code(0);
    let children = site.children();
    site.control("stop").expect_code(0);
    site.wait_for_exit(Duration::from_secs(5));
    wait_until_gone(&children);
    drop(idle);
}

#[test]
fn a_client_that_says_it_bit_by_bit_has_some_seconds() {
    let site = Site::start(site_with(&says("x"), ""));
    let mut slow = client(&site);
    let begun = Instant::now();
    // Another one that is quick enough.
    let mut quick = client(&site);
    for byte in STATUS_REQUEST {
        quick.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    quick.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("{\"stdout\":\"{\\\"schema\\\":1,") && answer.ends_with("{\"exit\":0}\n"), "{answer}");
    while slow.write_all(b" ").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is still listened to");
        std::thread::park_timeout(Duration::from_millis(200));
    }
    site.end();
}

#[test]
fn a_client_that_does_not_read_its_answer_holds_up_nothing() {
    let site = Site::start(site_with(&says("x"), ""));
    let clients: Vec<UnixStream> = (0..50)
        .map(|_| {
            let mut client = client(&site);
            client.write_all(STATUS_REQUEST).unwrap();
            client
        })
        .collect();
    site.control("reload").expect_code(0);
    site.control("status").expect_code(0);
    drop(clients);
    site.end();
}

#[test]
fn without_descriptors_the_supervisor_does_not_spin_and_hears_whoever_speaks() {
    let site = Site::start(site_with(&says("x"), "max-connections = 10\n").under(["prlimit", "--nofile=40:40"]));
    let idle = silent(&site, 60);
    let (begun, cpu) = (Instant::now(), cpu_seconds(site.pid()));
    wait_until("two seconds", || begun.elapsed() > Duration::from_secs(2));
    let used = cpu_seconds(site.pid()) - cpu;
    assert!(used < 0.3, "{used} s of 2 s");
    site.control("status").expect_code(0);
    drop(idle);
    site.end();
}

fn soft_limit(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

#[test]
fn the_supervisor_has_as_many_descriptors_as_it_needs_and_children_as_many_as_before() {
    let settings = "processes = 12\nmax-connections = 10\n";
    let site = Site::start(site_with(&says("x"), settings).under(["prlimit", "--nofile=48:4096"]));
    let all_have = |children: usize| {
        assert_eq!(soft_limit(site.pid()), 4096);
        for child in site.wait_for_children(children) {
            assert!(soft_limit(child) < 1000, "{}", soft_limit(child));
        }
    };
    all_have(12);
    site.signal("USR2");
    wait_until("the program in its place", || site.log().contains("]: PF0302 reloaded\n"));
    all_have(12);
    site.end();
}
