//! Several back ends behind one web server: a back end that is down or busy is passed over.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;

use crate::http::{Ending, Exchange, Request, Response};
use crate::shipped::Shipped;
use crate::site::Site;
use crate::support::peer::DEADLINE;

/// Both take part.
pub(crate) fn all_back_ends_are_used(site: &Site) {
    let running = site.start("environ.py");
    let served = (0..20).map(|_| running.get("/").expect(200).json()["test.back_end"].to_string());
    assert_eq!(served.collect::<BTreeSet<_>>().len(), site.back_ends);
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

/// Rule 6: with every worker taken and the queues full a request is answered at once with a 503 that says when to come back;
/// those in the queues get their page.
pub(crate) fn overload_is_answered(site: &Site) {
    let running = site.start_with("answers.py", &["--threads", "1", "--max-queue", "1"], Shipped::read(site.file));
    let mut busy: Vec<Exchange> = (0..site.back_ends).map(|_| running.open(Request::get("/stream"))).collect();
    busy.iter_mut().for_each(|exchange| exchange.read_until(b"first\n"));

    let (answered, answers) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..6 {
            let (answered, running) = (answered.clone(), &running);
            scope.spawn(move || answered.send(running.get("/hello")).expect("the test listens"));
        }
        let first = answers.recv_timeout(DEADLINE).expect("an answer while every worker is taken");
        assert_eq!(first.status, 503, "{first:?}");
        running.open_gate();
    });
    drop(answered);
    let rest: Vec<Response> = answers.iter().collect();
    assert_eq!(rest.len(), 5);
    assert!(rest.iter().any(|answer| answer.status == 200), "nobody was served: {rest:?}");
    rest.iter().for_each(expect_page_or_refusal);
    for exchange in busy {
        assert_eq!(exchange.finish().expect(200).text(), "first\nlast\n");
    }
    running.get("/hello").expect(200);
    running.expect_healthy();
}

#[track_caller]
fn expect_page_or_refusal(answer: &Response) {
    match answer.status {
        200 => assert_eq!(answer.text(), "hello\n"),
        503 => assert!(answer.header("Retry-After").is_some() && !answer.body.is_empty(), "{answer:?}"),
        _ => panic!("{answer:?}"),
    }
    assert_eq!(answer.ending, Ending::Complete, "{answer:?}");
}
