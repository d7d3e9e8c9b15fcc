//! A request that keeps the GIL of its process.

use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::{Pool, Shape};
use crate::site::limit;
use crate::support::Params;
use crate::support::process::wait_until;

#[test]
fn whoever_comes_while_one_process_cannot_run_python_is_served_by_the_other() {
    let pool = Pool::start(Shape { processes: 2, threads: 4 }, "");
    let mut hog = pool.connect();
    // Some seconds on any machine.
    hog.send_request(1, false, &Params::get("/?hog&27"), b"");
    wait_until("the hog", || pool.started("hog").len() == 1);
    let begun = Instant::now();
    let asked: Vec<_> = (0..30)
        .map(|number| {
            let mut peer = pool.connect();
            peer.send_request(1, false, &Params::get(&format!("/?{number}")), b"");
            let sent = Instant::now();
            let asked = thread::spawn(move || {
                peer.answer(1).expect_status(200);
                sent.elapsed()
            });
            thread::sleep(Duration::from_millis(30));
            asked
        })
        .collect();
    let times: Vec<Duration> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
    hog.answer(1).expect_status(200);
    let held = begun.elapsed();
    let late = times.iter().filter(|time| **time > Duration::from_millis(500)).count();
    println!("{late} of 30 waited for a request that kept the GIL for {held:?}");
    assert!(held > Duration::from_millis(1500), "the hog was done after {held:?}: it proves nothing");
    // Half of them would be, if nobody looked; and some may be where something else runs.
    assert!(late <= limit(2, 5), "{times:?}");
    pool.end();
}
