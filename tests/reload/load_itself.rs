//! The load notices what it is there for. Its servers are played by the tests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use socket2::{Domain, Socket, Type};

use crate::browser::Browser;
use crate::kept_peer::KeptPeer;
use crate::load::{Client, Load};
use crate::question::{Methods, Question};
use crate::support::peer::Address;
use crate::support::record::{kind, record};

const PAGE: &str = "1 7 /page 0\n";

/// A GET of `/page`.
fn question() -> Question {
    Question { path: "/page".to_owned(), query: String::new(), body: Vec::new() }
}

/// Answers one connection's requests, as many as there are answers, and closes it then.
fn answer_all(mut stream: impl Read + Write, answers: &[Vec<u8>]) {
    for answer in answers {
        assert!(stream.read(&mut [0; 65_536]).unwrap() > 0);
        stream.write_all(answer).unwrap();
    }
}

/// A web server that answers one connection, and refuses others when it has.
fn web_server(answers: Vec<Vec<u8>>) -> (Browser, JoinHandle<()>) {
    // Nobody else is to be found there, as long as the tests run.
    let keeps_the_port = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    keeps_the_port.set_reuse_address(true).unwrap();
    keeps_the_port.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = keeps_the_port.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(keeps_the_port);
    let listener = TcpListener::bind(address).unwrap();
    let server = thread::spawn(move || answer_all(listener.accept().unwrap().0, &answers));
    (Browser::new(address.port()), server)
}

fn http(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len()).into_bytes()
}

#[test]
fn browser_keeps_its_connection() {
    let (mut browser, server) = web_server(vec![http("200 OK", "", PAGE); 3]);
    for _ in 0..3 {
        assert_eq!(browser.ask(&question()).unwrap(), PAGE.as_bytes());
    }
    server.join().unwrap();
    assert!(browser.ask(&question()).is_err(), "a closed connection goes unnoticed");
}

#[test]
fn browser_notices_another_status_a_cut_body_and_bytes_behind_it() {
    let whole = http("200 OK", "", PAGE);
    let cases = [
        (http("502 Bad Gateway", "", "sorry"), "502 Bad Gateway"),
        (whole[..whole.len() - 1].to_vec(), "cut"),
        (whole[..20].to_vec(), "no head"),
        (Vec::new(), "no head"),
        ([whole.as_slice(), b"more"].concat(), "4 bytes behind"),
        (format!("HTTP/1.1 200 OK\r\n\r\n{PAGE}").into_bytes(), "no length"),
    ];
    for (answer, complaint) in cases {
        let (mut browser, server) = web_server(vec![answer]);
        let failure = browser.ask(&question()).unwrap_err();
        assert!(failure.contains(complaint), "{complaint:?} is not in {failure:?}");
        server.join().unwrap();
    }
}

#[test]
fn browser_closes_its_connection_when_told_to() {
    let (mut browser, server) = web_server(vec![http("200 OK", "Connection: close\r\n", PAGE)]);
    browser.ask(&question()).unwrap();
    server.join().unwrap();
    assert!(browser.ask(&question()).unwrap_err().contains("no connection"));
}

/// A FastCGI server that answers one connection.
fn fastcgi_server(answers: Vec<Vec<u8>>) -> (KeptPeer, JoinHandle<()>, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("s.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || answer_all(listener.accept().unwrap().0, &answers));
    (KeptPeer::new(Address::Unix(socket)), server, place)
}

fn fastcgi(status: &str, length: usize, protocol_status: u8) -> Vec<u8> {
    let stdout = format!("Content-Length: {length}\r\nStatus: {status}\r\n\r\n{PAGE}");
    let end = [0, 0, 0, 0, protocol_status, 0, 0, 0];
    [record(kind::STDOUT, 1, stdout.as_bytes()), record(kind::STDOUT, 1, b""), record(kind::END_REQUEST, 1, &end)].concat()
}

#[test]
fn peer_keeps_its_connection_and_notices_when_it_is_closed() {
    let (mut peer, server, _place) = fastcgi_server(vec![fastcgi("200 OK", PAGE.len(), 0); 3]);
    for _ in 0..3 {
        assert_eq!(peer.ask(&question()).unwrap(), PAGE.as_bytes());
    }
    server.join().unwrap();
    assert!(peer.ask(&question()).is_err(), "a closed connection goes unnoticed");
}

#[test]
fn peer_notices_another_status_and_what_is_not_complete() {
    let whole = fastcgi("200 OK", PAGE.len(), 0);
    let cases = [
        fastcgi("503 Service Unavailable", PAGE.len(), 0),
        fastcgi("200 OK", PAGE.len() + 1, 0),
        fastcgi("200 OK", PAGE.len(), 2),
        whole[..whole.len() - 16].to_vec(),
        Vec::new(),
    ];
    for answer in cases {
        let (mut peer, server, _place) = fastcgi_server(vec![answer]);
        peer.ask(&question()).unwrap_err();
        server.join().unwrap();
    }
}

#[test]
fn question_notices_another_ones_answer_and_a_version_that_may_not_serve() {
    let post = Question { body: b"abc".to_vec(), ..question() };
    for (question, answer) in [
        (question(), "1 7 /other 0\n"),
        (question(), "1 7 /page 0\nabc"),
        (question(), "0 7 /page 0\n"),
        (question(), "3 7 /page 0\n"),
        (question(), "1 /page 0\n"),
        (question(), "x 7 /page 0\n"),
        (question(), "1 7 /page 0"),
        (post.clone(), "1 7 /page 3\nabd"),
        (post.clone(), "1 7 /page 2\nabc"),
    ] {
        question.check(answer.as_bytes(), 1..=2).unwrap_err();
    }
    assert_eq!(question().check(PAGE.as_bytes(), 1..=2).unwrap().pid, 7);
    assert_eq!(post.check(b"2 7 /page 3\nabc", 1..=2).unwrap().version, 2);
}

/// Answers rightly, but for one request.
struct Flawed(usize);

impl Client for Flawed {
    fn ask(&mut self, question: &Question) -> Result<Vec<u8>, String> {
        self.0 += 1;
        let head = format!("1 7 {} {}\n", question.path, question.body.len());
        match self.0 {
            500 => Err("the flaw".to_owned()),
            _ => Ok([head.as_bytes(), &question.body].concat()),
        }
    }
}

#[test]
fn one_failure_of_many_requests_is_reported_whole() {
    let load = Load::start(4, Methods::GetAndPost, 1, || Flawed(0));
    load.wait_for(100_000);
    let report = load.finish();
    assert!((1..=4).contains(&report.failures().len()), "{report}");
    let text = report.to_string();
    assert!(text.contains("/request-499 (") && text.contains("bytes) at ") && text.contains("the flaw"), "{text}");
}
