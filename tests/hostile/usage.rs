//! Command lines that mean nothing.

use crate::support::process::Finished;
use crate::support::{Launch, app};

#[track_caller]
fn refused(arguments: &[&str]) -> Finished {
    let finished = Launch::serve(app("answers.py")).args(arguments).run();
    assert!([64, 78].contains(&finished.code()), "{finished:?}");
    assert!(!finished.directory().join("s.sock").exists());
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    finished
}

#[test]
fn an_unknown_option_is_refused() {
    assert!(refused(&["--no-such-option"]).stderr.contains("--no-such-option"));
}

#[test]
fn an_unknown_subcommand_is_refused() {
    let finished = Launch::new("surve").run().expect_code(64);
    assert!(finished.stderr.contains("surve"), "{finished:?}");
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["localhost", "localhost:port", "127.0.0.1:65536", "unix:", "", "[::1:9000"] {
        assert!(refused(&["--listen", address]).stderr.contains("listen"), "{address}");
    }
}

#[test]
fn a_value_out_of_range_is_refused_with_its_option() {
    let cases = [
        ("--threads", "0"),
        ("--threads", "many"),
        ("--body-memory", "1X"),
        ("--socket-timeout", "soon"),
        ("--max-params", "-1"),
        ("--remote-user", "sometimes"),
        ("--errors", "nowhere"),
        ("--sendfile-header", "on"),
        ("--log-level", "loud"),
        ("--mount", "/a//b"),
    ];
    for (option, value) in cases {
        let finished = refused(&[&format!("{option}={value}")]);
        assert!(finished.stderr.contains(option.trim_start_matches('-')), "{finished:?}");
        assert!(finished.stderr.contains(value), "{finished:?}");
    }
}

#[test]
fn no_app_at_all_is_refused() {
    let finished = Launch::new("serve").run();
    assert!([64, 78].contains(&finished.code()), "{finished:?}");
}
