//! appStatus and protocolStatus in END_REQUEST (FastCGI 1.0 §5.5), for every way in which an answer can end;
//! `refused.rs` has OVERLOADED.
//!
//! CANT_MPX_CONN is never said: any connection carries several requests.

use crate::support::record::protocol_status::{REQUEST_COMPLETE, UNKNOWN_ROLE};
use crate::support::record::{begin, role, stream};
use crate::support::{Answer, Params, Pyfcgid, app, kind};

#[track_caller]
fn expect_end(answer: &Answer, status: u16, app_status: u32, protocol_status: u8) {
    assert!(answer.ended, "{}", answer.summary());
    let seen = (answer.status, answer.app_status, answer.protocol_status);
    assert_eq!(seen, (status, Some(app_status), Some(protocol_status)), "{}", answer.summary());
}

/// Whatever its status: that is for the browser.
#[test]
fn an_answer_of_the_application_is_complete_with_0() {
    let server = Pyfcgid::serve(app("../web_servers/apps/answers.py"), &[]);
    for (path, status) in [("/hello", 200), ("/teapot", 418), ("/busy", 503), ("/not_modified", 304)] {
        expect_end(&server.connect().request(&Params::get(path), b""), status, 0, REQUEST_COMPLETE);
    }
}

#[test]
fn a_failed_application_is_complete_with_1() {
    let server = Pyfcgid::serve(app("raises.py"), &[]);
    for path in ["/before-start-response", "/before-the-body", "/in-the-first-step"] {
        expect_end(&server.connect().request(&Params::get(path), b""), 500, 1, REQUEST_COMPLETE);
    }
}

/// A status would make a part of an answer look like all of it.
#[test]
fn an_answer_that_breaks_in_the_middle_has_no_end() {
    let server = Pyfcgid::serve(app("raises.py"), &[]);
    for path in ["/after-write", "/in-the-middle"] {
        let answer = server.connect().request(&Params::get(path), b"");
        assert!(!answer.ended && answer.closed && answer.text() == "first half", "{}", answer.summary());
    }
}

#[test]
fn another_role_is_unknown() {
    let server = crate::echo(&[]);
    for role in [role::AUTHORIZER, role::FILTER] {
        let mut peer = server.connect();
        peer.send(&[begin(1, role, true), stream(kind::PARAMS, 1, &Params::get("/").encode())].concat());
        expect_end(&peer.answer(1), 403, 0, UNKNOWN_ROLE);
    }
}
