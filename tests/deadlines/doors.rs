//! How a request comes to a pool: directly, or through a web server that runs as its shipped file says.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::before;
use crate::http::{Ending, Request};
use crate::pool::{Pool, WORKERS};
use crate::shipped::Shipped;
use crate::support::{Answer, Params, Peer};
use crate::web_server::WebServer;

/// Where one comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Over FastCGI.
    Directly,
    Nginx,
    NginxKeeping,
    Apache,
    HaProxy,
    HaProxyMultiplexing,
}

use Door::{Apache, Directly, HaProxy, HaProxyMultiplexing, Nginx, NginxKeeping};

pub(crate) const DOORS: [Door; 6] = [Directly, Nginx, NginxKeeping, Apache, HaProxy, HaProxyMultiplexing];

impl Door {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Directly => "directly",
            Nginx => "nginx",
            NginxKeeping => "nginx, connections kept",
            Apache => "Apache",
            HaProxy => "HAProxy",
            HaProxyMultiplexing => "HAProxy, multiplexed",
        }
    }

    /// Opens it before a pool.
    #[track_caller]
    pub(crate) fn before(self, pool: &Pool) -> Front<'_> {
        let server = match self {
            Directly => None,
            Nginx => Some(before::nginx(pool, unbuffered)),
            NginxKeeping => Some(before::nginx_that_keeps_connections(pool, unbuffered)),
            Apache => Some(before::apache(pool, |file| file)),
            HaProxy => Some(before::haproxy(pool)),
            HaProxyMultiplexing => Some(before::haproxy_that_multiplexes(pool)),
        };
        Front { pool, server }
    }
}

/// What comes is sent on at once.
fn unbuffered(file: Shipped) -> Shipped {
    file.replace("fastcgi_read_timeout 60s;", "fastcgi_read_timeout 60s; fastcgi_buffering off;")
}

/// An open door.
pub(crate) struct Front<'a> {
    pool: &'a Pool,
    server: Option<WebServer>,
}

impl Front<'_> {
    /// What comes of a request.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Seen {
        match &self.server {
            Some(server) => browse(server.port, path),
            None => ask_all(self.pool, &[path]).remove(0),
        }
    }

    /// The same of several at once: each on a browser's connection, or all on one of FastCGI.
    #[track_caller]
    pub(crate) fn get_all(&self, paths: &[&str]) -> Vec<Seen> {
        if self.server.is_none() {
            return ask_all(self.pool, paths);
        }
        thread::scope(|scope| {
            let browse = |path: &&str| {
                let path = (*path).to_owned();
                // In this order.
                thread::sleep(Duration::from_millis(20));
                scope.spawn(move || self.get(&path))
            };
            let browsers: Vec<_> = paths.iter().map(browse).collect();
            browsers.into_iter().map(|browser| browser.join().unwrap()).collect()
        })
    }

    /// The process that answers as many requests at once as there are workers.
    #[track_caller]
    pub(crate) fn together(&self) -> u32 {
        let all = self.get_all(&["/beside/together"; WORKERS]);
        all.iter().for_each(Seen::expect_whole);
        let mut pids: Vec<u32> = all.iter().filter_map(|seen| seen.pid).collect();
        pids.dedup();
        assert_eq!(pids.len(), 1, "{pids:?}\n{}", self.pool.log());
        pids[0]
    }

    /// Fails if the web server has ended.
    #[track_caller]
    pub(crate) fn expect_running(&mut self) {
        self.server.iter_mut().for_each(WebServer::expect_running);
    }
}

/// What came of a request, and after how long.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// 0 if the connection ended before one came.
    pub(crate) status: u16,
    pub(crate) ending: Ending,
    pub(crate) text: String,
    /// Of the process that answered, where the application says so.
    pub(crate) pid: Option<u32>,
    pub(crate) took: Duration,
    pub(crate) ended: Instant,
}

impl Seen {
    /// Whether all came of what runs beside a hang.
    pub(crate) fn is_whole(&self) -> bool {
        let is_all = self.text == "hello" || self.text.starts_with("begin ") && self.text.ends_with(" end");
        (self.status, self.ending, is_all) == (200, Ending::Complete, true)
    }

    #[track_caller]
    pub(crate) fn expect_whole(&self) {
        assert!(self.is_whole(), "{self:?}");
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = if self.ending == Ending::Cut { ", cut" } else { "" };
        write!(f, "{}{cut}, {:.2} s", self.status, self.took.as_secs_f64())
    }
}

/// By a browser.
#[track_caller]
fn browse(port: u16, path: &str) -> Seen {
    let begun = Instant::now();
    let response = Request::get(path).try_open(port).map(crate::http::Exchange::finish).unwrap_or_default();
    let (pid, ended) = (response.header("X-Pid").and_then(|pid| pid.parse().ok()), Instant::now());
    Seen { status: response.status, ending: response.ending, text: response.text(), pid, took: ended - begun, ended }
}

/// Directly, all on one connection.
#[track_caller]
fn ask_all(pool: &Pool, paths: &[&str]) -> Vec<Seen> {
    let mut peer = pool.connect();
    let begun = Instant::now();
    for (id, path) in (1..).zip(paths) {
        peer.send_request(id, true, &Params::get(path), b"");
    }
    let mut answer = |id| {
        let answer: Answer = Peer::answer(&mut peer, id);
        let ending = if answer.ended { Ending::Complete } else { Ending::Cut };
        let (pid, ended) = (answer.header("X-Pid").and_then(|pid| pid.parse().ok()), Instant::now());
        Seen { status: answer.status, ending, text: answer.text(), pid, took: ended - begun, ended }
    };
    (1..).zip(paths).map(|(id, _)| answer(id)).collect()
}
