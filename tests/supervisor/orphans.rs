//! Processes that an application leaves behind.

use std::collections::BTreeSet;

use crate::site::{Site, children_of, is_alive, kill, site_with, status_of, wait_until_gone};
use crate::support::process::wait_until;

/// Each request leaves a daemon that lives for as long as it says.
const LEAVES: &str = "\
import os, time
def application(environ, start_response):
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            time.sleep(float(environ['QUERY_STRING']))
        os._exit(0)
    os.waitpid(child, 0)
    start_response('200 OK', [])
    return [b'x']
";

fn zombies(supervisor: u32) -> BTreeSet<u32> {
    let state = |child: &u32| std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    children_of(supervisor).into_iter().filter(|child| state(child).contains(") Z ")).collect()
}

#[test]
fn what_an_application_leaves_behind_is_reaped() {
    let site = Site::start(site_with(LEAVES, ""));
    let own = site.wait_for_children(1);
    (0..20).for_each(|_| drop(site.text("/?0.3")));
    wait_until("the supervisor to look after them", || site.children().len() > 1);
    wait_until("their end", || site.children() == own);
    site.signal("HUP");
    wait_until("a reload beside it", || site.log().contains("]: PF0302 reloaded\n"));
    (0..300).for_each(|_| drop(site.text("/?0")));
    wait_until("their end", || site.children().len() == 1);
    assert!(!site.log().contains("unknown cause"), "{}", site.log());
    site.end();
}

/// As in a container.
#[test]
fn as_process_1_it_reaps_what_it_has_not_started() {
    if !crate::site::is_root() {
        return eprintln!("skipped: only root can make a namespace of processes");
    }
    let site = Site::start(site_with(LEAVES, "").under(["unshare", "-pf", "--kill-child", "--mount-proc"]));
    let supervisor = *site.wait_for_children(1).first().unwrap();
    (0..10).for_each(|_| drop(site.text("/?0.1")));
    wait_until("their end", || children_of(supervisor).len() == 1 && zombies(supervisor).is_empty());
    let children = children_of(supervisor);
    kill(supervisor, "TERM");
    wait_until_gone(&[supervisor]);
    wait_until_gone(&children);
}

#[test]
fn what_lives_on_at_the_end_is_left_alone_and_counted() {
    let mut site = Site::start(site_with(LEAVES, ""));
    let own = site.wait_for_children(1);
    site.text("/?60");
    site.text("/?60");
    wait_until("what was left", || site.children().len() == 3);
    let left: BTreeSet<u32> = &site.children() - &own;
    assert!(site.stop().success());
    site.wait_for_log("processes left behind by applications are still running: 2");
    let all_live = left.iter().all(|process| is_alive(*process) && status_of(*process, "Name").contains("pyfcgid"));
    left.iter().for_each(|process| kill(*process, "KILL"));
    assert!(all_live);
}
