//! Clients that send requests without a pause, and what came of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::peer::Address;
use crate::support::{Params, Peer};

/// What a client does with its connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    Kept,
    New,
}

/// What came of the requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub answered: usize,
    /// What the failed ones got.
    pub failures: Vec<String>,
    /// The longest that one took.
    pub longest: Duration,
    /// When each process, or whatever else the bodies say, was first heard of.
    pub first: BTreeMap<String, Instant>,
}

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients.
    pub fn start(address: &Address, connections: Connections, clients: usize, target: &str) -> Self {
        let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Tally::default())));
        let client = |_| {
            let (address, target) = (address.clone(), target.to_owned());
            let (stop, tally) = (Arc::clone(&stop), Arc::clone(&tally));
            thread::spawn(move || run(&address, connections, &target, &stop, &tally))
        };
        let threads = (0..clients).map(client).collect();
        Self { stop, tally, threads }
    }

    /// So far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Waits until so many more were answered.
    #[track_caller]
    pub fn wait_for(&self, more: usize) {
        let wanted = self.tally().answered + more;
        crate::support::process::wait_until("answers", || self.tally().answered >= wanted);
    }

    /// Ends it.
    pub fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        for thread in std::mem::take(&mut self.threads) {
            thread.join().unwrap();
        }
        self.tally()
    }

    /// Ends it; fails when a request has failed.
    #[track_caller]
    pub fn stop_without_failure(self) -> Tally {
        let tally = self.stop();
        assert!(
            tally.failures.is_empty(),
            "{} answered, {} failed: {:?}",
            tally.answered,
            tally.failures.len(),
            tally.failures
        );
        assert!(tally.answered > 0, "no request was sent");
        tally
    }
}

fn run(address: &Address, connections: Connections, target: &str, stop: &AtomicBool, tally: &Mutex<Tally>) {
    let mut kept = None;
    while !stop.load(Ordering::SeqCst) {
        let started = Instant::now();
        let result = once(address, connections, target, &mut kept);
        let mut tally = tally.lock().unwrap();
        tally.longest = tally.longest.max(started.elapsed());
        match result {
            Ok(text) => {
                tally.answered += 1;
                tally.first.entry(text).or_insert_with(Instant::now);
            }
            Err(text) => {
                kept = None;
                tally.failures.push(text);
            }
        }
    }
}

fn once(address: &Address, connections: Connections, target: &str, kept: &mut Option<Peer>) -> Result<String, String> {
    let mut peer = match kept.take() {
        Some(peer) => peer,
        None => Peer::try_connect(address).map_err(|error| format!("not connected: {error}"))?,
    };
    let keep = connections == Connections::Kept;
    let request = crate::support::record::request(1, keep, &Params::get(target).encode(), b"");
    peer.try_send(&request).map_err(|error| format!("not sent: {error}"))?;
    let answer = peer.answer(1);
    if !answer.ended || answer.status != 200 {
        return Err(answer.summary());
    }
    *kept = keep.then_some(peer);
    Ok(answer.text())
}
