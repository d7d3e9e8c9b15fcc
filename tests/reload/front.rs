//! What stands before the service: a web server that keeps its connections, or nothing.

use crate::browser::Browser;
use crate::kept_peer::KeptPeer;
use crate::load::Load;
use crate::question::Methods;
use crate::service::Service;
use crate::shipped::{SOCKET, Shipped};
use crate::web_server::{Place, WebServer};
use crate::{apache, haproxy, nginx};

/// The kinds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Nginx,
    Apache,
    Haproxy,
    /// HAProxy with several requests at once on each connection. Only GET: HAProxy 2.6 answers 500 by itself when the
    /// parameters of a request meet the body of another one in its buffer, however the back end fares.
    HaproxyMultiplexed,
    /// The load itself speaks FastCGI.
    Direct,
}

impl Front {
    #[track_caller]
    pub(crate) fn start(self, service: &Service) -> Site {
        let public = Place::new();
        let web_server = match self {
            Self::Nginx => Some(nginx::start(nginx_site(service), root(&public), None)),
            Self::Apache => Some(apache::start(apache_site(service), root(&public), None)),
            Self::Haproxy => Some(haproxy::start(haproxy_site("docs/clients/haproxy.cfg", service), 1)),
            Self::HaproxyMultiplexed => {
                let file = haproxy_site("docs/clients/haproxy-multiplexed.cfg", service);
                Some(haproxy::start(file.replace("max-reqs 64", "max-reqs 20"), 1))
            }
            Self::Direct => None,
        };
        Site { web_server, methods: self.methods(), _public: public }
    }

    fn methods(self) -> Methods {
        match self {
            Self::HaproxyMultiplexed => Methods::GetOnly,
            _ => Methods::GetAndPost,
        }
    }
}

/// A service with what stands before it.
#[derive(Debug)]
pub(crate) struct Site {
    web_server: Option<WebServer>,
    methods: Methods,
    _public: Place,
}

impl Site {
    /// Starts clients that ask for the service's present version.
    pub(crate) fn load(&self, service: &Service, connections: usize) -> Load {
        let (methods, version) = (self.methods, service.version());
        match &self.web_server {
            Some(web_server) => Load::start(connections, methods, version, || Browser::new(web_server.port)),
            None => Load::start(connections, methods, version, || KeptPeer::new(service.address())),
        }
    }

    /// Fails when the web server has ended, or logged an error.
    #[track_caller]
    pub(crate) fn expect_no_complaint(&mut self) {
        let Some(web_server) = &mut self.web_server else { return };
        web_server.expect_running();
        let log = web_server.log();
        let complaints: Vec<_> = log.lines().filter(|line| ERRORS.iter().any(|error| line.contains(error))).collect();
        assert!(complaints.is_empty(), "the web server complains:\n{}", complaints.join("\n"));
    }
}

fn root(public: &Place) -> &str {
    public.path().to_str().expect("a temporary path is UTF-8")
}

/// nginx asks once, so that it hides no lost request by asking again.
fn nginx_site(service: &Service) -> Shipped {
    Shipped::read("nginx/root-tcp.conf")
        .replace("server 127.0.0.1:9000;", &format!("server unix:{};", service.socket().display()))
        .replace("fastcgi_keep_conn on;", "fastcgi_keep_conn on; fastcgi_next_upstream off;")
}

/// Apache with a thread for each client: with fewer it closes kept connections of browsers when it likes.
fn apache_site(service: &Service) -> Shipped {
    Shipped::read("apache/proxypass.conf")
        .replace("fcgi://127.0.0.1:9000/", &format!("unix:{}|fcgi://localhost/", service.socket().display()))
        .replace("<VirtualHost *:80>", "ThreadsPerChild 64\nMaxRequestWorkers 64\nMinSpareThreads 1\n<VirtualHost *:80>")
}

fn haproxy_site(file: &'static str, service: &Service) -> Shipped {
    Shipped::read(file).replace(SOCKET, &service.socket().to_string_lossy())
}

const ERRORS: [&str; 5] = ["[error]", ":error]", "[crit]", ":crit]", "[alert]"];
