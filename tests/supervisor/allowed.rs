//! Who may connect over TCP.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::site::{Site, says, site};
use crate::support::{Launch, Params, Peer};

fn launch(settings: &str) -> Launch {
    let launch = site(&format!(
        "pid-file = \"site.pid\"\n[pool.web]\napp = \"app.py\"\nlisten = [\"unix:s.sock\", \"127.0.0.1:0\"]\n{settings}"
    ));
    std::fs::write(launch.directory().join("app.py"), says("one")).unwrap();
    launch
}

fn address(site: &Site) -> SocketAddr {
    let log = site.log();
    log.split_whitespace().find_map(|word| word.trim_end_matches(',').parse().ok()).unwrap()
}

#[track_caller]
fn expect_closed(site: &Site) {
    let mut stream = TcpStream::connect(address(site)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(matches!(stream.read(&mut [0]), Ok(0)), "it is not closed at once");
}

#[test]
fn who_is_not_allowed_is_closed_at_once_and_unix_sockets_are_not_concerned() {
    let site = Site::start(launch("allowed-clients = [\"192.0.2.0/24\", \"2001:db8::1\"]\n"));
    (0..5).for_each(|_| expect_closed(&site));
    site.wait_for_log("closed: not in allowed-clients");
    assert_eq!(site.log().matches("not in allowed-clients").count(), 1, "once a second at most");
    assert_eq!(site.text("/"), "one");
    site.end();
}

#[test]
fn who_is_allowed_is_served() {
    for launch in [
        launch("allowed-clients = \"192.0.2.1, 127.0.0.0/8\"\n"),
        launch("").env("FCGI_WEB_SERVER_ADDRS", "199.170.183.28,127.0.0.1"),
    ] {
        let site = Site::start(launch);
        Peer::connect(address(&site)).last_request(&Params::get("/"), b"").expect_status(200);
        site.end();
    }
}

#[test]
fn the_variable_of_the_specification_is_honoured() {
    let site = Site::start(launch("").env("FCGI_WEB_SERVER_ADDRS", "199.170.183.28"));
    expect_closed(&site);
    site.end();
}
