//! Behind real web servers.

use std::thread;
use std::time::Duration;

use crate::before;
use crate::crowd::{Crowd, FOUR_BY_FOUR, How, Pool, Shape, TWO_BY_ONE, each, tally};
use crate::disturbances::{WAITING, expect_all_are_served, kill_child, kill_queue_process, reload};
use crate::full::{CROWD, ROOM, expect_room_for_max_queue};
use crate::http::Request;
use crate::support::process::wait_until;
use crate::web_server::WebServer;

fn nginx(pool: &Pool) -> WebServer {
    before::nginx(pool, |file| file)
}

fn nginx_keeping(pool: &Pool) -> WebServer {
    before::nginx_that_keeps_connections(pool, |file| file)
}

/// With threads for all.
fn apache(pool: &Pool) -> WebServer {
    let threads = "ThreadLimit 300\nThreadsPerChild 300\nMaxRequestWorkers 300\n<VirtualHost *:80>";
    before::apache(pool, |file| file.replace("<VirtualHost *:80>", threads))
}

fn haproxy(pool: &Pool) -> WebServer {
    before::haproxy(pool)
}

fn haproxy_multiplexing(pool: &Pool) -> WebServer {
    before::haproxy_that_multiplexes(pool)
}

/// So much is known of a web server that multiplexes before a request has to wait.
fn multiplex(port: u16) {
    let pairs: Vec<_> = (0..8).map(|_| thread::spawn(move || Request::get("/?warm&0.1").send(port).status)).collect();
    pairs.into_iter().for_each(|asked| assert_eq!(asked.join().unwrap(), 200));
}

/// They come one after another.
fn browsers(port: u16, count: usize) -> Crowd {
    let ask = move |number| {
        let answer = Request::get(format!("/?{number}&0.005")).send(port);
        (answer.status, answer.header("Retry-After").is_some())
    };
    Crowd::of_browsers(count, ask, |_| thread::sleep(Duration::from_millis(3)))
}

/// A crowd of browsers, while browsers keep all workers busy.
fn exactly_max_queue_wait(shape: Shape, how: How, front: fn(&Pool) -> WebServer) {
    let what = format!("{}, {} x {}", thread::current().name().unwrap(), shape.processes, shape.threads);
    let mut pool = Pool::start(shape, &format!("max-queue = {ROOM}\n"));
    let mut front = front(&pool);
    let port = front.port;
    if how == How::Multiplexed {
        multiplex(port);
    }
    pool.occupy();
    let crowd = browsers(port, CROWD);
    // What one sends before another may come behind it: browsers are threads, and a web server has its own order, the more so where it
    // spreads requests over connections that multiplex, each of which waits in one process.
    let slack = if how == How::Multiplexed { ROOM } else { shape.workers() + 10 };
    expect_room_for_max_queue(&what, how, pool, crowd, slack);
    wait_until("a web server that goes on", || {
        front.expect_running();
        true
    });
}

each! { exactly_max_queue_wait =>
    behind_nginx: TWO_BY_ONE, How::OneShot, nginx;
    behind_nginx_four_by_four: FOUR_BY_FOUR, How::OneShot, nginx;
    behind_nginx_that_keeps_connections: TWO_BY_ONE, How::Kept, nginx_keeping;
    behind_apache: TWO_BY_ONE, How::Kept, apache;
    behind_apache_four_by_four: FOUR_BY_FOUR, How::Kept, apache;
    behind_haproxy: TWO_BY_ONE, How::Kept, haproxy;
    behind_haproxy_four_by_four: FOUR_BY_FOUR, How::Kept, haproxy;
    behind_haproxy_that_multiplexes: TWO_BY_ONE, How::Multiplexed, haproxy_multiplexing;
}

/// While browsers wait, something happens to the processes; all are answered, and each request has run once.
fn nobody_who_waits_is_lost(front: fn(&Pool) -> WebServer) {
    for disturb in [reload, kill_child, kill_queue_process] {
        let mut pool = Pool::start(TWO_BY_ONE, "max-queue = 100\n");
        let front = front(&pool);
        pool.occupy();
        let crowd = browsers(front.port, WAITING);
        expect_all_are_served(pool, crowd, disturb);
    }
}

each! { nobody_who_waits_is_lost =>
    nobody_who_waits_behind_nginx_is_lost: nginx;
    nobody_who_waits_behind_nginx_that_keeps_connections_is_lost: nginx_keeping;
    nobody_who_waits_behind_apache_is_lost: apache;
    nobody_who_waits_behind_haproxy_is_lost: haproxy;
}

/// But in a process that is killed: what waits on a connection that multiplexes waits there.
#[test]
fn nobody_who_waits_behind_haproxy_that_multiplexes_is_lost() {
    for disturb in [reload, kill_queue_process] {
        let mut pool = Pool::start(TWO_BY_ONE, "max-queue = 100\n");
        let front = haproxy_multiplexing(&pool);
        multiplex(front.port);
        pool.occupy();
        let crowd = browsers(front.port, WAITING);
        expect_all_are_served(pool, crowd, disturb);
    }
}

/// Children are recycled while browsers wait, again and again.
fn recycling_loses_nobody(front: fn(&Pool) -> WebServer) {
    let settings = "max-queue = 200\nmax-requests = 20\nmax-requests-jitter = 0\n";
    let mut pool = Pool::start(TWO_BY_ONE, settings);
    let front = front(&pool);
    pool.occupy();
    let before = pool.children();
    let crowd = browsers(front.port, 150);
    wait_until("all to wait", || pool.waiting() == 150);
    pool.open_gate();
    assert_eq!(tally(&crowd.finish()), [(200, 150)].into(), "log:\n{}", pool.log());
    wait_until("other children", || pool.children().len() == 2 && pool.children().is_disjoint(&before));
    pool.end();
}

each! { recycling_loses_nobody =>
    recycling_loses_nobody_behind_nginx: nginx;
    recycling_loses_nobody_behind_apache: apache;
    recycling_loses_nobody_behind_haproxy: haproxy;
}
