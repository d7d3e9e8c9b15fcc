//! A file of `docs/clients` with everything around it running: the web server in front, pyfcgid behind.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;

use serde_json::Value;

use crate::front::Front;
pub(crate) use crate::front::{Connections, text_of};
use crate::http::Request;
use crate::ports::reserve_port;
use crate::relay::Relay;
use crate::shipped::Shipped;
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::{Launch, Pyfcgid};
use crate::web_server::{Place, is_left_out, permit};
use crate::{apache, caddy, h2o, haproxy, lighttpd, mod_fcgid, nginx};

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
    /// Apache with mod_fcgid, which starts pyfcgid itself.
    ModFcgid,
    Haproxy {
        threads: usize,
    },
    Lighttpd,
    Caddy,
    H2o,
}

impl Client {
    /// Whether there is no such web server here, which is said.
    pub(crate) fn is_left_out(self) -> bool {
        self == Self::H2o && is_left_out("h2o")
    }
}

impl Site {
    /// Starts it with an application, whose path is relative to `tests`.
    #[track_caller]
    pub(crate) fn start(&self, app: &str) -> Running {
        self.start_through(app, &[], Address::clone)
    }

    /// Starts it with `abort = "raise"`.
    #[track_caller]
    pub(crate) fn start_raising(&self, app: &str) -> Running {
        self.start_through(app, &["--abort", "raise"], Address::clone)
    }

    /// Starts it with a relay before each of its addresses that counts connections.
    #[track_caller]
    pub(crate) fn start_counted(&self, app: &str) -> (Running, Vec<Relay>) {
        let mut relays = Vec::new();
        let running = self.start_through(app, &[], |address| {
            relays.push(Relay::start(address));
            relays.last().expect("it was added").address()
        });
        (running, relays)
    }

    #[track_caller]
    fn start_through(&self, app: &str, options: &[&str], mut between: impl FnMut(&Address) -> Address) -> Running {
        if self.client == Client::ModFcgid {
            return self.start_by_apache(app, options);
        }
        let (public, sockets) = (Place::new(), Place::new());
        let mut file = Shipped::read(self.file);
        let documented = DOCUMENTED.iter().filter(|address| file.uses(address));
        let addresses: Vec<_> = documented.map(|address| (*address, address_like(address, &sockets))).collect();
        let mut serve_options = file.serve_options();
        serve_options.extend(options.iter().map(ToString::to_string));
        let back_end = BackEnd {
            app: app_path(app),
            addresses: addresses.iter().map(|(_, address)| address.clone()).collect(),
            options: serve_options,
            gate: public.path().join("gate"),
        };
        let served = back_end.start();
        for (documented, address) in &addresses {
            file = file.replace(documented, &text_of(&between(address)));
        }
        let front = self.front(file, public);
        Running { front, back: Back::Own { served: Box::new(served), back_end, _sockets: sockets } }
    }

    /// pyfcgid is started when the first request comes.
    #[track_caller]
    fn start_by_apache(&self, app: &str, options: &[&str]) -> Running {
        let (public, installed) = (Place::new(), mod_fcgid::Installed::new());
        let (program, app) = (installed.program(), installed.copy(&app_path(app)));
        let file = Shipped::read(self.file).replace("/usr/local/bin/pyfcgid", program.to_str().expect("UTF-8"));
        let arguments = [&[app.to_str().expect("UTF-8")], options].concat().join(" ");
        let file = file.replace("myproject.wsgi", &arguments);
        let file = installed.site(file, "TEST_GATE", &public.path().join("gate"));
        Running { front: self.front(file, public), back: Back::Apaches { _installed: installed } }
    }

    #[track_caller]
    fn front(&self, file: Shipped, public: Place) -> Front {
        Front::start(public, self.prefix, |root| match self.client {
            Client::Nginx => nginx::start(file, root, None),
            Client::Apache | Client::ModFcgid => apache::start(file, root, None),
            Client::Haproxy { threads } => haproxy::start(file, threads),
            Client::Lighttpd => lighttpd::start(file, root),
            Client::Caddy => caddy::start(file, root),
            Client::H2o => h2o::start(file, root),
        })
    }
}

/// Who started pyfcgid.
#[derive(Debug)]
enum Back {
    Own { served: Box<Pyfcgid>, back_end: BackEnd, _sockets: Place },
    Apaches { _installed: mod_fcgid::Installed },
}

/// How pyfcgid is started, the first time and again.
#[derive(Clone, Debug)]
pub(crate) struct BackEnd {
    pub(crate) app: PathBuf,
    /// On all of which it listens.
    pub(crate) addresses: Vec<Address>,
    pub(crate) options: Vec<String>,
    pub(crate) gate: PathBuf,
}

impl BackEnd {
    /// Starts it where a web server without privileges can reach it.
    #[track_caller]
    pub(crate) fn start(&self) -> Pyfcgid {
        let launch = Launch::serve_unlistened(&self.app).args(&self.options).env("TEST_GATE", &self.gate);
        let served = self.addresses.iter().cloned().fold(launch, Launch::listen).start();
        for address in &self.addresses {
            if let Address::Unix(socket) = address {
                permit(socket, 0o666);
            }
        }
        served
    }
}

/// A web server with pyfcgid behind it. All of it is stopped when dropped, the web server first.
#[derive(Debug)]
pub(crate) struct Running {
    front: Front,
    back: Back,
}

impl Deref for Running {
    type Target = Front;

    fn deref(&self) -> &Front {
        &self.front
    }
}

impl Running {
    /// Sends a request to `environ.py` and returns what the application saw.
    #[track_caller]
    pub(crate) fn environ(&self, request: Request) -> Value {
        self.send(request).expect(200).json()
    }

    /// Connections that are open now to its Unix sockets, as the kernel lists them.
    pub(crate) fn open_connections(&self) -> usize {
        let Back::Own { back_end, .. } = &self.back else { panic!("Apache started it") };
        let table = fs::read_to_string("/proc/net/unix").expect("a table of sockets");
        let connected = table.lines().filter(|line| line.split_whitespace().nth(5) == Some("03"));
        let to_address = |line: &&str| {
            let is_its =
                |address: &Address| matches!(address, Address::Unix(socket) if line.ends_with(&*socket.to_string_lossy()));
            back_end.addresses.iter().any(is_its)
        };
        connected.filter(to_address).count()
    }

    /// Ends pyfcgid gracefully and starts another one on the same socket.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        let Back::Own { served, back_end, .. } = &mut self.back else { panic!("Apache started it") };
        let stopped = served.stop();
        assert!(stopped.success(), "{stopped}: {}", served.log());
        **served = back_end.start();
    }

    /// What pyfcgid logged; Apache's log has that of what it started.
    pub(crate) fn log(&self) -> String {
        match &self.back {
            Back::Own { served, .. } => served.log(),
            Back::Apaches { .. } => self.web_server.log(),
        }
    }

    /// Waits until this is in what pyfcgid logged.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(text, || self.log().contains(text));
    }

    /// Fails when one of them has ended or panicked.
    #[track_caller]
    pub(crate) fn expect_healthy(mut self) {
        self.front.web_server.expect_running();
        if let Back::Own { served, .. } = &mut self.back {
            served.expect_running();
        }
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// The path of an application below `tests`.
pub(crate) fn app_path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(file)
}

/// As it stands in the files that use one Unix socket.
pub(crate) const DOCUMENTED_SOCKET: &str = "/run/pyfcgid/example.sock";
/// All that stand in the files.
const DOCUMENTED: [&str; 4] = [DOCUMENTED_SOCKET, "127.0.0.1:9000", "127.0.0.1:9001", "127.0.0.1:9002"];

/// An address of the same kind for a test.
#[track_caller]
pub(crate) fn address_like(documented: &str, sockets: &Place) -> Address {
    match documented.rsplit_once('/') {
        Some((_, name)) => Address::Unix(sockets.path().join(name)),
        None => Address::Tcp(([127, 0, 0, 1], reserve_port()).into()),
    }
}
