//! What the application writes anywhere is in the log.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::site::{Site, is_alive, kill, site_of, wait_until_gone};
use crate::support::process::wait_until;
use crate::support::{Launch, Params, app};

/// The lines of the log that hold `text`.
fn lines<'a>(log: &'a str, text: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.ends_with(text)).collect()
}

#[test]
fn every_way_of_writing_ends_in_the_log_with_pool_and_process() {
    let site = Site::start(site_of("speaks.py", "threads = 1\n"));
    let child = *site.children().first().unwrap();
    for (how, texts) in [
        ("print", ["by print", "by print to stderr"]),
        ("descriptors", ["by descriptor 1", "by descriptor 2"]),
        ("shell", ["by a shell", "by a shell to stderr"]),
    ] {
        assert_eq!(site.text(&format!("/?{how}")), "spoken");
        for text in texts {
            let log = site.wait_for_log_that(text, |log| !lines(log, text).is_empty());
            let found = lines(&log, text);
            assert!(found.len() == 1 && found[0].contains(&format!(" web[{child}]: ")), "{found:?}");
        }
    }
    assert_eq!(site.stdout(), "");
    site.end();
}

#[test]
fn much_output_is_complete_and_in_order() {
    let site = Site::start(site_of("speaks.py", "threads = 1\n"));
    site.text("/?much");
    let log = site.wait_for_log_that("the last line", |log| log.contains("line 1999 "));
    let numbers = log.lines().filter_map(|line| line.split_once(": line ")?.1.split(' ').next()?.parse::<u32>().ok());
    assert!(numbers.eq(0..2000), "lines are missing, or not in order");
    site.end();
}

#[test]
fn output_without_a_line_end_is_not_lost_when_the_child_ends() {
    let site = Site::start(site_of("speaks.py", "threads = 1\n"));
    site.text("/?partly");
    site.control("reload").expect_code(0);
    site.wait_for_log("no line end");
    site.end();
}

#[test]
fn what_was_printed_without_a_line_end_is_a_line_of_its_own_when_the_request_or_the_child_ends() {
    for command in ["reload", "stop"] {
        let site = Site::start(site_of("speaks.py", "threads = 1\n"));
        let child = *site.children().first().unwrap();
        site.text("/?partly-by-print");
        site.control(command).expect_code(0);
        for text in ["no end of print", "no end of print to stderr"] {
            let log = site.wait_for_log_that(text, |log| !lines(log, text).is_empty());
            let head = format!(" web[{child}]: request {child}-");
            assert!(lines(&log, text)[0].contains(&head), "{log}");
        }
        let at_exit = format!(" web[{child}]: nor any at exit");
        site.wait_for_log_that(&at_exit, |log| !lines(log, &at_exit).is_empty());
        if command == "reload" {
            site.end();
        }
    }
}

#[test]
fn the_last_words_of_a_child_that_crashes_are_in_the_log() {
    let code =
        "import os\ndef application(environ, start_response):\n    os.write(2, b'Fatal: it is over\\n')\n    os.abort()\n";
    let site = Site::start(crate::site::site_with(code, ""));
    let child = *site.children().first().unwrap();
    assert!(!site.ask("/").ended);
    let log = site.wait_for_log("signal 6");
    assert!(log.contains(&format!("web[{child}]: Fatal: it is over")), "{log}");
    site.end();
}

/// Runs the binary with a pipe for its stderr that nobody reads.
#[test]
fn a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    let launch = Launch::new("serve");
    crate::site::write_config(
        launch.directory(),
        &format!("[pool.web]\napp = \"{}\"\nlisten = \"unix:s.sock\"\nthreads = 2\n", app("speaks.py")),
    );
    let mut process = Command::new(env!("CARGO_BIN_EXE_pyfcgid"))
        .args(["serve", "-c", "site.toml"])
        .current_dir(launch.directory())
        .stdin(Stdio::null())
        .stdout(File::create(launch.directory().join("stdout")).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = process.id();
    let mut peer = crate::site::connect_to(&launch.directory().join("s.sock"));
    let children = crate::site::children_of(pid);
    // More than fits in a pipe and in all the buffers on the way to it.
    for _ in 0..20 {
        assert_eq!(peer.request(&Params::get("/?much"), b"").expect_status(200).text(), "spoken");
    }
    assert_eq!(peer.request(&Params::get("/?shell"), b"").expect_status(200).text(), "spoken");
    kill(pid, "TERM");
    let mut status = None;
    wait_until("the end", || {
        status = process.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success(), "{status:?}");
    wait_until_gone(&children);
    assert!(!is_alive(pid) && !launch.directory().join("s.sock").exists());
    let mut log = String::new();
    process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("]: PF0201 serving "), "the first lines are there");
    assert!(log.len() >= 32_000, "the pipe was full: {} bytes", log.len());
}
