//! Commands to a child that does not read them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::site::{STATUS_REQUEST, Site, is_alive, kill, says, site_with};
use crate::support::process::{stand_still, wait_until};

/// Asks for the status so many times at once, and waits for all answers.
fn ask_for_status(site: &Site, times: usize) {
    let connect = |_| {
        let mut client = UnixStream::connect(site.directory().join("site.pid.control")).unwrap();
        client.write_all(STATUS_REQUEST).unwrap();
        client
    };
    let mut clients: Vec<UnixStream> = (0..times).map(connect).collect();
    for client in &mut clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("{\"exit\":0}\n"), "{answer}");
    }
}

/// The youngest child, which is the one that goes first.
fn stop_the_youngest(site: &Site) -> u32 {
    let youngest = *site.wait_for_children(2).last().unwrap();
    stand_still(youngest);
    youngest
}

#[test]
fn a_command_to_a_child_that_stood_still_through_much_asking_is_not_lost() {
    let site = Site::start(site_with(&says("x"), "processes = 2\n"));
    let stopped = stop_the_youngest(&site);
    (0..30).for_each(|_| ask_for_status(&site, 40));
    site.signal("TTOU");
    wait_until("the retirement", || site.control("status").out.contains("retiring, generation"));
    kill(stopped, "CONT");
    wait_until("the end of the child that is to retire", || !is_alive(stopped));
    assert!(!site.log().contains("killing it"), "{}", site.log());
    assert_eq!(site.text("/"), "x");
    site.end();
}

#[test]
fn a_child_that_stood_still_through_much_asking_answers_once_and_serves() {
    let site = Site::start(site_with(&says("x"), "processes = 2\n"));
    let stopped = stop_the_youngest(&site);
    (0..5).for_each(|_| ask_for_status(&site, 40));
    kill(stopped, "CONT");
    wait_until("the numbers of both", || site.control("status").out.matches("workers busy, 0 queued").count() == 2);
    assert_eq!(site.wait_for_children(2).last(), Some(&stopped));
    site.end();
}
