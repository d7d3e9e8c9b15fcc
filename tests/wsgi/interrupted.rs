//! `abort = "raise"`: an application is interrupted when its peer gives up, and nothing else is.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::random::Random;
use crate::support::record::abort;
use crate::support::{Launch, Params, Peer, Pyfcgid, app};

/// How a peer gives up.
#[derive(Clone, Copy)]
enum GivesUp {
    Says,
    Closes,
}

/// A server with one worker, which answers a request that has begun to run.
struct Running {
    server: Pyfcgid,
    peer: Peer,
}

impl Running {
    /// Where the application says in the log that it runs.
    #[track_caller]
    fn of(path: &str) -> Self {
        Self::begin(path, "raise", |server, _| drop(server.wait_for_log("running")))
    }

    /// Where it says so in its answer.
    #[track_caller]
    fn streaming(path: &str) -> Self {
        Self::begin(path, "raise", |_, peer| peer.wait_for_stdout(1, "running"))
    }

    #[track_caller]
    fn begin(path: &str, on_abort: &str, wait: impl FnOnce(&Pyfcgid, &mut Peer)) -> Self {
        Self::on(serve("interrupted.py", on_abort), path, wait)
    }

    #[track_caller]
    fn on(server: Pyfcgid, path: &str, wait: impl FnOnce(&Pyfcgid, &mut Peer)) -> Self {
        let mut peer = server.connect();
        peer.send_request(1, true, &Params::get(path), b"");
        wait(&server, &mut peer);
        Self { server, peer }
    }

    /// The peer gives the request up; returns the log when the next request has been answered, by the same worker.
    #[track_caller]
    fn give_up(self, how: GivesUp) -> String {
        let Self { mut server, mut peer } = self;
        match how {
            GivesUp::Says => {
                peer.send(&abort(1));
                assert!(peer.answer(1).ended, "END_REQUEST ends an aborted request");
                assert_eq!(peer.request(&Params::get("/hello"), b"").expect_status(200).text(), "hello");
            }
            GivesUp::Closes => drop(peer),
        }
        server.connect().request(&Params::get("/hello?last"), b"").expect_status(200);
        server.expect_running();
        server.wait_for_log("answered 200 /hello?last")
    }

    /// The same, where the application is interrupted and says `said`.
    #[track_caller]
    fn expect_interrupted(self, how: GivesUp, said: &[&str]) -> String {
        let log = self.give_up(how);
        for said in said {
            assert!(log.contains(said), "no {said:?} in {log}");
        }
        assert_eq!(log.matches(INTERRUPTED).count(), 1, "{log}");
        expect_no_traceback(&log);
        log
    }
}

fn serve(file: &str, on_abort: &str) -> Pyfcgid {
    serve_with(file, on_abort, &[])
}

fn serve_with(file: &str, on_abort: &str, further: &[&str]) -> Pyfcgid {
    let access = ["--access-log", "stderr", "--access-log-format", "answered $status $request_uri"];
    Launch::serve(app(file)).args(["--threads", "1", "--abort", on_abort]).args(access).args(further).start()
}

#[track_caller]
fn expect_no_traceback(log: &str) {
    for word in ["Traceback", "Exception ignored", "panicked", " failed"] {
        assert!(!log.contains(word), "{word} in {log}");
    }
}

#[test]
fn an_app_that_computes_is_interrupted_and_may_clean_up() {
    for how in [GivesUp::Says, GivesUp::Closes] {
        let log = Running::of("/computes").expect_interrupted(how, &["cleaned up"]);
        assert!(log.contains("answered 499 /computes"), "{log}");
        let line = log.lines().find(|line| line.contains(INTERRUPTED)).unwrap();
        assert!(line.contains("[info]") && line.contains("(GET /computes)"), "{line}");
    }
}

/// A directory in which Python's start imports what a wheel has installed as `pyfcgid`, and keeps it in the module `before`.
fn imported_before() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("sitecustomize.py"), "import before\n").unwrap();
    fs::write(directory.path().join("before.py"), "import pyfcgid\n").unwrap();
    let wheel = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    let variable = format!("PYTHONPATH={}:{wheel}", directory.path().display());
    (directory, variable)
}

#[test]
fn the_module_is_ours_with_the_names_of_an_installed_one_whatever_was_imported_before() {
    let (_directory, variable) = imported_before();
    let server = Pyfcgid::serve(app("names_of_pyfcgid.py"), &["--env", &variable]);
    let shown = server.connect().request(&Params::get("/"), b"").expect_status(200).json();
    assert_eq!((&shown["came_before"], &shown["is_package"]), (&json!(true), &json!(false)), "{shown}");
    assert_eq!(shown["of_module"], shown["of_package"]);
    let names: Vec<_> = shown["of_module"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "LogHandler",
            "RequestAborted",
            "RequestInterrupted",
            "RequestTimeout",
            "__all__",
            "__doc__",
            "request_id",
            "set_deadline"
        ],
        "and nothing that the module itself needs"
    );
}

#[test]
fn what_is_raised_is_of_our_module_whatever_was_imported_before() {
    let (_directory, variable) = imported_before();
    let server = serve_with("interrupted.py", "raise", &["--env", &variable]);
    Running::on(server, "/catches", |server, _| drop(server.wait_for_log("running")))
        .expect_interrupted(GivesUp::Says, &["caught RequestAborted()", "caught 1"]);
}

#[test]
fn an_app_that_blocks_in_c_is_interrupted_when_that_returns() {
    Running::of("/sleeps").expect_interrupted(GivesUp::Says, &[]);
}

#[test]
fn a_framework_makes_no_error_page_of_it() {
    let log = Running::of("/framework").expect_interrupted(GivesUp::Says, &["cleaned up"]);
    assert!(!log.contains("an error page"), "{log}");
}

#[test]
fn an_app_that_catches_it_may_go_on_and_is_not_interrupted_again() {
    let log = Running::of("/catches").expect_interrupted(GivesUp::Says, &["caught RequestAborted()", "caught 1"]);
    assert!(log.contains("answered 499 /catches"), "{log}");
}

#[test]
fn it_is_raised_in_a_generator_that_computes() {
    for how in [GivesUp::Says, GivesUp::Closes] {
        let said = ["raised in the generator", "the generator has ended"];
        let log = Running::streaming("/yields").expect_interrupted(how, &said);
        assert!(log.contains("answered 200 /yields"), "what was sent stands: {log}");
    }
}

#[test]
fn an_interrupted_iterable_is_closed() {
    Running::streaming("/interrupted_in_next").expect_interrupted(GivesUp::Says, &["closed undisturbed"]);
}

#[test]
fn close_is_not_interrupted() {
    let running = Running::begin("/interrupted_in_close", "raise", |server, _| drop(server.wait_for_log("closing")));
    let log = running.give_up(GivesUp::Closes);
    assert!(log.contains("closed undisturbed") && !log.contains(INTERRUPTED), "{log}");
    expect_no_traceback(&log);
}

#[test]
fn a_write_that_fails_raises_it_if_nothing_has_before() {
    for how in [GivesUp::Says, GivesUp::Closes] {
        let said = ["the first is RequestAborted", "the second is BrokenPipeError"];
        Running::streaming("/writes").expect_interrupted(how, &said);
    }
}

#[test]
fn it_is_not_raised_in_other_threads_of_the_app() {
    let said = ["the thread has BrokenPipeError", "the worker has RequestAborted"];
    Running::streaming("/writes_in_a_thread").expect_interrupted(GivesUp::Closes, &said);
}

#[test]
fn apps_are_not_interrupted_unless_that_is_asked_for() {
    let running = Running::begin("/catches", "continue", |server, _| drop(server.wait_for_log("running")));
    let log = running.give_up(GivesUp::Says);
    assert!(log.contains("caught 0") && !log.contains(INTERRUPTED), "{log}");
}

#[test]
fn the_exception_can_be_imported_without_the_option_and_is_no_exception_of_the_usual_kind() {
    let server = serve("interrupted.py", "continue");
    let answer = server.connect().request(&Params::get("/about"), b"").expect_status(200);
    assert_eq!(answer.text(), "pyfcgid.RequestAborted BaseException");
    Launch::new("check").arg(app("interrupted.py")).run().expect_code(0);
}

#[test]
fn raised_for_no_reason_it_is_a_failure_like_any_other() {
    let server = serve("interrupted.py", "raise");
    server.connect().request(&Params::get("/raises_it_itself"), b"").expect_status(500);
    server.wait_for_log("pyfcgid.RequestAborted: for no reason");
}

#[test]
fn an_abort_interrupts_no_other_request_on_the_connection() {
    let server = Launch::serve(app("interrupted.py")).args(["--threads", "2", "--abort", "raise"]).start();
    let mut peer = server.connect();
    for id in [1, 2] {
        peer.send_request(id, true, &Params::get("/catches"), b"");
    }
    server.wait_for_log_that("both run", |log| log.matches("running").count() == 2);
    peer.send(&abort(1));
    assert!(peer.answer(1).ended);
    let log = server.wait_for_log("caught 1");
    assert_eq!(log.matches("caught RequestAborted").count(), 1, "{log}");
    peer.send(&abort(2));
    assert!(peer.answer(2).ended);
    server.wait_for_log_that("the other one is interrupted, too", |log| log.matches("caught 1").count() == 2);
}

/// Whatever is interrupted, and whenever, the next request is served by the same worker and sees nothing of it.
#[test]
fn no_abort_at_any_time_leaks_into_the_next_request() {
    let mut random = Random::new();
    let mut server = serve("interrupted_any_time.py", "raise");
    let mut kept = server.connect();
    for round in 0..ROUNDS {
        let kind = KINDS[random.below(KINDS.len())];
        let params = Params::get(&format!("/{kind}/{round}"));
        let delay = Duration::from_micros(random.next() % 6_000);
        if random.below(2) == 0 {
            kept.send_request(1, true, &params, b"");
            thread::sleep(delay);
            kept.send(&abort(1));
            assert!(kept.answer(1).ended, "round {round}");
        } else {
            let mut peer = server.connect();
            peer.send_request(1, true, &params, b"");
            thread::sleep(delay);
        }
        let path = format!("/probe/{round}");
        let answer = kept.request(&Params::get(&path), b"").expect_status(200);
        assert_eq!((answer.header("X-Path"), answer.text().as_str()), (Some(path), "pyfcgid-worker-1"), "round {round}");
    }
    server.expect_running();
    let log = server.wait_for_log(&format!("answered 200 /probe/{}", ROUNDS - 1));
    expect_no_traceback(&log);
    let interrupted = log.matches(INTERRUPTED).count();
    println!("{interrupted} of {ROUNDS} were interrupted");
    assert!((ROUNDS / 20..ROUNDS).contains(&interrupted), "{interrupted} of {ROUNDS} were interrupted");
}

const INTERRUPTED: &str = "RequestAborted was raised in the application";
const KINDS: [&str; 7] = ["computes", "sleeps", "yields", "writes", "catches", "ends_at_once", "closes"];
const ROUNDS: usize = 200;
