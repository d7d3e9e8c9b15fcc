//! Behind real web servers: what a browser sees.

use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Ending, Request, Response};
use crate::pool::{Hang, Pool, WORKERS, expect_in_time};
use crate::shipped::Shipped;
use crate::site::is_root;
use crate::web_server::{WebServer, permit};
use crate::{apache, haproxy, nginx};

/// The socket of a pool, as a web server's user can reach it.
fn socket(pool: &Pool) -> String {
    if is_root() {
        permit(pool.directory(), 0o755);
    }
    pool.directory().join("s.sock").to_str().unwrap().to_owned()
}

/// nginx with the shipped site file, but that it sends on at once what comes.
fn nginx_before(pool: &Pool) -> WebServer {
    let file = Shipped::read("nginx/root-unix.conf").replace("/run/pyfcgid/example.sock", &socket(pool));
    nginx::start(unbuffered(file), "/srv/example/public", None)
}

fn nginx_that_keeps_connections(pool: &Pool) -> WebServer {
    let upstream = format!("upstream kept {{ server unix:{}; keepalive 32; }}\nserver {{", socket(pool));
    let file = Shipped::read("nginx/root-unix.conf").replace("server {", &upstream);
    let file = file
        .replace("unix:/run/pyfcgid/example.sock", "kept")
        .replace("include pyfcgid_params;", "include pyfcgid_params; fastcgi_keep_conn on;");
    nginx::start(unbuffered(file), "/srv/example/public", None)
}

fn unbuffered(file: Shipped) -> Shipped {
    file.replace("fastcgi_read_timeout 60s;", "fastcgi_read_timeout 60s; fastcgi_buffering off;")
}

fn apache_before(pool: &Pool) -> WebServer {
    let place = format!("unix:{}|fcgi://localhost/", socket(pool));
    let file = Shipped::read("apache/proxypass.conf").replace("fcgi://127.0.0.1:9000/", &place);
    apache::start(file, "/srv/example/public", None)
}

fn haproxy_before(pool: &Pool) -> WebServer {
    haproxy::start(Shipped::read("docs/clients/haproxy.cfg").replace("/run/pyfcgid/example.sock", &socket(pool)), 1)
}

fn haproxy_that_multiplexes(pool: &Pool) -> WebServer {
    let file = Shipped::read("docs/clients/haproxy-multiplexed.cfg");
    haproxy::start(file.replace("/run/pyfcgid/example.sock", &socket(pool)), 1)
}

/// What a browser gets, and after how long; without a response if the connection ended before one.
fn browse(port: u16, path: &str) -> (Option<Response>, Duration) {
    let begun = Instant::now();
    let response = Request::get(path).try_open(port).map(crate::http::Exchange::finish);
    (response, begun.elapsed())
}

/// Eight browsers at once, each of which asks for another thing.
fn browse_all(port: u16, paths: &[&str]) -> Vec<(Option<Response>, Duration)> {
    let browse = |path: &&str| {
        let path = (*path).to_owned();
        // In this order.
        thread::sleep(Duration::from_millis(20));
        thread::spawn(move || browse(port, &path))
    };
    let browsers: Vec<_> = paths.iter().map(browse).collect();
    browsers.into_iter().map(|browser| browser.join().unwrap()).collect()
}

#[track_caller]
fn expect_whole(path: &str, response: &Response) {
    let text = response.clone().expect(200).text();
    let is_whole = match path {
        "/beside/beside" => text.starts_with("begin ") && text.ends_with(" end"),
        _ => text == "hello",
    };
    assert!(is_whole, "{path}: {text}");
}

/// What each of eight browsers is to get.
fn check(name: &str, front: fn(&Pool) -> WebServer, paths: &[&str; WORKERS], settings: &str) {
    let pool = Pool::start(&format!("graceful-timeout = \"10s\"\n{settings}"));
    let page = page_of_504(&pool);
    let mut server = front(&pool);
    let port = server.port;
    for (path, (response, took)) in paths.iter().zip(browse_all(port, paths)) {
        let response = response.unwrap_or_else(|| panic!("{path}: no response\n{}", server.log()));
        println!("{name:28} {path:28} {} {:?} after {took:.2?}", response.status, response.ending);
        if path.starts_with("/beside/") {
            expect_whole(path, &response);
            continue;
        }
        expect_in_time(took);
        if path.starts_with("/hang/streams") {
            assert_eq!((response.status, response.ending), (200, Ending::Cut), "{path}: {response:?}");
            assert_eq!(response.text(), "a piece");
            pool.expect_access(path, "200 request-timeout");
        } else {
            assert_eq!(response.clone().expect(504).text(), page, "the page is ours, not the web server's");
            pool.expect_access(path, "504 request-timeout");
        }
    }
    // On connections that are kept, while an application still tries to write.
    for number in 0..30 {
        let (response, _) = browse(port, &format!("/beside/hello?{number}"));
        assert_eq!(response.unwrap().expect(200).text(), "hello");
        thread::sleep(Duration::from_millis(20));
    }
    if paths.contains(&"/hang/writes_late") {
        pool.wait_for_log("late: RequestTimeout RequestTimeout RequestTimeout");
    }
    pool.wait_for_children(1);
    let together = browse_all(port, &["/beside/together"; WORKERS]);
    together.iter().for_each(|(response, _)| expect_whole("/beside/together", response.as_ref().unwrap()));
    server.expect_running();
    assert!(!pool.log().contains("panicked"), "{}", pool.log());
    drop(server);
    pool.end();
}

/// The page that pyfcgid itself gives.
fn page_of_504(pool: &Pool) -> String {
    let mut hang = Hang::begin(pool, "/hang/loops?directly");
    let (answer, _) = hang.answer();
    answer.expect_status(504).text()
}

const HANGS: [&str; WORKERS] = [
    "/beside/beside",
    "/hang/loops",
    "/hang/sleeps",
    "/hang/streams",
    "/hang/streams_with_length",
    "/hang/writes_late",
    "/beside/in_a_loop",
    "/beside/beside",
];

/// A response that breaks off ends its connection, and all others on it.
const WITHOUT_CUTS: [&str; WORKERS] = [
    "/beside/beside",
    "/hang/loops",
    "/hang/sleeps",
    "/hang/waits",
    "/hang/catches",
    "/hang/writes_late",
    "/beside/in_a_loop",
    "/beside/beside",
];

/// The GIL is kept when the others run.
const WITHOUT_GIL: [&str; WORKERS] = [
    "/beside/beside",
    "/beside/beside",
    "/beside/beside",
    "/beside/in_a_loop",
    "/beside/in_a_loop",
    "/beside/in_a_loop",
    "/beside/in_a_loop",
    "/hang/keeps_the_gil",
];
const KEEPS: &str = "env = { KEEPS = \"4\", BESIDE = \"4\" }\n";

macro_rules! fronts {
    ($($name:ident: $front:expr, $paths:expr, $settings:expr;)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name), $front, &$paths, $settings);
            }
        )*
    };
}

fronts! {
    behind_nginx: nginx_before, HANGS, "";
    behind_nginx_keeping: nginx_that_keeps_connections, HANGS, "";
    behind_apache: apache_before, HANGS, "";
    behind_haproxy: haproxy_before, HANGS, "";
    behind_haproxy_multiplexing: haproxy_that_multiplexes, WITHOUT_CUTS, "";
    kept_gil_behind_nginx: nginx_that_keeps_connections, WITHOUT_GIL, KEEPS;
    kept_gil_behind_apache: apache_before, WITHOUT_GIL, KEEPS;
    kept_gil_behind_haproxy: haproxy_before, WITHOUT_GIL, KEEPS;
}
