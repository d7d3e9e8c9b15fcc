//! Connections on which nothing happens while the service changes.

use std::collections::BTreeSet;

use crate::front::Front;
use crate::kept_peer::KeptPeer;
use crate::load::Client;
use crate::question::Question;
use crate::service::{PROCESSES, Service};
use crate::support::process::wait_until;
use crate::{CONNECTIONS, disturbance_count, disturbances};

/// Each serves as before after every reload, and is answered by the new version.
#[test]
fn idle_connections_outlive_reloads() {
    let mut service = Service::start("");
    let mut idle: Vec<KeptPeer> = (0..CONNECTIONS).map(|_| KeptPeer::new(service.address())).collect();
    for number in 0..=disturbance_count() {
        for (client, peer) in idle.iter_mut().enumerate() {
            let question = Question { path: format!("/{client}/{number}"), query: String::new(), body: Vec::new() };
            let answer = peer.ask(&question).unwrap_or_else(|reason| panic!("connection {client}, reload {number}: {reason}"));
            question.check(&answer, service.version()..=service.version()).unwrap();
        }
        service.deploy();
        service.reload().expect_code(0);
    }
    service.expect_healthy_end();
}

/// Each is handed on at once when its child goes.
#[test]
fn idle_connections_outlive_children_that_come_and_go() {
    let mut service = Service::start("");
    let mut idle: Vec<KeptPeer> = (0..CONNECTIONS).map(|_| KeptPeer::new(service.address())).collect();
    for number in 0..disturbance_count() {
        service.signal("TTIN");
        service.wait_until_serving(PROCESSES + 1);
        for (client, peer) in idle.iter_mut().enumerate() {
            let question = Question { path: format!("/{client}/{number}"), query: String::new(), body: Vec::new() };
            let answer = peer.ask(&question).unwrap_or_else(|reason| panic!("connection {client}, round {number}: {reason}"));
            question.check(&answer, service.version()..=service.version()).unwrap();
        }
        service.signal("TTOU");
        service.wait_for_children(PROCESSES, &BTreeSet::new());
    }
    service.expect_healthy_end();
}

/// When the last old child has gone, the supervisor has as many descriptors as before.
#[test]
fn reloads_leave_no_descriptor_behind() {
    let mut service = Service::start("");
    let mut site = Front::Direct.start(&service);
    let load = site.load(&service, CONNECTIONS);
    let before = service.open_files();
    for number in 1..=disturbance_count() {
        disturbances::reload(&mut service, &load);
        load.wait_for(number * 100);
    }
    wait_until(&format!("{before} descriptors instead of {}", service.open_files()), || service.open_files() == before);
    load.finish().expect_nothing_dropped(0);
    site.expect_no_complaint();
    service.expect_healthy_end();
}
