//! HAProxy with several requests at once on each of few connections, as `docs/clients/haproxy-multiplexed.cfg` has it.
//!
//! `PYFCGID_MPXS_REQUESTS=10000 cargo test --release --test clients multiplexing -- --nocapture --test-threads 1` is the long run,
//! with figures.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::front::Connections;
use crate::haproxy;
use crate::http::Request;
use crate::kind::Kind;
use crate::relay::Relay;
use crate::shipped::{SOCKET, Shipped};
use crate::site::{Running, Site, app_path, start_back_end};
use crate::support::latency::{Latencies, expect_ratio};
use crate::support::peer::DEADLINE;
use crate::support::stop_at_end::StopAtEnd;
use crate::support::{Launch, app};
use crate::web_server::find_program;

/// One thread would be busy with the download, and keep small requests waiting longer than whatever is behind it.
const SITE: Site = Site::new(Kind::Haproxy { threads: 2 }, "docs/clients/haproxy-multiplexed.cfg", Connections::Kept);
const BROWSERS: usize = 64;
const MOST_CONNECTIONS: usize = 4;
const SMALL_REQUESTS: usize = 1000;
const MOST_TIMES: f64 = 5.0;

/// A browser that keeps its connection.
struct Browser(BufReader<TcpStream>);

impl Browser {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::with_capacity(256 * 1024, stream))
    }

    fn send(&mut self, target: &str) {
        write!(self.0.get_mut(), "GET {target} HTTP/1.1\r\nHost: example.com\r\n\r\n").unwrap();
    }

    /// The head of a 200.
    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "the connection ended: {head:?}");
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head:?}");
        head
    }

    /// An answer with a Content-Length: head and body.
    fn get(&mut self, target: &str) -> (String, String) {
        self.send(target);
        let head = self.head();
        let lower = head.to_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).expect("a length");
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// Reads and throws away until there is no more, or until `stop`; returns how much.
    fn skip_body(&mut self, stop: &AtomicBool) -> usize {
        let mut skipped = 0;
        while !stop.load(Ordering::Relaxed) {
            let count = self.0.fill_buf().map_or(0, <[u8]>::len);
            if count == 0 {
                break;
            }
            self.0.consume(count);
            skipped += count;
        }
        skipped
    }
}

fn count_of_requests() -> usize {
    std::env::var("PYFCGID_MPXS_REQUESTS").map_or(2_000, |count| count.parse().expect("a number"))
}

#[test]
fn every_one_of_64_browsers_gets_its_own_answers_over_at_most_4_connections() {
    let (running, relays) = SITE.start_counted("answers.py");
    let (port, count, started) = (running.port(), count_of_requests(), Instant::now());
    thread::scope(|scope| {
        for browser in 0..BROWSERS {
            scope.spawn(move || {
                let mut connection = Browser::connect(port);
                for number in (browser..count).step_by(BROWSERS) {
                    let token = format!("browser-{browser}-request-{number}");
                    let (head, body) = connection.get(&format!("/token?{token}"));
                    assert_eq!(body, format!("{token} {token}"));
                    assert!(head.to_lowercase().contains(&format!("\r\nset-cookie: token={token}\r\n")), "{head}");
                }
            });
        }
    });
    let (connections, rate) = (accepted(&relays), count as f64 / started.elapsed().as_secs_f64());
    println!("{count} requests, {BROWSERS} at once: {connections} connections, {rate:.0} requests a second");
    assert!(connections <= MOST_CONNECTIONS, "{connections} connections");
    running.expect_healthy();
}

fn accepted(relays: &[Relay]) -> usize {
    relays.iter().map(Relay::accepted).sum()
}

fn measure_small(port: u16) -> Latencies {
    let (mut browser, mut latencies) = (Browser::connect(port), Latencies::default());
    while latencies.count() < SMALL_REQUESTS {
        let started = Instant::now();
        browser.get("/small?x");
        latencies.add(started);
    }
    latencies
}

fn measure_beside_download(running: &Running, target: &str) -> Latencies {
    let (port, stop) = (running.port(), AtomicBool::new(false));
    thread::scope(|scope| {
        let download = scope.spawn(|| {
            let started = Instant::now();
            let mut skipped = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut browser = Browser::connect(port);
                write!(browser.0.get_mut(), "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
                browser.head();
                skipped += browser.skip_body(&stop);
            }
            skipped as f64 / started.elapsed().as_secs_f64() / 1e6
        });
        let stop_at_end = StopAtEnd(&stop);
        let latencies = measure_small(port);
        let connections = open_connections(&running.back_ends[0].socket());
        drop(stop_at_end);
        assert!((1..=MOST_CONNECTIONS).contains(&connections), "{connections} connections");
        println!("{target}: {:.0} MB/s", download.join().unwrap());
        latencies
    })
}

/// Connections that are open now to a Unix socket, as the kernel lists them.
fn open_connections(socket: &Path) -> usize {
    let table = fs::read_to_string("/proc/net/unix").expect("a table of sockets");
    let connected = table.lines().filter(|line| line.split_whitespace().nth(5) == Some("03"));
    connected.filter(|line| line.ends_with(&*socket.to_string_lossy())).count()
}

#[test]
fn small_requests_are_quick_beside_a_download_through_the_same_haproxy() {
    if version_of_haproxy() >= [3, 0] {
        return eprintln!("skipped: HAProxy 3.0 stops reading a connection beside long answers (docs/clients.md)");
    }
    // No relay here: what it keeps in its buffers would delay small requests more than everything else.
    let running = SITE.start(&app("downloads.py"));
    let port = running.port();
    measure_small(port);
    for target in ["/pieces-of-64k", "/pieces-of-8k", "/list", "/file"] {
        expect_ratio(target, MOST_TIMES, Duration::ZERO, || (measure_small(port), measure_beside_download(&running, target)));
    }
    running.expect_healthy();
}

/// HAProxy's version, major and minor.
fn version_of_haproxy() -> [u32; 2] {
    let said = Command::new(find_program("haproxy", "haproxy")).arg("-v").output().expect("HAProxy runs");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let numbers = text.split("version ").nth(1).unwrap_or_default().split('.').take(2).filter_map(|number| number.parse().ok());
    numbers.collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("no version: {text}"))
}

/// What to do where one process is not enough: a connection stays with one as long as requests run on it.
#[test]
fn requests_are_spread_over_several_server_lines() {
    let file = Shipped::read(SITE.file);
    let back_ends = ["one", "two", "three"].map(|name| {
        let launch = Launch::serve(app_path("environ.py")).args(file.serve_options());
        (name, start_back_end(launch.env("TEST_BACK_END", name)))
    });
    let line = |name: &str, socket: &str| format!("    server {name} unix@{socket} proto fcgi");
    let lines = back_ends.iter().map(|(name, started)| line(name, &started.socket().to_string_lossy())).collect::<Vec<_>>();
    let lines = format!("    balance leastconn\n{}", lines.join("\n"));
    let front = haproxy::start(file.replace(&line("one", SOCKET), &lines), 1);
    let mut counts = BTreeMap::new();
    for _ in 0..30 {
        let served = Request::get("/").send(front.port).expect(200).json()["test.back_end"].to_string();
        *counts.entry(served).or_insert(0) += 1;
    }
    assert!(counts.len() == 3 && counts.values().all(|count| *count >= 5), "{counts:?}");
}
