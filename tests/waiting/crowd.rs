//! A pool whose workers are all busy until the test opens a gate, and a crowd of requests that come meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::site::{Site, site_of};
use crate::support::peer::{Address, DEADLINE, Peer};
use crate::support::process::wait_until;
use crate::support::record::{self, kind};
use crate::support::{Launch, Params};

/// The processes and threads of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) processes: usize,
    pub(crate) threads: usize,
}

impl Shape {
    pub(crate) fn workers(self) -> usize {
        self.processes * self.threads
    }
}

pub(crate) const TWO_BY_ONE: Shape = Shape { processes: 2, threads: 1 };
pub(crate) const FOUR_BY_FOUR: Shape = Shape { processes: 4, threads: 4 };

/// Tests that are runs of one function, each with what it is given.
macro_rules! each {
    ($run:expr => $($name:ident: $($given:expr),+;)+) => {
        $(
            #[test]
            fn $name() {
                $run($($given),+);
            }
        )+
    };
}
pub(crate) use each;

/// How the requests of a crowd come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Each on a connection of its own.
    OneShot,
    /// Each on a connection on which others were answered.
    Kept,
    /// Many at once on each of a few connections.
    Multiplexed,
}

/// What came back for a request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) number: usize,
    /// 0 for none.
    pub(crate) status: u16,
    pub(crate) retry_after: bool,
    pub(crate) took: Duration,
}

/// A pool of `waits_at_a_gate.py` that runs.
pub(crate) struct Pool {
    site: Site,
    pub(crate) shape: Shape,
    holders: Vec<Peer>,
}

impl Deref for Pool {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Pool {
    #[track_caller]
    pub(crate) fn start(shape: Shape, settings: &str) -> Self {
        Self::launch(shape, Self::prepared(shape, settings))
    }

    pub(crate) fn prepared(shape: Shape, settings: &str) -> Launch {
        let Shape { processes, threads } = shape;
        site_of("waits_at_a_gate.py", &format!("processes = {processes}\nthreads = {threads}\n{settings}"))
    }

    #[track_caller]
    pub(crate) fn launch(shape: Shape, launch: Launch) -> Self {
        Self { site: Site::start(launch), shape, holders: Vec::new() }
    }

    /// Gives each worker a request that ends when the gate is opened.
    #[track_caller]
    pub(crate) fn occupy(&mut self) {
        self.occupy_workers(self.shape.workers());
    }

    /// The same for so many of them.
    #[track_caller]
    pub(crate) fn occupy_workers(&mut self, workers: usize) {
        for count in 1..=workers {
            let mut peer = self.site.connect();
            peer.send_request(1, true, &Params::get("/?hold"), b"");
            self.holders.push(peer);
            wait_until("a worker at the gate", || self.started("hold").len() == count);
        }
    }

    /// Lets everybody through, and fails unless those at the gate are answered.
    #[track_caller]
    pub(crate) fn open_gate(&mut self) {
        fs::write(self.directory().join("gate"), "").unwrap();
        for holder in &mut self.holders {
            holder.answer(1).expect_status(200);
        }
        self.holders.clear();
    }

    /// The same, where so many of those at the gate have died with their process.
    #[track_caller]
    pub(crate) fn open_gate_after_deaths(&mut self, deaths: usize) {
        fs::write(self.directory().join("gate"), "").unwrap();
        let answered = self.holders.iter_mut().filter_map(|holder| holder.answer(1).ended.then_some(())).count();
        assert_eq!(self.holders.len() - answered, deaths, "requests that ran and were lost; log:\n{}", self.log());
        self.holders.clear();
    }

    /// What has begun so far, in that order, as the application has noted it.
    pub(crate) fn started(&self, prefix: &str) -> Vec<String> {
        let text = fs::read_to_string(self.directory().join("started")).unwrap_or_default();
        let names = text.lines().filter_map(|line| line.split(' ').next());
        names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// The numbers of the crowd that have begun, in that order.
    pub(crate) fn begun(&self) -> Vec<usize> {
        self.started("").iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// What `status --json` says of the pool, and its exit code.
    #[track_caller]
    pub(crate) fn status(&self) -> (Value, Option<i32>) {
        status_of(&self.site)
    }

    /// How many wait, as `status` says.
    pub(crate) fn waiting(&self) -> u64 {
        self.status().0["waiting"].as_u64().unwrap()
    }

    /// Sends so many requests, a little one after another.
    #[track_caller]
    pub(crate) fn send(&self, how: How, count: usize, seconds: f64) -> Crowd {
        let address = self.address();
        match how {
            How::OneShot => Crowd::on_connections(count, seconds, |_| (Peer::connect(address.clone()), false)),
            How::Kept => {
                let mut kept: Vec<_> = self.kept(count).into_iter().rev().collect();
                Crowd::on_connections(count, seconds, |_| (kept.pop().unwrap(), true))
            }
            How::Multiplexed => Crowd::multiplexed(&address, count, seconds),
        }
    }

    /// Connections that were answered before. Only while workers have time.
    fn kept(&self, count: usize) -> Vec<Peer> {
        let mut peers: Vec<Peer> = (0..count).map(|_| self.site.connect()).collect();
        for peer in &mut peers {
            // The queue of no pool is so full that this is refused: one after another.
            peer.request(&Params::get("/?warm"), b"").expect_status(200);
        }
        peers
    }

    /// Connections that a crowd comes on later.
    pub(crate) fn connections(&self, how: How, count: usize) -> Connections {
        match how {
            How::Kept => Connections(self.kept(count)),
            How::OneShot => Connections(Vec::new()),
            How::Multiplexed => {
                // So much is known of a web server that multiplexes before its first request has to wait.
                let mut peer = self.site.connect();
                [1, 2].into_iter().for_each(|id| peer.send_request(id, true, &Params::get("/?warm&0.01"), b""));
                [1, 2].into_iter().for_each(|id| drop(peer.answer(id).expect_status(200)));
                // Whoever was full says that he has time in the turn of the event loop that follows. Until then the next one is not
                // left to him.
                (0..2).for_each(|_| drop(self.status()));
                Connections(Vec::new())
            }
        }
    }

    /// The same as [`Self::send`], on connections that were made before.
    #[track_caller]
    pub(crate) fn send_on(&self, connections: Connections, how: How, count: usize, seconds: f64) -> Crowd {
        let mut kept: Vec<_> = connections.0.into_iter().rev().collect();
        match how {
            How::Kept => Crowd::on_connections(count, seconds, |_| (kept.pop().unwrap(), true)),
            How::OneShot | How::Multiplexed => self.send(how, count, seconds),
        }
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        self.site.wait_for_exit(DEADLINE)
    }

    /// Fails unless it ends well.
    #[track_caller]
    pub(crate) fn end(self) {
        drop(self.holders);
        let log = self.site.log();
        assert!(!log.contains("panicked"), "{log}");
        self.site.end();
    }
}

/// Connections that have been used.
pub(crate) struct Connections(Vec<Peer>);

/// Requests under way.
pub(crate) struct Crowd {
    answers: mpsc::Receiver<Got>,
    got: Vec<Got>,
    count: usize,
}

impl Crowd {
    fn on_connections(count: usize, seconds: f64, mut connection: impl FnMut(usize) -> (Peer, bool)) -> Self {
        let (sender, answers) = mpsc::channel();
        for number in 0..count {
            let (mut peer, keep) = connection(number);
            let sent = Instant::now();
            peer.send_request(1, keep, &Params::get(&format!("/?{number}&{seconds}")), b"");
            thread::sleep(PACE);
            let sender = sender.clone();
            thread::spawn(move || {
                let answer = peer.answer(1);
                let status = if answer.ended { answer.status } else { 0 };
                let retry_after = answer.header("Retry-After").is_some();
                let _ = sender.send(Got { number, status, retry_after, took: sent.elapsed() });
            });
        }
        Self { answers, got: Vec::new(), count }
    }

    /// At a site that need not have any child.
    pub(crate) fn at(site: &Site, count: usize) -> Self {
        Self::on_connections(count, 0.0, |_| (site.connect(), false))
    }

    /// On [`MULTIPLEXED`] connections in turn.
    fn multiplexed(address: &Address, count: usize, seconds: f64) -> Self {
        let (sender, answers) = mpsc::channel();
        let mut writers: Vec<_> = (0..MULTIPLEXED)
            .map(|place| {
                let peer = Peer::connect(address.clone());
                let (writer, sent) = (peer.writer(), Arc::new(Mutex::new(BTreeMap::new())));
                let (sender, noted) = (sender.clone(), Arc::clone(&sent));
                let expected = (place..count).step_by(MULTIPLEXED).count();
                thread::spawn(move || read_answers(peer, expected, &noted, &sender));
                (writer, sent)
            })
            .collect();
        for number in 0..count {
            let id = u16::try_from(number / MULTIPLEXED + 1).unwrap();
            let (writer, sent) = &mut writers[number % MULTIPLEXED];
            sent.lock().unwrap().insert(id, (number, Instant::now()));
            let params = Params::get(&format!("/?{number}&{seconds}"));
            writer.write_all(&record::request(id, true, &params.encode(), b"")).unwrap();
            thread::sleep(PACE);
        }
        Self { answers, got: Vec::new(), count }
    }

    /// Those of browsers: `ask` sends one and waits for its answer.
    pub(crate) fn of_browsers(
        count: usize,
        ask: impl Fn(usize) -> (u16, bool) + Send + Clone + 'static,
        mut sent_one: impl FnMut(usize),
    ) -> Self {
        let (sender, answers) = mpsc::channel();
        for number in 0..count {
            let (sender, ask) = (sender.clone(), ask.clone());
            thread::spawn(move || {
                let sent = Instant::now();
                let (status, retry_after) = ask(number);
                let _ = sender.send(Got { number, status, retry_after, took: sent.elapsed() });
            });
            sent_one(number);
        }
        Self { answers, got: Vec::new(), count }
    }

    /// Waits until so many are answered.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, count: usize) -> &[Got] {
        while self.got.len() < count {
            let next = self.answers.recv_timeout(PATIENCE);
            let next = next.unwrap_or_else(|_| panic!("{} of {count} answers came: {:?}", self.got.len(), tally(&self.got)));
            self.got.push(next);
        }
        &self.got
    }

    /// Fails if another one is answered within `time`.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        if let Ok(got) = self.answers.recv_timeout(time) {
            panic!("another answer: {got:?} after {:?}", tally(&self.got));
        }
    }

    /// Waits for all the others.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<Got> {
        let count = self.count;
        self.wait_for(count);
        self.got
    }
}

/// Requests by their ids: their numbers, and when they were sent.
type Sent = Mutex<BTreeMap<u16, (usize, Instant)>>;

fn read_answers(mut peer: Peer, expected: usize, sent: &Sent, sender: &mpsc::Sender<Got>) {
    let mut heads: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    let mut answered = 0;
    while answered < expected {
        let Some(record) = peer.next_record() else { break };
        match record.kind {
            kind::STDOUT => heads.entry(record.id).or_default().extend(record.content),
            kind::END_REQUEST => {
                let (number, sent) = sent.lock().unwrap().remove(&record.id).unwrap();
                let head = String::from_utf8_lossy(&heads[&record.id]).into_owned();
                let status = head.split("Status: ").nth(1).and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0);
                let retry_after = head.contains("Retry-After:");
                let _ = sender.send(Got { number, status, retry_after, took: sent.elapsed() });
                answered += 1;
            }
            _ => {}
        }
    }
    for (number, sent) in std::mem::take(&mut *sent.lock().unwrap()).into_values() {
        let _ = sender.send(Got { number, status: 0, retry_after: false, took: sent.elapsed() });
    }
}

/// How many answers each status has.
pub(crate) fn tally(got: &[Got]) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    got.iter().for_each(|got| *tally.entry(got.status).or_default() += 1);
    tally
}

/// By how many places they are off at most. One may be late by any number: a worker that has taken its request may be kept from beginning it
/// by whatever else the machine does. Nobody may be early for it by more than the others.
pub(crate) fn disorder(begun: &[usize]) -> usize {
    let mut sorted = begun.to_vec();
    sorted.sort_unstable();
    let places: BTreeMap<usize, usize> = sorted.into_iter().enumerate().map(|(place, number)| (number, place)).collect();
    let ours = || begun.iter().enumerate().map(|(place, number)| (places[number], place));
    let early = ours().map(|(due, place)| due.saturating_sub(place)).max();
    let mut late: Vec<usize> = ours().map(|(due, place)| place.saturating_sub(due)).collect();
    late.sort_unstable();
    early.max(late.iter().rev().nth(1).copied()).unwrap_or(0)
}

/// What `status --json` says of the only pool, and its exit code.
#[track_caller]
pub(crate) fn status_of(site: &Site) -> (Value, Option<i32>) {
    let ended = site.control("status --json");
    let value: Value = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (value["pools"][0].clone(), ended.status.code())
}

pub(crate) const MULTIPLEXED: usize = 4;
/// So far apart that a server sees which one comes first. Nothing depends on it but how strictly the order can be checked.
pub(crate) const PACE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);
