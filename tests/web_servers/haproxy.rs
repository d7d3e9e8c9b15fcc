//! HAProxy with a site file under a minimal main configuration.

use crate::ports::reserve_port;
use crate::shipped::Shipped;
use crate::web_server::{Place, WebServer, find_program, is_root};

/// Runs HAProxy with this site, whose port is still the documented one, on so many threads, each of which keeps connections of its
/// own.
#[track_caller]
pub(crate) fn start(site: Shipped, threads: usize) -> WebServer {
    let place = Place::new();
    let port = reserve_port();
    let user = if is_root() { "    user www-data\n    group www-data\n" } else { "" };
    let site = site.replace("bind :80", &format!("bind 127.0.0.1:{port}"));
    let own = "    log stdout format raw local0\ndefaults\n    log global\n    mode http\n    option httplog\n    timeout connect 5s\n    timeout client 50s\n    timeout server 50s\n";
    let main = place.write("haproxy.cfg", &format!("global\n    nbthread {threads}\n{user}{own}{}", site.text()));
    let arguments = ["-db".as_ref(), "-f".as_ref(), main.as_os_str()].map(ToOwned::to_owned);
    WebServer::start(&find_program("haproxy", "haproxy"), arguments, place, port)
}
