//! Stands between web server and back end and counts connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::peer::Address;
use crate::web_server::{Place, permit};

/// Passes bytes both ways on every connection. Its threads end with the connections, and with the test process.
#[derive(Debug)]
pub(crate) struct Relay {
    address: Address,
    accepted: Arc<AtomicUsize>,
    _place: Place,
}

impl Relay {
    /// A relay to `back_end` on an address of the same kind.
    #[track_caller]
    pub(crate) fn start(back_end: &Address) -> Self {
        let place = Place::new();
        let accepted = Arc::new(AtomicUsize::new(0));
        let address = match back_end.clone() {
            Address::Unix(target) => listen_unix(&place, target, Arc::clone(&accepted)),
            Address::Tcp(target) => listen_tcp(target, Arc::clone(&accepted)),
        };
        Self { address, accepted, _place: place }
    }

    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    /// Connections that the web server has made so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

fn listen_unix(place: &Place, target: std::path::PathBuf, accepted: Arc<AtomicUsize>) -> Address {
    let path = place.path().join("relay.sock");
    let listener = UnixListener::bind(&path).expect("a socket in the temporary directory");
    permit(&path, 0o666);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            accepted.fetch_add(1, Ordering::SeqCst);
            let far = UnixStream::connect(&target).expect("the back end accepts");
            let (near_2, far_2) = (near.try_clone().expect("a descriptor"), far.try_clone().expect("a descriptor"));
            thread::spawn(move || pass(near, far, |far| far.shutdown(Shutdown::Write)));
            thread::spawn(move || pass(far_2, near_2, |near| near.shutdown(Shutdown::Write)));
        }
    });
    Address::Unix(path)
}

fn listen_tcp(target: std::net::SocketAddr, accepted: Arc<AtomicUsize>) -> Address {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            accepted.fetch_add(1, Ordering::SeqCst);
            let far = TcpStream::connect(target).expect("the back end accepts");
            let (near_2, far_2) = (near.try_clone().expect("a descriptor"), far.try_clone().expect("a descriptor"));
            thread::spawn(move || pass(near, far, |far| far.shutdown(Shutdown::Write)));
            thread::spawn(move || pass(far_2, near_2, |near| near.shutdown(Shutdown::Write)));
        }
    });
    Address::Tcp(address)
}

/// Copies until one side ends, then says so to the other.
fn pass<S: Read + Write>(mut from: S, mut to: S, end: impl Fn(&S) -> io::Result<()>) {
    let _ = io::copy(&mut from, &mut to);
    let _ = end(&to);
}
