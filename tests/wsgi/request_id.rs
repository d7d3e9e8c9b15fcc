//! X-Request-ID: kept if it is one, made if `request-id` says so, and the same in the environ and in the access log.

use std::collections::HashSet;
use std::fs;

use crate::support::process::wait_until;
use crate::support::{Launch, Params, Peer, Pyfcgid, app};

const NAME: &str = "HTTP_X_REQUEST_ID";

/// With IDs and an access log of them.
#[track_caller]
fn serve(arguments: &[&str]) -> Pyfcgid {
    let format = "$status $request_id $http_x_request_id";
    let launch = Launch::serve(app("environ.py")).args(["--access-log", "file:access.log", "--access-log-format", format]);
    launch.arg("--request-id").args(arguments).start()
}

/// A request that comes with these IDs.
fn with(ids: &[&str]) -> Params {
    ids.iter().fold(Params::get("/"), |params, id| params.add(NAME, id))
}

/// The ID that an application sees, and the number of its request.
#[track_caller]
fn seen(peer: &mut Peer, ids: &[&str]) -> (Option<String>, String) {
    let answer = peer.request(&with(ids), b"").expect_status(200).json();
    assert_eq!(answer["not_native"], serde_json::json!([]));
    let text = |name: &str| answer["environ"][name].as_str().map(str::to_owned);
    (text(NAME), text("pyfcgid.request_id").unwrap())
}

#[track_caller]
fn expect_made(id: Option<&str>) -> String {
    let id = id.expect("an ID");
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    assert!(id.len() == 32 && id.bytes().all(is_digit), "{id}");
    id.to_owned()
}

fn access_log(server: &Pyfcgid, count: usize) -> Vec<String> {
    let read = || fs::read_to_string(server.directory().join("access.log")).unwrap_or_default();
    wait_until("the access log", || read().lines().count() >= count);
    read().lines().map(str::to_owned).collect()
}

#[test]
fn without_request_id_a_header_passes_as_it_is_and_none_is_made() {
    let server = Pyfcgid::serve(app("environ.py"), &[]);
    let mut peer = server.connect();
    assert_eq!(seen(&mut peer, &[]).0, None);
    assert_eq!(seen(&mut peer, &["a b"]).0.as_deref(), Some("a b"));
}

#[test]
fn an_id_that_comes_is_kept_and_another_is_made_where_none_does_in_environ_and_access_log() {
    let server = serve(&[]);
    let mut peer = server.connect();
    let long = "x".repeat(129);
    let cases = [&["Root=1-6789.a_b+c/d@e:f"][..], &[], &["a b\u{1b}"], &["7"], &[&long], &["one", "two"], &[""], &["8"]];
    let told: Vec<(String, String)> = cases
        .iter()
        .map(|ids| {
            let (id, number) = seen(&mut peer, ids);
            match ids {
                [id_that_came @ ("Root=1-6789.a_b+c/d@e:f" | "7" | "8")] => assert_eq!(id.as_deref(), Some(*id_that_came)),
                _ => drop(expect_made(id.as_deref())),
            }
            (number, id.unwrap())
        })
        .collect();
    assert_eq!(told.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(), cases.len(), "{told:?}");
    let expected: Vec<_> = told.iter().map(|(number, id)| format!("200 {number} {id}")).collect();
    assert_eq!(access_log(&server, cases.len()), expected);
}

#[test]
fn no_two_processes_make_the_same_ids() {
    let servers = [serve(&["--threads", "4"]), serve(&["--processes", "2"])];
    let mut ids = HashSet::new();
    for server in &servers {
        let mut peers: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for _ in 0..25 {
            ids.extend(peers.iter_mut().map(|peer| expect_made(seen(peer, &[]).0.as_deref())));
        }
    }
    assert_eq!(ids.len(), 200);
}

#[test]
fn a_request_that_is_not_below_mount_has_one_too() {
    let server = serve(&["--mount", "/shop"]);
    server.connect().request(&with(&[]), b"").expect_status(404);
    let line = access_log(&server, 1).remove(0);
    let (rest, id) = line.rsplit_once(' ').unwrap();
    assert!(rest.starts_with("404 "), "{line}");
    expect_made(Some(id));
}
