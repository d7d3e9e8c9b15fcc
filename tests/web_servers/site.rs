//! A configuration file that we ship with everything around it running: the web server in front, pyfcgid behind.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::digest::Digest;
use crate::front::{Connections, Front, text_of};
use crate::http::Request;
use crate::kind::Kind;
use crate::mod_fcgid::Installed;
use crate::ports::reserve_port;
use crate::relay::Relay;
use crate::shipped::Shipped;
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::{Launch, Pyfcgid};
use crate::tls::Certificate;
use crate::web_server::{Place, permit};

/// What a test has to know about a configuration file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) kind: Kind,
    /// Relative to the top of the repository.
    pub(crate) file: &'static str,
    pub(crate) connections: Connections,
    /// Where the application is; empty for the whole site.
    pub(crate) prefix: &'static str,
    /// How many pyfcgid there are: one that listens on all addresses of the file, or one for each of them.
    pub(crate) back_ends: usize,
}

impl Site {
    /// A whole site with one back end.
    pub(crate) const fn new(kind: Kind, file: &'static str, connections: Connections) -> Self {
        Self { kind, file, connections, prefix: "", back_ends: 1 }
    }

    /// The same with the application below this prefix.
    pub(crate) const fn below(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    /// The same with so many back ends.
    pub(crate) const fn with_back_ends(self, back_ends: usize) -> Self {
        Self { back_ends, ..self }
    }

    /// Starts it with an application in every back end: one of `tests/web_servers/apps`, or another one's path.
    #[track_caller]
    pub(crate) fn start(&self, app: &str) -> Running {
        self.start_with(app, &[], Shipped::read(self.file))
    }

    /// Starts it with options for pyfcgid beyond those that the file names, and with a file that a test may have adapted.
    #[track_caller]
    pub(crate) fn start_with(&self, app: &str, options: &[&str], file: Shipped) -> Running {
        self.start_all(&vec![app; self.back_ends], options, file, None, Address::clone)
    }

    /// Starts it with one application for each back end.
    #[track_caller]
    pub(crate) fn start_each(&self, apps: &[&str]) -> Running {
        self.start_all(apps, &[], Shipped::read(self.file), None, Address::clone)
    }

    /// Starts it with HTTPS instead of HTTP.
    #[track_caller]
    pub(crate) fn start_tls(&self, app: &str, certificate: &Certificate) -> Running {
        let apps = vec![app; self.back_ends];
        self.start_all(&apps, &[], Shipped::read(self.file), Some(certificate), Address::clone)
    }

    /// Starts it with a relay before each of its addresses that counts connections; one back end is behind them all.
    #[track_caller]
    pub(crate) fn start_counted(&self, app: &str) -> (Running, Vec<Relay>) {
        let mut relays = Vec::new();
        let running = self.start_all(&[app], &[], Shipped::read(self.file), None, |address| {
            relays.push(Relay::start(address));
            relays.last().expect("it was added").address()
        });
        (running, relays)
    }

    #[track_caller]
    fn start_all(
        &self,
        apps: &[&str],
        options: &[&str],
        mut file: Shipped,
        tls: Option<&Certificate>,
        mut between: impl FnMut(&Address) -> Address,
    ) -> Running {
        if self.kind == Kind::ModFcgid {
            return self.start_by_apache(apps[0], options, file);
        }
        let (public, sockets) = (Place::new(), Place::new());
        let documented = file.addresses();
        let addresses: Vec<Address> = documented.iter().map(|address| address_like(address, &sockets)).collect();
        let shares = addresses.chunks(addresses.len() / apps.len());
        let launch = |(number, (app, addresses)): (usize, (&&str, &[Address]))| BackEnd {
            app: app_path(app),
            addresses: addresses.to_vec(),
            options: file.serve_options().into_iter().chain(options.iter().map(ToString::to_string)).collect(),
            gate: public.path().join("gate"),
            number,
        };
        let launches: Vec<BackEnd> = apps.iter().zip(shares).enumerate().map(launch).collect();
        let back_ends = launches.iter().map(BackEnd::start).collect();
        for (documented, address) in documented.iter().zip(&addresses) {
            file = file.replace(documented, &text_of(&between(address)));
        }
        let front = Front::start(public, self.prefix, |root| self.kind.start(file, root, tls));
        Running { front, back_ends, launches, started_by_apache: None, _sockets: sockets }
    }

    /// pyfcgid is started when the first request comes.
    #[track_caller]
    fn start_by_apache(&self, app: &str, options: &[&str], file: Shipped) -> Running {
        let (public, installed) = (Place::new(), Installed::new());
        let (program, app) = (installed.program(), installed.copy(&app_path(app)));
        let arguments = [&[app.to_str().expect("UTF-8")], options].concat().join(" ");
        let file = file.replace("/usr/local/bin/pyfcgid", program.to_str().expect("UTF-8"));
        let file = file.replace("myproject.wsgi", &arguments);
        let file = installed.site(file, "TEST_GATE", &public.path().join("gate"));
        let front = Front::start(public, self.prefix, |root| self.kind.start(file, root, None));
        let (back_ends, launches) = (Vec::new(), Vec::new());
        Running { front, back_ends, launches, started_by_apache: Some(installed), _sockets: Place::new() }
    }
}

/// How a pyfcgid is started, the first time and again.
#[derive(Clone, Debug)]
pub(crate) struct BackEnd {
    pub(crate) app: PathBuf,
    /// On all of which it listens.
    pub(crate) addresses: Vec<Address>,
    pub(crate) options: Vec<String>,
    /// The file that `answers.py` waits for.
    pub(crate) gate: PathBuf,
    /// What `environ.py` tells them apart by.
    pub(crate) number: usize,
}

impl BackEnd {
    #[track_caller]
    pub(crate) fn start(&self) -> Pyfcgid {
        let launch = Launch::serve_unlistened(&self.app).args(&self.options);
        let launch = launch.env("TEST_GATE", &self.gate).env("TEST_BACK_END", self.number.to_string());
        self.addresses.iter().cloned().fold(launch, Launch::listen).start()
    }
}

/// A web server with its back ends. All of it is stopped when dropped, the web server first.
#[derive(Debug)]
pub(crate) struct Running {
    front: Front,
    pub(crate) back_ends: Vec<Pyfcgid>,
    launches: Vec<BackEnd>,
    started_by_apache: Option<Installed>,
    _sockets: Place,
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

    /// Fails unless `environ.py` reads this body, and is told its length.
    #[track_caller]
    pub(crate) fn expect_upload(&self, request: Request, body: &[u8]) {
        let environ = self.environ(request);
        let read = (&environ["test.body_length"], &environ["test.body_sha256"]);
        assert_eq!(read, (&body.len().into(), &Digest::of(body).into()), "{environ:#}");
        assert_eq!(environ["CONTENT_LENGTH"], body.len().to_string(), "{environ:#}");
    }

    /// Ends each of the back ends gracefully and starts another one on the same addresses.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        assert!(self.started_by_apache.is_none(), "Apache started it");
        for (back_end, launch) in self.back_ends.iter_mut().zip(&self.launches) {
            let stopped = back_end.stop();
            assert!(stopped.success(), "{stopped}: {}", back_end.log());
            *back_end = launch.start();
        }
    }

    /// What pyfcgid logged; Apache's log has that of what it started.
    pub(crate) fn log(&self) -> String {
        match self.started_by_apache {
            Some(_) => self.web_server.log(),
            None => self.back_ends.iter().map(Pyfcgid::log).collect(),
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
        self.back_ends.iter_mut().for_each(Pyfcgid::expect_running);
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Starts it where a web server without privileges can reach the socket in its directory.
#[track_caller]
pub(crate) fn start_back_end(launch: Launch) -> Pyfcgid {
    permit(launch.directory(), 0o755);
    launch.start()
}

/// The path of an application of `tests/web_servers/apps`; another path stays as it is.
pub(crate) fn app_path(app: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web_servers/apps").join(app)
}

/// An address of the same kind for a test.
#[track_caller]
pub(crate) fn address_like(documented: &str, sockets: &Place) -> Address {
    match documented.rsplit_once('/') {
        Some((_, name)) => Address::Unix(sockets.path().join(name)),
        None => Address::Tcp(([127, 0, 0, 1], reserve_port()).into()),
    }
}
