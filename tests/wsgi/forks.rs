//! Processes that the application forks.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::support::process::wait_until;
use crate::support::{Launch, Params, Pyfcgid, app};

/// The processes in the session of a child: itself, and those that it has forked off and that have not ended.
fn processes(child: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_one = |number: &u32| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.next() != Some("Z") && fields.nth(2) == Some(child.to_string().as_str())
    };
    numbers.filter(is_one).collect()
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
    let child = server.child_pid();
    let own = format!("True {} ", server.child_pid());
    for (way, told) in [
        ("returns", "PF0508 a process forked by the application returned from it; ending it: it should end with os._exit()"),
        ("raises", "ValueError: in the forked process"),
        ("yields", "forked by the application returned"),
    ] {
        let answer = answer(&server, way);
        assert!(answer.starts_with(&own) || answer == "first second", "{answer}");
        wait_until("the end of the forked process", || processes(child).len() == 1);
        server.wait_for_log(told);
    }
    assert_eq!(answer(&server, "exits"), format!("{own}7"), "as Python ends with SystemExit(7)");
    wait_until("the end of the grandchild", || processes(child).len() == 1);
    for _ in 0..20 {
        assert_eq!(answer(&server, ""), format!("{own}None"));
    }
    assert!(!server.log().contains("500"), "{}", server.log());
}

#[test]
fn a_process_that_was_forked_during_the_import_ends_after_it() {
    let server = Pyfcgid::serve(app("forks_at_import.py"), &[]);
    let child = server.child_pid();
    server.wait_for_log("PF0508 a process forked during the import returned from it");
    wait_until("the end of the forked process", || processes(child).len() == 1);
    assert_eq!(answer(&server, ""), child.to_string());
}

#[test]
fn a_forked_process_that_stays_does_not_keep_the_address() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mut server = Launch::serve_unlistened(app("forks_and_returns.py")).listen(free).start();
    answer(&server, "lingers");
    let child = server.child_pid();
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let left = processes(child);
    assert_eq!(left.len(), 1, "the one that sleeps");
    let connected = TcpStream::connect(free).map(drop);
    let _ = std::process::Command::new("kill").args(["-KILL", &left[0].to_string()]).status();
    assert!(connected.is_err(), "somebody listens still");
}
