//! A back end whose queue is full beside one that has time, behind the web servers that can choose: nobody gets to see its 503.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::front::text_of;
use crate::http::Request;
use crate::kind::Kind;
use crate::shipped::Shipped;
use crate::site::{address_like, app_path};
use crate::support::params::Params;
use crate::support::peer::{Address, Peer};
use crate::support::process::wait_until;
use crate::support::{Launch, Pyfcgid};
use crate::web_server::{Place, WebServer};

/// A web server with two pyfcgid, the first of which is busy until the gate is opened.
struct Pair {
    front: WebServer,
    busy: Pyfcgid,
    _free: Pyfcgid,
    occupants: Vec<Peer>,
    place: Place,
}

impl Pair {
    /// With a file that has two back ends.
    #[track_caller]
    fn start(kind: Kind, file: Shipped) -> Self {
        let (place, documented) = (Place::new(), file.addresses());
        let addresses = [0, 1].map(|number| address_like(documented[number], &place));
        let busy = back_end(&file, &addresses[0], &place, "busy");
        let free = back_end(&file, &addresses[1], &place, "free");
        let occupants = occupy(&busy.address());
        let file = file.replace(documented[0], &text_of(&addresses[0])).replace(documented[1], &text_of(&addresses[1]));
        let front = kind.start(file, "/srv/example/public", None);
        Self { front, busy, _free: free, occupants, place }
    }

    /// How many answers each status had.
    #[track_caller]
    fn statuses(&self, request: &Request, count: usize) -> BTreeMap<u16, usize> {
        let mut statuses = BTreeMap::new();
        for _ in 0..count {
            *statuses.entry(request.send(self.front.port).status).or_default() += 1;
        }
        statuses
    }

    /// The same, of several browsers at once.
    fn statuses_at_once(&self, request: &Request, browsers: usize, count: usize) -> BTreeMap<u16, usize> {
        let mut all = BTreeMap::new();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..browsers).map(|_| scope.spawn(|| self.statuses(request, count))).collect();
            for (status, count) in running.into_iter().flat_map(|browser| browser.join().expect("answers")) {
                *all.entry(status).or_default() += count;
            }
        });
        all
    }

    /// How often the busy one has said so to the web server.
    fn refused(&self) -> usize {
        let log = fs::read_to_string(self.place.path().join("busy/access.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("/hello") && line.contains(" 503 ")).count()
    }

    /// Lets the busy one finish; what it had accepted is answered.
    #[track_caller]
    fn release(mut self) {
        self.place.write("gate", "");
        for occupant in &mut self.occupants {
            occupant.answer(1).expect_status(200);
        }
        self.busy.expect_running();
        self.front.expect_running();
        assert!(!self.busy.log().contains("panicked"), "{}", self.busy.log());
    }
}

/// One worker, and room for one more request.
#[track_caller]
fn back_end(file: &Shipped, address: &Address, place: &Place, name: &str) -> Pyfcgid {
    let log = place.write(&format!("{name}/access.log"), "");
    let launch = Launch::serve_unlistened(app_path("answers.py")).listen(address.clone());
    let options = file.serve_options().into_iter().filter(|option| option != "--threads" && option != "8");
    let launch = launch.args(options).args(["--access-log", &format!("file:{}", log.display())]);
    let room = if name == "busy" { ["--threads", "1", "--max-queue", "1"] } else { ["--threads", "4", "--max-queue", "64"] };
    launch.args(room).env("TEST_GATE", place.path().join("gate")).start()
}

/// Slow requests, until there is room for no more.
#[track_caller]
fn occupy(address: &Address) -> Vec<Peer> {
    let mut occupants = Vec::new();
    wait_until("a full queue", || {
        let mut peer = Peer::connect(address.clone());
        peer.send_request(1, true, &Params::get("/gated"), b"");
        // Answered at once: by a 503.
        let is_full = !peer.is_silent_for(Duration::from_millis(300));
        if !is_full {
            occupants.push(peer);
        }
        is_full
    });
    occupants
}

/// The busy one is asked, and the other one answers.
#[track_caller]
fn expect_asks_the_next_one(pair: Pair) {
    assert_eq!(pair.statuses(&Request::get("/hello"), 40), [(200, 40)].into());
    assert_eq!(pair.statuses_at_once(&Request::get("/hello"), 4, 10), [(200, 40)].into());
    wait_until("the busy one to have been asked", || pair.refused() > 0);
    pair.release();
}

/// The same for a POST.
#[track_caller]
fn expect_asks_the_next_one_about_a_post(pair: Pair) {
    assert_eq!(pair.statuses(&Request::new("POST", "/hello").body("abc"), 20), [(200, 20)].into());
    wait_until("the busy one to have been asked", || pair.refused() > 0);
    pair.release();
}

/// Each 503 of the busy one reaches the browser; returns how many.
#[track_caller]
fn expect_passes_each_503_on(pair: &Pair, request: &Request) -> usize {
    let statuses = pair.statuses(request, 20);
    let lost = statuses.get(&503).copied().unwrap_or_default();
    assert!(lost > 0 && statuses.get(&200) == Some(&(20 - lost)), "{statuses:?}");
    wait_until("as many refusals", || pair.refused() == lost);
    lost
}

/// The browser gets the 503 when the busy one is asked about a POST.
#[track_caller]
fn expect_sends_a_post_to_one_only(pair: Pair) {
    expect_passes_each_503_on(&pair, &Request::new("POST", "/hello").body("abc"));
    pair.release();
}

#[test]
fn nginx_asks_the_next_one() {
    let pair = Pair::start(Kind::Nginx, Shipped::read("nginx/upstream.conf"));
    expect_asks_the_next_one(pair);
}

#[test]
fn nginx_sends_a_post_to_one_only() {
    let pair = Pair::start(Kind::Nginx, Shipped::read("nginx/upstream.conf"));
    expect_sends_a_post_to_one_only(pair);
}

#[test]
fn nginx_asks_the_next_one_about_a_post_with_non_idempotent() {
    let asked = "fastcgi_next_upstream error timeout http_503";
    let pair =
        Pair::start(Kind::Nginx, Shipped::read("nginx/upstream.conf").replace(asked, &format!("{asked} non_idempotent")));
    expect_asks_the_next_one_about_a_post(pair);
}

#[test]
fn haproxy_asks_the_next_one() {
    let pair = Pair::start(HAPROXY, Shipped::read("docs/clients/haproxy-balanced.cfg"));
    expect_asks_the_next_one(pair);
}

#[test]
fn haproxy_sends_a_post_to_one_only() {
    let pair = Pair::start(HAPROXY, Shipped::read("docs/clients/haproxy-balanced.cfg"));
    expect_sends_a_post_to_one_only(pair);
}

#[test]
fn haproxy_asks_the_next_one_about_a_post_where_the_file_is_told_so() {
    let line = "http-request disable-l7-retry if { method POST PATCH }";
    let pair = Pair::start(HAPROXY, Shipped::read("docs/clients/haproxy-balanced.cfg").replace(line, ""));
    expect_asks_the_next_one_about_a_post(pair);
}

#[test]
fn apache_passes_each_503_on() {
    let pair = Pair::start(Kind::Apache, Shipped::read("apache/balancer.conf"));
    let lost = expect_passes_each_503_on(&pair, &Request::get("/hello"));
    assert!(lost > 1, "the busy one was asked {lost} times");
    pair.release();
}

/// The request that gets the 503 is lost, those after it are not.
#[test]
fn apache_leaves_the_busy_one_alone_after_one_503_with_failonstatus() {
    let method = "ProxySet lbmethod=bybusyness";
    let pair =
        Pair::start(Kind::Apache, Shipped::read("apache/balancer.conf").replace(method, &format!("{method} failonstatus=503")));
    assert_eq!(pair.statuses(&Request::get("/hello"), 20), [(200, 19), (503, 1)].into());
    wait_until("one refusal", || pair.refused() == 1);
    pair.release();
}

const HAPROXY: Kind = Kind::Haproxy { threads: 1 };
