//! Small requests beside a download of 100 MiB on the same connection, with the real binary and Python.
//!
//! `cargo test --release --test requests fairness -- --nocapture --test-threads 1` prints the figures.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::latency::{Latencies, expect_ratio};
use crate::support::peer::DEADLINE;
use crate::support::record::{self, kind};
use crate::support::{Params, Pyfcgid, app};

const REQUESTS: usize = 300;
const MOST_TIMES: f64 = 5.0;
/// Alone, a small request is answered by the thread that finds it, in 15 µs: to wake another one and to send a few records takes
/// many times that.
const PROMPT: Duration = Duration::from_millis(1);

/// A peer that reads as fast as it can and keeps nothing.
struct Reader(BufReader<UnixStream>);

impl Reader {
    fn connect(server: &Pyfcgid) -> Self {
        let stream = UnixStream::connect(server.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::with_capacity(256 * 1024, stream))
    }

    fn send(&mut self, id: u16, target: &str) {
        let request = record::request(id, true, &Params::get(target).encode(), b"");
        self.0.get_mut().write_all(&request).unwrap();
    }

    /// The next record's type and id.
    fn skip_record(&mut self) -> (u8, u16, usize) {
        let mut header = [0; 8];
        self.0.read_exact(&mut header).unwrap();
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let mut left = length + usize::from(header[6]);
        while left > 0 {
            let count = self.0.fill_buf().unwrap().len().min(left);
            assert!(count > 0, "the connection ended");
            self.0.consume(count);
            left -= count;
        }
        (header[1], u16::from_be_bytes([header[2], header[3]]), length)
    }

    /// Sends small requests one after another, and the download again whenever it has ended.
    fn measure(&mut self, download: Option<&str>) -> Latencies {
        let (mut latencies, mut bytes, begun) = (Latencies::default(), 0, Instant::now());
        download.inspect(|target| self.send(1, target));
        while latencies.count() < REQUESTS {
            let started = Instant::now();
            self.send(2, "/small?x");
            loop {
                match self.skip_record() {
                    (kind::END_REQUEST, 2, _) => break,
                    (kind::END_REQUEST, _, _) => self.send(1, download.unwrap()),
                    (_, _, length) => bytes += length,
                }
            }
            latencies.add(started);
        }
        println!("{:?}: {:.0} MB/s", download.unwrap_or("nothing"), bytes as f64 / begun.elapsed().as_secs_f64() / 1e6);
        latencies
    }
}

/// How long it takes to answer 50 requests on each of 4 connections.
fn time_of_requests(threads: &str) -> Duration {
    let server = Pyfcgid::serve(app("locks.py"), &["--threads", threads]);
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut peer = server.connect();
                (0..50).for_each(|_| drop(peer.request(&Params::get("/"), b"").expect_status(200)));
            });
        }
    });
    begun.elapsed()
}

/// CPython takes the GIL away after 5 ms. Whoever has a lock then makes all others wait for it, over and over.
#[test]
fn several_threads_are_not_much_slower_than_one_where_the_application_uses_a_lock() {
    let ratio = |_| {
        let (one, several) = (time_of_requests("1"), time_of_requests("4"));
        println!("{one:?} with 1 thread, {several:?} with 4");
        several.as_secs_f64() / one.as_secs_f64()
    };
    let ratios: Vec<f64> = (0..6).map(ratio).collect();
    let slow = ratios.iter().filter(|ratio| **ratio > 2.0).count();
    assert!(slow < 3, "{ratios:.1?} times as long");
}

fn small_requests_are_quick_beside(download: &str) {
    let server = Pyfcgid::serve(app("downloads.py"), &["--threads", "4"]);
    Reader::connect(&server).measure(None);
    expect_ratio(download, MOST_TIMES, PROMPT, || {
        (Reader::connect(&server).measure(None), Reader::connect(&server).measure(Some(download)))
    });
}

#[test]
fn small_requests_are_quick_beside_a_generator_of_8_kib() {
    small_requests_are_quick_beside("/pieces-of-8k");
}

#[test]
fn small_requests_are_quick_beside_a_generator_of_64_kib() {
    small_requests_are_quick_beside("/pieces-of-64k");
}

#[test]
fn small_requests_are_quick_beside_a_long_list() {
    small_requests_are_quick_beside("/list");
}

#[test]
fn small_requests_are_quick_beside_a_file() {
    small_requests_are_quick_beside("/file");
}
