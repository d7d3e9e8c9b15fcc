//! A shipped site file with everything around it running: the web server in front, the back ends behind.

use std::ops::Deref;
use std::path::PathBuf;

use serde_json::Value;

pub(crate) use crate::front::Connections;
use crate::front::{Front, text_of};
use crate::http::Request;
use crate::ports::reserve_port;
use crate::relay::Relay;
use crate::shipped::Shipped;
use crate::support::peer::Address;
use crate::support::{Launch, Pyfcgid};
use crate::tls::Certificate;
use crate::web_server::{Place, permit};
use crate::{apache, nginx};

/// What a test has to know about a site file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) kind: Kind,
    /// Relative to the top of the repository.
    pub(crate) file: &'static str,
    /// The addresses of the back ends as they stand in the file: a path, or host:port.
    pub(crate) back_ends: &'static [&'static str],
    /// Where the application is; empty for the whole site.
    pub(crate) prefix: &'static str,
    pub(crate) connections: Connections,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    /// nginx with the parameters that come with it.
    NginxStock,
    Apache,
    /// Apache with SetHandler, which maps the path to the document root first.
    ApacheMapped,
}

impl Kind {
    pub(crate) fn is_apache(self) -> bool {
        matches!(self, Self::Apache | Self::ApacheMapped)
    }
}

impl Site {
    /// Starts it with an application of `tests/web_servers/apps` in every back end.
    #[track_caller]
    pub(crate) fn start(&self, app: &str) -> Running {
        self.start_each(&vec![app; self.back_ends.len()])
    }

    /// Starts it with one application for each back end.
    #[track_caller]
    pub(crate) fn start_each(&self, apps: &[&str]) -> Running {
        self.start_with(apps, &[], Shipped::read(self.file))
    }

    /// Starts it with a file that a test has adapted, and options for pyfcgid beyond those that the file names.
    #[track_caller]
    pub(crate) fn start_with(&self, apps: &[&str], options: &[&str], file: Shipped) -> Running {
        let public = Place::new();
        let gate = public.path().join("gate");
        let launch = |(number, documented): (usize, &&str)| {
            let launch = back_end(documented, apps[number]).args(file.serve_options()).args(options);
            start_back_end(launch.env("TEST_GATE", &gate).env("TEST_BACK_END", number.to_string()))
        };
        let back_ends: Vec<Pyfcgid> = self.back_ends.iter().enumerate().map(launch).collect();
        let addresses: Vec<Address> = back_ends.iter().map(Pyfcgid::address).collect();
        self.serve(back_ends, &addresses, public, file, None)
    }

    /// Starts it with HTTPS instead of HTTP.
    #[track_caller]
    pub(crate) fn start_tls(&self, app: &str, certificate: &Certificate) -> Running {
        let file = Shipped::read(self.file);
        let launch = |documented: &&str| start_back_end(back_end(documented, app).args(file.serve_options()));
        let back_ends: Vec<Pyfcgid> = self.back_ends.iter().map(launch).collect();
        let addresses: Vec<Address> = back_ends.iter().map(Pyfcgid::address).collect();
        self.serve(back_ends, &addresses, Place::new(), file, Some(certificate))
    }

    /// Starts it with a relay before each of its addresses that counts connections; one back end is behind them all.
    #[track_caller]
    pub(crate) fn start_counted(&self, app: &str) -> (Running, Vec<Relay>) {
        let file = Shipped::read(self.file);
        let back_end = start_back_end(back_end(self.back_ends[0], app).args(file.serve_options()));
        let relays: Vec<Relay> = self.back_ends.iter().map(|_| Relay::start(&back_end.address())).collect();
        let addresses: Vec<Address> = relays.iter().map(Relay::address).collect();
        (self.serve(vec![back_end], &addresses, Place::new(), file, None), relays)
    }

    fn serve(
        &self,
        back_ends: Vec<Pyfcgid>,
        addresses: &[Address],
        public: Place,
        mut file: Shipped,
        tls: Option<&Certificate>,
    ) -> Running {
        for (documented, address) in self.back_ends.iter().zip(addresses) {
            file = file.replace(documented, &text_of(address));
        }
        let front = Front::start(public, self.prefix, |root| match self.kind {
            Kind::Nginx | Kind::NginxStock => nginx::start(file, root, tls),
            Kind::Apache | Kind::ApacheMapped => apache::start(file, root, tls),
        });
        Running { front, back_ends }
    }
}

/// A web server with its back ends. All of it is stopped when dropped, the web server first.
#[derive(Debug)]
pub(crate) struct Running {
    front: Front,
    pub(crate) back_ends: Vec<Pyfcgid>,
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
    pub(crate) fn environ(&self, request: Request) -> Environ {
        Environ(self.send(request).expect(200).json())
    }

    /// Fails when a back end has ended or panicked.
    #[track_caller]
    pub(crate) fn expect_healthy(mut self) {
        self.front.web_server.expect_running();
        for back_end in &mut self.back_ends {
            back_end.expect_running();
            let log = back_end.log();
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// The environ that an application saw.
#[derive(Clone, Debug)]
pub(crate) struct Environ(Value);

impl Environ {
    /// A variable, as a string; `None` when it is not there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Fails unless each variable has its value.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.get(name), Some(*value), "{name} in {:#}", self.0);
        }
    }

    /// Fails when one of these is there.
    #[track_caller]
    pub(crate) fn expect_none_of(&self, names: &[&str]) {
        for name in names {
            assert_eq!(self.get(name), None, "{name} in {:#}", self.0);
        }
    }

    /// Length and SHA-256 of the body that the application read.
    pub(crate) fn body(&self) -> (u64, String) {
        let length = self.0["test.body_length"].as_u64().expect("a length");
        (length, self.0["test.body_sha256"].as_str().expect("a digest").to_owned())
    }

    /// All variables' names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.as_object().expect("an object").keys().cloned().collect()
    }
}

/// `pyfcgid serve` with one of the test applications, on an address of the documented kind.
#[track_caller]
fn back_end(documented: &str, app: &str) -> Launch {
    let app = app_path(app);
    match documented.starts_with('/') {
        true => Launch::serve(app),
        false => Launch::serve_unlistened(app).listen(std::net::SocketAddr::from(([127, 0, 0, 1], reserve_port()))),
    }
}

/// Starts it where a web server without privileges can reach it.
#[track_caller]
pub(crate) fn start_back_end(launch: Launch) -> Pyfcgid {
    permit(launch.directory(), 0o755);
    let started = launch.start();
    if let Address::Unix(socket) = started.address() {
        permit(&socket, 0o666);
    }
    started
}

/// The path of an application in `tests/web_servers/apps`.
pub(crate) fn app_path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/web_servers/apps").join(file)
}
