//! A file of `docs/clients` with everything around it running: the web server in front, pyfcgid behind.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::http::{Exchange, Request, Response};
use crate::ports::reserve_port;
use crate::relay::Relay;
use crate::shipped::Shipped;
use crate::support::peer::Address;
use crate::support::{Launch, Pyfcgid};
use crate::web_server::{Place, WebServer, permit};
use crate::{apache, caddy, h2o, haproxy, lighttpd, nginx};

/// What a test has to know about a configuration file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) client: Client,
    /// Relative to the top of the repository.
    pub(crate) file: &'static str,
    /// Where the application is; empty for the whole site.
    pub(crate) prefix: &'static str,
    pub(crate) connections: Connections,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Nginx,
    Apache,
    Haproxy,
    Lighttpd,
    Caddy,
    H2o,
}

/// Whether the web server uses a connection again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    OneShot,
    Kept,
}

impl Site {
    /// Starts it with an application, whose path is relative to `tests`.
    #[track_caller]
    pub(crate) fn start(&self, app: &str) -> Running {
        self.start_through(app, &[], |address| address)
    }

    /// Starts it with `abort = "raise"`.
    #[track_caller]
    pub(crate) fn start_raising(&self, app: &str) -> Running {
        self.start_through(app, &["--abort", "raise"], |address| address)
    }

    /// Starts it with a relay in between that counts connections.
    #[track_caller]
    pub(crate) fn start_counted(&self, app: &str) -> (Running, Relay) {
        let mut relay = None;
        let running = self.start_through(app, &[], |address| relay.insert(Relay::start(&address)).address());
        (running, relay.expect("it was started"))
    }

    #[track_caller]
    fn start_through(&self, app: &str, options: &[&str], between: impl FnOnce(Address) -> Address) -> Running {
        let (public, sockets) = (Place::new(), Place::new());
        let file = Shipped::read(self.file);
        let unix = file.text().contains("--listen unix:");
        let address = if unix { Address::Unix(sockets.path().join("s.sock")) } else { tcp_address() };
        let mut serve_options = file.serve_options();
        serve_options.extend(options.iter().map(ToString::to_string));
        let back_end = BackEnd { app: app_path(app), address, options: serve_options, gate: public.path().join("gate") };
        let served = back_end.start();
        let file = match between(served.address()) {
            Address::Unix(path) => file.replace(DOCUMENTED_SOCKET, path.to_str().expect("a temporary path is UTF-8")),
            Address::Tcp(address) => file.replace(DOCUMENTED_ADDRESS, &address.to_string()),
        };
        fill(&public);
        let root = public.path().to_str().expect("a temporary path is UTF-8");
        let web_server = match self.client {
            Client::Nginx => nginx::start(file, root, None),
            Client::Apache => apache::start(file, root, None),
            Client::Haproxy => haproxy::start(file),
            Client::Lighttpd => lighttpd::start(file, root),
            Client::Caddy => caddy::start(file, root),
            Client::H2o => h2o::start(file, root),
        };
        Running { web_server, served, back_end, public, _sockets: sockets, prefix: self.prefix }
    }
}

/// How pyfcgid is started, the first time and again.
#[derive(Clone, Debug)]
pub(crate) struct BackEnd {
    pub(crate) app: PathBuf,
    pub(crate) address: Address,
    pub(crate) options: Vec<String>,
    pub(crate) gate: PathBuf,
}

impl BackEnd {
    /// Starts it where a web server without privileges can reach it.
    #[track_caller]
    pub(crate) fn start(&self) -> Pyfcgid {
        let launch = Launch::serve_unlistened(&self.app).listen(self.address.clone());
        let served = launch.args(&self.options).env("TEST_GATE", &self.gate).start();
        if let Address::Unix(socket) = &self.address {
            permit(socket, 0o666);
        }
        served
    }
}

/// A web server with pyfcgid behind it. All of it is stopped when dropped, the web server first.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) web_server: WebServer,
    pub(crate) served: Pyfcgid,
    back_end: BackEnd,
    public: Place,
    _sockets: Place,
    prefix: &'static str,
}

impl Running {
    pub(crate) fn port(&self) -> u16 {
        self.web_server.port
    }

    /// Sends a request whose target is meant below the site's prefix.
    #[track_caller]
    pub(crate) fn send(&self, request: Request) -> Response {
        request.under(self.prefix).send(self.port())
    }

    /// The same; `None` when the connection ends before a head comes.
    #[track_caller]
    pub(crate) fn try_send(&self, request: Request) -> Option<Response> {
        request.under(self.prefix).try_send(self.port())
    }

    /// The same, reading only the head of the answer.
    #[track_caller]
    pub(crate) fn open(&self, request: Request) -> Exchange {
        request.under(self.prefix).open(self.port())
    }

    /// Sends a GET request and does not wait for its answer.
    #[track_caller]
    pub(crate) fn ask(&self, target: &str) -> TcpStream {
        let mut browser = TcpStream::connect(("127.0.0.1", self.port())).expect("the web server accepts");
        let head = format!("GET {}{target} HTTP/1.1\r\nHost: example.com\r\n\r\n", self.prefix);
        browser.write_all(head.as_bytes()).expect("the web server takes a request head");
        browser
    }

    #[track_caller]
    pub(crate) fn get(&self, target: impl AsRef<[u8]>) -> Response {
        self.send(Request::get(target))
    }

    /// Sends a request to `environ.py` and returns what the application saw.
    #[track_caller]
    pub(crate) fn environ(&self, request: Request) -> Value {
        self.send(request).expect(200).json()
    }

    /// Lets the application go on that waits for the test.
    pub(crate) fn open_gate(&self) {
        self.public.write("gate", "");
    }

    /// Ends pyfcgid gracefully and starts another one on the same socket.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        let stopped = self.served.stop();
        assert!(stopped.success(), "{stopped}: {}", self.served.log());
        self.served = self.back_end.start();
    }

    /// Fails when one of them has ended or panicked.
    #[track_caller]
    pub(crate) fn expect_healthy(mut self) {
        self.web_server.expect_running();
        self.served.expect_running();
        let log = self.served.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// The path of an application below `tests`.
pub(crate) fn app_path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(file)
}

/// Static files, some of them where they would mislead a web server about the application's paths.
fn fill(public: &Place) {
    for file in ["static/x.css", "index.html", "plain", "app/index.html", "app/plain"] {
        permit(&public.write(file, &format!("static file {file}\n")), 0o644);
    }
    for directory in ["static", "app"] {
        permit(&public.path().join(Path::new(directory)), 0o755);
    }
}

fn tcp_address() -> Address {
    Address::Tcp(std::net::SocketAddr::from(([127, 0, 0, 1], reserve_port())))
}

/// As it stands in the files that use a Unix socket.
pub(crate) const DOCUMENTED_SOCKET: &str = "/run/pyfcgid/example.sock";
/// As it stands in the others.
const DOCUMENTED_ADDRESS: &str = "127.0.0.1:9000";
