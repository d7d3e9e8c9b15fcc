//! Requests without a pause on many kept connections, each answer checked.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::question::{Methods, Question, Source};
use crate::random::Random;
use crate::support::process::wait_until;

/// One connection to a site.
pub(crate) trait Client: Send + 'static {
    /// Asks and returns the body of the answer.
    ///
    /// # Errors
    /// Whatever a browser or web server would take for a failure, and all that came.
    fn ask(&mut self, question: &Question) -> Result<Vec<u8>, String>;
}

/// Running clients.
#[derive(Debug)]
pub(crate) struct Load {
    course: Arc<Course>,
    clients: Vec<JoinHandle<Tally>>,
}

/// What clients and test tell each other.
#[derive(Debug)]
struct Course {
    seed: u64,
    methods: Methods,
    started: Instant,
    stops: AtomicBool,
    asked: AtomicUsize,
    failed: AtomicUsize,
    /// No older version may answer a request that is sent now.
    oldest: AtomicU32,
    /// No newer version may answer.
    newest: AtomicU32,
}

impl Load {
    /// Lets this many clients ask a site that serves `version`. The seed is printed.
    pub(crate) fn start<C: Client>(connections: usize, methods: Methods, version: u32, client: impl Fn() -> C) -> Self {
        let course = Arc::new(Course {
            seed: Random::new().next(),
            methods,
            started: Instant::now(),
            stops: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            oldest: AtomicU32::new(version),
            newest: AtomicU32::new(version),
        });
        let clients = (0..connections).map(|number| course.spawn(number, client())).collect();
        Self { course, clients }
    }

    /// From now on this version may answer.
    pub(crate) fn allow(&self, version: u32) {
        self.course.newest.store(version, Ordering::SeqCst);
    }

    /// From now on no older version than this may answer.
    pub(crate) fn demand(&self, version: u32) {
        self.course.oldest.store(version, Ordering::SeqCst);
    }

    /// How many requests have been asked since the start.
    pub(crate) fn asked(&self) -> usize {
        self.course.asked.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have been asked since the start, or one has failed.
    #[track_caller]
    pub(crate) fn wait_for(&self, requests: usize) {
        let course = &self.course;
        loop {
            let before = self.asked();
            if before >= requests || course.failed.load(Ordering::SeqCst) > 0 {
                return;
            }
            wait_until("an answer", || self.asked() > before);
        }
    }

    /// Lets every client end its request, and tells how it went.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Report {
        self.course.stops.store(true, Ordering::SeqCst);
        let mut tally = Tally::default();
        for client in self.clients.drain(..) {
            tally.add(client.join().expect("a client does not panic"));
        }
        Report { elapsed: self.course.started.elapsed(), tally }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.course.stops.store(true, Ordering::SeqCst);
    }
}

impl Course {
    fn spawn(self: &Arc<Self>, number: usize, client: impl Client) -> JoinHandle<Tally> {
        let course = Arc::clone(self);
        thread::spawn(move || course.run(number, client))
    }

    fn run(&self, client: usize, mut connection: impl Client) -> Tally {
        let mut random = Random::from_seed(self.seed.wrapping_add(client as u64));
        let mut tally = Tally::default();
        while !self.is_over() {
            let question = Question::random(&mut random, self.methods, client, tally.asked);
            let asked = Instant::now();
            let result = self.ask(&mut connection, &question);
            tally.count(&question, self.started, asked, &result);
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.failed.fetch_add(usize::from(result.is_err()), Ordering::SeqCst);
        }
        tally
    }

    fn ask(&self, connection: &mut impl Client, question: &Question) -> Result<Source, String> {
        let oldest = self.oldest.load(Ordering::SeqCst);
        let answer = connection.ask(question)?;
        question.check(&answer, oldest..=self.newest.load(Ordering::SeqCst))
    }

    fn is_over(&self) -> bool {
        self.stops.load(Ordering::SeqCst) || self.failed.load(Ordering::SeqCst) > MOST_FAILURES
    }
}

/// What one client, or all together, have seen.
#[derive(Clone, Debug, Default)]
struct Tally {
    asked: usize,
    failures: Vec<String>,
    sources: BTreeSet<(u32, u32)>,
    slowest: Duration,
}

impl Tally {
    fn count(&mut self, question: &Question, started: Instant, asked: Instant, result: &Result<Source, String>) {
        self.asked += 1;
        self.slowest = self.slowest.max(asked.elapsed());
        match result {
            Ok(source) => drop(self.sources.insert((source.version, source.pid))),
            Err(reason) => {
                let (method, target, length) = (question.method(), question.target(), question.body.len());
                let (at, took) = (asked.duration_since(started), asked.elapsed());
                self.failures.push(format!("{method} {target} ({length} bytes) at {at:.3?}, {took:.3?} long: {reason}"));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.failures.extend(other.failures);
        self.sources.extend(other.sources);
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// How a load went.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    elapsed: Duration,
    tally: Tally,
}

impl Report {
    pub(crate) fn failures(&self) -> &[String] {
        &self.tally.failures
    }

    /// How many processes answered.
    pub(crate) fn processes(&self) -> usize {
        self.tally.sources.iter().map(|(_, pid)| pid).collect::<BTreeSet<_>>().len()
    }

    /// The versions that answered.
    pub(crate) fn versions(&self) -> BTreeSet<u32> {
        self.tally.sources.iter().map(|(version, _)| *version).collect()
    }

    /// Fails unless all of at least this many requests got the right answer.
    #[track_caller]
    pub(crate) fn expect_nothing_dropped(&self, requests: usize) {
        println!("{self}");
        assert!(self.tally.failures.is_empty(), "{self}");
        assert!(self.tally.asked >= requests, "{self}, and {requests} were wanted");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { asked, failures, slowest, .. } = &self.tally;
        let (failed, processes, versions) = (failures.len(), self.processes(), self.versions().len());
        write!(f, "{asked} requests in {:.1?}, {failed} failed; ", self.elapsed)?;
        write!(f, "{processes} processes and {versions} versions answered, the slowest in {slowest:.1?}")?;
        failures.iter().take(MOST_SHOWN).try_for_each(|failure| write!(f, "\n- {failure}"))
    }
}

/// How long a client waits for its connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// After so many a load ends by itself: they tell enough.
const MOST_FAILURES: usize = 200;
const MOST_SHOWN: usize = 20;
