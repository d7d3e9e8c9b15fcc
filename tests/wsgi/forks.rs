//! Processes that the application forks.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::support::process::{is_child, wait_until};
use crate::support::{Launch, Params, Pyfcgid, app};

/// The processes that were started, or forked off one that was, with this text in their command line, without those that have ended and
/// the queue process.
fn processes(text: &str) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_one = |number: &u32| {
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    numbers.filter(|number| is_one(number) && is_child(*number)).collect()
}

fn answer(server: &Pyfcgid, way: &str) -> String {
    server.connect().request(&Params::get(&format!("/{way}")), b"").expect_status(200).text()
}

#[test]
fn an_app_may_work_in_forked_processes() {
    let mut server = Pyfcgid::serve(app("forks.py"), &[]);
    for _ in 0..3 {
        let answer = server.connect().request(&Params::get("/"), b"").expect_status(200);
        assert_eq!((answer.text().as_str(), answer.header("X-Exit-Code").as_deref()), ("from a child, True", Some("0")));
    }
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
}

#[test]
fn a_forked_process_that_comes_back_from_the_app_ends_and_answers_nothing() {
    let server = Pyfcgid::serve(app("forks_and_returns.py"), &["--threads", "2"]);
    let socket = server.socket().display().to_string();
    let own = format!("True {} ", server.child_pid());
    for (way, told) in [
        ("returns", "forked came back from it and is ended: end it with os._exit()"),
        ("raises", "ValueError: in the forked process"),
        ("yields", "forked came back"),
    ] {
        let answer = answer(&server, way);
        assert!(answer.starts_with(&own) || answer == "first second", "{answer}");
        wait_until("the end of the forked process", || processes(&socket).len() == 2);
        server.wait_for_log(told);
    }
    assert_eq!(answer(&server, "exits"), format!("{own}7"), "as Python ends with SystemExit(7)");
    wait_until("the end of the grandchild", || processes(&socket).len() == 2);
    for _ in 0..20 {
        assert_eq!(answer(&server, ""), format!("{own}None"));
    }
    assert!(!server.log().contains("500"), "{}", server.log());
}

#[test]
fn a_forked_process_that_stays_does_not_keep_the_address() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mark = format!("127.0.0.1:{}", free.port());
    let mut server = Launch::serve_unlistened(app("forks_and_returns.py")).listen(free).start();
    answer(&server, "lingers");
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let left = processes(&mark);
    assert_eq!(left.len(), 1, "the one that sleeps");
    let connected = TcpStream::connect(free).map(drop);
    let _ = std::process::Command::new("kill").args(["-KILL", &left[0].to_string()]).status();
    assert!(connected.is_err(), "somebody listens still");
}
