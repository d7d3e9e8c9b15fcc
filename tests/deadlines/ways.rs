//! The ways to hang: what the web server gets, how each ends, and what the log says of it.

use std::time::Duration;

use crate::doors::Seen;
use crate::http::Ending;
use crate::pool::{INTERRUPT_TIMEOUT, Pool, REQUEST_TIMEOUT, SLACK, WORKERS, expect_in_time};

/// A way to hang.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// The name of the path; also that of the function where the thread stands, but for those in [`IN`].
    pub(crate) name: &'static str,
    pub(crate) gets: Gets,
    pub(crate) ends: Ends,
    /// Python runs in no other thread.
    keeps_gil: bool,
}

/// What the web server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gets {
    /// 504.
    TimedOut,
    /// The beginning of a response, and the end of the connection.
    Cut,
    /// All of it, at once.
    Whole,
}

/// How the request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Its thread is interrupted, and serves on.
    Interrupted,
    /// Its process does.
    GivenUp,
}

use Ends::{GivenUp, Interrupted};
use Gets::{Cut, TimedOut, Whole};

const fn way(name: &'static str, gets: Gets, ends: Ends) -> Way {
    Way { name, gets, ends, keeps_gil: false }
}

/// Those that take no processor's time.
pub(crate) const WAITING: [Way; 8] = [
    way("sleeps", TimedOut, GivenUp),
    way("waits", TimedOut, GivenUp),
    way("reads", TimedOut, GivenUp),
    way("sleeps_in_c", TimedOut, GivenUp),
    way("joins", TimedOut, GivenUp),
    way("forks", TimedOut, GivenUp),
    way("streams_with_length", Cut, GivenUp),
    way("in_close_of_c", Whole, GivenUp),
];

/// Those that do.
pub(crate) const COMPUTING: [Way; 7] = [
    way("loops", TimedOut, Interrupted),
    way("in_destructor", TimedOut, Interrupted),
    way("streams", Cut, Interrupted),
    way("in_close", Whole, Interrupted),
    way("in_del", Whole, GivenUp),
    way("in_del_of_environ", Whole, GivenUp),
    way("catches", TimedOut, GivenUp),
];

pub(crate) const KEEPING_THE_GIL: [Way; 2] = [
    Way { keeps_gil: true, ..way("matches", TimedOut, GivenUp) },
    Way { keeps_gil: true, ..way("keeps_the_gil", TimedOut, GivenUp) },
];

/// Where a thread stands, if that is not what its path names.
const IN: [(&str, &str); 7] = [
    ("in_destructor", "loops"),
    ("streams", "loops"),
    ("streams_with_length", "sleeps"),
    ("in_close", "loops"),
    ("in_close_of_c", "waits"),
    ("in_del", "loops"),
    ("in_del_of_environ", "loops"),
];

/// What hangs at the end of a process: the pool's settings, what has to be asked for, and what the log says in the end.
pub(crate) const AT_THE_END: [(&str, &str, &str, &str); 2] = [
    (
        "exit handler",
        "env = { HANGS = \"exit\" }\n",
        "/beside/hello",
        "PF0109 the application's threads or exit handlers did not finish",
    ),
    (
        "thread that is no daemon",
        "",
        "/beside/starts_a_thread",
        "PF0109 threads still running after graceful-timeout: Thread-1",
    ),
];

/// What runs beside a hang.
pub(crate) const BESIDE: [&str; WORKERS - 1] = {
    let [computes, streams] = ["/beside/in_a_loop", "/beside/beside"];
    [computes, streams, computes, streams, computes, streams, computes]
};

impl Way {
    pub(crate) fn path(&self) -> String {
        format!("/hang/{}", self.name)
    }

    /// The function in which the thread stands.
    fn place(&self) -> &'static str {
        IN.iter().find(|(name, _)| *name == self.name).map_or(self.name, |(_, place)| place)
    }

    /// Of a pool that is to be tried so.
    pub(crate) fn settings(&self) -> String {
        // What keeps the GIL lasts longer than all limits, so that nothing depends on its end; those beside it end after that.
        let env = if self.keeps_gil { "env = { KEEPS = \"6\", BESIDE = \"4\" }\n" } else { "" };
        format!("{env}graceful-timeout = \"{}s\"\n", self.graceful_timeout().as_secs())
    }

    fn graceful_timeout(&self) -> Duration {
        Duration::from_secs(if self.keeps_gil { 20 } else { 2 })
    }

    /// For so long after it has begun nobody beside it loses an answer.
    pub(crate) fn spares_others_for(&self) -> Duration {
        match self.ends {
            Interrupted => Duration::MAX,
            GivenUp => REQUEST_TIMEOUT + INTERRUPT_TIMEOUT + self.graceful_timeout(),
        }
    }

    /// Fails unless this is what is got of it.
    #[track_caller]
    pub(crate) fn expect(&self, seen: &Seen) {
        let (status, ending) = match self.gets {
            TimedOut => (504, Ending::Complete),
            Cut => (200, Ending::Cut),
            Whole => (200, Ending::Complete),
        };
        assert_eq!((seen.status, seen.ending), (status, ending), "{seen:?}");
        match self.gets {
            Whole => assert!(seen.took < SLACK, "{seen:?}"),
            TimedOut | Cut => expect_in_time(seen.took),
        }
        assert!(self.gets != Cut || seen.text == "a piece", "{seen:?}");
    }

    /// What the log says, step by step.
    fn messages(&self) -> [(&'static str, &'static str); 3] {
        let outcome = match self.gets {
            TimedOut => "answered 504",
            Cut => "its response was cut",
            Whole => "its response had been sent",
        };
        let end = match self.ends {
            Interrupted => ("PF0533", "which had timed out, ended after"),
            GivenUp => ("PF0534", "still runs after"),
        };
        [("PF0531", "is slow: it has run for "), ("PF0532", outcome), end]
    }

    /// The same in a few words.
    pub(crate) fn summary(&self) -> String {
        let [(slow, _), (over, outcome), (end, _)] = self.messages();
        let replaced = if self.ends == GivenUp { ", PF0535" } else { "" };
        format!("{slow}, {over} ({outcome}), {end}{replaced}; in `{}`", self.place())
    }

    /// Waits for that, each once, with the stack.
    #[track_caller]
    pub(crate) fn expect_messages(&self, pool: &Pool, child: u32) {
        let (place, path) = (self.place(), self.path());
        let mut has_told_where = false;
        for (code, says) in self.messages() {
            let message = pool.message(code, &path);
            assert!(message.contains(says) && message.contains(&format!("request {child}-")), "{message}");
            let has_stack = message.contains("hangs.py\", line ") && message.contains(&format!(", in {place}\n"));
            // On a busy machine a thread may be silent for once.
            let may_lack_it = code == "PF0533" || message.contains("(no answer: ");
            assert!(has_stack || may_lack_it, "no stack that ends in {place}: {message}\n{}", pool.log());
            has_told_where |= has_stack;
        }
        assert!(has_told_where, "nothing says where it is:\n{}", pool.log());
        let log = pool.log();
        let replaced = format!("PF0535 pool web: process {child} has reached interrupt-timeout; replacing it");
        assert_eq!(log.matches(&replaced).count(), usize::from(self.ends == GivenUp), "{log}");
        for code in ["PF0531", "PF0532", "PF0533", "PF0534"] {
            assert!(log.matches(code).count() <= 1, "{code} is said once:\n{log}");
        }
    }

    #[track_caller]
    pub(crate) fn expect_access(&self, pool: &Pool) {
        let access = match self.gets {
            TimedOut => "504 request-timeout",
            Cut => "200 request-timeout",
            Whole => "200 -",
        };
        pool.expect_access(&self.path(), access);
    }
}
