//! What root makes where others can change names: a socket that is exchanged for something else while it is made.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use shared::listener::{Access, BindError, Listener, Patience};
use tempfile::TempDir;

#[path = "support/stop_at_end.rs"]
mod stop_at_end;
use stop_at_end::StopAtEnd;

/// A directory of another user, if this test may give one away.
fn directory_of_another_user() -> Option<TempDir> {
    let directory = tempfile::tempdir().unwrap();
    let given = chown(directory.path(), Some(OTHER), Some(OTHER)).is_ok();
    if !given {
        eprintln!("skipped: only root can give a directory to another user");
    }
    given.then_some(directory)
}

/// Exchanges the socket for what `make` makes as soon as it is there, and goes on doing so.
fn exchange(socket: &Path, stop: &AtomicBool, exchanged: &AtomicU32, make: impl Fn(&Path)) {
    let aside = socket.with_extension("aside");
    while !stop.load(Ordering::Relaxed) {
        if fs::rename(socket, &aside).is_ok() {
            make(socket);
            exchanged.fetch_add(1, Ordering::Relaxed);
            let _ = fs::remove_file(&aside);
        }
    }
}

/// Binds many times while somebody exchanges the socket; what it was exchanged for must stay as it was.
fn bind_while_exchanged(make: impl Fn(&Path) + Sync, expect_untouched: impl Fn()) {
    let Some(directory) = directory_of_another_user() else { return };
    let (socket, stop, exchanged) = (directory.path().join("s.sock"), AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| exchange(&socket, &stop, &exchanged, &make));
        let _stop = StopAtEnd(&stop);
        let mut rounds = 0;
        while rounds < 500 || exchanged.load(Ordering::Relaxed) < 50 {
            let access = Access { mode: 0o666, user: Some(OTHER), group: Some(OTHER) };
            let bound = Listener::bind_unix(&socket, access, 1, Patience::None);
            if let Ok(listener) = &bound {
                listener.set_mode(0o777).unwrap();
                listener.set_owner(access).unwrap();
            }
            drop(bound);
            expect_untouched();
            let _ = fs::remove_file(&socket);
            rounds += 1;
        }
    });
}

#[test]
fn no_file_gets_another_mode_or_owner_by_a_link_in_the_place_of_a_socket() {
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret");
    fs::write(&secret, "").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    bind_while_exchanged(
        |socket| drop(symlink(&secret, socket)),
        || {
            let found = fs::metadata(&secret).unwrap();
            assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o600), "root has changed what a link pointed to");
        },
    );
}

#[test]
fn no_socket_of_somebody_else_gets_another_mode_or_owner() {
    let elsewhere = tempfile::tempdir().unwrap();
    let control = elsewhere.path().join("control");
    let _listener = UnixListener::bind(&control).unwrap();
    fs::set_permissions(&control, fs::Permissions::from_mode(0o600)).unwrap();
    bind_while_exchanged(
        |socket| drop(fs::hard_link(&control, socket)),
        || {
            let found = fs::metadata(&control).unwrap();
            assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o600), "root has changed another socket");
        },
    );
}

#[test]
fn a_way_that_bends_leads_nowhere() {
    let Some(directory) = directory_of_another_user() else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    symlink(elsewhere.path(), &run).unwrap();
    std::os::unix::fs::lchown(&run, Some(OTHER), Some(OTHER)).unwrap();
    let access = Access { mode: 0o660, user: None, group: None };
    let error = Listener::bind_unix(&run.join("s.sock"), access, 1, Patience::None).unwrap_err();
    assert!(matches!(&error, BindError::Other { source, .. } if source.to_string().contains("owned by another user")));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn at_the_end_only_the_own_socket_is_removed_also_where_its_directory_has_moved() {
    let directory = tempfile::tempdir().unwrap();
    let (run, moved) = (directory.path().join("run"), directory.path().join("moved"));
    fs::create_dir(&run).unwrap();
    let listener = bind(&run.join("s.sock"));
    fs::rename(&run, &moved).unwrap();
    fs::create_dir(&run).unwrap();
    fs::write(run.join("s.sock"), "another").unwrap();
    assert!(!listener.is_in_place());
    drop(listener);
    assert_eq!(fs::read_to_string(run.join("s.sock")).unwrap(), "another");
    assert_eq!(fs::read_dir(&moved).unwrap().count(), 0);
}

#[test]
fn of_servers_that_start_at_once_one_listens() {
    for _ in 0..50 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        drop(UnixListener::bind(&path).unwrap());
        let bound: Vec<_> = thread::scope(|scope| {
            let try_it = || Listener::bind_unix(&path, Access { mode: 0o600, user: None, group: None }, 64, Patience::None);
            let all: Vec<_> = (0..4).map(|_| scope.spawn(try_it)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let listeners: Vec<_> = bound.iter().flatten().collect();
        assert_eq!(listeners.len(), 1, "{bound:?}");
        assert!(listeners[0].is_in_place());
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }
}

fn bind(path: &Path) -> Listener {
    Listener::bind_unix(path, Access { mode: 0o600, user: None, group: None }, 64, Patience::None).unwrap()
}

/// The number of nobody.
const OTHER: u32 = 65_534;
