//! A FastCGI load generator, and the CPU time that the server spends on it.
//!
//! One thread, epoll, a fixed number of requests in flight, nginx's 28 parameters. Reports requests per second, latencies,
//! errors, and the CPU time per request of the server's process tree, which is steadier than throughput on a shared machine.
//!
//! `cargo bench --bench load -- --connect unix:/run/app.sock --pid 1234 [--requests 100000] [--parallel 16] [--one-shot]`

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use pyfcgid::protocol::message::EndRequest;
use pyfcgid::protocol::{Decoder, RecordType, RequestId, Role, encoder};

fn main() -> ExitCode {
    match Options::from_arguments().and_then(Run::new).and_then(Run::go) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    connect: String,
    pid: u32,
    requests: usize,
    parallel: usize,
    keep: bool,
}

impl Options {
    fn from_arguments() -> Result<Self, String> {
        let mut options = Self { connect: String::new(), pid: 0, requests: 100_000, parallel: 16, keep: true };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--connect" => options.connect = value()?,
                "--pid" => options.pid = number(&value()?)?,
                "--requests" => options.requests = number(&value()?)?,
                "--parallel" => options.parallel = number(&value()?)?,
                "--one-shot" => options.keep = false,
                "--bench" => {}
                other => return Err(format!("unknown option {other}")),
            }
        }
        if options.connect.is_empty() {
            return Err("--connect unix:/path or host:port is missing".to_owned());
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn connect(address: &str) -> io::Result<Self> {
        match address.strip_prefix("unix:") {
            Some(path) => UnixStream::connect(path).map(Self::Unix),
            None => {
                let address: SocketAddr = address.parse().map_err(io::Error::other)?;
                let stream = std::net::TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpStream::from_std(stream)))
            }
        }
    }

    fn fd(&self) -> RawFd {
        match self {
            Self::Unix(stream) => stream.as_raw_fd(),
            Self::Tcp(stream) => stream.as_raw_fd(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(bytes),
            Self::Tcp(stream) => stream.read(bytes),
        }
    }
}

struct Connection {
    stream: Stream,
    decoder: Decoder,
    started: Instant,
    body: usize,
    ended: bool,
}

struct Run {
    options: Options,
    request: Vec<u8>,
    poll: Poll,
    connections: HashMap<usize, Connection>,
    latencies: Vec<Duration>,
    started: usize,
    errors: usize,
}

impl Run {
    fn new(options: Options) -> Result<Self, String> {
        let request = request(options.keep);
        let poll = Poll::new().map_err(|error| error.to_string())?;
        let latencies = Vec::with_capacity(options.requests);
        Ok(Self { options, request, poll, connections: HashMap::new(), latencies, started: 0, errors: 0 })
    }

    fn go(mut self) -> Result<String, String> {
        let cpu_before = cpu_time(self.options.pid);
        let begin = Instant::now();
        for key in 0..self.options.parallel {
            self.open(key)?;
        }
        let mut events = Events::with_capacity(256);
        while !self.connections.is_empty() {
            self.poll.poll(&mut events, Some(Duration::from_secs(10))).map_err(|error| error.to_string())?;
            if events.is_empty() {
                return Err(format!("no answer for 10 s after {} requests", self.latencies.len()));
            }
            for event in &events {
                self.ready(event.token().0)?;
            }
        }
        let elapsed = begin.elapsed();
        let cpu = cpu_time(self.options.pid).saturating_sub(cpu_before);
        Ok(self.report(elapsed, cpu))
    }

    fn open(&mut self, key: usize) -> Result<(), String> {
        if self.started == self.options.requests {
            return Ok(());
        }
        let started = Instant::now();
        let stream = loop {
            match Stream::connect(&self.options.connect) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                other => break other.map_err(|error| format!("{}: {error}", self.options.connect))?,
            }
        };
        let registered = self.poll.registry().register(&mut SourceFd(&stream.fd()), Token(key), Interest::READABLE);
        registered.map_err(|error| error.to_string())?;
        let connection = Connection { stream, decoder: Decoder::new(), started, body: 0, ended: false };
        self.connections.insert(key, connection);
        self.send(key)
    }

    fn send(&mut self, key: usize) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(&key) else {
            return Ok(());
        };
        self.started += 1;
        match connection.stream.write(&self.request) {
            Ok(count) if count == self.request.len() => Ok(()),
            Ok(_) => Err("the request did not fit in the socket".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn ready(&mut self, key: usize) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(&key) else {
            return Ok(());
        };
        let closed = read(connection, self.options.keep).map_err(|error| error.to_string())?;
        if !connection.ended && !closed {
            return Ok(());
        }
        if self.options.keep && !closed {
            self.latencies.push(connection.started.elapsed());
            self.errors += usize::from(connection.body == 0);
            (connection.started, connection.body, connection.ended) = (Instant::now(), 0, false);
            if self.started < self.options.requests {
                return self.send(key);
            }
        }
        if closed {
            self.latencies.push(connection.started.elapsed());
            self.errors += usize::from(!connection.ended || connection.body == 0);
        }
        if closed || self.options.keep {
            self.connections.remove(&key);
            return self.open(key);
        }
        Ok(())
    }

    fn report(mut self, elapsed: Duration, cpu: Duration) -> String {
        self.latencies.sort_unstable();
        let done = self.latencies.len().max(1);
        let at = |share: f64| self.latencies[((done - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        format!(
            "requests={} errors={} rps={:.0} p50_us={:.1} p99_us={:.1} p999_us={:.1} cpu_us_per_request={:.2}",
            done,
            self.errors,
            done as f64 / elapsed.as_secs_f64(),
            at(0.5),
            at(0.99),
            at(0.999),
            cpu.as_secs_f64() * 1e6 / done as f64
        )
    }
}

/// Reads what is there; true at the end of the connection.
fn read(connection: &mut Connection, keep: bool) -> io::Result<bool> {
    loop {
        let space = connection.decoder.space();
        let room = space.len();
        let count = match connection.stream.read(space) {
            Ok(0) => return Ok(true),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        connection.decoder.advance(count);
        while let Some(record) = connection.decoder.next_record().map_err(io::Error::other)? {
            match record.record_type {
                RecordType::Stdout => connection.body += record.content.len(),
                RecordType::EndRequest => {
                    let end = EndRequest::parse(record.content).map_err(io::Error::other)?;
                    connection.ended = end.protocol_status.value() == 0;
                }
                _ => {}
            }
        }
        if count < room && connection.ended && keep {
            return Ok(false);
        }
    }
}

/// What nginx sends for a browser's GET, with the headers of one.
fn request(keep: bool) -> Vec<u8> {
    let params: [(&str, &str); 28] = [
        ("QUERY_STRING", "page=2&sort=name"),
        ("REQUEST_METHOD", "GET"),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", ""),
        ("SCRIPT_NAME", "/articles/list"),
        ("REQUEST_URI", "/articles/list?page=2&sort=name"),
        ("DOCUMENT_URI", "/articles/list"),
        ("DOCUMENT_ROOT", "/var/www/html"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_SOFTWARE", "nginx/1.22.1"),
        ("REMOTE_ADDR", "192.0.2.17"),
        ("REMOTE_PORT", "51234"),
        ("REMOTE_USER", ""),
        ("SERVER_ADDR", "192.0.2.1"),
        ("SERVER_PORT", "80"),
        ("SERVER_NAME", "www.example.com"),
        ("REDIRECT_STATUS", "200"),
        ("HTTP_HOST", "www.example.com"),
        ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"),
        ("HTTP_ACCEPT_ENCODING", "gzip, deflate, br"),
        ("HTTP_REFERER", "http://www.example.com/articles/"),
        ("HTTP_COOKIE", "sessionid=0123456789abcdef0123456789abcdef; theme=dark"),
        ("HTTP_UPGRADE_INSECURE_REQUESTS", "1"),
        ("HTTP_CACHE_CONTROL", "max-age=0"),
    ];
    let id = RequestId::new(1);
    let mut out = Vec::new();
    encoder::encode_begin_request(&mut out, id, Role::Responder, keep);
    let pairs = params.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    encoder::encode_params(&mut out, id, pairs).expect("short pairs can be encoded");
    encoder::encode_stream(&mut out, RecordType::Stdin, id, b"");
    out
}

/// CPU time of a process, its threads and its descendants so far.
fn cpu_time(pid: u32) -> Duration {
    tree(pid).into_iter().flat_map(threads).map(|path| thread_time(&path)).sum()
}

fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.map(|task| format!("{}/schedstat", task.path().display())).collect()
}

fn thread_time(path: &str) -> Duration {
    let text = fs::read_to_string(path).unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", all[next])).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        next += 1;
    }
    all
}
