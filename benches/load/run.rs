//! A fixed number of requests, so many at once, from one thread.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::answer::Finished;
use crate::connection::{Connection, State, is_lost};
use crate::options::{Options, Reuse};
use crate::process;
use crate::request;
use crate::stream::Stream;

/// What a run has measured.
#[derive(Debug, Default)]
pub struct Tally {
    pub latencies: Vec<Duration>,
    pub errors: usize,
    pub first_fault: Option<String>,
    /// Connections that were opened.
    pub opened: usize,
    pub elapsed: Duration,
    /// What the server's process tree has used.
    pub cpu: Option<Duration>,
}

pub struct Run<'a> {
    options: &'a Options,
    /// By request id less one.
    requests: Vec<Rc<[u8]>>,
    poll: Poll,
    connections: HashMap<usize, Connection>,
    hoard: Vec<Stream>,
    tally: Tally,
    started: usize,
    next_key: usize,
}

impl<'a> Run<'a> {
    pub fn new(options: &'a Options) -> Result<Self, String> {
        let requests = (1..=options.multiplex).map(|id| request::encode(options, id).map(Rc::from));
        Ok(Self {
            options,
            requests: requests.collect::<Result<_, _>>().map_err(|error| error.to_string())?,
            poll: Poll::new().map_err(|error| error.to_string())?,
            connections: HashMap::new(),
            hoard: Vec::new(),
            tally: Tally { latencies: Vec::with_capacity(options.requests), ..Tally::default() },
            started: 0,
            next_key: 0,
        })
    }

    /// Sends everything and waits for every answer. Hoarded connections are returned, open.
    pub fn go(mut self) -> Result<(Tally, Vec<Stream>), String> {
        let cpu_before = self.options.pid.map(process::cpu_time);
        let begin = Instant::now();
        self.send_and_receive()?;
        self.tally.elapsed = begin.elapsed();
        let cpu_after = self.options.pid.map(process::cpu_time);
        self.tally.cpu = cpu_after.zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        Ok((self.tally, self.hoard))
    }

    fn send_and_receive(&mut self) -> Result<(), String> {
        for _ in 0..self.options.parallel.div_ceil(usize::from(self.options.multiplex)) {
            self.open()?;
        }
        let mut events = Events::with_capacity(256);
        while !self.connections.is_empty() {
            let patience = Duration::from_secs(self.options.patience);
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(|error| error.to_string())?,
            }
            if events.is_empty() {
                let done = self.tally.latencies.len();
                return Err(format!("no answer for {} s after {done} requests", patience.as_secs()));
            }
            for event in &events {
                self.ready(event.token().0).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Opens a connection with as many new requests as it takes, if there are any to send.
    fn open(&mut self) -> Result<(), String> {
        let left = self.options.requests - self.started;
        // With several requests on each connection, the last one may have fewer.
        let others = self.connections.len() * usize::from(self.options.multiplex);
        let count = left.min(self.options.parallel.saturating_sub(others)).min(usize::from(self.options.multiplex));
        if count == 0 {
            return Ok(());
        }
        self.started += count;
        let now = Instant::now();
        let ids = 1..=u16::try_from(count).unwrap_or(u16::MAX);
        self.open_for(ids.map(|id| (id, now)).collect()).map_err(|error| format!("{}: {error}", self.options.connect))
    }

    /// Opens a connection for requests whose latency counts from the times given.
    fn open_for(&mut self, requests: Vec<(u16, Instant)>) -> io::Result<()> {
        let mut connection = Connection::open(self.options)?;
        self.tally.opened += 1;
        let key = self.next_key;
        self.next_key += 1;
        self.poll.registry().register(&mut SourceFd(&connection.stream.fd()), Token(key), Interest::READABLE)?;
        for (id, started) in requests {
            connection.send(id, self.request(id), started)?;
        }
        self.watch(key, &mut connection)?;
        self.connections.insert(key, connection);
        Ok(())
    }

    fn request(&self, id: u16) -> Rc<[u8]> {
        Rc::clone(&self.requests[usize::from(id) - 1])
    }

    /// Watches for room in the socket only while there is something to send: it would tell of each read of the server.
    fn watch(&self, key: usize, connection: &mut Connection) -> io::Result<()> {
        if connection.has_unsent() == connection.is_full {
            return Ok(());
        }
        connection.is_full = connection.has_unsent();
        let interest = if connection.is_full { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.poll.registry().reregister(&mut SourceFd(&connection.stream.fd()), Token(key), interest)
    }

    fn ready(&mut self, key: usize) -> io::Result<()> {
        let Some(mut connection) = self.connections.remove(&key) else {
            return Ok(());
        };
        let mut finished = Vec::new();
        let mut state = connection.read(&self.options.expected, &mut finished)?;
        if state == State::Open {
            state = lost_is_closed(connection.flush())?;
        }
        for answer in finished {
            if self.answered(&mut connection, answer)? == State::Closed {
                state = State::Closed;
            }
        }
        match state {
            State::Closed => self.closed(connection),
            State::Open => self.go_on(key, connection),
        }
    }

    /// Counts an answer, and sends the next request in its place.
    fn answered(&mut self, connection: &mut Connection, answer: Finished) -> io::Result<State> {
        let id = answer.id;
        let Some(started) = connection.complete(id) else {
            return Err(io::Error::other(format!("an answer for request {id}, which is not under way")));
        };
        if self.options.reuse == Reuse::OneShot {
            connection.last = Some((started, answer));
            return Ok(State::Open);
        }
        self.count(started, answer.fault);
        if self.options.reuse == Reuse::Hoarded || self.started == self.options.requests {
            return Ok(State::Open);
        }
        self.started += 1;
        lost_is_closed(connection.send(id, self.request(id), Instant::now()))
    }

    fn count(&mut self, started: Instant, fault: Option<String>) {
        self.tally.latencies.push(started.elapsed());
        self.tally.errors += usize::from(fault.is_some());
        self.tally.first_fault = self.tally.first_fault.take().or(fault);
    }

    fn go_on(&mut self, key: usize, mut connection: Connection) -> io::Result<()> {
        if !connection.is_idle() || connection.last.is_some() {
            self.watch(key, &mut connection)?;
            self.connections.insert(key, connection);
            return Ok(());
        }
        if self.options.reuse == Reuse::Hoarded {
            self.poll.registry().deregister(&mut SourceFd(&connection.stream.fd()))?;
            self.hoard.push(connection.stream);
            return self.open().map_err(io::Error::other);
        }
        Ok(())
    }

    fn closed(&mut self, mut connection: Connection) -> io::Result<()> {
        if let Some((started, answer)) = connection.last.take() {
            self.count(started, answer.fault);
        }
        let under_way = connection.under_way();
        let was_kept = connection.answered > 0 && under_way.iter().all(|(id, _)| !connection.has_begun(*id));
        if was_kept && !under_way.is_empty() {
            return self.open_for(under_way);
        }
        for (_, started) in under_way {
            self.count(started, Some("the connection ended before the answer".to_owned()));
        }
        self.open().map_err(io::Error::other)
    }
}

fn lost_is_closed(result: io::Result<()>) -> io::Result<State> {
    match result {
        Ok(()) => Ok(State::Open),
        Err(error) if is_lost(&error) => Ok(State::Closed),
        Err(error) => Err(error),
    }
}
