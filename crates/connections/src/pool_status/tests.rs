use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::*;
use shared::scoreboard::roster::{Child, Record, Roster};
use shared::scoreboard::slot::{Asked, Phase};
use shared::scoreboard::tally::Tally;
use shared::sys::fd;

/// A pool of two children with two workers each, of which one has a request that an enemy sent, and one sends.
struct Board {
    status: PoolStatus,
    roster: Roster,
    scoreboard: Arc<Scoreboard>,
}

fn record() -> Record {
    let child = |number: usize, state| Child {
        pid: 100 + number as u32,
        state,
        is_stopped: false,
        generation: 2,
        started: Duration::from_secs(60),
        offset: -210,
        seat: number,
        slots: 2 * number..2 * number + 2,
    };
    let mut past = Tally { classes: [0, 0, 5, 0, 1, 0], aborted: 1, slow: 1, timeouts: [2, 1], ..Tally::default() };
    (past.duration.buckets[0], past.duration.buckets[13], past.duration.sum) = (5, 1, 20_500_000);
    (past.queue_wait.buckets[0], past.queue_wait.sum) = (6, 60);
    Record {
        started: Duration::from_secs(40),
        offset: 330,
        state: "serving",
        generation: 2,
        wanted: [2, 1, 4],
        queue_process: 99,
        saturations: 3,
        reloads: [4, 5],
        last_reload: Some((Duration::from_secs(50), true)),
        exits: [6, 7, 8, 9, 10, 11],
        failing_since: None,
        past,
        children: vec![child(1, "serving"), child(2, "retiring")],
    }
}

fn board() -> Board {
    let (scoreboard, roster) = (Arc::new(Scoreboard::new().unwrap()), Roster::new().unwrap());
    roster.publish(&record());
    let view = RosterView::share(fd::duplicate(roster.for_readers()).unwrap()).unwrap();
    let status =
        PoolStatus { scoreboard: Arc::clone(&scoreboard), roster: Arc::new(view), name: "shop".to_owned(), max_queue: 100 };
    Board { status, roster, scoreboard }
}

fn occupy(scoreboard: &Arc<Scoreboard>) {
    let taken = u64::try_from(monotonic_time().as_nanos()).unwrap();
    let (begun, waited, method, remote) = (Instant::now(), Duration::ZERO, &b"GET"[..], &b"::1"[..]);
    let asked = |number, path| Asked { number, begun, waited, taken, due: None, method, path, remote };
    scoreboard.slot(2).begin(&asked(11, b"/a\"<b>\x1b[2J\n\xff"));
    let sending = scoreboard.slot(5);
    sending.begin(&asked(12, &[b'x'; 200]));
    sending.set_phase(Phase::Sending);
    let seat = scoreboard.seat(1);
    seat.set_connections(7);
    assert!(seat.begin_to_wait(10));
    seat.note_refusal(RefusedFor::QueueFull);
    (0..2).for_each(|_| seat.note_refusal(RefusedFor::NotServing));
    (0..3).for_each(|_| seat.note_refusal(RefusedFor::QueueTimeout));
    (0..4).for_each(|_| seat.note_refusal(RefusedFor::GilKept));
}

/// Writes this everywhere, as an application could.
fn scribble(scoreboard: &Scoreboard, word: u64) {
    let file = File::from(fd::duplicate(scoreboard.as_raw_fd()).unwrap());
    let words = file.metadata().unwrap().len() as usize / 8;
    file.write_all_at(&word.to_ne_bytes().repeat(words), 0).unwrap();
}

/// With the same age of all requests.
fn snapshot(board: &Board) -> Snapshot {
    let now = Moment { monotonic: Duration::from_secs(100), wall: Duration::from_secs(1_800_000_000) };
    let mut snapshot = board.status.look(now, Extent::Full);
    for (_, glance) in &mut snapshot.running {
        glance.request.taken = Duration::from_millis(98_500);
    }
    snapshot
}

fn written(form: Form, extent: Extent) -> String {
    let board = board();
    occupy(&board.scoreboard);
    String::from_utf8(page(&snapshot(&board), form, extent).body).unwrap()
}

fn expect(found: &str, golden: &str) {
    let golden = golden.replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert!(found == golden, "found:\n{found}\nwanted:\n{golden}");
}

#[test]
fn the_text_is_what_monitoring_of_php_fpm_reads() {
    expect(&written(Form::Text, Extent::Full), include_str!("golden/full.txt"));
    let summary = written(Form::Text, Extent::Summary);
    assert!(include_str!("golden/full.txt").starts_with(&summary.replace(env!("CARGO_PKG_VERSION"), "VERSION")[..200]));
    assert!(!summary.contains("****") && summary.lines().all(|line| line.as_bytes()[21] == b' '), "{summary}");
}

#[test]
fn the_json_has_the_same_fields() {
    expect(&written(Form::Json, Extent::Full), include_str!("golden/full.json"));
    assert!(written(Form::Json, Extent::Summary).ends_with("\"failed reloads\":5}\n"));
}

#[test]
fn the_page_needs_no_other_file_and_is_only_text() {
    let page = written(Form::Html, Extent::Full);
    expect(&page, include_str!("golden/full.html"));
    assert!(!["src=", "href=", "url(", "<b>", "\x1b"].iter().any(|what| page.contains(what)));
}

#[test]
fn the_metrics_are_those_of_openmetrics() {
    expect(&written(Form::OpenMetrics, Extent::Full), include_str!("golden/metrics.txt"));
    assert_eq!(written(Form::OpenMetrics, Extent::Full), written(Form::OpenMetrics, Extent::Summary));
}

/// What it has begun is counted; its other workers are none that could answer.
#[test]
fn a_child_that_a_signal_has_stopped_is_told_as_such() {
    let board = board();
    occupy(&board.scoreboard);
    let mut children = record().children;
    children[0].is_stopped = true;
    board.roster.publish(&Record { children, ..record() });
    let snapshot = snapshot(&board);
    let text = String::from_utf8(page(&snapshot, Form::Text, Extent::Full).body).unwrap();
    assert!(text.contains("child state:          stopped\n") && text.contains("child state:          retiring\n"), "{text}");
    assert!(text.contains("\nidle processes:       1\nactive processes:     2\ntotal processes:      3\n"), "{text}");
    let metrics = String::from_utf8(page(&snapshot, Form::OpenMetrics, Extent::Summary).body).unwrap();
    for (state, count) in [("serving", 0), ("retiring", 1), ("stopped", 1)] {
        let line = format!("pyfcgid_processes{{pool=\"shop\",state=\"{state}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[test]
fn whatever_an_application_has_scribbled_each_form_is_whole_and_has_an_end() {
    let board = board();
    for word in [1, 2, 7, u64::MAX - 1, u64::MAX] {
        scribble(&board.scoreboard, word);
        let pages = ["", "full", "json&full", "html&full", "openmetrics"].map(|query| board.status.page(query.as_bytes()));
        assert!(pages.iter().all(|page| page.body.len() < 64 * 1024 && std::str::from_utf8(&page.body).is_ok()));
        assert!(pages[2].body.starts_with(b"{\"pool\":\"shop\",") && pages[2].body.ends_with(b"]}\n"));
        assert!(pages[4].body.ends_with(b"# EOF\n"));
    }
}

#[test]
fn a_page_of_many_requests_has_an_end() {
    let board = board();
    let child = Child { slots: 0..4000, ..record().children[0].clone() };
    board.roster.publish(&Record { children: vec![child; 3], ..record() });
    scribble(&board.scoreboard, 1);
    let page = board.status.page(b"full");
    let blocks = String::from_utf8(page.body).unwrap().matches("****\n").count();
    assert_eq!(blocks, snapshot::MOST_RUNNING);
}

#[test]
fn a_pool_of_no_child_is_told_too() {
    let board = board();
    let failing_since = Some((Duration::from_secs(90), 60));
    let state = "failing";
    board.roster.publish(&Record { children: Vec::new(), state, failing_since, wanted: [0, 0, 4], ..record() });
    let text = String::from_utf8(page(&snapshot(&board), Form::Text, Extent::Full).body).unwrap();
    for line in [
        "process manager:      ondemand",
        "total processes:      0",
        "state:                failing",
        "failing since:        15/Jan/2027:08:59:50 +0100\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("****"));
}
