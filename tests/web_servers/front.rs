//! A web server as a browser finds it, whatever is behind it: its port, the files of its own, and the prefix below which its site is.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use crate::http::{Exchange, Request, Response};
use crate::support::peer::Address;
use crate::web_server::{Place, WebServer, permit};

/// Whether a web server uses a connection again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    OneShot,
    Kept,
}

/// A web server that runs. It is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) web_server: WebServer,
    public: Place,
    prefix: &'static str,
}

impl Front {
    /// Has it started with files of its own below this directory.
    #[track_caller]
    pub(crate) fn start(public: Place, prefix: &'static str, start: impl FnOnce(&str) -> WebServer) -> Self {
        fill(&public);
        let web_server = start(public.path().to_str().expect("a temporary path is UTF-8"));
        Self { web_server, public, prefix }
    }

    pub(crate) fn port(&self) -> u16 {
        self.web_server.port
    }

    /// Sends a request whose target is meant below the site's prefix.
    #[track_caller]
    pub(crate) fn send(&self, request: Request) -> Response {
        self.open(request).finish()
    }

    /// The same, reading only the head of the answer.
    #[track_caller]
    pub(crate) fn open(&self, request: Request) -> Exchange {
        self.try_open(request).expect("a status line")
    }

    /// The same; `None` when the connection ends before a head comes.
    #[track_caller]
    pub(crate) fn try_open(&self, request: Request) -> Option<Exchange> {
        request.under(self.prefix).try_open(self.port())
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

    /// Lets the applications go on that wait for the test.
    pub(crate) fn open_gate(&self) {
        self.public.write("gate", "");
    }
}

/// Static files, some of them where they would mislead a web server about the application's paths.
fn fill(public: &Place) {
    for file in [
        "static/x.css",
        "app/static/x.css",
        "index.html",
        "plain",
        "a b/index.html",
        "app/index.html",
        "app/plain",
        "app/a b/index.html",
    ] {
        permit(&public.write(file, &format!("static file {file}\n")), 0o644);
    }
    for directory in ["static", "a b", "app", "app/static", "app/a b"] {
        permit(&public.path().join(Path::new(directory)), 0o755);
    }
}

/// An address as it stands in configuration files.
pub(crate) fn text_of(address: &Address) -> String {
    match address {
        Address::Unix(path) => path.to_str().expect("a temporary path is UTF-8").to_owned(),
        Address::Tcp(address) => address.to_string(),
    }
}
