//! Caddy with a site file, over HTTP and without its files in the home directory.

use crate::ports::reserve_port;
use crate::shipped::Shipped;
use crate::web_server::{Place, WebServer, find_program};

/// Runs Caddy with this site, whose address and static files are still the documented ones.
#[track_caller]
pub(crate) fn start(site: Shipped, public: &str) -> WebServer {
    let place = Place::new();
    let port = reserve_port();
    let address = format!("http://example.com:{port} {{\n\tbind 127.0.0.1");
    let site = site.replace("example.com {", &address).replace("/srv/example/public", public);
    let own = format!("{{\n\tadmin off\n\tstorage file_system {}/storage\n}}\n", place.path().display());
    let main = place.write("Caddyfile", &(own + site.text()));
    let arguments = ["run", "--adapter", "caddyfile", "--config"].map(Into::into).into_iter().chain([main.into_os_string()]);
    WebServer::start(&find_program("caddy", "caddy"), arguments.collect::<Vec<std::ffi::OsString>>(), place, port)
}
