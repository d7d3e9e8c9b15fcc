//! Peers that are on the side of the hostile application: they call it, and upload what never ends.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::record::{begin, record, request, role, stream};
use crate::support::{Params, kind};

/// The attack that needs no application.
pub const STALLED_UPLOADS: &str = "stalled_uploads";

/// They go when it is dropped.
pub struct Crowd {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Callers for those attacks that a request begins, and uploads if they are wanted.
    pub fn gather(socket: PathBuf, attacks: &[&'static str]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let called: Vec<_> = attacks.iter().copied().filter(|name| name.starts_with("request_")).collect();
        let mut threads = Vec::new();
        if !called.is_empty() {
            for caller in 0..CALLERS {
                let (socket, called, over) = (socket.clone(), called.clone(), Arc::clone(&over));
                threads.push(thread::spawn(move || call(&socket, &called, caller, &over)));
            }
        }
        if attacks.contains(&STALLED_UPLOADS) {
            let flag = Arc::clone(&over);
            threads.push(thread::spawn(move || upload(&socket, &flag)));
        }
        Self { over, threads }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn call(socket: &Path, called: &[&str], first: usize, over: &AtomicBool) {
    for name in called.iter().cycle().skip(first) {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let method = if name.ends_with("_head") { "HEAD" } else { "GET" };
        // A line of the access log in the target, for whoever writes it down as it is.
        let target = format!("/forged\nshop 1 /?forged 200\n\x1b[31m?{name}");
        let params = Params::nginx(method, &format!("/?{name}")).set("REQUEST_URI", &target);
        // Nobody waits for an end of what never ends.
        if let Ok(stream) = send(socket, &request(1, true, &params.encode(), b"")) {
            thread::sleep(PAUSE);
            drop(stream);
        } else {
            thread::sleep(PAUSE);
        }
    }
}

fn upload(socket: &Path, over: &AtomicBool) {
    let params = stream(kind::PARAMS, 1, &Params::post("/", 1 << 20).encode());
    let body = record(kind::STDIN, 1, &vec![b'x'; 60_000]);
    let half = [begin(1, role::RESPONDER, true), params, body.clone(), body].concat();
    while !over.load(Ordering::Relaxed) {
        let stalled: Vec<_> = (0..UPLOADS).map_while(|_| send(socket, &half).ok()).collect();
        let until = Instant::now() + 10 * PAUSE;
        while Instant::now() < until && !over.load(Ordering::Relaxed) {
            thread::sleep(PAUSE);
        }
        drop(stalled);
    }
}

/// Without waiting for long: who is attacked may not read. A connection for which there is no room is none.
fn send(socket: &Path, bytes: &[u8]) -> std::io::Result<UnixStream> {
    let connection = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    connection.set_nonblocking(true)?;
    connection.connect(&socket2::SockAddr::unix(socket)?)?;
    connection.set_nonblocking(false)?;
    connection.set_write_timeout(Some(PAUSE))?;
    let mut stream = UnixStream::from(std::os::fd::OwnedFd::from(connection));
    std::io::Write::write_all(&mut stream, bytes)?;
    Ok(stream)
}

const CALLERS: usize = 2;
const UPLOADS: usize = 300;
const PAUSE: Duration = Duration::from_millis(150);
