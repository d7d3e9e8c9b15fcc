//! Each way to hang, with everything that follows: directly, and behind each web server.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::doors::{DOORS, Door, Seen};
use crate::http::Ending;
use crate::lives;
use crate::pool::{Pool, REQUEST_TIMEOUT, SLACK, at_once};
use crate::site::{kill, wait_until_gone};
use crate::support::process::wait_until;
use crate::ways::{BESIDE, COMPUTING, Ends, Gets, KEEPING_THE_GIL, WAITING, Way};

#[test]
fn what_waits_is_answered_504_and_its_process_replaced() {
    try_all(&directly(&WAITING));
}

#[test]
fn what_computes_is_answered_504_and_interrupted() {
    directly(&COMPUTING).chunks(4).for_each(|tries| drop(try_all(tries)));
}

#[test]
fn what_keeps_the_gil_is_answered_504_all_the_same() {
    try_all(&directly(&KEEPING_THE_GIL));
}

#[test]
#[ignore = "takes minutes: make deadlines"]
fn each_hang_is_the_same_behind_each_web_server() {
    let begun = Instant::now();
    let mut rows = Vec::new();
    // So many at once as leave the processors time for others.
    for (ways, most) in [(&WAITING[..], 12), (&COMPUTING, 4), (&KEEPING_THE_GIL, 3)] {
        let tries: Vec<_> = ways.iter().flat_map(|way| DOORS.map(|door| (*way, door))).collect();
        let tried: Vec<Tried> = tries.chunks(most).flat_map(try_all).collect();
        rows.extend(ways.iter().zip(tried.chunks(DOORS.len())).map(|(way, tried)| row(way, tried)));
    }
    rows.extend(lives::rows());
    let doors: String = DOORS.iter().map(|door| format!(" {} |", door.name())).collect();
    println!("| hang |{doors} log | the {} others |\n|{}", BESIDE.len(), "---|".repeat(DOORS.len() + 3));
    rows.iter().for_each(|row| println!("{row}"));
    println!("\nrequest-timeout {REQUEST_TIMEOUT:?}; tried in {:.0?}", begun.elapsed());
}

/// A line of the table.
pub(crate) struct Row {
    pub(crate) hang: String,
    /// What is seen at each door.
    pub(crate) seen: [String; DOORS.len()],
    pub(crate) log: String,
    pub(crate) others: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hang, seen, log, others } = self;
        write!(f, "| {hang} | {} | {log} | {others} |", seen.join(" | "))
    }
}

/// What one way was like at all doors, of which the first is the one that shows what there is to be got.
fn row(way: &Way, tried: &[Tried]) -> Row {
    let texts: Vec<&str> = tried.iter().map(|tried| &*tried.hang.text).collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "the page is ours, not a web server's: {texts:?}");
    let lost = DOORS.iter().zip(tried).filter(|(_, tried)| tried.lost > 0);
    assert!(lost.clone().all(|(door, _)| share_a_cut(way, *door)), "the machine is too busy for {}", way.name);
    let lost: String = lost.map(|(door, tried)| format!("; {}: {} broken off", door.name(), tried.lost)).collect();
    let longest = tried.iter().map(|tried| tried.longest).max().unwrap_or_default();
    Row {
        hang: format!("`{}`", way.name),
        seen: std::array::from_fn(|door| tried[door].hang.to_string()),
        log: way.summary(),
        others: format!("whole, {:.1} s{lost}", longest.as_secs_f64()),
    }
}

fn directly(ways: &[Way]) -> Vec<(Way, Door)> {
    ways.iter().map(|way| (*way, Door::Directly)).collect()
}

fn try_all(tries: &[(Way, Door)]) -> Vec<Tried> {
    let try_one = |(way, door): &(Way, Door)| {
        let tried = try_one(way, *door);
        let Tried { hang, lost, longest } = &tried;
        println!("{:20} {:24} {hang}; {:?}; {lost} others broken off, {longest:.2?}", way.name, door.name(), way.ends);
        tried
    };
    at_once(tries, |(way, door)| format!("{} {}", way.name, door.name()), try_one)
}

/// What is seen of a hang, how many of those beside it did not come whole, and how long the last of them took.
struct Tried {
    hang: Seen,
    lost: usize,
    longest: Duration,
}

fn try_one(way: &Way, door: Door) -> Tried {
    let pool = Pool::start(&way.settings());
    let (child, path) = (pool.child(), way.path());
    let mut front = door.before(&pool);
    let (begun, hang, beside) = thread::scope(|scope| {
        let beside = scope.spawn(|| front.get_all(&BESIDE));
        pool.wait_for_running(BESIDE.len());
        (Instant::now(), front.get(&path), beside.join().unwrap())
    });
    way.expect(&hang);
    let losses = match share_a_cut(way, door) {
        true => Losses::WithIt,
        false => Losses::After(begun.checked_add(way.spares_others_for())),
    };
    let lost = expect_beside(&pool, &beside, losses);
    way.expect_messages(&pool, child);
    if way.ends == Ends::GivenUp {
        wait_until_gone([&child]);
    }
    let next = front.together();
    assert_eq!(next == child, way.ends == Ends::Interrupted, "{child}, then {next}");
    if way.name == "forks" {
        end_what_was_forked(&pool, [child, next]);
    }
    assert_eq!(pool.child(), next);
    way.expect_access(&pool);
    front.expect_running();
    let log = pool.log();
    for word in ["panicked", "Traceback", "PF0501"] {
        // Python itself says what it ignores in a destructor.
        assert!(!log.contains(word) || way.name == "in_destructor" && word == "Traceback", "{word} in\n{log}");
    }
    drop(front);
    pool.end();
    Tried { hang, lost, longest: beside.iter().map(|seen| seen.took).max().unwrap() }
}

/// Whether those beside a hang are on its connection, which ends with it.
fn share_a_cut(way: &Way, door: Door) -> bool {
    way.gets == Gets::Cut && door == Door::HaProxyMultiplexing
}

/// Who of those beside a hang may not come whole.
#[derive(Clone, Copy)]
enum Losses {
    /// They share its connection, which is cut.
    WithIt,
    /// On a machine so busy that they last longer than their process may: nobody before this.
    After(Option<Instant>),
}

/// How many of those beside a hang did not come whole. Fails if one did not that should have.
#[track_caller]
fn expect_beside(pool: &Pool, beside: &[Seen], losses: Losses) -> usize {
    let lost: Vec<&Seen> = beside.iter().filter(|seen| !seen.is_whole()).collect();
    let may_be_lost = |seen: &&Seen| match losses {
        Losses::WithIt => seen.took < REQUEST_TIMEOUT + 2 * SLACK && [200, 502].contains(&seen.status),
        Losses::After(moment) => {
            (seen.ending == Ending::Cut || seen.status == 502) && moment.is_some_and(|moment| seen.ended >= moment)
        }
    };
    assert!(lost.iter().all(may_be_lost), "{lost:?}\n{}", pool.log());
    if let Losses::After(_) = losses {
        return lost.len();
    }
    let accesses = || ["/beside/in_a_loop", "/beside/beside"].map(|path| pool.accesses(path)).concat();
    wait_until("the access log", || accesses().len() == beside.len());
    // One whose head had been sent has the status of that.
    let (aborted, others): (Vec<_>, Vec<_>) = accesses().into_iter().partition(|access| access == "499 aborted");
    assert_eq!(aborted.len(), lost.iter().filter(|seen| seen.status == 502).count(), "{others:?}");
    assert!(others.iter().all(|access| access == "200 -"), "{others:?}");
    lost.len()
}

/// It lives on, as a daemon that an application starts does.
fn end_what_was_forked(pool: &Pool, known: [u32; 2]) {
    let forked = || pool.children().into_iter().find(|process| !known.contains(process));
    wait_until("what was forked", || forked().is_some());
    kill(forked().unwrap(), "KILL");
}
