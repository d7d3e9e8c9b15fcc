//! Ports for servers that cannot tell which one they took.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port of 127.0.0.1 that nobody listens on and that this process gives out once. Below the range from which the system takes
/// the ports of outgoing connections, so none of those can get in between.
pub(crate) fn reserve_port() -> u16 {
    let first = FIRST + u16::try_from(std::process::id() % 100).expect("below 100") * 200;
    for _ in 0..ATTEMPTS {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % (LAST - first);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port of 127.0.0.1 between {first} and {LAST}");
}

static NEXT: AtomicU16 = AtomicU16::new(0);
const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
const ATTEMPTS: usize = 1_000;
