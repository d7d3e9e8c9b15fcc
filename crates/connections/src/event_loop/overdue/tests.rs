use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc;

use super::*;
use crate::event_loop::handover::tests::{connect, event_loop, saturated, wait_until};
use crate::scheduler;
use shared::scoreboard::Scoreboard;
use shared::scoreboard::refused::RefusedFor;

const TIMEOUT: Duration = Duration::from_secs(60);
const NEARLY: Duration = Duration::from_secs(50);
const OVER: Duration = Duration::from_secs(61);

/// As [`saturated`], where nobody waits for longer than [`TIMEOUT`].
fn impatient() -> (EventLoop, mpsc::Sender<()>, UnixStream) {
    let (mut event_loop, gate, busy) = saturated();
    event_loop.settings.queue_timeout = Some(TIMEOUT);
    (event_loop, gate, busy)
}

/// A connection with a request that has waited for so long.
fn waiting(event_loop: &mut EventLoop, waited: Duration) -> (usize, UnixStream) {
    let (key, far) = connect(event_loop);
    event_loop.connections[key].has_waited(Instant::now().checked_sub(waited).unwrap());
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    (key, far)
}

/// The same on the line.
fn lined_up(event_loop: &mut EventLoop, waited: Duration) -> UnixStream {
    let (key, far) = waiting(event_loop, waited);
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(!event_loop.connections.contains(key));
    far
}

#[track_caller]
fn expect_refused(far: &mut UnixStream) {
    let mut answer = [0; 1000];
    let count = far.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]);
    assert!(answer.contains("503") && answer.contains("Retry-After"), "{answer}");
}

#[track_caller]
fn expect_silence(far: &mut UnixStream) {
    far.set_nonblocking(true).unwrap();
    assert_eq!(far.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// For how long those on the line have waited, in whole seconds, from the first one on.
fn order(event_loop: &mut EventLoop) -> Vec<u64> {
    std::iter::from_fn(|| Some(event_loop.line.take(&mut event_loop.spare).ok()?.1.elapsed().as_secs())).collect()
}

#[test]
fn whoever_is_first_on_the_line_and_waits_for_too_long_is_refused_and_the_others_stay_in_order() {
    let (mut event_loop, _gate, _busy) = impatient();
    let mut first = lined_up(&mut event_loop, OVER);
    let mut others = [lined_up(&mut event_loop, NEARLY), lined_up(&mut event_loop, Duration::ZERO)];
    let next = event_loop.look_at_line();
    expect_refused(&mut first);
    others.iter_mut().for_each(expect_silence);
    assert!(next > Instant::now() && next <= Instant::now() + PERIOD, "others may be put there");
    assert_eq!((event_loop.line.waiting(), event_loop.line.seat.is_mixed()), (2, false));
    assert_eq!(order(&mut event_loop), [NEARLY.as_secs(), 0]);
}

#[test]
fn the_next_look_is_when_the_first_one_is_due_if_that_is_soon() {
    let (mut event_loop, _gate, _busy) = impatient();
    let _first = lined_up(&mut event_loop, TIMEOUT.checked_sub(Duration::from_millis(50)).unwrap());
    assert!(event_loop.look_at_line() <= Instant::now() + Duration::from_millis(50));
}

#[test]
fn on_a_line_that_was_turned_who_waits_for_too_long_is_found_and_the_order_is_mended() {
    let (mut event_loop, _gate, _busy) = impatient();
    let _young = [10, 5].map(|seconds| lined_up(&mut event_loop, Duration::from_secs(seconds)));
    let mut old = lined_up(&mut event_loop, OVER);
    event_loop.line.seat.set_mixed(true);
    let next = event_loop.look_at_line();
    expect_refused(&mut old);
    assert!(next > Instant::now());
    assert!(!event_loop.line.seat.is_mixed());
    let _oldest = lined_up(&mut event_loop, NEARLY);
    event_loop.line.seat.set_mixed(true);
    assert_eq!(event_loop.look_through_line(), Some(false));
    assert!(!event_loop.line.seat.is_mixed() && event_loop.line.seat.look_out(0).is_some());
    assert_eq!(order(&mut event_loop), [NEARLY.as_secs(), 10, 5]);
}

#[test]
fn a_line_whose_order_cannot_be_mended_is_looked_through_again_and_loses_nobody() {
    let (mut event_loop, _gate, _busy) = impatient();
    let _far = [10, 20, 30].map(|seconds| lined_up(&mut event_loop, Duration::from_secs(seconds)));
    event_loop.line.seat.set_mixed(true);
    assert_eq!(event_loop.look_through_line(), Some(false));
    assert!(event_loop.line.seat.is_mixed(), "20 is behind 10");
    assert_eq!((event_loop.line.waiting(), order(&mut event_loop)), (3, vec![30, 10, 20]));
}

#[test]
fn one_who_was_taken_off_in_error_is_put_back_and_is_first_again_at_the_next_look() {
    let (mut event_loop, _gate, _busy) = impatient();
    let _far = [30, 20, 10].map(|seconds| lined_up(&mut event_loop, Duration::from_secs(seconds)));
    let (mut traveller, since) = event_loop.take_one_from_line().unwrap();
    event_loop.line.put_back(&mut traveller, since).unwrap();
    drop(traveller);
    assert!(event_loop.line.seat.is_mixed());
    event_loop.look_at_line();
    assert_eq!((event_loop.line.waiting(), order(&mut event_loop)), (3, vec![30, 20, 10]));
}

#[test]
fn while_somebody_looks_nobody_else_does_and_nobody_is_put_on_the_line() {
    let (mut event_loop, _gate, _busy) = impatient();
    let mut far = lined_up(&mut event_loop, OVER);
    let lookout = event_loop.line.seat.look_out(millis(monotonic_time())).unwrap();
    assert!(event_loop.look_at_line() <= Instant::now() + LOOK_AGAIN);
    expect_silence(&mut far);
    let (key, _far) = waiting(&mut event_loop, Duration::ZERO);
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(event_loop.connections.contains(key), "it was put before others");
    drop(lookout);
    event_loop.line_up();
    assert!(!event_loop.connections.contains(key));
    assert_eq!(event_loop.line.waiting(), 2);
}

#[test]
fn what_is_no_connection_hides_nobody_who_waits_for_too_long() {
    for is_mixed in [false, true] {
        let (mut event_loop, _gate, _busy) = impatient();
        let (near, _other) = UnixStream::pair().unwrap();
        let stray = super::super::stream::Stream::new(near);
        event_loop.line.passage.give(&stray, b"", (false, super::super::listener::Purpose::Site)).unwrap();
        let mut far = lined_up(&mut event_loop, OVER);
        event_loop.line.seat.set_mixed(is_mixed);
        event_loop.look_at_line();
        expect_refused(&mut far);
    }
}

#[test]
fn whoever_waits_here_for_too_long_is_refused_here() {
    let (mut event_loop, _gate, _busy) = impatient();
    let (_, mut young) = {
        let (key, far) = waiting(&mut event_loop, NEARLY);
        event_loop.read(key, false);
        (key, far)
    };
    let (key, mut old) = waiting(&mut event_loop, OVER);
    event_loop.read(key, false);
    event_loop.refuse_overdue();
    expect_silence(&mut old);
    old.set_nonblocking(false).unwrap();
    event_loop.now += LOOK_AGAIN;
    event_loop.refuse_overdue();
    expect_refused(&mut old);
    expect_silence(&mut young);
    assert!(event_loop.connections.contains(key), "it is kept");
    assert_eq!(event_loop.deferred.len(), 1);
}

/// The second one has come just now, as far as anybody knows.
#[test]
fn of_several_requests_on_one_connection_the_one_that_waited_is_refused() {
    let (mut event_loop, _gate, _busy) = impatient();
    let (key, mut far) = waiting(&mut event_loop, OVER);
    far.write_all(&crate::event_loop::handover::tests::request_of(2)).unwrap();
    event_loop.now = Instant::now();
    event_loop.refuse_overdue_on(key);
    expect_refused(&mut far);
    expect_silence(&mut far);
    assert!(event_loop.queue.load().has_work, "the second one was not queued");
}

#[test]
fn whoever_was_taken_from_the_line_too_late_does_not_run() {
    let (mut event_loop, gate, _busy) = impatient();
    let (mut old, mut young) = (lined_up(&mut event_loop, OVER), lined_up(&mut event_loop, NEARLY));
    gate.send(()).unwrap();
    wait_until(|| !event_loop.is_saturated());
    assert_eq!(event_loop.take_from_line(), 2);
    expect_refused(&mut old);
    expect_silence(&mut young);
    let oldest = event_loop.queue.load().oldest;
    assert!(oldest.is_some_and(|oldest| oldest.elapsed() >= NEARLY), "the time on the line counts");
}

#[test]
fn the_queue_process_refuses_who_waits_for_too_long_while_it_holds_the_line() {
    let scoreboard = Arc::new(Scoreboard::new().unwrap());
    let mut event_loop = event_loop(scheduler::queue_without_workers(scoreboard.seat(0)), &scoreboard, Duty::Hold);
    event_loop.settings.queue_timeout = Some(TIMEOUT);
    let (mut old, mut young) = (lined_up(&mut event_loop, OVER), lined_up(&mut event_loop, NEARLY));
    event_loop.open_or_shut().unwrap();
    event_loop.now += PERIOD;
    event_loop.refuse_overdue();
    expect_refused(&mut old);
    expect_silence(&mut young);
    assert_eq!(
        (scoreboard.refused(RefusedFor::QueueTimeout), scoreboard.refused(RefusedFor::QueueFull), scoreboard.waiting()),
        (1, 0, 1)
    );
}

#[test]
fn without_a_timeout_and_while_workers_have_time_nothing_is_looked_at() {
    let (mut event_loop, gate, _busy) = saturated();
    let mut far = lined_up(&mut event_loop, OVER);
    event_loop.open_or_shut().unwrap();
    assert_eq!(event_loop.overdue.next(), None);
    event_loop.refuse_overdue();
    expect_silence(&mut far);
    event_loop.settings.queue_timeout = Some(TIMEOUT);
    event_loop.open_or_shut().unwrap();
    assert!(event_loop.overdue.next().is_some());
    event_loop.settings.queue_timeout = None;
    gate.send(()).unwrap();
    wait_until(|| !event_loop.is_saturated());
    event_loop.take_from_line();
    gate.send(()).unwrap();
    event_loop.queue.call_worker();
    wait_until(|| !event_loop.is_saturated());
    event_loop.settings.queue_timeout = Some(TIMEOUT);
    event_loop.open_or_shut().unwrap();
    assert_eq!(event_loop.overdue.next(), None);
}
