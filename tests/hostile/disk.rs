//! Nowhere to put a large body.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Launch, Pyfcgid, app};
use crate::{expect_serves, post};

/// A large body is a 500 and a line in the log; everything else goes on.
#[track_caller]
fn expect_500_and_life(mut server: Pyfcgid) {
    let body = vec![b'x'; 4 << 20];
    let mut peer = server.connect();
    let answer = peer.request(&post("large=1", body.len()), &body);
    answer.expect_status(500);
    let small = peer.request(&post("small=1", 100), &body[..100]).expect_status(200);
    assert_eq!(small.body.len(), "small=1|".len() + 100);
    expect_serves(&mut server);
    let log = server.wait_for_log("cannot store a request body in ");
    assert!(!log.contains("the app ran for large=1"), "{log}");
}

/// One that is of no use, as the start says.
fn with_temporary_directory(directory: &Path) -> Pyfcgid {
    let server = Launch::serve(app("echoes.py")).args(["--body-memory", "64K"]).env("TMPDIR", directory).start();
    server.wait_for_log(&format!("cannot create a file in {} (see TMPDIR)", directory.display()));
    server
}

#[test]
fn a_missing_temporary_directory_is_a_500_for_large_bodies_only() {
    expect_500_and_life(with_temporary_directory(Path::new("/no/such/directory")));
}

#[test]
fn a_temporary_directory_that_is_a_file_is_a_500_for_large_bodies_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    expect_500_and_life(with_temporary_directory(&file));
}

/// The flags with which `unshare` makes a mount namespace here: root needs no user namespace.
fn mount_namespace() -> &'static str {
    let works = |flags| Command::new("unshare").args([flags, "true"]).output().is_ok_and(|output| output.status.success());
    ["-m", "-rm"]
        .into_iter()
        .find(|flags| works(flags))
        .expect("unshare makes a mount namespace, as root or with unprivileged user namespaces (Debian package: util-linux)")
}

#[test]
fn a_full_disk_is_a_500_for_large_bodies_only() {
    let directory = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=1m tmpfs {} && exec \"$@\"", directory.path().display());
    let server = Launch::serve(app("echoes.py"))
        .under(["unshare", mount_namespace(), "sh", "-c", &mount, "sh"])
        .args(["--body-memory", "64K"])
        .env("TMPDIR", directory.path())
        .start();
    expect_500_and_life(server);
}
