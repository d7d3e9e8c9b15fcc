//! An application that gets hold of what the processes of its pool share: the passage and the listening sockets.

use std::thread;
use std::time::{Duration, Instant};

use crate::site::{Site, kill, open_files, site};
use crate::support::peer::Address;
use crate::support::process::may_look_into_children;
use crate::support::{Answer, Params, Peer, free_port};

/// A pool of two processes on a Unix socket and on a port.
fn pool(settings: &str) -> (Site, Vec<Address>) {
    let port = free_port();
    let app = crate::app("attacks_its_pool.py");
    let launch = site(&format!(
        "pid-file = \"site.pid\"\n[pool.web]\napp = \"{app}\"\nlisten = [\"unix:s.sock\", \"127.0.0.1:{port}\"]\nthreads = 1\n{settings}"
    ));
    let socket = launch.directory().join("s.sock");
    let tcp = Address::Tcp(([127, 0, 0, 1], port).into());
    (Site::start(launch.awaiting(socket.as_path())), vec![Address::Unix(socket), tcp])
}

fn ask(peer: &mut Peer, path: &str) -> String {
    peer.request(&Params::get(path), b"").expect_status(200).text()
}

/// Connections that were used before and are kept.
fn kept(addresses: &[Address]) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..20).map(|index| Peer::connect(addresses[index % addresses.len()].clone())).collect();
    peers.iter_mut().for_each(|peer| drop(ask(peer, "/")));
    peers
}

/// Reloads, after which kept connections are served by the new processes.
#[track_caller]
fn expect_handed_over_by_a_reload(site: &Site, peers: &mut [Peer]) {
    let before: Vec<String> = site.children().iter().map(u32::to_string).collect();
    site.control("reload").expect_code(0);
    for peer in peers {
        let pid = ask(peer, "/");
        assert!(!before.contains(&pid), "answered by an old process");
    }
}

/// Fails if a child computes although nothing is asked of it.
#[track_caller]
fn expect_at_rest(site: &Site) {
    let ticks = || -> u64 { site.children().iter().map(|pid| processor_ticks(*pid)).sum() };
    let (before, window) = (ticks(), Duration::from_secs(1));
    thread::sleep(window);
    let used = ticks() - before;
    assert!(used < 25, "{used} ticks of 10 ms in {window:?}");
}

/// Fails if one of the two processes says of one of `doors` twice that it was shut. One that sleeps need not notice.
#[track_caller]
fn expect_said_once_by_each(site: &Site, doors: usize) {
    // The application that shuts the passage shuts the line as well: it looks like another one.
    let log = site.log();
    let is_it = |line: &&str| line.contains("was shut down") && !line.contains("the line of waiting requests");
    let said = log.lines().filter(is_it).count();
    assert!((1..=2 * doors).contains(&said), "{log}");
}

fn processor_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn connections_pass_beside_what_the_kernel_was_told_to_add() {
    let (site, addresses) = pool("processes = 2\n");
    let mut peers = kept(&addresses);
    ask(&mut peers[0], "/passcred");
    expect_handed_over_by_a_reload(&site, &mut peers);
    expect_handed_over_by_a_reload(&site, &mut peers);
}

#[test]
fn what_is_no_connection_is_thrown_away_and_leaves_no_descriptor() {
    if !may_look_into_children() {
        return;
    }
    let (site, addresses) = pool("processes = 1\n");
    let mut peers = kept(&addresses);
    let child = *site.children().first().unwrap();
    ask(&mut peers[0], "/strays");
    site.wait_for_log("was not a connection and was discarded");
    let before = open_files(child);
    for _ in 0..20 {
        ask(&mut peers[0], "/strays");
    }
    expect_at_rest(&site);
    assert!(open_files(child) <= before + 5, "{} were {before}", open_files(child));
    expect_handed_over_by_a_reload(&site, &mut peers);
}

/// It blocks whoever reads it, and nothing ever comes.
#[test]
fn a_connection_of_the_applications_own_blocks_nobody() {
    let (site, addresses) = pool("processes = 2\n");
    let mut peers = kept(&addresses);
    for peer in &mut peers {
        ask(peer, "/strangers");
    }
    kept(&addresses);
    expect_at_rest(&site);
    expect_handed_over_by_a_reload(&site, &mut peers);
}

#[test]
fn a_passage_that_was_shut_is_said_once_and_made_anew_by_a_reload() {
    let (site, addresses) = pool("processes = 2\ngraceful-timeout = \"10s\"\n");
    let mut peers = kept(&addresses);
    ask(&mut peers[0], "/shut-passage");
    site.wait_for_log("the passage between the processes of the pool was shut down");
    expect_at_rest(&site);
    expect_said_once_by_each(&site, 1);
    let started = Instant::now();
    site.control("reload").expect_code(0);
    let mut peers = kept(&addresses);
    expect_handed_over_by_a_reload(&site, &mut peers);
    assert!(started.elapsed() < Duration::from_secs(9), "old processes were waited for");
}

#[test]
fn listeners_that_were_shut_are_said_once_and_bound_anew_by_a_reload() {
    let (site, addresses) = pool("processes = 2\n");
    let mut peers = kept(&addresses);
    ask(&mut peers[0], "/shut-listeners");
    site.wait_for_log("was shut down, perhaps by the application");
    expect_at_rest(&site);
    expect_said_once_by_each(&site, 2);
    ask(&mut peers[0], "/");
    for address in &addresses {
        assert!(Peer::try_connect(address).is_err(), "{address:?} still listens");
    }
    expect_handed_over_by_a_reload(&site, &mut peers);
    kept(&addresses);
    expect_handed_over_by_a_reload(&site, &mut peers);
}

/// One of the two processes has no descriptor left: the other one serves what comes.
#[test]
fn a_process_without_descriptors_loses_no_connection() {
    let (site, addresses) = pool("processes = 2\nmax-connections = 100\n");
    let mut hog = Peer::connect(addresses[0].clone());
    let hungry = ask(&mut hog, "/hog");
    let load = |address: Address| {
        thread::spawn(move || -> Vec<Answer> {
            let one = |_| Peer::connect(address.clone()).request(&Params::get("/pause"), b"");
            (0..20).map(one).collect()
        })
    };
    let threads: Vec<_> = (0..16).map(|index| load(addresses[index % 2].clone())).collect();
    let answers: Vec<Answer> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let lost = answers.iter().filter(|answer| answer.status != 200 || !answer.ended).count();
    assert_eq!((answers.len(), lost), (320, 0));
    assert!(!site.log().contains("is lost"), "{}", site.log());
    assert_eq!(ask(&mut hog, "/release"), hungry);
    let mut peers = kept(&addresses);
    expect_handed_over_by_a_reload(&site, &mut peers);
}

/// The close of a socket that lingers waits for an hour.
#[test]
fn sockets_that_linger_hold_up_neither_the_supervisor_nor_its_end() {
    let (site, addresses) = pool("processes = 1\ngraceful-timeout = \"1s\"\n");
    let begin = Instant::now();
    // Its process is killed, perhaps before it has answered.
    let mut peer = Peer::connect(addresses[0].clone());
    peer.send_request(1, false, &Params::get("/linger"), b"");
    site.wait_for_log("sent descriptors to the supervisor");
    let mut peer = Peer::connect(addresses[0].clone());
    ask(&mut peer, "/");
    site.control("status").expect_code(0);
    let left: u32 = ask(&mut peer, "/leave-lingering").parse().unwrap();
    thread::sleep(Duration::from_secs(1));
    let stopped = site.control("stop");
    kill(left, "KILL");
    stopped.expect_code(0);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_process_without_descriptors_rests_although_requests_wait() {
    let (site, addresses) = pool("processes = 1\n");
    let mut kept = Peer::connect(addresses[0].clone());
    kept.send_request(1, true, &Params::get("/hog-later"), b"");
    thread::sleep(Duration::from_millis(200));
    let mut waiting = Peer::connect(addresses[0].clone());
    waiting.send_request(1, false, &Params::get("/"), b"");
    kept.answer(1).expect_status(200);
    expect_at_rest(&site);
    ask(&mut kept, "/release");
    waiting.answer(1).expect_status(200);
}
