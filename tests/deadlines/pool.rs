//! A pool of `hangs.py` with short limits, and what its logs say of a request.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::site::{Site, limit, site_of};
use crate::support::process::wait_until;
use crate::support::{Answer, Launch, Params, Peer};

/// One process of eight workers, whose requests may take a second, but those below `/beside/`.
pub(crate) const LIMITS: &str = "request-timeout = \"1s\"\n";
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// If nothing else is set.
pub(crate) const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const WORKERS: usize = 8;
/// Within so much more than its limit a request is answered. Other programs take the processors' time, too.
pub(crate) const SLACK: Duration = Duration::from_secs(1);

/// A pool that runs.
pub(crate) struct Pool(Site);

impl Deref for Pool {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.0
    }
}

impl DerefMut for Pool {
    fn deref_mut(&mut self) -> &mut Site {
        &mut self.0
    }
}

impl Pool {
    /// With further settings.
    #[track_caller]
    pub(crate) fn start(settings: &str) -> Self {
        let patience = if settings.contains("interrupt-timeout") { "" } else { "interrupt-timeout = \"1s\"\n" };
        Self::with(&format!("{LIMITS}{patience}{settings}"), "\"/beside/\" = \"30s\"")
    }

    /// With these settings, and limits for paths.
    #[track_caller]
    pub(crate) fn with(settings: &str, timeouts: &str) -> Self {
        Self(Site::start(Self::launch(settings, timeouts)))
    }

    /// One whose import hangs.
    #[track_caller]
    pub(crate) fn start_hanging(settings: &str) -> Self {
        let launch = Self::launch(settings, "");
        hang_at_import(launch.directory(), true);
        Self(Site::start_unawaited(launch))
    }

    fn launch(settings: &str, timeouts: &str) -> Launch {
        let logs = "access-log = \"file:access.log\"\n";
        let threads = if settings.contains("threads") { String::new() } else { format!("threads = {WORKERS}\n") };
        let settings = format!("{threads}{logs}{settings}timeouts = {{ {timeouts} }}\n");
        let launch = site_of("hangs.py", &settings);
        let file = launch.directory().join(crate::site::FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("access-log-format = \"{FORMAT}\"\n{text}")).unwrap();
        launch
    }

    /// Whether its next import hangs.
    pub(crate) fn hang_at_import(&self, hangs: bool) {
        hang_at_import(self.directory(), hangs);
    }

    /// Ends it well, within `graceful-timeout`.
    #[track_caller]
    pub(crate) fn end(self) {
        self.0.end();
    }

    /// The only child.
    #[track_caller]
    pub(crate) fn child(&self) -> u32 {
        *self.wait_for_children(1).first().unwrap()
    }

    /// Eight requests, each of which ends when all of them run: the process in which they were answered.
    #[track_caller]
    pub(crate) fn together(&self) -> u32 {
        let begin = |_| {
            let mut peer = self.connect();
            peer.send_request(1, false, &Params::get("/beside/together"), b"");
            peer
        };
        let peers: Vec<Peer> = (0..WORKERS).map(begin).collect();
        let answers = peers.into_iter().map(|mut peer| peer.answer(1).expect_status(200));
        let mut pids: Vec<u32> = answers.map(|answer| answer.header("X-Pid").unwrap().parse().unwrap()).collect();
        pids.dedup();
        assert_eq!(pids.len(), 1, "{pids:?}\n{}", self.log());
        pids[0]
    }

    /// Waits until so many requests run, as `requests` says.
    #[track_caller]
    pub(crate) fn wait_for_running(&self, count: usize) {
        wait_until(&format!("{count} requests that run"), || self.running() == count);
    }

    /// How many do.
    pub(crate) fn running(&self) -> usize {
        self.control("requests").expect_code(0).out.lines().filter(|line| line.contains(" GET ")).count()
    }

    /// The lines of the access log about this path: what was answered, and why.
    pub(crate) fn accesses(&self, path: &str) -> Vec<String> {
        let log = fs::read_to_string(self.directory().join("access.log")).unwrap_or_default();
        let end = format!(" {path}");
        log.lines().filter_map(|line| line.strip_suffix(&end)).map(str::to_owned).collect()
    }

    /// Waits for the first of them, and fails unless it is this, and the only one.
    #[track_caller]
    pub(crate) fn expect_access(&self, path: &str, access: &str) {
        wait_until(&format!("access of {path}"), || !self.accesses(path).is_empty());
        assert_eq!(self.accesses(path), [access], "{path}\n{}", self.log());
    }

    /// Waits for the message of this code about a request, and returns what it says and the stack that follows.
    #[track_caller]
    pub(crate) fn message(&self, code: &str, path: &str) -> String {
        let name = format!("(GET {path})");
        let found = |log: &str| messages(log).into_iter().find(|text| text.contains(code) && text.contains(&name));
        let log = self.wait_for_log_that(&format!("{code} of {path}"), |log| found(log).is_some());
        found(&log).unwrap()
    }
}

/// Runs checks that wait for most of their time, all at once; what came of them. Names those that fail.
pub(crate) fn at_once<T: Sync, R: Send>(all: &[T], name: impl Fn(&T) -> String, check: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let check = &check;
    let results: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = all.iter().map(|each| scope.spawn(move || check(each))).collect();
        running.into_iter().map(|check| check.join().ok()).collect()
    });
    let failed: Vec<String> =
        all.iter().zip(&results).filter(|(_, result)| result.is_none()).map(|(each, _)| name(each)).collect();
    assert!(failed.is_empty(), "failed, see above: {failed:?}");
    results.into_iter().flatten().collect()
}

/// A test of several checks, which run all at once.
macro_rules! tests_at_once {
    ($test:ident: $($check:ident),+ $(,)?) => {
        #[test]
        fn $test() {
            let checks: &[(&str, fn())] = &[$((stringify!($check), $check)),+];
            crate::pool::at_once(checks, |(name, _)| (*name).to_owned(), |(_, check)| check());
        }
    };
}
pub(crate) use tests_at_once;

fn hang_at_import(directory: &Path, hangs: bool) {
    let file = directory.join("hang-at-import");
    if hangs { fs::write(file, "") } else { fs::remove_file(file) }.unwrap();
}

/// A log's messages, each with the lines that belong to it.
pub(crate) fn messages(log: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in log.lines() {
        match messages.last_mut().filter(|_| line.starts_with(' ')) {
            Some(message) => message.push_str(&format!("\n{line}")),
            None => messages.push(line.to_owned()),
        }
    }
    messages
}

/// A request that hangs.
pub(crate) struct Hang {
    pub(crate) peer: Peer,
    begun: Instant,
}

impl Hang {
    #[track_caller]
    pub(crate) fn begin(pool: &Site, path: &str) -> Self {
        let mut peer = pool.connect();
        // Before it is sent: whoever has sent may be suspended.
        let begun = Instant::now();
        peer.send_request(1, true, &Params::get(path), b"");
        Self { peer, begun }
    }

    /// Its answer, or what of it came before the connection was cut, and how long that took.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> (Answer, Duration) {
        let answer = self.peer.answer(1);
        (answer, self.begun.elapsed())
    }

    /// Fails unless it is answered 504 in time.
    #[track_caller]
    pub(crate) fn expect_504(&mut self) -> Duration {
        let (answer, took) = self.answer();
        answer.expect_status(504);
        expect_in_time(took);
        took
    }

    /// The same of several; the longest time.
    #[track_caller]
    pub(crate) fn expect_all_504(hangs: Vec<Self>) -> Duration {
        hangs.into_iter().map(|mut hang| hang.expect_504()).max().unwrap_or_default()
    }
}

/// Fails if that is no answer at the end of the time.
#[track_caller]
pub(crate) fn expect_in_time(took: Duration) {
    assert!(took >= REQUEST_TIMEOUT, "after {took:?}");
    // Where several processes compute without end on each processor, everything is later.
    assert!(took <= REQUEST_TIMEOUT + limit(SLACK, 3 * SLACK), "after {took:?}");
}

/// Fails unless that has ended at this limit, and not at one of those that are 30 s or more. A process may have to start meanwhile.
#[track_caller]
pub(crate) fn expect_end_in_time(took: Duration, at: Duration) {
    assert!(took < at + limit(2 * SLACK, Duration::from_secs(10)), "{took:?}");
}

const FORMAT: &str = "$status $status_detail $request_uri";
