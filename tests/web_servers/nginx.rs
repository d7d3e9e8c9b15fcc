//! nginx with a site file inside a minimal `http` block.

use std::fs;

use crate::ports::reserve_port;
use crate::shipped::Shipped;
use crate::tls::Certificate;
use crate::web_server::{Place, WebServer, find_program, is_root};

/// Runs nginx with this site, whose port and static files are still the documented ones. One nginx worker, so that the
/// connections it keeps can be counted.
#[track_caller]
pub(crate) fn start(site: Shipped, public: &str, tls: Option<&Certificate>) -> WebServer {
    let place = Place::new();
    let port = reserve_port();
    let site = site.replace("listen 80;", &listen(port, tls)).replace("/srv/example/public", public);
    place.write("site.conf", site.text());
    place.write("pyfcgid_params", Shipped::read("nginx/pyfcgid_params").text());
    place.write("fastcgi_params", &stock_parameters());
    let main = place.write("nginx.conf", &main_configuration(&place));
    let arguments =
        ["-c".as_ref(), main.as_os_str(), "-e".as_ref(), "error.log".as_ref(), "-p".as_ref(), place.path().as_os_str()];
    let arguments = arguments.map(ToOwned::to_owned);
    WebServer::start(&find_program("nginx", "nginx"), arguments, place, port)
}

fn listen(port: u16, tls: Option<&Certificate>) -> String {
    let Some(certificate) = tls else {
        return format!("listen 127.0.0.1:{port};");
    };
    let (path, key) = (certificate.path(), certificate.key_path());
    format!("listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {};", path.display(), key.display())
}

/// The list that the package of nginx brings along.
#[track_caller]
fn stock_parameters() -> String {
    fs::read_to_string("/etc/nginx/fastcgi_params").expect("nginx is installed (Debian package: nginx)")
}

fn main_configuration(place: &Place) -> String {
    let user = if is_root() { "user www-data;" } else { "" };
    let directory = place.path().display();
    let temporary = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"];
    let temporary = temporary.map(|kind| format!("    {kind}_temp_path {directory}/{kind};\n")).concat();
    format!(
        "{user}\ndaemon off;\nworker_processes 1;\npid {directory}/pid;\nerror_log {directory}/error.log info;\nevents {{}}\n\
         http {{\n    access_log off;\n{temporary}    include site.conf;\n}}\n"
    )
}
