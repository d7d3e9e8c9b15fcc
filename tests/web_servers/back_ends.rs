//! Several back ends behind one web server: a back end that is down or busy is passed over.

use std::collections::BTreeSet;
use std::thread;

use crate::http::Request;
use crate::shipped::Shipped;
use crate::site::{Running, Site};

/// Both take part.
pub(crate) fn all_back_ends_are_used(site: &Site) {
    let running = site.start("environ.py");
    let served = (0..20).map(|_| running.get("/").expect(200).json()["test.back_end"].to_string());
    assert_eq!(served.collect::<BTreeSet<_>>().len(), site.back_ends.len());
    running.expect_healthy();
}

/// A back end that has been stopped costs nobody a request, uploads included.
pub(crate) fn a_stopped_back_end_is_passed_over(site: &Site) {
    let mut running = site.start("environ.py");
    for _ in 0..4 {
        running.get("/").expect(200);
    }
    let stopped = running.back_ends.remove(0).stop();
    assert!(stopped.success(), "{stopped}");
    for number in 0..10 {
        assert_eq!(running.get("/").expect(200).json()["test.back_end"], "1", "request {number}");
        running.send(Request::new("POST", "/").body("abc")).expect(200);
    }
    running.expect_healthy();
}

/// A 503 goes to the next back end for GET; a POST is never sent twice.
pub(crate) fn a_503_goes_to_the_next_back_end(site: &Site) {
    let running = site.start_each(&["busy.py", "environ.py"]);
    for number in 0..10 {
        assert_eq!(running.get("/").expect(200).json()["test.back_end"], "1", "request {number}");
    }
    let posts: Vec<u16> = (0..10).map(|_| running.send(Request::new("POST", "/").body("abc")).status).collect();
    assert!(posts.iter().all(|status| [200, 503].contains(status)), "{posts:?}");
    assert!(posts.contains(&503), "a POST was sent twice: {posts:?}");
    running.expect_healthy();
}

/// Rule 6: with every worker taken and a full queue, everybody gets an answer: their own page, or a 503 that says when to come
/// back.
pub(crate) fn overload_is_answered(site: &Site) {
    let apps = vec!["answers.py"; site.back_ends.len()];
    let file = Shipped::read(site.file);
    let running = site.start_with(&apps, &["--threads", "1", "--max-queue", "1"], file);
    let answers: Vec<_> = thread::scope(|scope| {
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(|| running.get("/gated"))).collect();
        running.open_gate();
        sent.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    for answer in answers {
        match answer.status {
            200 => assert_eq!(answer.text(), "hello\n"),
            503 => assert!(answer.header("Retry-After").is_some() && !answer.body.is_empty(), "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
    }
    expect_service(running);
}

#[track_caller]
fn expect_service(running: Running) {
    running.get("/hello").expect(200);
    running.expect_healthy();
}
