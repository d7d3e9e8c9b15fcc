//! Handlers in Rust: what a worker does with a request.

use std::time::Duration;

use connections::exchange::{Exchange, Head, NothingHeld, Reply, ReplyError, Request};
use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::support::peer::DEADLINE;

/// Answers with the cookie, a bar and the body.
pub fn echo(exchange: Exchange) {
    let Exchange { mut request, mut reply, .. } = exchange;
    let body = request.body.read(u64::MAX).unwrap();
    let cookie = cookie(&request).into_bytes();
    open(&mut reply);
    // The peer may well have gone.
    let _ = reply.end(&[&cookie, b"|", &body], &NothingHeld);
}

/// Sets a plain head.
pub fn open(reply: &mut Reply) {
    let mut head = Head::new(b"200 OK").unwrap();
    head.push(b"Content-Type", b"application/octet-stream").unwrap();
    reply.set_head(head).unwrap();
}

/// Answers with these bytes.
pub fn answer(reply: &mut Reply, body: &[u8]) -> Result<(), ReplyError> {
    open(reply);
    reply.end(&[body], &NothingHeld)
}

pub fn param(request: &Request, name: &str) -> String {
    String::from_utf8_lossy(request.params.get(name.as_bytes()).unwrap_or_default()).into_owned()
}

pub fn cookie(request: &Request) -> String {
    param(request, "HTTP_COOKIE")
}

/// A channel that a handler reports on, for the test to wait for.
pub struct Reports<T>(Receiver<T>);

/// A handler's end of [`Reports`].
pub fn reports<T>() -> (Sender<T>, Reports<T>) {
    let (sender, receiver) = unbounded();
    (sender, Reports(receiver))
}

impl<T> Reports<T> {
    #[track_caller]
    pub fn next(&self) -> T {
        self.0.recv_timeout(DEADLINE).expect("the handler reports")
    }

    /// Whether nothing has been reported that was not taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn stays_empty_for(&self, time: Duration) -> bool {
        self.0.recv_timeout(time).is_err()
    }
}

/// The test's side of handlers that wait to be let through. Dropping it lets everybody through.
pub struct Gate {
    pub started: Reports<String>,
    pass: Sender<()>,
}

impl Gate {
    /// Waits until a handler stands at the gate, and says whose request it has.
    #[track_caller]
    pub fn wait_started(&self) -> String {
        self.started.next()
    }

    /// Lets one through.
    pub fn pass_one(&self) {
        self.pass.send(()).unwrap();
    }
}

/// A gate, and the handlers' side of it: call it with the cookie to wait.
pub fn gate() -> (Gate, impl Fn(String) + Send + Sync + 'static) {
    let (report, started) = reports();
    let (pass, passed) = unbounded::<()>();
    let wait = move |cookie| {
        // A test that has failed does not listen any more.
        let _ = report.send(cookie);
        let _ = passed.recv();
    };
    (Gate { started, pass }, wait)
}

/// A gate in front of the echo.
pub fn gated_echo() -> (Gate, impl Fn(Exchange) + Send + Sync + 'static) {
    let (gate, wait) = gate();
    let handler = move |exchange: Exchange| {
        wait(cookie(&exchange.request));
        echo(exchange);
    };
    (gate, handler)
}
