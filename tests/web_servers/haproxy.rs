//! HAProxy, the one web server that multiplexes.

use std::path::Path;

use crate::ports::reserve_port;
use crate::web_server::{Place, WebServer, find_program, is_root};

/// Runs HAProxy in front of a FastCGI socket. `application` holds further lines of `fcgi-app`, `global` of `global`.
#[track_caller]
pub(crate) fn start(socket: &Path, application: &str, global: &str) -> WebServer {
    let place = Place::new();
    let port = reserve_port();
    let user = if is_root() { "user www-data\n    group www-data" } else { "" };
    let main = format!(
        "global\n    {user}\n    nbthread 1\n    {global}\n\
         defaults\n    mode http\n    timeout connect 10s\n    timeout client 30s\n    timeout server 10s\n    \
         http-reuse always\n\
         fcgi-app gateway\n    docroot /var/empty\n    pass-header authorization\n    {application}\n\
         frontend web\n    bind 127.0.0.1:{port}\n    default_backend wsgi\n\
         backend wsgi\n    use-fcgi-app gateway\n    server one unix@{} proto fcgi\n",
        socket.display()
    );
    let main = place.write("haproxy.cfg", &main);
    let arguments = ["-db".as_ref(), "-f".as_ref(), main.as_os_str()].map(ToOwned::to_owned);
    WebServer::start(&find_program("haproxy", "haproxy"), arguments, place, port)
}
