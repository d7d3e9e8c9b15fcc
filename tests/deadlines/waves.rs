//! Many hangs, one after another: nothing is left behind, and good requests do not notice. `make deadlines` runs it;
//! `PYFCGID_DEADLINES_SECONDS` says for how long.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::pool::{Hang, Pool, WORKERS};
use crate::site::{open_files, status_of};
use crate::support::Params;
use crate::support::latency::Latencies;
use crate::support::peer::{Address, Peer};
use crate::support::process::wait_until;

/// What the supervisor and all that it has started take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    processes: usize,
    threads: u64,
    descriptors: usize,
    kib: u64,
}

impl Figures {
    fn of(pool: &Pool) -> Self {
        let pid = pool.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let pids: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).chain([pid]).collect();
        let number = |pid: u32, field: &str| -> u64 {
            status_of(pid, field).split_whitespace().next().and_then(|text| text.parse().ok()).unwrap()
        };
        Self {
            processes: pids.len(),
            threads: pids.iter().map(|pid| number(*pid, "Threads")).sum(),
            descriptors: pids.iter().map(|pid| open_files(*pid)).sum(),
            kib: pids.iter().map(|pid| number(*pid, "VmRSS")).sum(),
        }
    }

    /// When nothing has changed for a moment.
    fn settled(pool: &Pool) -> Self {
        let mut last = Self::of(pool);
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = Self::of(pool);
            if now == last {
                return now;
            }
            last = now;
        }
    }

    /// Waits until it is as before, but for some memory.
    #[track_caller]
    fn expect_again(self, pool: &Pool, most_kib: u64) {
        let mut last = Self::default();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            last = Self::of(pool);
            if (Self { kib: 0, ..last }) == (Self { kib: 0, ..self }) {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        println!("before: {self}\nafter:  {last}");
        assert_eq!(Self { kib: 0, ..last }, Self { kib: 0, ..self }, "{}", pool.log());
        assert!(last.kib <= self.kib + most_kib, "{} KiB more than {most_kib} KiB", last.kib - self.kib);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processes, threads, descriptors, kib } = self;
        write!(f, "{processes} processes, {threads} threads, {descriptors} descriptors, {kib} KiB resident")
    }
}

/// All workers at once; the time until the last is answered.
#[track_caller]
fn wave(pool: &Pool, path: &str) -> Duration {
    let hangs: Vec<Hang> = (0..WORKERS).map(|_| Hang::begin(pool, path)).collect();
    let answers = hangs.into_iter().map(|mut hang| {
        let (answer, took) = hang.answer();
        answer.expect_status(504);
        took
    });
    answers.max().unwrap()
}

#[test]
#[ignore = "takes a minute: make deadlines"]
fn a_hundred_waves_of_loops_leave_nothing_behind() {
    let pool = Pool::with("request-timeout = \"300ms\"\ninterrupt-timeout = \"10s\"\n", "\"/beside/\" = \"30s\"");
    let child = pool.child();
    for _ in 0..3 {
        wave(&pool, "/hang/loops");
    }
    pool.together();
    let before = Figures::settled(&pool);
    let waves: Latencies = (0..WAVES).map(|_| wave(&pool, "/hang/loops")).collect();
    println!("{WAVES} waves of 8 of 8 workers in a loop, limit 300 ms; the last of each was answered: {waves}");
    assert!(waves.quantile(1.0) < Duration::from_millis(1300), "{waves}");
    assert_eq!(pool.together(), child, "{}", pool.log());
    before.expect_again(&pool, 4096);
    let log = pool.log();
    assert_eq!((log.matches("PF0532").count(), log.matches("PF0534").count()), ((WAVES + 3) * WORKERS, 0));
    pool.end();
}

#[test]
#[ignore = "takes a minute: make deadlines"]
fn processes_that_are_given_up_one_after_another_leave_nothing_behind() {
    let settings = "request-timeout = \"300ms\"\ninterrupt-timeout = \"200ms\"\ngraceful-timeout = \"200ms\"\n";
    let pool = Pool::with(settings, "\"/beside/\" = \"30s\"");
    let mut before = Figures::default();
    let begun = Instant::now();
    for number in 0..GIVEN_UP {
        let child = pool.child();
        wave(&pool, "/hang/waits");
        wait_until("the end of the process", || !pool.children().contains(&child));
        assert_ne!(pool.together(), child);
        if number == 2 {
            pool.child();
            before = Figures::settled(&pool);
        }
    }
    println!("{GIVEN_UP} processes, all of whose workers waited for a lock, were replaced in {:.1?}", begun.elapsed());
    before.expect_again(&pool, 4096);
    pool.end();
}

/// Requests at a steady rate, some of which hang.
#[derive(Default)]
struct Load {
    good: Vec<Duration>,
    statuses: BTreeMap<(bool, u16), usize>,
}

/// Sends requests, so many a second, for some time; every fiftieth hangs so, if there is a way.
fn load(address: &Address, hang: Option<&str>, seconds: u64) -> Load {
    let total = u32::try_from(seconds).unwrap() * RATE;
    let (next, loaded, begun) = (AtomicU32::new(0), Mutex::new(Load::default()), Instant::now());
    thread::scope(|scope| {
        for _ in 0..BROWSERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return;
                    }
                    // Who is late is late from then on: what waits for a browser counts, too.
                    let due = begun + Duration::from_secs(1) / RATE * number;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let hangs = hang.filter(|_| number % 50 == 0);
                    let mut peer = Peer::connect(address.clone());
                    peer.send_request(1, false, &Params::get(hangs.unwrap_or("/beside/works")), b"");
                    let status = peer.answer(1).status;
                    let mut loaded = loaded.lock().unwrap();
                    *loaded.statuses.entry((hangs.is_none(), status)).or_default() += 1;
                    if hangs.is_none() {
                        loaded.good.push(due.elapsed());
                    }
                }
            });
        }
    });
    loaded.into_inner().unwrap()
}

/// Without any hang, and with hangs of each kind.
const KINDS: [Option<&str>; 4] = [None, Some("/hang/naps"), Some("/hang/loops"), Some("/hang/waits")];

/// A loop takes the GIL for 5 ms at a time from everybody in its process until its time is over.
#[test]
#[ignore = "takes minutes: make deadlines"]
fn good_requests_beside_hangs_are_hardly_later_but_for_loops_in_their_process() {
    load_among_hangs("processes = 4\n", Some("/hang/loops"));
}

#[test]
#[ignore = "takes minutes: make deadlines"]
fn good_requests_beside_hangs_are_hardly_later_where_processes_have_one_thread() {
    load_among_hangs("processes = 16\nthreads = 1\n", None);
}

/// All good requests are answered, and hardly later than without hangs, but those beside hangs of this kind. Phases of each kind take
/// turns.
#[track_caller]
fn load_among_hangs(settings: &str, but: Option<&str>) {
    let seconds: u64 = std::env::var("PYFCGID_DEADLINES_SECONDS").map_or(60, |text| text.parse().expect("a number of seconds"));
    let limits = "request-timeout = \"1s\"\ninterrupt-timeout = \"2s\"\ngraceful-timeout = \"5s\"\n";
    let pool = Pool::with(&format!("{settings}{limits}"), "\"/beside/\" = \"30s\"");
    let mut loads: Vec<Load> = KINDS.iter().map(|_| Load::default()).collect();
    let mut least = [Duration::MAX; KINDS.len()];
    load(&pool.address(), None, 2);
    let rounds = seconds.div_ceil(PHASE * KINDS.len() as u64);
    for _ in 0..rounds {
        for (index, kind) in KINDS.iter().enumerate() {
            let Load { good, statuses } = load(&pool.address(), *kind, PHASE);
            let p99 = good.iter().copied().collect::<Latencies>().p99();
            least[index] = least[index].min(p99);
            loads[index].good.extend(good);
            statuses.into_iter().for_each(|(key, count)| *loads[index].statuses.entry(key).or_default() += count);
            // What hangs has ended, and its process, too.
            thread::sleep(Duration::from_secs(4));
        }
    }
    println!("{RATE} requests a second, 2 % of which hang, {}; (good, status): how many", settings.trim().replace('\n', ", "));
    for ((kind, Load { good, statuses }), p99) in KINDS.iter().zip(loads).zip(&least) {
        let ratio = p99.as_secs_f64() / least[0].as_secs_f64();
        let latencies: Latencies = good.into_iter().collect();
        let bad: usize = statuses.iter().filter(|((good, status), _)| *good != (*status == 200)).map(|(_, count)| count).sum();
        let name = kind.unwrap_or("no hang");
        println!("{name}: {latencies}; in the best phase p99 is {ratio:.2} times that without; {statuses:?}");
        assert_eq!(bad, 0, "{name}: {statuses:?}\n{}", pool.log());
        // Other programs disturb all phases, so the best of each is compared.
        assert!(ratio <= 2.0 || kind.is_some() && *kind == but, "{name}: {ratio:.2}");
    }
    let codes = ["PF0532", "PF0533", "PF0534", "PF0535"];
    let log = pool.log();
    println!("{}", codes.map(|code| format!("{code}: {}", log.matches(code).count())).join(", "));
    pool.end();
}

const WAVES: usize = 100;
const GIVEN_UP: usize = 20;
const RATE: u32 = 200;
const BROWSERS: usize = 64;
/// In seconds.
const PHASE: u64 = 10;
