//! Places where nobody can listen: one line that says what to do, and nothing left behind.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::process::Finished;
use crate::support::{Launch, Params, Peer, app};

/// EX_OSERR of sysexits.
const OS_ERROR: i32 = 71;

/// Fails to listen there, with one line that names the place.
#[track_caller]
fn failure_at(listen: &str) -> Finished {
    // Without it there is a warning, which is no test's matter here.
    let allowed = ["--allowed-clients", "192.0.2.0/24"];
    let finished = Launch::serve_unlistened(app("answers.py")).args(["--listen", listen]).args(allowed).run();
    expect_one_line(&finished, listen.trim_start_matches("unix:"));
    finished
}

#[track_caller]
fn expect_one_line(finished: &Finished, place: &str) {
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 1, "{finished:?}");
    assert!(lines[0].contains(place), "{place} is not named: {finished:?}");
    assert!(!lines[0].contains("panicked") && !lines[0].contains("RUST_BACKTRACE"), "{finished:?}");
    assert_eq!(finished.stdout, "");
}

#[test]
fn a_tcp_address_in_use_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    failure_at(&address).expect_code(OS_ERROR);
}

#[test]
fn an_address_of_another_machine_is_named() {
    let finished = failure_at("192.0.2.1:9000").expect_code(OS_ERROR);
    assert!(finished.stderr.contains("no interface of this machine has this address"), "{finished:?}");
}

#[test]
fn the_socket_of_a_live_server_is_not_stolen() {
    let first = Launch::serve(app("answers.py")).start();
    let socket = first.socket();
    failure_at(&format!("unix:{}", socket.display())).expect_code(OS_ERROR);
    assert!(socket.exists());
    first.connect().request(&Params::get("/"), b"").expect_status(200);
}

#[test]
fn the_socket_of_a_live_server_that_accepts_nothing_is_not_stolen() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("busy.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    failure_at(&format!("unix:{}", socket.display())).expect_code(OS_ERROR);
    assert!(socket.exists());
    drop(listener);
}

#[test]
fn the_socket_of_a_dead_server_is_replaced() {
    let launch = Launch::serve(app("answers.py"));
    let socket = launch.directory().join("s.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    launch.start().connect().request(&Params::get("/"), b"").expect_status(200);
}

#[test]
fn the_socket_of_a_killed_server_is_replaced() {
    let first = Launch::serve(app("answers.py")).start();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s.sock");
    let killed = Launch::serve_unlistened(app("answers.py")).listen(socket.as_path()).start();
    drop(killed);
    assert!(socket.exists());
    let second = Launch::serve_unlistened(app("answers.py")).listen(socket.as_path()).start();
    second.connect().request(&Params::get("/"), b"").expect_status(200);
    first.connect().request(&Params::get("/"), b"").expect_status(200);
}

/// `sun_path` holds 107 bytes and a NUL.
#[test]
fn a_socket_path_that_is_too_long_is_refused_with_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x".repeat(120));
    let finished = failure_at(&format!("unix:{}", path.display()));
    assert!([64, OS_ERROR, 78].contains(&finished.code()), "{finished:?}");
    assert!(finished.stderr.contains("107"), "{finished:?}");
}

#[test]
fn a_socket_path_of_107_bytes_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x".repeat(107 - 1 - directory.path().as_os_str().len()));
    assert_eq!(path.as_os_str().len(), 107);
    let server = Launch::serve_unlistened(app("answers.py")).listen(path.as_path()).start();
    server.connect().request(&Params::get("/"), b"").expect_status(200);
}

#[test]
fn a_missing_directory_is_named() {
    failure_at("unix:/no/such/directory/s.sock").expect_code(OS_ERROR);
}

#[test]
fn a_directory_where_nothing_may_be_created_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let root = UnixListener::bind(directory.path().join("probe.sock")).is_ok();
    // Permissions do not stop root, but nobody creates files in /proc.
    let path = if root { Path::new("/proc/s.sock").to_owned() } else { directory.path().join("s.sock") };
    failure_at(&format!("unix:{}", path.display())).expect_code(OS_ERROR);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_regular_file_at_the_path_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("important");
    fs::write(&path, "data").unwrap();
    failure_at(&format!("unix:{}", path.display())).expect_code(OS_ERROR);
    assert_eq!(fs::read_to_string(&path).unwrap(), "data");
}

#[test]
fn a_directory_at_the_path_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    failure_at(&format!("unix:{}", directory.path().display())).expect_code(OS_ERROR);
    assert!(directory.path().is_dir());
}

#[test]
fn a_link_to_nowhere_at_the_path_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("link");
    std::os::unix::fs::symlink("/no/such/target", &path).unwrap();
    failure_at(&format!("unix:{}", path.display())).expect_code(OS_ERROR);
    assert!(path.is_symlink());
}

#[test]
fn when_the_second_address_fails_the_first_socket_is_removed() {
    let launch = Launch::serve(app("answers.py")).args(["--listen", "unix:/no/such/directory/s.sock"]);
    let finished = launch.run().expect_code(OS_ERROR);
    assert!(!finished.directory().join("s.sock").exists());
}

#[test]
fn an_address_is_bound_before_the_app_is_imported_or_released_when_the_import_fails() {
    let finished = Launch::serve(app("raises_at_import.py")).run().expect_code(70);
    assert!(!finished.directory().join("s.sock").exists());
}

#[test]
fn a_new_socket_has_the_mode_that_was_asked_for() {
    let server = Launch::serve(app("answers.py")).args(["--socket-mode", "0600"]).start();
    assert_eq!(fs::metadata(server.socket()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_socket_of_another_server_at_the_path_survives_the_stop() {
    let mut first = Launch::serve(app("answers.py")).start();
    let socket = first.socket();
    fs::remove_file(&socket).unwrap();
    let second = Launch::serve_unlistened(app("answers.py")).listen(socket.as_path()).start();
    assert_eq!(first.stop().code(), Some(0), "{}", first.log());
    Peer::connect(socket.as_path()).request(&Params::get("/"), b"").expect_status(200);
    drop(second);
}
