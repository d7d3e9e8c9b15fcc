//! What the browser gets. Each check runs with every shipped site file.

use crate::front::Connections;
use crate::http::{Ending, Exchange, Request, Response};
use crate::kind::Kind;
use crate::relay::Relay;
use crate::shipped::Shipped;
use crate::site::{Running, Site};
use crate::support::process::wait_until;

/// Rules 5 and 6: the application's status and headers, none lost.
pub(crate) fn statuses_and_headers_reach_the_browser(site: &Site) {
    let running = site.start("answers.py");
    let created = running.get("/created").expect(201);
    assert_eq!((created.header("Location").as_deref(), created.text().as_str()), (Some("http://example.com/made/1"), "made\n"));
    let moved = running.get("/moved").expect(307);
    assert_eq!(moved.header("Location").as_deref(), Some("/elsewhere"));
    let cookies = running.get("/cookies").expect(200);
    assert_eq!(cookies.headers_named("Set-Cookie"), ["a=1; Path=/", "b=2; Path=/", "c=3"]);
    let teapot = running.get("/teapot").expect(418);
    assert_eq!((teapot.reason.as_str(), teapot.text().as_str()), ("Short And Stout", "teapot\n"));
    assert_eq!(teapot.headers_named("Status"), [""; 0], "the Status line is for the web server");
    running.expect_healthy();
}

/// Rule 7: HEAD, 204 and 304 have a head only, and HEAD keeps its length.
pub(crate) fn head_204_and_304_have_no_body(site: &Site) {
    let running = site.start("answers.py");
    let head = running.send(Request::new("HEAD", "/hello")).expect(200);
    assert_eq!((head.header("Content-Length").as_deref(), head.text().as_str()), (Some("6"), ""));
    let no_content = running.get("/no_content").expect(204);
    assert_eq!((no_content.header("X-Kind").as_deref(), no_content.text().as_str()), (Some("nothing"), ""));
    for path in ["/not_modified", "/not_modified_with_body"] {
        let not_modified = running.get(path).expect(304);
        assert_eq!((not_modified.header("ETag").as_deref(), not_modified.text().as_str()), (Some("\"v1\""), ""));
    }
    assert_eq!(running.get("/longer_than_announced").expect(200).text(), "12345");
    running.expect_healthy();
}

/// A session in a cookie can be large.
pub(crate) fn big_response_header_fits(site: &Site) {
    let running = site.start("answers.py");
    assert_eq!(running.get("/big_header").expect(200).header("X-Big").map(|value| value.len()), Some(6000));
    running.expect_healthy();
}

/// Rule 6: an exception before the head is a complete 500 without a traceback in it, and the back end goes on.
pub(crate) fn exception_is_a_plain_500(site: &Site) {
    let running = site.start("answers.py");
    for path in ["/raises_before", "/raises_first", "/unknown"] {
        let answer = running.get(path).expect(500);
        assert!(!answer.text().contains("Traceback") && !answer.text().contains("ValueError"), "{}", answer.text());
    }
    running.wait_for_log("ValueError");
    running.get("/hello").expect(200);
    running.expect_healthy();
}

/// Rule 8: what broke in the middle must not look complete. nginx collects the beginning of a response before it sends any of
/// it, so it may well send nothing at all.
pub(crate) fn response_that_breaks_in_the_middle_looks_broken(site: &Site) {
    let running = site.start("answers.py");
    for path in ["/raises_in_body", "/raises_in_measured_body"] {
        if let Some(answer) = running.try_open(Request::get(path)).map(Exchange::finish) {
            assert_eq!((answer.status, answer.ending), (200, Ending::Cut), "{path}: {} bytes came", answer.body.len());
            assert!(answer.body.len() <= 100_000, "{path}: {} bytes came", answer.body.len());
        }
    }
    running.get("/hello").expect(200);
    running.expect_healthy();
}

/// The first piece is at the browser while the application still waits to make the second.
pub(crate) fn response_arrives_piece_by_piece(site: &Site) {
    let running = site.start("answers.py");
    let mut exchange = running.open(Request::get("/stream"));
    exchange.read_until(b"first\n");
    running.open_gate();
    assert_eq!(exchange.finish().expect(200).text(), "first\nlast\n");
    running.expect_healthy();
}

/// Rules 1 and 3: with KEEP_CONN one connection carries them all, without it each request has its own.
pub(crate) fn connections_are_kept_or_closed_as_asked(site: &Site) {
    let (running, relays) = site.start_counted("environ.py");
    for number in 0..REQUESTS {
        running.get(format!("/{number}")).expect(200);
        running.send(Request::new("POST", "/").body(vec![b'x'; 50_000])).expect(200);
    }
    let most = match site.connections {
        Connections::Kept => relays.len(),
        Connections::OneShot => 2 * REQUESTS,
    };
    let least = if site.connections == Connections::Kept { 1 } else { most };
    let made: usize = relays.iter().map(Relay::accepted).sum();
    assert!((least..=most).contains(&made), "{made} connections for {} requests", 2 * REQUESTS);
    running.expect_healthy();
}

/// Static files, the rest of a site with a prefix, and the prefix without its slash are not the application's.
pub(crate) fn the_web_server_keeps_what_is_its_own(site: &Site) {
    let running = site.start("environ.py");
    let fetch = |target: &str| Request::get(target).send(running.port());
    assert_eq!(fetch("/static/x.css").expect(200).text(), "static file static/x.css\n");
    if site.prefix.is_empty() {
        assert_eq!(running.get("/index.html").expect(200).json()["PATH_INFO"], "/index.html");
        fetch("/static/absent").expect(404);
    } else {
        assert_eq!(fetch("/plain").expect(200).text(), "static file plain\n");
        for query in ["", "?x=1", "?x=1%202&y"] {
            expect_redirect_to_slash(&fetch(&format!("{}{query}", site.prefix)), site, query);
        }
        fetch(&format!("{}le/x", site.prefix)).expect(404);
        let below = format!("{}/static/", site.prefix);
        assert_eq!(fetch(&format!("{below}x.css")).expect(200).text(), "static file app/static/x.css\n");
        let absent = fetch(&format!("{below}absent")).expect(404);
        assert!(!absent.text().contains("PATH_INFO"), "the application was asked");
    }
    running.expect_healthy();
}

#[track_caller]
fn expect_redirect_to_slash(answer: &Response, site: &Site, query: &str) {
    assert_eq!(answer.status, 308, "{:?}", answer.headers);
    let location = answer.header("Location").expect("a target");
    assert!(location.ends_with(&format!("{}/{query}", site.prefix)), "{query:?}: {location}");
}

/// PEP 3333, as the standard library checks it.
pub(crate) fn the_validator_has_no_complaint(site: &Site) {
    let running = site.start("validated.py");
    assert_eq!(running.get("/").expect(200).text(), "got");
    assert_eq!(running.get("/a%20b/caf%C3%A9?x=%20").expect(200).text(), "got");
    assert_eq!(running.send(Request::new("HEAD", "/")).expect(200).text(), "");
    assert_eq!(running.get("/iterate").expect(200).text(), "one two three");
    assert_eq!(running.get("/write").expect(200).text(), "written twice and returned");
    assert_eq!(running.send(Request::new("POST", "/").body("a body")).expect(200).text(), "a body");
    assert_eq!(running.send(Request::new("POST", "/").chunked(&[b"in ", b"pieces"])).expect(200).text(), "in pieces");
    let big: &[u8] = &[b'x'; 100_000];
    assert_eq!(running.send(Request::new("POST", "/").chunked(&[big])).expect(200).body, big);
    let lines = Request::new("POST", "/lines").body("one\ntwo\nthree\n");
    assert_eq!(running.send(lines).expect(200).text(), "one\ntwo\n");
    assert_eq!(running.send(Request::http_1_0("/")).expect(200).text(), "got");
    expect_no_complaint(&running);
    running.expect_healthy();
}

#[track_caller]
fn expect_no_complaint(running: &Running) {
    for back_end in &running.back_ends {
        let log = back_end.log();
        let complaint =
            ["AssertionError", "WSGIWarning", "Traceback", "garbage collected"].into_iter().find(|word| log.contains(word));
        assert_eq!(complaint, None, "{log}");
    }
}

/// What `wsgi.errors` gets is in the log, and never on its own on the wire (rule 4).
pub(crate) fn complaints_of_the_application_are_in_the_log(site: &Site) {
    let running = site.start("answers.py");
    assert_eq!(running.get("/complains").expect(200).text(), "complained\n");
    for text in ["a complaint before the head", "a complaint after the head"] {
        running.wait_for_log(text);
    }
    if site.kind != Kind::Apache {
        assert!(!running.web_server.log().contains("complaint"), "FCGI_STDERR was used without being asked for");
    }
    running.expect_healthy();
}

/// Whatever a browser sends.
pub(crate) fn the_access_log_is_one_valid_object_a_line(site: &Site) {
    let options = ["--access-log", "file:access.log", "--access-log-format", "json", "--access-log-exclude", "/hello,/static/"];
    let running = site.start_with("answers.py", &options, Shipped::read(site.file));
    running.get("/hello?not-logged").expect(200);
    let agent = "it's \"quoted\" \\ and größe\u{7f}";
    running.send(Request::get(b"/created?\xff\"\\").header("User-Agent", agent).header("Referer", "-")).expect(201);
    running.get("/raises_before").expect(500);
    let text = || std::fs::read_to_string(running.back_ends[0].directory().join("access.log")).unwrap_or_default();
    wait_until("both lines", || text().lines().count() == 2);
    let objects: Vec<serde_json::Value> = text().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!((&objects[0]["request_uri"], &objects[0]["status"]), (&"/created?\\xFF\"\\x5C".into(), &201.into()));
    assert_eq!(objects[0]["http_user_agent"], "it's \"quoted\" \\x5C and größe\u{7f}");
    assert_eq!((&objects[0]["remote_addr"], &objects[0]["http_referer"]), (&"127.0.0.1".into(), &"-".into()));
    assert!(objects[0]["remote_user"].is_null() && objects[0]["cpu_time"].is_f64(), "{}", objects[0]);
    assert_eq!((&objects[1]["request_uri"], &objects[1]["status"]), (&"/raises_before".into(), &500.into()));
    running.expect_healthy();
}

const REQUESTS: usize = 10;
