//! Reloads that cannot be carried out leave the old code at work.

use crate::front::Front;
use crate::service::Service;
use crate::{CONNECTIONS, disturbances};

/// A module that raises is told to who deployed it, and to nobody else; the next good one is taken.
#[track_caller]
fn a_module_that_raises_drops_nothing(front: Front) {
    let mut service = Service::start("");
    let mut site = front.start(&service);
    let load = site.load(&service, CONNECTIONS);
    for number in 0..ROUNDS {
        load.wait_for(number * REQUESTS_EACH);
        service.deploy_broken("the reason it can't start");
        let refused = service.reload();
        assert_ne!(refused.code(), 0, "{refused:?}");
        for part in ["Traceback", "deployed.py", "RuntimeError: the reason it can't start"] {
            assert!(refused.stderr.contains(part), "{part:?} is missing: {refused:?}");
        }
        disturbances::reload(&mut service, &load);
    }
    load.wait_for(ROUNDS * REQUESTS_EACH);
    load.finish().expect_nothing_dropped(ROUNDS * REQUESTS_EACH);
    site.expect_no_complaint();
    service.expect_healthy_end();
}

#[test]
fn a_module_that_raises_drops_nothing_of_a_peer() {
    a_module_that_raises_drops_nothing(Front::Direct);
}

#[test]
fn a_module_that_raises_drops_nothing_of_nginx() {
    a_module_that_raises_drops_nothing(Front::Nginx);
}

/// Nobody waits for HUP; the log tells how it went.
#[test]
fn a_module_that_raises_after_hup_drops_nothing() {
    let mut service = Service::start("");
    let mut site = Front::Direct.start(&service);
    let load = site.load(&service, CONNECTIONS);
    service.deploy_broken("the reason it can't start");
    service.signal("HUP");
    service.wait_for_log("RuntimeError: the reason it can't start");
    load.wait_for(REQUESTS_EACH);
    disturbances::hang_up(&mut service, &load);
    load.wait_for(2 * REQUESTS_EACH);
    load.finish().expect_nothing_dropped(2 * REQUESTS_EACH);
    site.expect_no_complaint();
    service.expect_healthy_end();
}

const ROUNDS: usize = 3;
const REQUESTS_EACH: usize = 1_000;
