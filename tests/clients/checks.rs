//! What every web server of `docs/clients.md` is tested for.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::digest::block;
use crate::front::Connections;
use crate::http::{Ending, Exchange, Request, Response};
use crate::kind::Kind;
use crate::relay::Relay;
use crate::shipped::Shipped;
use crate::site::{Running, Site};
use crate::support::answer::latin1;
use crate::support::peer::DEADLINE;
use crate::support::process::wait_until;

/// SCRIPT_NAME is where the application is, PATH_INFO the rest, decoded once; what a browser claims about its connection is not
/// believed.
pub(crate) fn paths_are_split_at_the_prefix(site: &Site) {
    let running = site.start(ENVIRON);
    let cases: [(&str, &[u8]); 7] = [
        ("/", b"/"),
        ("/a/b", b"/a/b"),
        ("/a%20b/", b"/a b/"),
        ("/caf%C3%A9/%e2%82%ac", "/café/€".as_bytes()),
        ("/100%25%20sure%2541", b"/100% sure%41"),
        ("/a+b;c=1,d&e", b"/a+b;c=1,d&e"),
        ("/plain/more", b"/plain/more"),
    ];
    for (target, path) in cases {
        let environ = running.environ(Request::get(format!("{target}?x=1%202")).header("Https", "on").header("Proxy", "x"));
        let split = (&environ["SCRIPT_NAME"], &environ["PATH_INFO"], &environ["QUERY_STRING"]);
        assert_eq!(split, (&site.prefix.into(), &latin1(path).into(), &"x=1%202".into()), "{target}: {environ:#}");
        let server = (&environ["wsgi.url_scheme"], &environ["REMOTE_ADDR"], &environ["SERVER_NAME"]);
        assert_eq!(server, (&"http".into(), &"127.0.0.1".into(), &"example.com".into()), "{environ:#}");
        assert!(environ.get("HTTP_PROXY").is_none(), "{environ:#}");
    }
    running.expect_healthy();
}

/// `%2F` is a slash in PATH_INFO and stays as it is in REQUEST_URI.
pub(crate) fn encoded_slashes_are_decoded_once(site: &Site) {
    let running = site.start(ENVIRON);
    let environ = running.environ(Request::get("/x%2Fy/z"));
    assert_eq!((&environ["SCRIPT_NAME"], &environ["PATH_INFO"]), (&site.prefix.into(), &"/x/y/z".into()), "{environ:#}");
    assert_eq!(environ["REQUEST_URI"], format!("{}/x%2Fy/z", site.prefix));
    running.expect_healthy();
}

/// An upload with a Content-Length, small, large and empty.
pub(crate) fn uploads_arrive_whole_with_their_length(site: &Site) {
    let running = site.start(ENVIRON);
    let big = block(7);
    running.expect_upload(Request::new("POST", "/").body("abc"), b"abc");
    running.expect_upload(Request::new("PUT", "/").body(&big[..]), &big);
    running.expect_upload(Request::new("POST", "/").header("Expect", "100-continue").body("abc"), b"abc");
    assert_eq!(running.environ(Request::new("POST", "/").body(""))["test.body_length"], 0);
    running.expect_healthy();
}

/// A chunked upload has the length that it turned out to have. HAProxy wants all of it in one buffer, of 16 KiB.
pub(crate) fn chunked_uploads_arrive_whole_with_their_length(site: &Site) {
    let running = site.start(ENVIRON);
    let big = block(8);
    running.expect_upload(Request::new("POST", "/").chunked(&[b"a", b"bc"]), b"abc");
    running.expect_upload(Request::new("POST", "/").chunked(&[&big[..6_000], &big[..6_000]]), &big[..6_000].repeat(2));
    let request = Request::new("POST", "/").chunked(&big.chunks(10_000).collect::<Vec<_>>());
    match site.kind {
        Kind::Haproxy { .. } => drop(running.send(request).expect(400)),
        _ => running.expect_upload(request, &big),
    }
    let empty = running.environ(Request::new("POST", "/").chunked(&[]));
    assert_eq!(empty["test.body_length"], 0);
    running.expect_healthy();
}

/// The limit that the file documents, 10 MB or MiB, whosever it is. The application never runs with a part of an upload.
pub(crate) fn upload_over_the_limit_of_the_file_gets_413(site: &Site) {
    let running = site.start(COUNTS_UPLOADS);
    let (most, more) = (vec![b'x'; 9 << 20], vec![b'x'; 11 << 20]);
    assert_eq!(running.send(Request::new("POST", "/").body(&most[..])).expect(200).text(), "9437184");
    let chunks = most.chunks(100_000).collect::<Vec<_>>();
    assert_eq!(running.send(Request::new("POST", "/").chunked(&chunks)).expect(200).text(), "9437184 9437184");
    running.send(Request::new("POST", "/").body(&more[..])).expect(413);
    running.send(Request::new("POST", "/").chunked(&more.chunks(100_000).collect::<Vec<_>>())).expect(413);
    assert_eq!(running.send(Request::new("POST", "/").body("abc")).expect(200).text(), "9437184 9437184 3");
    running.expect_healthy();
}

/// Apache itself refuses more than 1 GiB unless told otherwise, and mod_fcgid would make that an empty body.
pub(crate) fn upload_over_a_gibibyte_does_not_run_the_application(site: &Site) {
    let running = site.start(COUNTS_UPLOADS);
    let mut browser = TcpStream::connect(("127.0.0.1", running.port())).expect("the web server accepts");
    let length = (1 << 30) + 1;
    let head = format!("POST {}/ HTTP/1.1\r\nHost: example.com\r\nContent-Length: {length}\r\n\r\n", site.prefix);
    browser.write_all(head.as_bytes()).expect("the web server takes a request head");
    browser.shutdown(Shutdown::Write).expect("it is open");
    browser.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut answer = Vec::new();
    browser.read_to_end(&mut answer).expect("the web server closes the connection");
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", latin1(&answer));
    assert_eq!(running.send(Request::new("POST", "/").body("abc")).expect(200).text(), "3");
    running.expect_healthy();
}

/// HEAD keeps the length of what it does not send.
pub(crate) fn head_and_304_have_no_body(site: &Site) {
    let running = site.start(ANSWERS);
    let head = running.send(Request::new("HEAD", "/hello")).expect(200);
    assert_eq!((head.header("Content-Length").as_deref(), head.text().as_str()), (Some("6"), ""));
    for path in ["/not_modified", "/not_modified_with_body"] {
        let not_modified = running.get(path).expect(304);
        assert_eq!((not_modified.header("ETag").as_deref(), not_modified.text().as_str()), (Some("\"v1\""), ""));
    }
    assert_eq!(running.get("/hello").expect(200).text(), "hello\n");
    running.expect_healthy();
}

/// Cookies are not joined, and the Status line stays with the web server.
pub(crate) fn each_cookie_has_its_own_line(site: &Site) {
    let running = site.start(ANSWERS);
    let answer = running.get("/cookies").expect(200);
    let cookies: BTreeSet<String> = answer.headers_named("Set-Cookie").into_iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=2; Path=/", "c=3"].map(str::to_owned).into());
    assert_eq!(answer.headers_named("Status"), [""; 0]);
    running.expect_healthy();
}

/// An exception before the head is a complete 500, and the next request is served.
pub(crate) fn exception_is_a_plain_500(site: &Site) {
    let running = site.start(ANSWERS);
    for path in ["/raises_before", "/raises_first"] {
        let answer = running.get(path).expect(500);
        assert!(!answer.text().contains("Traceback") && !answer.text().contains("ValueError"), "{}", answer.text());
    }
    running.get("/hello").expect(200);
    running.expect_healthy();
}

/// What broke in the middle must not look complete.
pub(crate) fn broken_response_with_a_length_is_cut(site: &Site) {
    let running = site.start(ANSWERS);
    let mut exchange = running.try_open(Request::get("/raises_in_measured_body"));
    exchange.iter_mut().for_each(Exchange::read_rest);
    if let Some(exchange) = &exchange {
        expect_cut_or_failure(&exchange.response);
    }
    wait_until("a logged traceback", || running.log().contains("ValueError: in the body"));
    expect_logged(&running, site);
    // A browser that left before would be logged in the application's place.
    drop(exchange);
    running.get("/hello").expect(200);
    running.expect_healthy();
}

/// Without a length most miss END_REQUEST and show it. Caddy, h2o and mod_fcgid take the end of the connection for the end
/// of the response: `docs/clients.md` says so, and this test tells should one of them learn it.
pub(crate) fn broken_response_without_a_length_ends_as_documented(site: &Site) {
    let running = site.start(ANSWERS);
    // nginx may send nothing at all: it collects the beginning of a response.
    let mut exchange = running.try_open(Request::get("/raises_in_body"));
    exchange.iter_mut().for_each(Exchange::read_rest);
    let answer = exchange.as_ref().map(|exchange| exchange.response.clone()).unwrap_or_default();
    let taken_for_complete = matches!(site.kind, Kind::Caddy | Kind::H2o | Kind::ModFcgid);
    let ending = if taken_for_complete { Ending::Complete } else { Ending::Cut };
    // On a busy machine lighttpd finds the beginning and the end of the connection at once.
    let came_at_once = site.kind == Kind::Lighttpd && answer.ending == Ending::Complete;
    assert!(
        answer.ending == ending || came_at_once,
        "{:?}: {} with {} bytes came",
        answer.ending,
        answer.status,
        answer.body.len()
    );
    let behind = answer.body.get(100_000..).map(latin1).unwrap_or_default();
    // Apache appends its error page to what mod_fcgid has passed on.
    assert_eq!(behind.contains("Internal Server Error"), site.kind == Kind::ModFcgid, "{behind:?}");
    assert!(behind.is_empty() || site.kind == Kind::ModFcgid, "{behind:?}");
    wait_until("a logged traceback", || running.log().contains("ValueError: in the body"));
    expect_logged(&running, site);
    drop(exchange);
    running.get("/hello").expect(200);
    running.expect_healthy();
}

/// The first piece is at the browser while the application still waits to make the second.
pub(crate) fn response_arrives_piece_by_piece(site: &Site) {
    let running = site.start(ANSWERS);
    let mut exchange = running.open(Request::get("/stream"));
    exchange.read_until(b"first\n");
    running.open_gate();
    assert_eq!(exchange.finish().expect(200).text(), "first\nlast\n");
    running.expect_healthy();
}

/// A browser that takes its time gets every byte, and others are served meanwhile.
pub(crate) fn slow_browser_gets_all_of_8_mib(site: &Site) {
    let running = site.start("eight_mebibytes.py");
    let slow = running.open(Request::get("/"));
    for number in 0..5 {
        assert_eq!(running.get(format!("/short/{number}")).expect(200).text(), "short\n");
    }
    let mut received = Slow(Vec::new());
    assert_eq!(slow.copy_to(&mut received), Ending::Complete);
    let expected: Vec<u8> = (0..1 << 7).flat_map(|number: u64| number.to_be_bytes().repeat(8_192)).collect();
    assert_eq!(received.0.len(), expected.len());
    assert!(received.0 == expected, "other bytes than were sent");
    running.expect_healthy();
}

/// The application never runs with a part of an upload.
pub(crate) fn browser_that_leaves_in_its_upload_is_not_served(site: &Site) {
    let running = site.start(COUNTS_UPLOADS);
    for _ in 0..5 {
        let mut browser = TcpStream::connect(("127.0.0.1", running.port())).expect("the web server accepts");
        let head = format!("POST {}/ HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000\r\n\r\n", site.prefix);
        browser.write_all(head.as_bytes()).expect("the web server takes a request head");
        browser.write_all(&[b'x'; 40_000]).expect("the web server takes a part of a body");
    }
    assert_eq!(running.send(Request::new("POST", "/").body("abc")).expect(200).text(), "3");
    assert_eq!(running.send(Request::new("POST", "/").body("abcd")).expect(200).text(), "3 4");
    running.expect_healthy();
}

/// A browser that has had enough of an answer leaves the worker to the next.
pub(crate) fn browser_that_leaves_in_its_answer_harms_nobody(site: &Site) {
    let running = site.start("eight_mebibytes.py");
    for number in 0..20 {
        drop(running.open(Request::get("/")));
        assert_eq!(running.get(format!("/short/{number}")).expect(200).text(), "short\n");
    }
    assert_eq!(running.get("/").expect(200).body.len(), 8 << 20);
    running.expect_healthy();
}

/// An application that has sent nothing when its browser leaves is interrupted at once, or when it sends something:
/// `docs/clients.md` says which.
pub(crate) fn browser_that_leaves_a_silent_app_interrupts_it_as_documented(site: &Site) {
    let running = site.start_with("interrupted.py", &["--abort", "raise"], Shipped::read(site.file));
    let browser = running.ask("/silent");
    running.wait_for_log("running");
    drop(browser);
    if hears_of_a_browser_that_leaves(site.kind) {
        running.wait_for_log("it ended while it was silent");
    } else {
        // Time to find out, should the web server have learned it.
        thread::sleep(Duration::from_millis(500));
        assert!(!running.log().contains("it ended"), "{}", running.log());
        running.open_gate();
        running.wait_for_log("it ended while it streamed");
    }
    assert_eq!(running.get("/short").expect(200).text(), "short\n");
    running.expect_healthy();
}

/// A stream ends soon after its browser has left.
pub(crate) fn browser_that_leaves_a_stream_interrupts_it(site: &Site) {
    let running = site.start_with("interrupted.py", &["--abort", "raise"], Shipped::read(site.file));
    let mut browser = running.open(Request::get("/stream"));
    browser.read_until(b"on and on\n");
    drop(browser);
    running.wait_for_log("it ended while it streamed");
    assert_eq!(running.get("/short").expect(200).text(), "short\n");
    running.expect_healthy();
}

/// Whether the web server looks for the end of its browser while it has nothing to pass on. HAProxy 2.6 does not, not even with
/// `option abortonclose`.
fn hears_of_a_browser_that_leaves(kind: Kind) -> bool {
    kind == Kind::Nginx
}

/// A stop and a start between two requests costs neither of them, also where the web server keeps its connection.
pub(crate) fn restart_between_requests_costs_none(site: &Site) {
    let mut running = site.start(ENVIRON);
    for number in 0..3 {
        running.get(format!("/{number}")).expect(200);
        running.restart();
        running.send(Request::new("POST", "/").body("abc")).expect(200);
    }
    running.expect_healthy();
}

/// One connection for all requests, or one for each.
pub(crate) fn connections_are_kept_or_closed_as_documented(site: &Site) {
    let (running, relays) = site.start_counted(ENVIRON);
    for number in 0..5 {
        running.get(format!("/{number}")).expect(200);
        running.send(Request::new("POST", "/").body(vec![b'x'; 50_000])).expect(200);
    }
    let expected = if site.connections == Connections::Kept { 1..=relays.len() } else { 10..=10 };
    let accepted = relays.iter().map(Relay::accepted).sum();
    assert!(expected.contains(&accepted), "{accepted} connections for 10 requests");
    running.expect_healthy();
}

/// Static files, the rest of a site with a prefix, and the prefix without its slash are not the application's.
pub(crate) fn the_web_server_keeps_what_is_its_own(site: &Site) {
    let running = site.start(ENVIRON);
    let fetch = |target: &str| Request::get(target).send(running.port());
    assert_eq!(fetch("/static/x.css").expect(200).text(), "static file static/x.css\n");
    if site.prefix.is_empty() {
        assert_eq!(running.get("/index.html").expect(200).json()["PATH_INFO"], "/index.html");
    } else {
        assert_eq!(fetch("/plain").expect(200).text(), "static file plain\n");
        for query in ["", "?x=1", "?x=1%202&y"] {
            let redirect = fetch(&format!("/app{query}"));
            assert_eq!(redirect.status, 308, "{query:?}: {redirect:?}");
            let expected = format!("/app/{query}");
            assert!(redirect.header("Location").is_some_and(|target| target.ends_with(&expected)), "{query:?}: {redirect:?}");
        }
        fetch("/apple/x").expect(404);
    }
    running.expect_healthy();
}

/// A browser that needs a moment for every piece.
struct Slow(Vec<u8>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        thread::sleep(Duration::from_millis(1));
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[track_caller]
fn expect_cut_or_failure(answer: &Response) {
    let honest = answer.status >= 500 || answer.ending == Ending::Cut;
    assert!(honest, "{} with {} bytes looks complete", answer.status, answer.body.len());
}

/// What `docs/clients.md` says about the web server's own log. lighttpd and h2o are silent.
#[track_caller]
fn expect_logged(running: &Running, site: &Site) {
    let line = match site.kind {
        Kind::Nginx => "upstream sent unsupported FastCGI protocol version: 255 while reading upstream",
        Kind::Apache => "AH01068: Got bogus version 255",
        Kind::ModFcgid => "mod_fcgid: error reading data, FastCGI server closed connection",
        Kind::Haproxy { .. } => " SD",
        Kind::Caddy => "aborting with incomplete response",
        Kind::Lighttpd | Kind::H2o => return,
    };
    wait_until(line, || running.web_server.log().contains(line));
}

const ENVIRON: &str = "environ.py";
const COUNTS_UPLOADS: &str = "counts_uploads.py";
const ANSWERS: &str = "answers.py";
