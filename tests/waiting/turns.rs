//! Who waits on the line beside peers that always have several requests on their connections: these are read where they are, so the process
//! never has nothing of its own to do. All are served in the order in which they came, as far as processes can know it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::crowd::{Pool, Shape};
use crate::support::process::wait_until;
use crate::support::{Params, Peer, record};

const ONE_BY_ONE: Shape = Shape { processes: 1, threads: 1 };

/// Requests that come for as long as the test wants, several at once on each of some connections. Their names tell their order.
struct Load {
    sent: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    peers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Returns when all connections have sent their first requests.
    fn start(pool: &Pool) -> Self {
        let (sent, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let peers = (0..CONNECTIONS).map(|_| {
            let mut peer = pool.connect();
            send(&mut peer, &sent, 1..=AT_ONCE);
            let (sent, is_over) = (Arc::clone(&sent), Arc::clone(&is_over));
            thread::spawn(move || keep_sending(peer, &sent, &is_over))
        });
        let peers = peers.collect();
        Self { sent, is_over, peers }
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn end(self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.peers.into_iter().for_each(|peer| peer.join().unwrap());
    }
}

/// All in one write: the process sees that several begin.
fn send(peer: &mut Peer, sent: &AtomicUsize, ids: impl Iterator<Item = u16>) {
    let requests = ids.flat_map(|id| {
        let number = sent.fetch_add(1, Ordering::SeqCst);
        record::request(id, true, &Params::get(&format!("/?load{number}&{SECONDS}")).encode(), b"")
    });
    let requests: Vec<u8> = requests.collect();
    peer.writer().write_all(&requests).unwrap();
}

/// Each is answered before the one that has come later on this connection, so the next is always that which was sent first.
fn keep_sending(mut peer: Peer, sent: &AtomicUsize, is_over: &AtomicBool) {
    let mut open: BTreeSet<u16> = (1..=AT_ONCE).collect();
    for id in (1..=AT_ONCE).cycle() {
        if open.is_empty() {
            return;
        }
        if open.contains(&id) {
            peer.answer(id).expect_status(200);
            // A load that nobody ends is too long for a test, and long enough for who waits to come behind it.
            match is_over.load(Ordering::SeqCst) || sent.load(Ordering::SeqCst) >= MOST {
                true => drop(open.remove(&id)),
                false => send(&mut peer, sent, [id].into_iter()),
            }
        }
    }
}

/// Somebody who sends one request.
struct Waiter {
    peer: Peer,
    name: String,
    /// How many of the load were sent before.
    load: usize,
}

impl Waiter {
    fn new(mut peer: Peer, number: usize, is_kept: bool, load: usize) -> Self {
        let name = format!("waiter{number}");
        peer.send_request(1, is_kept, &Params::get(&format!("/?{name}")), b"");
        Self { peer, name, load }
    }

    /// How many of the load have begun before although they were sent later.
    #[track_caller]
    fn passed_by(&mut self, pool: &Pool) -> usize {
        self.peer.answer(1).expect_status(200);
        let started = pool.started("");
        let before = started.iter().take_while(|name| **name != self.name);
        let numbers = before.filter_map(|name| name.strip_prefix("load")?.parse::<usize>().ok());
        numbers.filter(|number| *number >= self.load).count()
    }
}

#[track_caller]
fn expect_turns(pool: &Pool, waiters: &mut [Waiter]) {
    let passed_by: Vec<_> = waiters.iter_mut().map(|waiter| waiter.passed_by(pool)).collect();
    println!("of the load, requests that were sent later have begun before: {passed_by:?}");
    assert!(passed_by.iter().all(|count| *count <= A_FEW), "{passed_by:?}; log:\n{}", pool.log());
}

fn wait_for_load(pool: &Pool) {
    wait_until("a load", || pool.started("load").len() > 4 * CONNECTIONS * usize::from(AT_ONCE));
}

#[test]
fn a_request_on_a_kept_connection_is_served_in_its_turn_beside_a_multiplexed_load_without_end() {
    let pool = Pool::start(ONE_BY_ONE, "");
    let mut kept: Vec<_> = (0..WAITING).map(|_| pool.connect()).collect();
    kept.iter_mut().for_each(|peer| drop(peer.request(&Params::get("/?warm"), b"").expect_status(200)));
    let load = Load::start(&pool);
    wait_for_load(&pool);
    let waiters = kept.into_iter().enumerate().map(|(number, peer)| Waiter::new(peer, number, true, load.sent()));
    expect_turns(&pool, &mut waiters.collect::<Vec<_>>());
    load.end();
    pool.end();
}

#[test]
fn who_has_waited_on_the_line_is_served_before_a_multiplexed_load_that_came_later() {
    let mut pool = Pool::start(ONE_BY_ONE, "");
    pool.occupy();
    let waiters = (0..WAITING).map(|number| Waiter::new(pool.connect(), number, false, 0));
    let mut waiters: Vec<_> = waiters.collect();
    wait_until("all to wait", || pool.waiting() == WAITING as u64);
    let load = Load::start(&pool);
    pool.open_gate();
    expect_turns(&pool, &mut waiters);
    load.end();
    pool.end();
}

#[test]
fn who_comes_while_processes_are_replaced_is_served_in_turn_beside_such_a_load() {
    let pool = Pool::start(ONE_BY_ONE, "");
    let load = Load::start(&pool);
    wait_for_load(&pool);
    let mut waiters = Vec::new();
    thread::scope(|scope| {
        let reload = scope.spawn(|| pool.control("reload").expect_code(0));
        while !reload.is_finished() {
            waiters.push(Waiter::new(pool.connect(), waiters.len(), false, load.sent()));
            thread::sleep(PACE);
        }
    });
    expect_turns(&pool, &mut waiters);
    load.end();
    pool.end();
}

#[test]
fn what_is_complete_when_its_process_was_replaced_is_served_in_turn_beside_such_a_load() {
    let mut pool = Pool::start(ONE_BY_ONE, "graceful-timeout = \"60s\"\n");
    let request = record::request(1, false, &Params::get("/?waiter").encode(), b"");
    let (beginning, rest) = request.split_at(request.len() / 2);
    let mut peer = pool.connect();
    peer.send(beginning);
    pool.occupy();
    pool.control("reload").expect_code(0);
    let load = Load::start(&pool);
    wait_for_load(&pool);
    let sent_before = load.sent();
    peer.send(rest);
    expect_turns(&pool, &mut [Waiter { peer, name: "waiter".to_owned(), load: sent_before }]);
    load.end();
    pool.open_gate();
    pool.end();
}

const CONNECTIONS: usize = 3;
const AT_ONCE: u16 = 4;
const SECONDS: f64 = 0.004;
const WAITING: usize = 4;
/// Of the load.
const MOST: usize = 1000;
/// What is on its way when somebody comes to the line, and as much again.
const A_FEW: usize = 2 * AT_ONCE as usize * CONNECTIONS;
/// A few come meanwhile, each of which takes as long as one of the load.
const PACE: Duration = Duration::from_millis(20);
