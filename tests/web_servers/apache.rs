//! Apache with a site file under what Debian's own main configuration says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::ports::reserve_port;
use crate::shipped::Shipped;
use crate::tls::Certificate;
use crate::web_server::{Place, WebServer, find_program};

/// Runs Apache with this site, whose port and static files are still the documented ones. One child process, so that the
/// connections it keeps can be counted.
#[track_caller]
pub(crate) fn start(site: Shipped, public: &str, tls: Option<&Certificate>) -> WebServer {
    let port = reserve_port();
    let asked = site.enabled_modules().into_iter().chain(tls.map(|_| "ssl".to_owned()));
    let modules = with_dependencies(asked.collect());
    let site = site.replace("<VirtualHost *:80>", &virtual_host(port, tls)).replace("/srv/example/public", public);
    run(&site, &modules, port)
}

/// Runs Apache with Debian's own /cgi-bin/, whose programs are in this directory, and with these settings besides.
#[track_caller]
pub(crate) fn start_cgi(program: &Shipped, directory: &str, settings: &str) -> WebServer {
    let modules = with_dependencies(program.enabled_modules());
    let site = Shipped::read("/etc/apache2/conf-available/serve-cgi-bin.conf").replace("/usr/lib/cgi-bin", directory);
    let site = site.replace("<IfModule mod_alias.c>", &format!("{settings}\n<IfModule mod_alias.c>"));
    run(&site, &modules, reserve_port())
}

#[track_caller]
fn run(site: &Shipped, modules: &BTreeSet<String>, port: u16) -> WebServer {
    let program = find_program("apache2", "apache2");
    let place = Place::new();
    place.write("site.conf", site.text());
    let main = place.write("apache2.conf", &main_configuration(&place, port, modules));
    let arguments = ["-f".as_ref(), main.as_os_str(), "-DFOREGROUND".as_ref()].map(ToOwned::to_owned);
    WebServer::start(&program, arguments, place, port)
}

fn virtual_host(port: u16, tls: Option<&Certificate>) -> String {
    let open = format!("<VirtualHost 127.0.0.1:{port}>");
    let Some(certificate) = tls else {
        return open;
    };
    let (path, key) = (certificate.path(), certificate.key_path());
    format!("{open}\nSSLEngine on\nSSLCertificateFile {}\nSSLCertificateKeyFile {}", path.display(), key.display())
}

fn main_configuration(place: &Place, port: u16, modules: &BTreeSet<String>) -> String {
    let directory = place.path().display();
    let load = modules.iter().map(|module| format!("LoadModule {module}_module {MODULES}/mod_{module}.so\n"));
    let settings = WITH_SETTINGS.map(|module| format!("Include {AVAILABLE}/{module}.conf\n")).concat();
    format!(
        "ServerRoot \"{directory}\"\nDefaultRuntimeDir \"{directory}\"\nPidFile \"{directory}/pid\"\n\
         ErrorLog \"{directory}/error.log\"\nLogLevel info\nServerName localhost\nListen 127.0.0.1:{port}\n\
         {}User www-data\nGroup www-data\nStartServers 1\nServerLimit 1\nThreadsPerChild 25\nMaxRequestWorkers 25\n{settings}\
         <Directory />\n    Options FollowSymLinks\n    AllowOverride None\n    Require all denied\n</Directory>\n\
         Include site.conf\n",
        load.collect::<String>()
    )
}

/// The modules that a fresh installation has on, those that the site asks for, and what a2enmod adds for them.
#[track_caller]
fn with_dependencies(asked: Vec<String>) -> BTreeSet<String> {
    let mut open: Vec<String> = ENABLED_BY_DEFAULT.iter().map(ToString::to_string).chain(asked).collect();
    let mut modules = BTreeSet::new();
    while let Some(module) = open.pop() {
        let file = Path::new(AVAILABLE).join(format!("{module}.load"));
        let text =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error} (Debian package: apache2)", file.display()));
        let depends = text.lines().filter_map(|line| line.strip_prefix("# Depends: "));
        open.extend(depends.flat_map(str::split_whitespace).filter(|name| !modules.contains(*name)).map(str::to_owned));
        modules.insert(module);
    }
    modules
}

const AVAILABLE: &str = "/etc/apache2/mods-available";
const MODULES: &str = "/usr/lib/apache2/modules";
const ENABLED_BY_DEFAULT: [&str; 14] = [
    "access_compat",
    "alias",
    "authz_core",
    "authz_host",
    "autoindex",
    "deflate",
    "dir",
    "env",
    "filter",
    "mime",
    "mpm_event",
    "negotiation",
    "reqtimeout",
    "setenvif",
];
/// Of these the default settings can change how a request is handled.
const WITH_SETTINGS: [&str; 5] = ["deflate", "dir", "mime", "reqtimeout", "setenvif"];
