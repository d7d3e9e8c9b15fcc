//! Applications that find what their process and the supervisor talk through, and write there what they like.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use crate::site::{Ended, Site, limit, says, site, site_with, status_of};
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::{Launch, Params, Peer};

/// What every such application begins with: `link` and `log` are duplicates of its process's ends.
const FINDS: &str = "\
import os, socket, threading, time
NUMBERS = [int(name) for name in os.listdir('/proc/self/fd') if int(name) > 2]
def channels(type):
    for number in NUMBERS:
        try:
            found = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        if (found.family, found.type) == (socket.AF_UNIX, type) and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            yield found
link = next(channels(socket.SOCK_STREAM))
log = [found for found in channels(socket.SOCK_SEQPACKET)]
def write(data):
    while data:
        try:
            data = data[link.send(data):]
        except BlockingIOError:
            time.sleep(0.001)
def flood(data, send=None):
    def run():
        while True:
            try:
                (send or write)(data)
            except OSError:
                time.sleep(0.01)
    threading.Thread(target=run, daemon=True).start()
def attack(kind):
    exec(ATTACKS[kind])
def application(environ, start_response):
    kind = environ['QUERY_STRING']
    if kind:
        attack(kind)
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]
";

/// What breaks a link.
const BREAKS: &str = "\
ATTACKS = {
    'unknown': 'write(bytes([120, 0, 0, 0, 0]))',
    'unknown-for-ever': 'flood(bytes([120, 0, 0, 0, 0]) * 1000)',
    'too-long': 'write(bytes([78, 255, 255, 255, 255]))',
    'too-long-for-ever': 'write(bytes([70, 255, 255, 255, 255])); flood(bytes(100000))',
    'text': 'write(b\"hello, supervisor\\\\n\")',
    'closed': 'link.shutdown(socket.SHUT_WR)',
    'ready-with-text': 'write(bytes([82, 0, 0, 0, 1, 0]))',
}
";

fn hostile(attacks: &str, rest: &str) -> String {
    format!("{FINDS}{attacks}{rest}")
}

#[track_caller]
fn expect_replaced(site: &Site, before: &BTreeSet<u32>) {
    let is_new = || site.children().len() == before.len() && site.children() != *before;
    wait_until(&format!("another child\n{}", site.log()), is_new);
}

/// CPU time of the process, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

#[test]
fn a_child_that_breaks_its_link_is_killed_and_replaced_with_one_line() {
    for kind in ["unknown", "unknown-for-ever", "too-long", "too-long-for-ever", "text", "closed", "ready-with-text"] {
        let site = Site::start(site_with(&hostile(BREAKS, ""), ""));
        let before = site.wait_for_children(1);
        let memory = status_of(site.pid(), "VmHWM");
        let mut peer = site.connect();
        peer.send_request(1, false, &crate::support::Params::get(&format!("/?{kind}")), b"");
        expect_replaced(&site, &before);
        let log = site.wait_for_log("killing a child: process");
        assert_eq!(log.matches("killing a child: process").count(), 1, "{kind}\n{log}");
        assert!(!log.contains("exited unexpectedly"), "{kind}\n{log}");
        assert!(site.text("/").parse::<u32>().is_ok());
        let kib = |text: String| text.trim_end_matches(" kB").parse::<u64>().unwrap();
        let (before, after) = (kib(memory), kib(status_of(site.pid(), "VmHWM")));
        assert!(after < before + 2048, "{kind}: {before} KiB, then {after}");
        site.end();
    }
}

#[test]
fn a_child_that_breaks_its_link_before_it_is_ready_has_failed() {
    for kind in ["unknown", "too-long", "closed"] {
        let rest = format!("attack({kind:?})\ntime.sleep(60)\n");
        let finished = site_with(&hostile(BREAKS, &rest), "processes = 2\n").run().expect_code(70);
        assert!(finished.stderr.contains("killing a child: process"), "{kind}\n{}", finished.stderr);
        let site = Site::start(site_with(&says("old"), ""));
        let before = site.wait_for_children(1);
        let ended: Ended = site.deploy(&hostile(BREAKS, &rest)).expect_code(70);
        assert!(ended.err.contains("killing a child: process"), "{kind}\n{ended:?}");
        wait_until("the end of the child that was tried", || site.children() == before);
        assert_eq!(site.text("/"), "old");
        site.end();
    }
}

/// Failing with exit code 0 would be a success.
#[test]
fn a_failure_is_none_that_says_it_is_a_success() {
    let rest = "write(bytes([70, 0, 0, 0, 3]) + bytes([0]) + b'ok')\ntime.sleep(60)\n";
    let finished = site_with(&hostile(BREAKS, rest), "").run().expect_code(70);
    assert!(finished.stderr.contains("ok"), "{}", finished.stderr);
    let site = Site::start(site_with(&says("old"), ""));
    site.deploy(&hostile(BREAKS, rest)).expect_code(70);
    assert_eq!(site.text("/"), "old");
    site.end();
}

#[test]
fn what_a_child_says_of_itself_is_only_shown() {
    let attacks = "\
import os, mmap
def scribble():
    for number in os.listdir('/proc/self/fd'):
        if os.path.lexists(f'/proc/self/fd/{number}') and 'pyfcgid-scoreboard' in os.readlink(f'/proc/self/fd/{number}'):
            memory = mmap.mmap(int(number), 0)
            # What workers say of themselves is behind the header and the seats.
            memory[140000:] = bytes([255]) * (len(memory) - 140000)
ATTACKS = {
    'scribble': 'scribble()',
    'ready': 'write(bytes([82, 0, 0, 0, 0]) * 3)',
    'retired': 'write(bytes([68, 0, 0, 0, 0]) * 3)',
    'failed': 'write(bytes([70, 0, 0, 0, 5, 70]) + b\"nope\")',
}
";
    let site = Site::start(site_with(&hostile(attacks, ""), "processes = \"0..2\"\nidle-timeout = \"1h\"\n"));
    site.text("/");
    // Where workers do not get a processor for a while, there is another child, now or later.
    let before = site.children();
    for kind in ["scribble", "ready", "retired", "failed"] {
        site.text(&format!("/?{kind}"));
        site.control("status").expect_code(0);
        assert!(site.control("status --json").expect_code(0).out.contains("\"children\""));
    }
    let (after, log) = (site.children(), site.log());
    assert!(after.is_superset(&before) && !log.contains("panicked"), "{before:?} {after:?} {log}");
    site.end();
}

/// As much as one can, through every channel.
const FLOODS: &str = "\
ATTACKS = {
    'all': '''
flood(bytes([83, 0, 0, 0, 0, 76, 0, 0, 0, 0]))
flood(bytes([87, 0, 0, 0, 0]))
for channel in log:
    flood(b'?skipped', channel.send)
    flood(b'I' + b'x' * 20000, channel.send)
    flood(b'Ashort', channel.send)
flood(b'\\\\n' * 4096, lambda data: os.write(1, data))
flood(b'line\\\\n' * 800, lambda data: os.write(2, data))
''',
}
";

fn flooding() -> Launch {
    let pool = |name: &str| format!("[pool.{name}]\napp = \"{name}.py\"\nlisten = \"unix:{name}.sock\"\n");
    let launch = site(&format!(
        "pid-file = \"site.pid\"\nlog = \"file:/dev/null\"\n{}processes = 3\ngraceful-timeout = \"1s\"\n{}",
        pool("bad"),
        pool("good")
    ));
    fs::write(launch.directory().join("bad.py"), hostile(FLOODS, "")).unwrap();
    fs::write(launch.directory().join("good.py"), says("good")).unwrap();
    launch
}

#[test]
fn a_pool_that_floods_every_channel_takes_a_part_of_a_processor_and_the_supervisor_answers_and_stops() {
    let mut site = Site::start_unawaited(flooding());
    let serves = |line: &&str| line.starts_with("  process ") && line.contains(": serving");
    wait_until("the start", || site.control("status").out.lines().filter(serves).count() == 4);
    let bad = Address::Unix(site.directory().join("bad.sock"));
    let flooded = (0..12)
        .filter_map(|_| Peer::try_connect(&bad).ok().map(|mut peer| peer.send_request(1, false, &Params::get("/?all"), b"")));
    assert_eq!(flooded.count(), 12);
    let (begun, cpu) = (Instant::now(), cpu_seconds(site.pid()));
    let mut slowest = Duration::ZERO;
    while begun.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        site.control("status").expect_code(0);
        slowest = slowest.max(asked.elapsed());
        // Each is answered at once, and would be most of what is measured.
        std::thread::sleep(Duration::from_millis(150));
    }
    let used = (cpu_seconds(site.pid()) - cpu) / begun.elapsed().as_secs_f64();
    eprintln!("the supervisor used {:.1} % of a processor; the slowest status took {slowest:?}", used * 100.0);
    assert!(used < 0.2, "{used}");
    assert!(slowest < limit(Duration::from_millis(300), Duration::from_secs(20)), "{slowest:?}");
    let children = site.children();
    site.signal("TERM");
    assert!(site.wait_for_exit(limit(Duration::from_secs(10), Duration::from_secs(60))).success());
    crate::site::wait_until_gone(&children);
}
