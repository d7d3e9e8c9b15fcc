//! The end of an answer whose time is over.

use super::*;

fn expect_nothing_more(recorder: &Recorder, mut reply: Reply) {
    recorder.take();
    assert!(matches!(reply.write(b"late", &NothingHeld), Err(ReplyError::TimedOut)));
    assert!(matches!(reply.write(b"", &NothingHeld), Err(ReplyError::TimedOut)));
    assert!(matches!(reply.end(&[b"late"], &NothingHeld), Err(ReplyError::TimedOut)));
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(reply.send_file(file, 0, 0, &NothingHeld), Err(ReplyError::TimedOut)));
    assert!(reply.set_head(head("200 OK", &[])).is_err() && reply.has_timed_out());
    drop(reply);
    assert_eq!(recorder.take(), []);
}

#[test]
fn an_answer_that_has_not_begun_is_504_and_the_connection_stays() {
    for has_head in [false, true] {
        let (recorder, mut reply) = reply();
        if has_head {
            reply.set_head(head("200 OK", &[("X-Lost", "1")])).unwrap();
        }
        assert_eq!(reply.time_out(), TimedOut::Answered);
        let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("not one write") };
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains("Status: 504 Gateway Timeout\r\n\r\n") && !text.contains("X-Lost"), "{text}");
        assert_eq!(reply.time_out(), TimedOut::Whole, "twice is once");
        assert_eq!(recorder.take(), []);
        expect_nothing_more(&recorder, reply);
    }
}

#[test]
fn an_answer_that_has_begun_is_cut_unless_all_of_it_is_there() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"some", &NothingHeld).unwrap();
    recorder.take();
    assert_eq!(reply.time_out(), TimedOut::Cut);
    assert_eq!(recorder.take(), [Call::Cut(KEPT)]);
    expect_nothing_more(&recorder, reply);

    let (recorder, mut reply) = opened("200 OK", &[("Content-Length", "4")]);
    reply.write(b"some", &NothingHeld).unwrap();
    recorder.take();
    assert_eq!(reply.time_out(), TimedOut::Whole);
    assert_eq!(recorder.take(), [ended(b"")]);
    expect_nothing_more(&recorder, reply);
}

#[test]
fn an_answer_that_was_whole_stays_so() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.end(&[b"all"], &NothingHeld).unwrap();
    recorder.take();
    assert_eq!((reply.time_out(), reply.break_off()), (TimedOut::Whole, TimedOut::Whole));
    expect_nothing_more(&recorder, reply);
}

#[test]
fn nobody_is_told_that_a_request_took_too_long_that_the_peer_has_given_up() {
    let (recorder, mut reply) = reply();
    recorder.aborted.store(true, Ordering::Relaxed);
    assert_eq!(reply.time_out(), TimedOut::Unwanted);
    let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("not one write") };
    assert!(!String::from_utf8_lossy(bytes).contains("504"));
    expect_nothing_more(&recorder, reply);
}

#[test]
fn what_was_given_up_for_it_is_cut_and_does_not_look_whole() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"some", &NothingHeld).unwrap();
    recorder.take();
    // Not by the peer: whoever sends was woken so.
    recorder.aborted.store(true, Ordering::Relaxed);
    assert_eq!(reply.break_off(), TimedOut::Cut);
    assert_eq!(recorder.take(), [Call::Cut(KEPT)]);
    expect_nothing_more(&recorder, reply);
}

#[test]
fn the_access_log_has_it_when_it_is_answered_and_once() {
    expect_told(false, |_, reply| assert_eq!(reply.time_out(), TimedOut::Answered), 504, Refusal::TimedOut.body_length(false));
}
