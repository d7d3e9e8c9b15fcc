//! lighttpd with a site file under Debian's own main configuration.

use std::fs;

use crate::ports::reserve_port;
use crate::shipped::Shipped;
use crate::web_server::{Place, WebServer, find_program, is_root, permit};

/// Runs lighttpd with this site, whose static files are still the documented ones.
#[track_caller]
pub(crate) fn start(site: Shipped, public: &str) -> WebServer {
    let program = find_program("lighttpd", "lighttpd");
    let place = Place::new();
    let port = reserve_port();
    place.write("site.conf", site.replace("/srv/example/public", public).text());
    let main = place.write("lighttpd.conf", &main_configuration(&place, port));
    // It gives up its privileges before it opens its log.
    permit(place.path(), 0o777);
    let arguments = ["-D".as_ref(), "-f".as_ref(), main.as_os_str()].map(ToOwned::to_owned);
    WebServer::start(&program, arguments, place, port)
}

/// Debian's file, with this test's port, directories and site.
#[track_caller]
fn main_configuration(place: &Place, port: u16) -> String {
    let stock = fs::read_to_string("/etc/lighttpd/lighttpd.conf").expect("lighttpd is installed (Debian package: lighttpd)");
    let kept = stock.lines().filter(|line| !OWN.iter().any(|key| line.starts_with(key)));
    let directory = place.path().display();
    let user = if is_root() { "server.username = \"www-data\"\nserver.groupname = \"www-data\"\n" } else { "" };
    let own = format!(
        "{user}server.port = {port}\nserver.bind = \"127.0.0.1\"\nserver.errorlog = \"{directory}/error.log\"\n\
         server.pid-file = \"{directory}/pid\"\nserver.upload-dirs = ( \"{directory}\" )\n"
    );
    let site = format!("include \"{directory}/site.conf\"");
    own + &kept.map(|line| if line.starts_with(SITES) { &site } else { line }).collect::<Vec<_>>().join("\n") + "\n"
}

/// Where Debian's file includes the sites.
const SITES: &str = "include \"/etc/lighttpd/conf-enabled/";
/// Settings that are the test's.
const OWN: [&str; 7] = [
    "server.upload-dirs",
    "server.errorlog",
    "server.pid-file",
    "server.username",
    "server.groupname",
    "server.port",
    "include_shell \"/usr/share/lighttpd/use-ipv6.pl",
];
