//! Threads that meet at the scheduler. `make shuttle` tries how they may interleave; otherwise they run as they come.
//!
//! What hangs has lost a call: shuttle says so at once.

use std::fs::File;
use std::io::IoSlice;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(shuttle))]
use std::thread;

#[cfg(shuttle)]
use shuttle::thread;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::locking::{self, Condvar, Mutex};
use super::*;
use crate::exchange::{Body, Ending, Exchange, Gone, NothingHeld, Params, Pause, Reply, Request, Room, Sink};
use fastcgi_codec::{RequestId, Role};
use shared::scoreboard::Scoreboard;

/// Tries a scenario in many ways.
#[cfg(shuttle)]
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    let again = Arc::clone(&scenario);
    shuttle::check_random(move || again(), 3000);
    shuttle::check_pct(move || scenario(), 3000, 3);
}

#[cfg(not(shuttle))]
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let (done, is_done) = std::sync::mpsc::channel();
    thread::spawn(move || {
        (0..20).for_each(|_| scenario());
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("somebody waits for ever, or has panicked");
}

/// A write side that costs nothing.
#[derive(Debug)]
struct Nowhere;

impl Sink for Nowhere {
    fn send(&self, _: RequestId, _: &[IoSlice<'_>]) -> Result<Room, Gone> {
        Ok(Room::Plenty)
    }

    fn send_file(&self, _: RequestId, _: &[u8], _: &Arc<File>, _: u64, _: usize) -> Result<Room, Gone> {
        Ok(Room::Plenty)
    }

    fn wait_for_room(&self, _: RequestId) {}

    fn end(&self, _: Ending, _: &[IoSlice<'_>]) {}

    fn cut(&self, _: Ending) {}

    fn is_aborted(&self, _: RequestId) -> bool {
        false
    }
}

fn queue(most: usize) -> (Queue, Worker) {
    queue_of_pool((most, None), Arc::new(Scoreboard::new().unwrap()).seat(1))
}

/// One whose bell wakes whoever waits for that network.
fn queue_with_bell(network: &Network) -> (Queue, Worker) {
    let (queue, worker) = queue(1000);
    let bell = network.clone();
    queue.ring_with(move || {
        bell.change(|news| news.has_rung = true);
        Ok(())
    });
    (queue, worker)
}

fn exchange() -> Exchange {
    let ending = Ending { request: RequestId::new(1), keep_connection: true };
    let request = Request { role: Role::Responder, params: Params::default(), body: Body::from_memory(Vec::new()), data: None };
    Exchange { request, reply: Box::new(Reply::new(Arc::new(Nowhere), ending, false)), begun: Instant::now() }
}

/// Answers 500, and counts.
#[derive(Clone, Default)]
struct Counts(Arc<AtomicUsize>);

impl Counts {
    fn answered(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Pause for Counts {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        NothingHeld.pause(wait);
    }
}

impl Handler for Counts {
    fn handle(&mut self, exchange: Exchange) {
        drop(exchange);
        // Others may get on meanwhile.
        thread::yield_now();
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn start<H: Handler + Clone + Send + 'static>(count: usize, worker: &Worker, handler: &H) -> Vec<thread::JoinHandle<()>> {
    let start = |_| {
        let (worker, mut handler) = (worker.clone(), handler.clone());
        thread::spawn(move || worker.run(&mut handler))
    };
    (0..count).map(start).collect()
}

fn join(workers: Vec<thread::JoinHandle<()>>) {
    workers.into_iter().for_each(|worker| worker.join().unwrap());
}

/// What peers send, and how the event loop hears of it.
#[derive(Clone, Default)]
struct Network(Arc<(Mutex<News>, Condvar)>);

#[derive(Default)]
struct News {
    requests: usize,
    is_over: bool,
    has_rung: bool,
}

impl Network {
    fn change(&self, change: impl FnOnce(&mut News)) {
        change(&mut locking::lock(&self.0.0));
        self.0.1.notify_all();
    }

    /// What has come, after waiting until something has if `waits`.
    fn take(&self, waits: bool) -> News {
        let mut news = locking::lock(&self.0.0);
        while waits && news.requests == 0 && !news.is_over && !news.has_rung {
            news = locking::wait(&self.0.1, news);
        }
        let is_over = news.is_over;
        News { is_over, ..std::mem::take(&mut *news) }
    }
}

/// An event loop of which each event is a request.
#[derive(Debug)]
struct Requests {
    network: Network,
    queue: Queue,
    count: usize,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl Loop for Requests {
    type End = usize;

    fn turn(&mut self, limit: Option<Duration>) -> Turned<usize> {
        let news = self.network.take(limit.is_none());
        for _ in 0..news.requests {
            self.queue.try_dispatch(exchange(), Instant::now(), None).unwrap();
        }
        self.count += news.requests;
        if news.is_over { Turned::Ended(self.count) } else { Turned::Handled(news.requests) }
    }

    fn handled_for(&self) -> Duration {
        Duration::ZERO
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }
}

/// A shared loop with a standby and so many workers, to which so many bursts of requests come.
fn serve(workers: usize, bursts: &[usize]) {
    let (network, counts) = (Network::default(), Counts::default());
    let (queue, worker) = queue(1000);
    let event_loop = Requests { network: network.clone(), queue, count: 0 };
    let event_loop = Arc::new(SharedLoop::new(event_loop));
    let source: Arc<dyn Source> = Arc::<SharedLoop<Requests>>::clone(&event_loop);
    let workers = start(workers, &worker.with_source(source), &counts);
    event_loop.begin();
    let standby = thread::spawn(move || event_loop.stand_by());
    for burst in bursts {
        network.change(|news| news.requests += burst);
        thread::yield_now();
    }
    network.change(|news| news.is_over = true);
    let sent: usize = bursts.iter().sum();
    assert_eq!(standby.join().unwrap(), sent);
    join(workers);
    assert_eq!(counts.answered(), sent);
}

#[test]
fn every_request_is_answered_by_workers_that_are_called() {
    explore(|| {
        let counts = Counts::default();
        let (queue, worker) = queue(1000);
        let workers = start(2, &worker, &counts);
        for _ in 0..4 {
            queue.try_dispatch(exchange(), Instant::now(), None).unwrap();
            queue.call_worker();
        }
        drop(queue);
        join(workers);
        assert_eq!(counts.answered(), 4);
    });
}

/// Its requests are answered when so many run at once.
#[derive(Clone)]
struct Together(Arc<(Mutex<usize>, Condvar)>);

impl Pause for Together {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        NothingHeld.pause(wait);
    }
}

impl Handler for Together {
    fn handle(&mut self, _: Exchange) {
        let (missing, changed) = &*self.0;
        let mut missing = locking::lock(missing);
        *missing -= 1;
        changed.notify_all();
        while *missing > 0 {
            missing = locking::wait(changed, missing);
        }
    }
}

#[test]
fn whoever_is_called_calls_the_next_if_there_is_more() {
    explore(|| {
        let together = Together(Arc::new((Mutex::new(2), Condvar::new())));
        let (queue, worker) = queue(1000);
        let workers = start(2, &worker, &together);
        (0..2).for_each(|_| queue.try_dispatch(exchange(), Instant::now(), None).unwrap());
        queue.call_worker();
        let (missing, changed) = &*together.0;
        let mut missing = locking::lock(missing);
        while *missing > 0 {
            missing = locking::wait(changed, missing);
        }
        drop(missing);
        drop(queue);
        join(workers);
    });
}

#[test]
fn the_loop_that_waits_because_all_are_busy_hears_of_the_first_that_is_not() {
    explore(|| {
        let (network, counts) = (Network::default(), Counts::default());
        let (queue, worker) = queue_with_bell(&network);
        let workers = start(1, &worker, &counts);
        queue.try_dispatch(exchange(), Instant::now(), None).unwrap();
        queue.call_worker();
        if queue.shut_if_saturated(false) {
            network.take(true);
            assert!(!queue.is_shut());
        }
        drop(queue);
        join(workers);
    });
}

#[test]
fn the_loop_that_waits_hears_when_it_is_the_turn_of_one_who_is_not_queued() {
    explore(|| {
        let (network, counts) = (Network::default(), Counts::default());
        let (queue, worker) = queue_with_bell(&network);
        let (workers, now) = (start(1, &worker, &counts), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        [1, 3].into_iter().for_each(|seconds| queue.try_dispatch(exchange(), after(seconds), None).unwrap());
        queue.call_worker();
        while !queue.is_turn_of(after(2)) {
            match queue.load() {
                Load { has_work: false, .. } => break,
                // Nobody waits for that.
                Load { is_held: true, .. } => thread::yield_now(),
                Load { .. } => drop(network.take(true)),
            }
        }
        drop(queue);
        join(workers);
        assert_eq!(counts.answered(), 2);
    });
}

#[test]
fn two_workers_and_the_standby_turn_the_loop_in_turns() {
    explore(|| serve(2, &[1, 1, 2]));
}

#[test]
fn one_worker_and_the_standby_turn_the_loop_in_turns() {
    explore(|| serve(1, &[2, 1, 2, 2]));
}

#[test]
fn a_panic_in_a_turn_costs_the_thread_and_not_the_loop() {
    /// Panics once.
    #[derive(Debug)]
    struct Panics(Queue, bool);

    impl Loop for Panics {
        type End = ();

        fn turn(&mut self, _: Option<Duration>) -> Turned<()> {
            assert!(std::mem::replace(&mut self.1, true), "this one is meant");
            Turned::Ended(())
        }

        fn handled_for(&self) -> Duration {
            Duration::ZERO
        }

        fn queue(&self) -> &Queue {
            &self.0
        }
    }

    if cfg!(not(shuttle)) {
        let event_loop = SharedLoop::new(Panics(queue(1).0, false));
        event_loop.begin();
        let turn = std::panic::AssertUnwindSafe(|| event_loop.turn(None));
        assert!(std::panic::catch_unwind(turn).is_err());
        event_loop.stand_by();
    }
}

#[test]
fn whoever_waits_is_counted_for_the_pool_until_a_worker_takes_it_or_the_queue_is_gone() {
    explore(|| {
        let scoreboard = Arc::new(Scoreboard::new().unwrap());
        let full = || {
            let (queue, worker) = queue_of_pool((2, None), scoreboard.seat(1));
            let is_taken = [(); 3].map(|()| queue.try_dispatch(exchange(), Instant::now(), None).is_ok());
            assert_eq!((is_taken, scoreboard.waiting()), ([true, true, false], 2));
            (queue, worker)
        };
        let ((queue, worker), counts) = (full(), Counts::default());
        drop(queue);
        join(start(2, &worker, &counts));
        assert_eq!((counts.answered(), scoreboard.waiting()), (2, 0));
        drop(full());
        assert_eq!(scoreboard.waiting(), 0);
    });
}

/// Old ones among others, which one worker or the event loop takes out.
#[test]
fn requests_that_have_waited_for_too_long_are_refused_once_and_do_not_run() {
    explore(|| {
        let limit = Duration::from_secs(60);
        let (queue, worker) = queue_of_pool((10, Some(limit)), Arc::new(Scoreboard::new().unwrap()).seat(1));
        let (now, handler) = (Instant::now(), Counts::default());
        let ages = [limit, Duration::ZERO, limit, Duration::ZERO, limit];
        ages.iter().for_each(|age| queue.try_dispatch(exchange(), now.checked_sub(*age).unwrap(), None).unwrap());
        // It is the event loop that sees that they wait.
        assert!(queue.load().oldest.is_some_and(|oldest| oldest <= now.checked_sub(limit).unwrap()));
        let workers = start(2, &worker, &handler);
        let mut late = 0;
        while late < 3 {
            late += queue.take_late(now).len();
            queue.call_worker();
            thread::yield_now();
        }
        assert_eq!((late, queue.take_late(now).len()), (3, 0));
        drop((queue, worker));
        join(workers);
        assert_eq!(handler.answered(), 2);
    });
}

/// Every second one of those that no worker has taken goes elsewhere.
#[test]
fn what_is_sifted_out_does_not_run_and_what_stays_is_answered() {
    explore(|| {
        let scoreboard = Arc::new(Scoreboard::new().unwrap());
        let (queue, worker) = queue_of_pool((10, None), scoreboard.seat(1));
        let counts = Counts::default();
        let workers = start(2, &worker, &counts);
        (0..4).for_each(|_| queue.try_dispatch(exchange(), Instant::now(), None).unwrap());
        let mut elsewhere = 0;
        let mut goes = false;
        let gone = queue.sift(|queued| {
            goes = !goes;
            elsewhere += usize::from(goes);
            (!goes).then_some(queued)
        });
        queue.call_worker();
        drop((queue, worker));
        join(workers);
        assert_eq!((counts.answered(), gone, scoreboard.waiting()), (4 - elsewhere, elsewhere, 0));
    });
}

/// One thread alone is nothing for shuttle.
#[cfg(not(shuttle))]
#[test]
fn whoever_has_not_waited_for_too_long_keeps_the_place_in_the_queue() {
    let limit = Duration::from_secs(60);
    let (queue, worker) = queue_of_pool((10, Some(limit)), Arc::new(Scoreboard::new().unwrap()).seat(1));
    let now = Instant::now();
    let before = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
    [61, 3, 60, 2].iter().for_each(|age| queue.try_dispatch(exchange(), before(*age), None).unwrap());
    assert_eq!(queue.late_at(queue.load()), Some(before(1)));
    assert_eq!(queue.take_late(now).len(), 2);
    assert_eq!(queue.late_at(queue.load()), Some(before(3) + limit));
    assert_eq!(queue.take_late(now).len(), 0);
    assert_eq!(worker.queued_since(), [before(3), before(2)]);
    assert_eq!(queue.load().oldest, None);
}

#[cfg(not(shuttle))]
#[test]
fn whoever_has_waited_for_longest_comes_first_whenever_it_was_put_into_the_queue() {
    let (queue, worker) = queue(1000);
    let now = Instant::now();
    let before = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
    [1, 3, 2, 3, 0].iter().for_each(|age| queue.try_dispatch(exchange(), before(*age), None).unwrap());
    assert_eq!(queue.load().oldest, Some(before(3)));
    assert_eq!(queue.take_out(|_, since| since == before(2)).len(), 1);
    assert_eq!(worker.queued_since(), [3, 3, 1, 0].map(before));
}
