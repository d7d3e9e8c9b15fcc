//! h2o with a site file.

use crate::ports::reserve_port;
use crate::shipped::Shipped;
use crate::web_server::{Place, WebServer, find_program, is_root, permit};

/// Runs h2o with this site, whose port and directories are still the documented ones. One thread, so that the connections it
/// keeps can be counted.
#[track_caller]
pub(crate) fn start(site: Shipped, public: &str) -> WebServer {
    let place = Place::new();
    let port = reserve_port();
    let directory = place.path().to_str().expect("a temporary path is UTF-8");
    let site = site
        .replace("  port: 80", &format!("  host: 127.0.0.1\n  port: {port}"))
        .replace("/srv/example/public", public)
        .replace("/var/log/h2o", directory)
        .replace("/run/h2o.pid", &format!("{directory}/pid"));
    let site = if is_root() { site } else { site.replace("user: www-data", "# as the user that tests") };
    let text = format!("num-threads: 1\n{}", site.text());
    let main = place.write("h2o.conf", &text);
    permit(place.path(), 0o777);
    let arguments = ["-c".as_ref(), main.as_os_str()].map(ToOwned::to_owned);
    WebServer::start(&find_program("h2o", "h2o"), arguments, place, port)
}
