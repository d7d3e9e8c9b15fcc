//! What is done to a service under load.

use std::collections::BTreeSet;

use crate::load::Load;
use crate::service::{PROCESSES, Service};

/// Deploys the next version and lets `pyfcgid reload` bring it up: after that no old one answers.
#[track_caller]
pub(crate) fn reload(service: &mut Service, load: &Load) {
    load.allow(service.next_version());
    service.deploy();
    service.reload().expect_code(0);
    load.demand(service.version());
}

/// The same by a signal, which is over when no old child is left.
#[track_caller]
pub(crate) fn hang_up(service: &mut Service, load: &Load) {
    let old = service.children();
    load.allow(service.next_version());
    service.deploy();
    service.signal("HUP");
    service.wait_for_children(PROCESSES, &old);
    load.demand(service.version());
}

/// Deploys the next version and lets USR2 bring it up, with another file in the binary's place.
#[track_caller]
pub(crate) fn upgrade(service: &mut Service, load: &Load) {
    let old = service.children();
    load.allow(service.next_version());
    service.deploy();
    let binary = service.replace_binary();
    service.signal("USR2");
    service.wait_for_binary(binary);
    service.wait_for_children(PROCESSES, &old);
    load.demand(service.version());
}

/// One child more, and when it has served for a while, one child less.
#[track_caller]
pub(crate) fn grow_and_shrink(service: &mut Service, load: &Load) {
    service.signal("TTIN");
    service.wait_until_serving(PROCESSES + 1);
    load.wait_for(load.asked() + ASKED_BETWEEN);
    service.signal("TTOU");
    service.wait_for_children(PROCESSES, &BTreeSet::new());
}

/// Requests that more children answer.
const ASKED_BETWEEN: usize = 200;
