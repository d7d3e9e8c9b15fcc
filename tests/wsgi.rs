//! What a WSGI application sees and what becomes of what it says: PEP 3333 and the rules of this product, one test a rule.

#![allow(clippy::unwrap_used)]

#[path = "wsgi/abort.rs"]
mod abort;
#[path = "wsgi/access_log.rs"]
mod access_log;
#[path = "wsgi/environ.rs"]
mod environ;
#[path = "wsgi/file_wrapper.rs"]
mod file_wrapper;
#[path = "wsgi/forks.rs"]
mod forks;
#[path = "wsgi/input.rs"]
mod input;
#[path = "wsgi/interpreter.rs"]
mod interpreter;
#[path = "wsgi/interrupted.rs"]
mod interrupted;
#[path = "wsgi/loading.rs"]
mod loading;
#[path = "wsgi/log_handler.rs"]
mod log_handler;
#[path = "wsgi/logging.rs"]
mod logging;
#[path = "wsgi/path.rs"]
mod path;
#[path = "wsgi/promises.rs"]
mod promises;
#[path = "event_loop/random.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod random;
#[path = "wsgi/request_id.rs"]
mod request_id;
#[path = "wsgi/response.rs"]
mod response;
#[path = "wsgi/sendfile_header.rs"]
mod sendfile_header;
#[path = "wsgi/signals.rs"]
mod signals;
#[path = "wsgi/streams.rs"]
mod streams;
mod support;
#[path = "wsgi/threads.rs"]
mod threads;
#[path = "wsgi/validator.rs"]
mod validator;

use support::{Answer, Params, Pyfcgid, app};

/// The answer of an app of `tests/apps` to a GET.
#[track_caller]
fn get(file: &str, target: &str) -> Answer {
    Pyfcgid::serve(app(file), &[]).connect().request(&Params::get(target), b"")
}

/// Fails unless the process still answers, with the same worker thread for all requests.
#[track_caller]
fn expect_alive(server: &mut Pyfcgid, target: &str) {
    server.connect().request(&Params::get(target), b"").expect_status(200);
    server.expect_running();
}
