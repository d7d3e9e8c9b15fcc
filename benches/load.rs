//! A FastCGI load generator, and the CPU time that the server spends on it.
//!
//! One thread, epoll, a fixed number of requests in flight, nginx's 28 parameters. Reports requests per second, latencies,
//! errors, connections, and the CPU time per request of the server's process tree, which is steadier than throughput on a shared
//! machine. When a server closes a connection that it was asked to keep, the request goes out again on a new one: `connections`
//! tells whether it does.
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
    /// Answers that came on it before the one that is waited for.
    answered: usize,
    /// Whether a byte of the present answer has come.
    begun: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Answered,
    Closed,
}

struct Run {
    options: Options,
    request: Vec<u8>,
    poll: Poll,
    connections: HashMap<usize, Connection>,
    latencies: Vec<Duration>,
    started: usize,
    errors: usize,
    opened: usize,
}

impl Run {
    fn new(options: Options) -> Result<Self, String> {
        let request = request(options.keep);
        let poll = Poll::new().map_err(|error| error.to_string())?;
        let latencies = Vec::with_capacity(options.requests);
        Ok(Self { options, request, poll, connections: HashMap::new(), latencies, started: 0, errors: 0, opened: 0 })
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
        self.started += 1;
        self.open_for(key, Instant::now())
    }

    /// Opens a connection and sends a request on it whose latency counts from `started`.
    fn open_for(&mut self, key: usize, started: Instant) -> Result<(), String> {
        let stream = loop {
            match Stream::connect(&self.options.connect) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                other => break other.map_err(|error| format!("{}: {error}", self.options.connect))?,
            }
        };
        self.opened += 1;
        let registered = self.poll.registry().register(&mut SourceFd(&stream.fd()), Token(key), Interest::READABLE);
        registered.map_err(|error| error.to_string())?;
        let mut connection =
            Connection { stream, decoder: Decoder::new(), started, body: 0, ended: false, answered: 0, begun: false };
        connection.send(&self.request).map_err(|error| error.to_string())?;
        self.connections.insert(key, connection);
        Ok(())
    }

    fn ready(&mut self, key: usize) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(&key) else {
            return Ok(());
        };
        let progress = match connection.read(self.options.keep) {
            Err(error) if is_lost(&error) => Progress::Closed,
            other => other.map_err(|error| error.to_string())?,
        };
        match progress {
            Progress::Waiting => Ok(()),
            Progress::Answered if self.options.keep => self.go_on(key),
            // The end of a one-shot answer is the end of its connection.
            Progress::Answered => Ok(()),
            Progress::Closed => self.closed(key),
        }
    }

    /// Takes an answer on a connection that stays open, and sends the next request on it.
    fn go_on(&mut self, key: usize) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(&key) else {
            return Ok(());
        };
        self.latencies.push(connection.started.elapsed());
        self.errors += usize::from(connection.body == 0);
        if self.started == self.options.requests {
            self.connections.remove(&key);
            return Ok(());
        }
        self.started += 1;
        connection.next();
        match connection.send(&self.request) {
            Err(error) if is_lost(&error) => self.closed(key),
            other => other.map_err(|error| error.to_string()),
        }
    }

    fn closed(&mut self, key: usize) -> Result<(), String> {
        let Some(connection) = self.connections.remove(&key) else {
            return Ok(());
        };
        if connection.answered > 0 && !connection.begun {
            return self.open_for(key, connection.started);
        }
        self.latencies.push(connection.started.elapsed());
        self.errors += usize::from(!connection.ended || connection.body == 0);
        self.open(key)
    }

    fn report(mut self, elapsed: Duration, cpu: Duration) -> String {
        self.latencies.sort_unstable();
        let done = self.latencies.len().max(1);
        let at = |share: f64| self.latencies[((done - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        format!(
            "requests={} errors={} connections={} rps={:.0} p50_us={:.1} p99_us={:.1} p999_us={:.1} cpu_us_per_request={:.2}",
            done,
            self.errors,
            self.opened,
            done as f64 / elapsed.as_secs_f64(),
            at(0.5),
            at(0.99),
            at(0.999),
            cpu.as_secs_f64() * 1e6 / done as f64
        )
    }
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        match self.stream.write(request)? {
            count if count == request.len() => Ok(()),
            _ => Err(io::Error::other("the request did not fit in the socket")),
        }
    }

    fn next(&mut self) {
        self.answered += 1;
        (self.started, self.body, self.ended, self.begun) = (Instant::now(), 0, false, false);
    }

    /// Reads what is there.
    fn read(&mut self, keep: bool) -> io::Result<Progress> {
        loop {
            let space = self.decoder.space();
            let room = space.len();
            let count = match self.stream.read(space) {
                Ok(0) => return Ok(Progress::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(self.progress()),
                Err(error) => return Err(error),
            };
            self.begun = true;
            self.decoder.advance(count);
            while let Some(record) = self.decoder.next_record().map_err(io::Error::other)? {
                match record.record_type {
                    RecordType::Stdout => self.body += record.content.len(),
                    RecordType::EndRequest => {
                        let end = EndRequest::parse(record.content).map_err(io::Error::other)?;
                        self.ended = end.protocol_status.value() == 0;
                    }
                    _ => {}
                }
            }
            if count < room && self.ended && keep {
                return Ok(Progress::Answered);
            }
        }
    }

    fn progress(&self) -> Progress {
        if self.ended { Progress::Answered } else { Progress::Waiting }
    }
}

/// Whether an error says that the server has closed the connection.
fn is_lost(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
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

/// CPU time of a process, its threads and its descendants so far, without those that have ended.
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
