//! What happens to the processes while requests wait: none is lost but those that ran in a process that was killed.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::{Crowd, FOUR_BY_FOUR, How, Pool, Shape, TWO_BY_ONE, each, tally};
use crate::full::{CROWD, ROOM};
use crate::site::{is_alive, kill};
use crate::support::latency::Latencies;
use crate::support::process::{is_queue_process, stand_still, wait_until};

/// A pool whose workers are busy, and what [`expect_all_are_served`] says.
fn nobody_who_waits_is_lost(shape: Shape, how: How, disturb: fn(&Pool) -> usize) {
    let mut pool = Pool::start(shape, "max-queue = 100\n");
    let connections = pool.connections(how, WAITING);
    pool.occupy();
    let crowd = pool.send_on(connections, how, WAITING, 0.01);
    expect_all_are_served(pool, crowd, disturb);
}

/// A crowd that waits, what happens then, and how many running requests it has cost.
pub(crate) fn expect_all_are_served(mut pool: Pool, crowd: Crowd, disturb: impl FnOnce(&Pool) -> usize) {
    wait_until("all to wait", || pool.waiting() == WAITING as u64);
    let deaths = disturb(&pool);
    pool.open_gate_after_deaths(deaths);
    let got = crowd.finish();
    assert_eq!(tally(&got), [(200, WAITING)].into(), "log:\n{}", pool.log());
    let mut begun = pool.begun();
    begun.sort_unstable();
    assert_eq!(begun, (0..WAITING).collect::<Vec<_>>(), "each has run once");
    wait_until("nobody to wait", || pool.waiting() == 0);
    pool.end();
}

pub(crate) fn reload(pool: &Pool) -> usize {
    pool.control("reload").expect_code(0);
    0
}

pub(crate) fn kill_child(pool: &Pool) -> usize {
    let children = pool.children();
    kill(*children.first().unwrap(), "KILL");
    wait_until("another child", || pool.children().len() == pool.shape.processes && pool.children() != children);
    pool.shape.threads
}

/// It ends when it has answered what it runs; others come.
fn terminate_child(pool: &Pool) -> usize {
    let children = pool.children();
    kill(*children.first().unwrap(), "TERM");
    wait_until("the log", || pool.log().contains("waiting for running requests"));
    0
}

pub(crate) fn kill_queue_process(pool: &Pool) -> usize {
    let process = queue_process(pool);
    kill(process, "KILL");
    wait_until("its end", || !is_alive(process));
    0
}

fn stop_child_for_a_while(pool: &Pool) -> usize {
    let child = *pool.children().first().unwrap();
    stand_still(child);
    fs::write(pool.directory().join("gate"), "").unwrap();
    // The other one goes on alone.
    wait_until("all to have begun", || pool.begun().len() == WAITING);
    kill(child, "CONT");
    0
}

/// The queue process of the only pool.
#[track_caller]
pub(crate) fn queue_process(site: &crate::site::Site) -> u32 {
    let find = || {
        let text = fs::read_to_string(format!("/proc/{0}/task/{0}/children", site.pid())).unwrap();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        numbers.find(|process| is_queue_process(*process))
    };
    wait_until("a queue process", || find().is_some());
    find().unwrap()
}

each! { nobody_who_waits_is_lost =>
    a_reload_while_one_shot_requests_wait: TWO_BY_ONE, How::OneShot, reload;
    a_reload_while_kept_connections_wait: TWO_BY_ONE, How::Kept, reload;
    a_reload_while_multiplexed_requests_wait: TWO_BY_ONE, How::Multiplexed, reload;
    a_reload_of_four_processes_with_four_workers_each: FOUR_BY_FOUR, How::OneShot, reload;
    a_child_is_killed_while_one_shot_requests_wait: TWO_BY_ONE, How::OneShot, kill_child;
    a_child_is_killed_while_kept_connections_wait: TWO_BY_ONE, How::Kept, kill_child;
    a_child_of_four_with_four_workers_each_is_killed: FOUR_BY_FOUR, How::OneShot, kill_child;
    the_queue_process_is_killed_while_one_shot_requests_wait: TWO_BY_ONE, How::OneShot, kill_queue_process;
    the_queue_process_is_killed_while_kept_connections_wait: TWO_BY_ONE, How::Kept, kill_queue_process;
    the_queue_process_is_killed_while_multiplexed_requests_wait: TWO_BY_ONE, How::Multiplexed, kill_queue_process;
    a_child_is_stopped_for_a_while_one_shot: TWO_BY_ONE, How::OneShot, stop_child_for_a_while;
    a_child_is_stopped_for_a_while_kept: TWO_BY_ONE, How::Kept, stop_child_for_a_while;
    a_child_is_terminated_while_one_shot_requests_wait: TWO_BY_ONE, How::OneShot, terminate_child;
    the_only_child_is_terminated_while_one_shot_requests_wait: ALONE, How::OneShot, terminate_child;
    the_only_child_is_killed_while_one_shot_requests_wait: ALONE, How::OneShot, kill_child;
    the_only_child_is_killed_while_kept_connections_wait: ALONE, How::Kept, kill_child;
    a_reload_of_the_only_child: ALONE, How::Kept, reload;
}

/// A process that has time, and is stopped before anybody comes, takes nothing. The others do not leave the door to it.
#[test]
fn an_idle_child_that_is_stopped_keeps_nobody_from_being_told_503() {
    let mut pool = Pool::start(TWO_BY_ONE, &format!("max-queue = {ROOM}\n"));
    let idle = *pool.children().first().unwrap();
    stand_still(idle);
    pool.occupy_workers(1);
    let mut crowd = pool.send(How::OneShot, CROWD, 0.0);
    let times: Latencies = crowd.wait_for(CROWD - ROOM).iter().map(|got| got.took).collect();
    println!("beside a process that is stopped: 503 after {times}");
    assert!(times.quantile(1.0) < Duration::from_secs(1), "{times}");
    crowd.expect_silence(Duration::from_millis(200));
    assert_eq!(pool.waiting(), ROOM as u64);
    kill(idle, "CONT");
    assert_eq!(tally(&crowd.finish()), [(200, ROOM), (503, CROWD - ROOM)].into(), "log:\n{}", pool.log());
    pool.open_gate();
    pool.end();
}

fn recycling_while_requests_wait(how: How) {
    let mut pool = Pool::start(TWO_BY_ONE, "max-queue = 200\nmax-requests = 20\nmax-requests-jitter = 0\n");
    drop(pool.connections(how, 0));
    pool.occupy();
    let before = pool.children();
    let crowd = pool.send(how, 150, 0.005);
    // A child in which requests wait has begun that many: it is recycled before they run, and the next one has time.
    wait_until("all to wait", || how == How::Multiplexed || pool.waiting() == 150);
    pool.open_gate();
    assert_eq!(tally(&crowd.finish()), [(200, 150)].into(), "log:\n{}", pool.log());
    assert!(pool.log().contains("has reached max-requests"), "{}", pool.log());
    wait_until("other children", || pool.children().len() == 2 && pool.children() != before);
    pool.end();
}

each! { recycling_while_requests_wait =>
    children_are_recycled_while_one_shot_requests_wait: How::OneShot;
    children_are_recycled_while_multiplexed_requests_wait: How::Multiplexed;
}

/// The first child of all is killed, under load that goes on: whoever comes before the next one is there waits for it.
#[test]
fn whoever_comes_in_the_first_respawn_waits_for_the_next_child() {
    for how in [How::OneShot, How::Kept] {
        let mut pool = Pool::launch(ALONE, Pool::prepared(ALONE, "max-queue = 100\n").env("IMPORT_SECONDS", "0.5"));
        let connections = pool.connections(how, WAITING);
        pool.occupy();
        let child = *pool.children().first().unwrap();
        kill(child, "KILL");
        wait_until("its end", || !is_alive(child));
        let gone = Instant::now();
        let crowd = if how == How::OneShot { Some(pool.send(how, WAITING, 0.0)) } else { None };
        // Kept connections of a process that was killed are closed: a web server makes new ones.
        drop(connections);
        pool.open_gate_after_deaths(1);
        let got = crowd.unwrap_or_else(|| pool.send(How::OneShot, WAITING, 0.0)).finish();
        assert_eq!(tally(&got), [(200, WAITING)].into(), "log:\n{}", pool.log());
        println!("{how:?}: all were answered {:?} after the death, with an import of 500 ms", gone.elapsed());
        pool.end();
    }
}

/// Load that never ends, and deaths in it.
#[test]
fn nothing_is_lost_under_load_while_the_queue_process_dies_again_and_again() {
    let mut pool = Pool::start(TWO_BY_ONE, "max-queue = 300\n");
    fs::write(pool.directory().join("gate"), "").unwrap();
    let crowd = pool.send(How::OneShot, 50, 0.02);
    for _ in 0..3 {
        kill(queue_process(&pool), "KILL");
        wait_until("the next one", || {
            thread::sleep(Duration::from_millis(10));
            pool.status().0["queue_process"].as_u64().is_some_and(|process| is_alive(u32::try_from(process).unwrap()))
        });
    }
    assert_eq!(tally(&crowd.finish()), [(200, 50)].into());
    pool.open_gate();
    pool.end();
}

const ALONE: Shape = Shape { processes: 1, threads: 1 };
pub(crate) const WAITING: usize = 40;

/// TERM: what waits is served, as what runs.
fn whoever_waits_at_a_stop_is_served(shape: Shape, how: How) {
    let mut pool = Pool::start(shape, "max-queue = 100\n");
    let connections = pool.connections(how, WAITING);
    pool.occupy();
    let crowd = pool.send_on(connections, how, WAITING, 0.01);
    wait_until("all to wait", || pool.waiting() == WAITING as u64);
    pool.signal("TERM");
    pool.wait_for_log("stopping gracefully");
    pool.open_gate();
    assert_eq!(tally(&crowd.finish()), [(200, WAITING)].into(), "log:\n{}", pool.log());
    assert!(pool.wait_for_exit().success(), "{}", pool.log());
}

each! { whoever_waits_at_a_stop_is_served =>
    a_stop_while_one_shot_requests_wait: TWO_BY_ONE, How::OneShot;
    a_stop_while_kept_connections_wait: TWO_BY_ONE, How::Kept;
    a_stop_of_the_only_child_while_requests_wait: ALONE, How::OneShot;
}
