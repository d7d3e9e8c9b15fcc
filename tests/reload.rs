//! A reload under load drops nothing: no request fails, and no kept connection is closed.
//!
//! 32 connections ask without a pause through real web servers that keep their connections, and directly, while the service is
//! reloaded, recycles its children, grows and shrinks, and has its binary replaced. Each answer is checked: status, whole body,
//! and that the version of the application that wrote it may still, or already, serve.
//!
//! `PYFCGID_RELOADS=20` makes it 20 disturbances and 20,000 requests for each pair of web server and disturbance.

#![allow(clippy::unwrap_used)]

#[path = "reload/browser.rs"]
mod browser;
#[path = "reload/disturbances.rs"]
mod disturbances;
#[path = "reload/front.rs"]
mod front;
#[path = "reload/idle.rs"]
mod idle;
#[path = "reload/kept_peer.rs"]
mod kept_peer;
#[path = "reload/load.rs"]
mod load;
#[path = "reload/load_itself.rs"]
mod load_itself;
#[path = "reload/question.rs"]
mod question;
#[path = "reload/refused.rs"]
mod refused;
#[path = "reload/service.rs"]
mod service;
mod support;

// Shared with the tests of the web servers, and not all of it is used here.
#[allow(dead_code)]
#[path = "web_servers/apache.rs"]
mod apache;
#[allow(dead_code)]
#[path = "web_servers/haproxy.rs"]
mod haproxy;
#[allow(dead_code)]
#[path = "web_servers/nginx.rs"]
mod nginx;
#[allow(dead_code)]
#[path = "web_servers/ports.rs"]
mod ports;
#[allow(dead_code)]
#[path = "event_loop/random.rs"]
mod random;
#[allow(dead_code)]
#[path = "web_servers/shipped.rs"]
mod shipped;
#[allow(dead_code)]
#[path = "web_servers/tls.rs"]
mod tls;
#[allow(dead_code)]
#[path = "web_servers/web_server.rs"]
mod web_server;

use front::Front;
use load::{Load, Report};
use service::{PROCESSES, Service};

/// A module of tests for one kind of web server.
macro_rules! front_tests {
    ($name:ident, $front:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn reloads_drop_nothing() {
                let report = disturb($front, "", disturbances::reload);
                assert_eq!(report.versions().len(), 1 + disturbance_count(), "{report}");
            }

            #[test]
            fn reloads_of_children_that_are_recycled_drop_nothing() {
                let report = disturb($front, "max-requests = 200", disturbances::reload);
                let by_reloads = PROCESSES * (1 + disturbance_count());
                assert!(report.processes() > by_reloads, "nothing was recycled: {report}");
            }

            #[test]
            fn children_that_come_and_go_drop_nothing() {
                let report = disturb($front, "", disturbances::grow_and_shrink);
                // Connections that carry one request after the other without a pause stay where they are.
                let stays = $front == Front::HaproxyMultiplexed;
                assert!(stays || report.processes() > PROCESSES, "no other child answered: {report}");
            }

            #[test]
            fn a_new_binary_drops_nothing() {
                let report = disturb($front, "", disturbances::upgrade);
                assert_eq!(report.versions().len(), 1 + disturbance_count(), "{report}");
            }
        }
    };
}

front_tests!(nginx_kept, Front::Nginx);
front_tests!(apache_kept, Front::Apache);
front_tests!(haproxy_kept, Front::Haproxy);
front_tests!(haproxy_multiplexed, Front::HaproxyMultiplexed);
front_tests!(direct, Front::Direct);

/// Disturbs a service again and again while it answers, and fails when a request did.
#[track_caller]
fn disturb(front: Front, settings: &str, disturbance: fn(&mut Service, &Load)) -> Report {
    let mut service = Service::start(settings);
    let mut site = front.start(&service);
    let load = site.load(&service, CONNECTIONS);
    for number in 1..=disturbance_count() {
        disturbance(&mut service, &load);
        load.wait_for(number * REQUESTS_EACH);
    }
    let report = load.finish();
    report.expect_nothing_dropped(disturbance_count() * REQUESTS_EACH);
    site.expect_no_complaint();
    service.expect_healthy_end();
    report
}

/// How often a service is disturbed in one test.
fn disturbance_count() -> usize {
    match std::env::var("PYFCGID_RELOADS") {
        Ok(count) => count.parse().unwrap_or_else(|_| panic!("PYFCGID_RELOADS={count} is no number")),
        Err(_) => 3,
    }
}

const CONNECTIONS: usize = 32;
/// Requests for each disturbance, at least.
const REQUESTS_EACH: usize = 1_000;
