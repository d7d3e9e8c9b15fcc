//! The log in a file that logrotate renames.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::site::{Site, connect_to, site};
use crate::support::stop_at_end::StopAtEnd;
use crate::support::{Params, Peer};
use crate::wait_until;
use crate::web_server::find_program;

/// Prints the query, through Python and past it.
const SPEAKS: &str = "\
import os, sys, time
def application(environ, start_response):
    word = environ['QUERY_STRING']
    print('printed', word)
    print('to stderr', word, file=sys.stderr)
    os.write(2, ('raw %s\\n' % word).encode())
    environ['wsgi.errors'].write('error %s\\n' % word)
    environ['wsgi.errors'].flush()
    if word.startswith('slow'): time.sleep(0.05)
    start_response('200 OK', [('X-Pid', str(os.getpid()))])
    return [b'spoken']
";

const WAYS: [&str; 4] = ["printed", "to stderr", "raw", "error"];

fn start() -> Site {
    let launch = site(
        "pid-file = \"site.pid\"\nlog = \"file:site.log\"\naccess-log = \"file:access.log\"\n\
         [pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\nprocesses = 2\nthreads = 1\n",
    );
    fs::write(launch.directory().join("app.py"), SPEAKS).unwrap();
    let log = launch.directory().join("site.log");
    let mut site = Site::start_unawaited(launch);
    wait_until("the start", || {
        site.expect_running();
        read(&log).contains("]: PF0101 ready\n")
    });
    site
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn line_ends(words: &[String]) -> impl Iterator<Item = String> {
    words.iter().flat_map(|word| WAYS.map(|way| format!(" {way} {word}\n")))
}

/// Whether each of these words was written in each way.
fn has_all(text: &str, words: &[String]) -> bool {
    line_ends(words).all(|end| text.contains(&end))
}

/// Waits until each of these words is in the access log: its line comes after the answer.
#[track_caller]
fn wait_for_accesses(file: &Path, words: &[String]) {
    wait_until("the access log", || words.iter().all(|word| read(file).contains(&format!("/?{word} "))));
}

/// Fails unless each of these words was written in each way once, and no other.
#[track_caller]
fn expect_each_once(text: &str, words: &[String]) {
    for end in line_ends(words) {
        assert_eq!(text.matches(&end).count(), 1, "{end:?} in\n{text}");
    }
    let written = text.lines().filter(|line| WAYS.iter().any(|way| line.contains(&format!(": {way} "))));
    assert_eq!(written.count(), words.len() * WAYS.len(), "{text}");
}

/// Asks until both children have answered, and returns the words, each of which is now in the log.
#[track_caller]
fn ask_both(site: &Site, word: &str) -> Vec<String> {
    let (mut words, mut processes) = (Vec::new(), BTreeSet::new());
    wait_until("an answer of each child", || {
        // A child that is busy leaves the other request to its sibling.
        let pair: Vec<_> = ["a", "b"].iter().map(|letter| format!("slow-{word}-{}-{letter}", words.len())).collect();
        let mut peers: Vec<_> = pair.iter().map(|word| send(site, word)).collect();
        processes.extend(peers.iter_mut().map(|peer| peer.answer(1).expect_status(200).header("X-Pid").unwrap()));
        words.extend(pair);
        processes.len() == 2
    });
    words
}

fn send(site: &Site, word: &str) -> Peer {
    let mut peer = connect_to(&site.directory().join("s.sock"));
    peer.send_request(1, false, &Params::get(&format!("/?{word}")), b"");
    peer
}

#[test]
fn after_a_rename_and_usr1_all_lines_are_in_the_new_files_and_none_is_lost() {
    let site = start();
    let path = |name: &str| site.directory().join(name);
    let mut old_words = ask_both(&site, "before");
    let last = |file: &str, words: &[String]| wait_until("the last lines", || has_all(&read(&path(file)), words));
    last("site.log", &old_words);
    wait_for_accesses(&path("access.log"), &old_words);
    fs::rename(path("site.log"), path("site.log.1")).unwrap();
    fs::rename(path("access.log"), path("access.log.1")).unwrap();
    // Until the signal comes, the renamed file is the one that is written.
    old_words.extend(ask_both(&site, "renamed"));
    last("site.log.1", &old_words);
    wait_for_accesses(&path("access.log.1"), &old_words);
    site.signal("USR1");
    wait_until("the new files", || path("site.log").exists() && path("access.log").exists());
    let new_words = ask_both(&site, "after");
    last("site.log", &new_words);
    for (file, access, words) in [("site.log.1", "access.log.1", &old_words), ("site.log", "access.log", &new_words)] {
        expect_each_once(&read(&path(file)), words);
        wait_for_accesses(&path(access), words);
        assert_eq!(read(&path(access)).lines().count(), words.len());
    }
    assert_eq!(site.log(), "", "stderr");
    site.end();
}

#[test]
fn a_log_that_is_rotated_under_load_loses_and_cuts_no_line() {
    let site = start();
    let log = site.directory().join("site.log");
    let stop = AtomicBool::new(false);
    let rotations = 20;
    let total = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) || number < 200 {
                site.ask(&format!("/?{number}")).expect_status(200);
                number += 1;
            }
            number
        });
        let stop_at_end = StopAtEnd(&stop);
        for rotation in 1..=rotations {
            fs::rename(&log, log.with_extension(format!("log.{rotation}"))).unwrap();
            site.signal("USR1");
            wait_until("the new file", || log.exists());
        }
        drop(stop_at_end);
        asking.join().unwrap()
    });
    let directory = site.directory().to_owned();
    let all = || {
        let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        let logs = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("site.log"));
        logs.map(|path| read(&path)).collect::<String>()
    };
    let words: Vec<String> = (0..total).map(|number| number.to_string()).collect();
    wait_until("the last lines", || has_all(&all(), &words[total - 1..]));
    expect_each_once(&all(), &words);
    site.end();
}

#[test]
fn logrotate_rotates_it_with_the_file_that_we_ship() {
    let site = start();
    let path = |name: &str| site.directory().join(name);
    let old = ask_both(&site, "before");
    wait_until("the last lines", || has_all(&read(&path("site.log")), &old));
    // An empty file is not rotated.
    wait_for_accesses(&path("access.log"), &old);
    let shipped = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("init/logrotate")).unwrap();
    let adapted = shipped
        .replace("/var/log/pyfcgid/", &format!("{}/", site.directory().display()))
        .replace("/run/pyfcgid/pyfcgid.pid", path("site.pid").to_str().unwrap());
    assert_eq!(adapted.matches(site.directory().to_str().unwrap()).count(), shipped.matches("/pyfcgid/").count(), "{adapted}");
    fs::write(path("rotate.conf"), adapted).unwrap();
    fs::set_permissions(path("rotate.conf"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = Command::new(find_program("logrotate", "logrotate"))
        .args(["--force", "--state"])
        .args([path("state"), path("rotate.conf")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait_until("the new files", || path("site.log").exists() && path("access.log").exists());
    let new = ask_both(&site, "after");
    wait_until("the last lines", || has_all(&read(&path("site.log")), &new));
    expect_each_once(&read(&path("site.log.1")), &old);
    expect_each_once(&read(&path("site.log")), &new);
    wait_for_accesses(&path("access.log.1"), &old);
    wait_for_accesses(&path("access.log"), &new);
    site.end();
}
