//! Web servers before a pool that listens on `s.sock` in its directory, each as the file that we ship for it says.

use crate::shipped::{SOCKET, Shipped};
use crate::support::Pyfcgid;
use crate::web_server::{WebServer, is_root, permit};
use crate::{apache, haproxy, nginx};

/// The socket of a pool, as a web server's user can reach it.
pub(crate) fn socket(pool: &Pyfcgid) -> String {
    if is_root() {
        permit(pool.directory(), 0o755);
    }
    pool.directory().join("s.sock").to_str().unwrap().to_owned()
}

/// With what a test adapts in the file.
#[track_caller]
pub(crate) fn nginx(pool: &Pyfcgid, adapt: impl FnOnce(Shipped) -> Shipped) -> WebServer {
    let file = Shipped::read("nginx/root-unix.conf").replace(SOCKET, &socket(pool));
    nginx::start(adapt(file), PUBLIC, None)
}

/// The same, which keeps its connections.
#[track_caller]
pub(crate) fn nginx_that_keeps_connections(pool: &Pyfcgid, adapt: impl FnOnce(Shipped) -> Shipped) -> WebServer {
    let upstream = format!("upstream kept {{ server unix:{}; keepalive 300; }}\nserver {{", socket(pool));
    let file = Shipped::read("nginx/root-unix.conf")
        .replace("server {", &upstream)
        .replace(&format!("unix:{SOCKET}"), "kept")
        .replace("include pyfcgid_params;", "include pyfcgid_params; fastcgi_keep_conn on;");
    nginx::start(adapt(file), PUBLIC, None)
}

/// With what a test adapts in the file.
#[track_caller]
pub(crate) fn apache(pool: &Pyfcgid, adapt: impl FnOnce(Shipped) -> Shipped) -> WebServer {
    let place = format!("unix:{}|fcgi://localhost/", socket(pool));
    let file = Shipped::read("apache/proxypass.conf").replace("fcgi://127.0.0.1:9000/", &place);
    apache::start(adapt(file), PUBLIC, None)
}

#[track_caller]
pub(crate) fn haproxy(pool: &Pyfcgid) -> WebServer {
    haproxy_of("docs/clients/haproxy.cfg", pool)
}

#[track_caller]
pub(crate) fn haproxy_that_multiplexes(pool: &Pyfcgid) -> WebServer {
    haproxy_of("docs/clients/haproxy-multiplexed.cfg", pool)
}

#[track_caller]
fn haproxy_of(file: &'static str, pool: &Pyfcgid) -> WebServer {
    haproxy::start(Shipped::read(file).replace(SOCKET, &socket(pool)), 1)
}

/// As it stands in the files.
const PUBLIC: &str = "/srv/example/public";
