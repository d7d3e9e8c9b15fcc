//! An event loop with its workers on threads of this process.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connections::event_loop::{Doors, Duty, EventLoop, Line, Passage, Settings, SharedLoop, Stopped};
use connections::exchange::{Exchange, Limits, Pause, Roles};
use connections::scheduler::{self, Handler, Queue, Source, Worker};
use crossbeam_channel::{Receiver, bounded};
use fastcgi_codec::SessionLimits;
use shared::link::Command;
use shared::listener::{Access, Listener, Patience};
use shared::scoreboard::{Scoreboard, Seat};
use shared::sys::passing;
use tempfile::TempDir;

use crate::support::peer::{Address, DEADLINE, Peer};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Options {
    pub settings: Settings,
    pub workers: usize,
    pub max_queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        let request = Limits {
            max_params_size: 64 * 1024,
            max_params: 100,
            max_body_size: 1024 * 1024,
            body_memory: 1000,
            max_open_requests: 1024,
            roles: Roles::RESPONDER,
        };
        let settings = Settings {
            max_connections: 100,
            idle_timeout: None,
            socket_timeout: Some(DEADLINE),
            queue_timeout: None,
            graceful_timeout: DEADLINE,
            max_requests: None,
            spread: false,
            session: SessionLimits { max_conns: 100, max_reqs: 1024 },
            request,
            uploads_memory: 64 << 20,
            answer_log: None,
            probes: None,
        };
        Self { settings, workers: 2, max_queue: 1000 }
    }
}

impl Options {
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    pub fn max_queue(mut self, max_queue: usize) -> Self {
        self.max_queue = max_queue;
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Both timeouts.
    pub fn timeouts(self, socket: Duration, idle: Option<Duration>) -> Self {
        self.with(|settings| (settings.socket_timeout, settings.idle_timeout) = (Some(socket), idle))
    }
}

/// A function as a handler that holds nothing while it runs.
struct Function<F>(F);

impl<F: Fn(Exchange)> Pause for Function<F> {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }
}

impl<F: Fn(Exchange)> Handler for Function<F> {
    fn handle(&mut self, exchange: Exchange) {
        (self.0)(exchange);
    }
}

/// Listening, but not serving: connections wait in the backlog.
pub struct Prepared {
    event_loop: Arc<SharedLoop>,
    start_workers: Box<dyn FnOnce() -> Vec<JoinHandle<()>>>,
    server: Server,
}

/// A running event loop and its workers.
pub struct Server {
    unix: PathBuf,
    tcp: Vec<Address>,
    control: UnixStream,
    seat: Seat,
    event_loop: Option<JoinHandle<Stopped>>,
    workers: Vec<JoinHandle<()>>,
    _directory: TempDir,
}

impl Prepared {
    /// Binds a Unix socket, 127.0.0.1 and ::1.
    #[track_caller]
    pub fn new(options: &Options, handler: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let unix = directory.path().join("socket");
        let access = Access { mode: 0o600, user: None, group: None };
        let mut listeners = vec![Listener::bind_unix(&unix, access, 1024, Patience::AMoment).unwrap()];
        for host in ["127.0.0.1", "::1"] {
            listeners.extend(Listener::bind_tcp(host, 0, 1024, Patience::AMoment).unwrap());
        }
        let tcp = listeners.iter().filter_map(Listener::tcp_address).map(Address::Tcp).collect();
        let seat = Arc::new(Scoreboard::new().unwrap()).seat(1);
        let (queue, worker) = scheduler::queue_of_pool((options.max_queue, options.settings.queue_timeout), seat.clone());
        let passage = || {
            let (give, take) = passing::pair().unwrap();
            Passage::new(give, take)
        };
        let listeners = listeners.into_iter().map(Into::into).collect();
        let doors = Doors { listeners, passage: passage(), line: Line::new(passage(), seat.clone(), options.max_queue) };
        let (event_loop, control) = event_loop(doors, queue, options.settings.clone());
        let event_loop = Arc::new(SharedLoop::new(event_loop));
        let source: Arc<dyn Source> = Arc::<SharedLoop>::clone(&event_loop);
        let (worker, count) = (worker.with_source(source), options.workers);
        let start_workers = Box::new(move || start_workers(count, &worker, handler));
        let server = Server { unix, tcp, control, seat, event_loop: None, workers: Vec::new(), _directory: directory };
        Self { event_loop, start_workers, server }
    }

    /// A connection that waits in the backlog.
    #[track_caller]
    pub fn connect(&self) -> Peer {
        self.server.connect()
    }

    /// Writes a byte that the loop finds when it starts.
    pub fn stop_gracefully(&mut self) {
        self.server.stop_gracefully();
    }

    /// Starts to serve.
    pub fn serve(self) -> Server {
        let (_, gate) = bounded(0);
        self.serve_without_standby(gate)
    }

    /// Starts to serve; there is no standby before something comes from `gate` or its sender is dropped.
    pub fn serve_without_standby(self, gate: Receiver<()>) -> Server {
        let Self { event_loop, start_workers, mut server } = self;
        event_loop.begin();
        server.workers = start_workers();
        let stand_by = move || {
            let _ = gate.recv();
            event_loop.stand_by().unwrap()
        };
        server.event_loop = Some(thread::spawn(stand_by));
        server
    }
}

fn event_loop(doors: Doors, queue: Queue, settings: Settings) -> (EventLoop, UnixStream) {
    let (control, writer) = UnixStream::pair().unwrap();
    control.set_nonblocking(true).unwrap();
    let controls = vec![mio::net::UnixStream::from_std(control)];
    (EventLoop::new(doors, controls, Duty::Serve, queue, settings).unwrap(), writer)
}

fn start_workers(count: usize, worker: &Worker, handler: impl Fn(Exchange) + Send + Sync + 'static) -> Vec<JoinHandle<()>> {
    let handler = Arc::new(handler);
    let start = |_| {
        let (worker, handler) = (worker.clone(), Arc::clone(&handler));
        thread::spawn(move || worker.run(&mut Function(|exchange| handler(exchange))))
    };
    (0..count).map(start).collect()
}

impl Server {
    /// Serves with this handler on every worker.
    #[track_caller]
    pub fn start(options: Options, handler: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        Prepared::new(&options, handler).serve()
    }

    /// How many requests wait for a worker.
    pub fn waiting(&self) -> usize {
        self.seat.waiting()
    }

    /// The Unix socket's address.
    pub fn unix(&self) -> Address {
        Address::Unix(self.unix.clone())
    }

    /// The addresses of 127.0.0.1 and ::1.
    pub fn tcp(&self) -> &[Address] {
        &self.tcp
    }

    /// All three.
    pub fn addresses(&self) -> Vec<Address> {
        [&[self.unix()], self.tcp()].concat()
    }

    /// A new connection to the Unix socket.
    #[track_caller]
    pub fn connect(&self) -> Peer {
        Peer::connect(self.unix())
    }

    pub fn stop_gracefully(&mut self) {
        self.control.write_all(&[Command::StopGracefully as u8]).unwrap();
    }

    pub fn stop_now(&mut self) {
        self.control.write_all(&[Command::StopNow as u8]).unwrap();
    }

    /// Waits for the loop's own end.
    #[track_caller]
    pub fn wait_stopped(&mut self) -> Stopped {
        let event_loop = self.event_loop.take().expect("the loop is waited for once");
        wait_finished("the event loop", &event_loop);
        event_loop.join().unwrap()
    }

    /// Waits for the workers' end, which follows the loop's.
    #[track_caller]
    pub fn wait_workers(&mut self) {
        for worker in self.workers.drain(..) {
            wait_finished("a worker", &worker);
            worker.join().unwrap();
        }
    }
}

impl Drop for Server {
    /// A worker that never ends is a failure, but not a second one.
    fn drop(&mut self) {
        let _ = self.control.write_all(&[Command::StopNow as u8]);
        if thread::panicking() {
            return;
        }
        if self.event_loop.is_some() {
            self.wait_stopped();
        }
        self.wait_workers();
    }
}

#[track_caller]
fn wait_finished<T>(what: &str, thread: &JoinHandle<T>) {
    wait_until(&format!("{what} to end"), || thread.is_finished());
}

/// Waits until `condition` holds; fails after [`DEADLINE`].
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
