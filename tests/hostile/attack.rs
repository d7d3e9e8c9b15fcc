//! One pool attacks everybody with all that an application has, for some seconds, under a supervisor that is root. Another pool serves
//! meanwhile, commands are answered, and a stop is the end of it all. `make hostile` runs it for a minute.
//!
//! `PYFCGID_HOSTILE_SECONDS` says how long, `PYFCGID_HOSTILE_ONLY=NAME` lets only one attack happen: a name of [`ATTACKS`], or the
//! beginning of some.

#[path = "attack/crowd.rs"]
mod crowd;
#[path = "attack/customers.rs"]
mod customers;
#[path = "attack/logs.rs"]
mod logs;
#[path = "attack/site.rs"]
mod site;
#[path = "attack/watch.rs"]
mod watch;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::time::{Duration, Instant};

use crate::support::process::is_root;
use crowd::Crowd;
use customers::Customers;
use logs::Logs;
use site::{Site, has_escapes};
use watch::Watch;

#[test]
fn a_hostile_application_reaches_neither_the_supervisor_nor_another_pool() {
    if !is_root() {
        return eprintln!("skipped: only root gives each pool a user of its own");
    }
    let names = wanted_attacks();
    let seconds = std::env::var("PYFCGID_HOSTILE_SECONDS").map_or(5, |text| text.parse().expect("a number of seconds"));
    let mut verdict = Verdict::default();
    let Some(mut site) = Site::start() else {
        return eprintln!("skipped: the Python that pyfcgid is linked with can be read by root only");
    };
    let mut logs = Logs::follow(&site);
    let [customers, customers_of_twin] = [site.shop(), site.twin()].map(Customers::of);

    // What only comes with the first times belongs to neither phase.
    expect_recovery(&mut site, &mut verdict);
    pass_time(Duration::from_secs(1), &mut site, &mut logs, &mut verdict);
    let quiet = Instant::now();
    pass_time(QUIET, &mut site, &mut logs, &mut verdict);
    let quiet = quiet..Instant::now();

    let mut watch = Watch::of(&site);
    site.begin_attack(&names);
    let crowd = Crowd::gather(site.hostile(), &names);
    let begin = Instant::now();
    let most = MOST_OF_ATTACK.max(Duration::from_secs(3 * seconds));
    let is_enough = |site: &Site| {
        let time = begin.elapsed();
        time >= Duration::from_secs(seconds) && (time >= most || !lacks(site, &names, seconds))
    };
    pass_time_until(is_enough, &mut site, &mut logs, &mut verdict);
    let attack = begin..Instant::now();
    watch.finish();
    site.end_attack();
    expect_recovery(&mut site, &mut verdict);

    site.begin_attack(&names.iter().copied().filter(|name| !name.starts_with("swap_")).collect::<Vec<_>>());
    pass_time(Duration::from_secs(2), &mut site, &mut logs, &mut verdict);
    let [account, twin] = [customers, customers_of_twin].map(Customers::leave);
    site.mend_socket();
    let term = site.terminate();
    drop(crowd);
    logs.finish();

    println!("attack: {:.1?}, {} kinds", attack.end - attack.start, names.len());
    account.judge(&twin, &quiet, &attack, &mut verdict);
    watch.judge(&mut verdict);
    site.judge_commands(&mut verdict);
    logs.judge(&account, &mut verdict);
    judge_commitments(&site, &names, seconds, &mut verdict);
    verdict.expect(
        term.is_some_and(|time| time <= GRACEFUL_TIMEOUT + SLACK),
        format!("TERM: {}, not within {GRACEFUL_TIMEOUT:?}", term.map_or("no end".to_owned(), |time| format!("{time:.1?}"))),
    );
    println!("TERM: the end after {term:.1?}");
    site.judge_what_is_left(&mut verdict);
    verdict.conclude();
}

/// All of them, or those that `PYFCGID_HOSTILE_ONLY` names.
fn wanted_attacks() -> Vec<&'static str> {
    let Ok(only) = std::env::var("PYFCGID_HOSTILE_ONLY") else {
        return ATTACKS.to_vec();
    };
    let named: Vec<_> = ATTACKS.iter().copied().filter(|name| *name == only).collect();
    let named = if named.is_empty() { ATTACKS.iter().copied().filter(|name| name.starts_with(&only)).collect() } else { named };
    assert!(!named.is_empty(), "PYFCGID_HOSTILE_ONLY={only} is none of {ATTACKS:?}");
    named
}

fn pass_time(time: Duration, site: &mut Site, logs: &mut Logs, verdict: &mut Verdict) {
    let end = Instant::now() + time;
    pass_time_until(|_| Instant::now() >= end, site, logs, verdict);
}

/// Reloads every second and asks for the status twice in that time.
fn pass_time_until(is_enough: impl Fn(&Site) -> bool, site: &mut Site, logs: &mut Logs, verdict: &mut Verdict) {
    let mut next_reload = Instant::now() + BETWEEN_RELOADS;
    while !is_enough(site) {
        let pause = Instant::now() + BETWEEN_STATUSES;
        site.ask_status();
        site.look();
        if next_reload <= Instant::now() {
            next_reload = Instant::now() + BETWEEN_RELOADS;
            site.begin_reload();
        }
        logs.read();
        if !site.is_running() {
            return verdict.expect(false, "the supervisor has ended during the attack");
        }
        std::thread::sleep(pause.saturating_duration_since(Instant::now()));
    }
    site.finish_reload();
}

/// Without an attack, a reload makes everything well.
fn expect_recovery(site: &mut Site, verdict: &mut Verdict) {
    let begin = Instant::now();
    while begin.elapsed() < RECOVERY && site.is_running() {
        if site.reload().code == Some(0) && site.hostile_is_at_peace() {
            println!("recovery: without an attack, the pool serves again after {:.1?}", begin.elapsed());
            return;
        }
    }
    verdict.expect(false, format!("without an attack, the pool does not serve within {RECOVERY:?}"));
}

/// How often each attack was committed; but what comes from outside is not counted.
fn commitments(site: &Site, names: &[&str]) -> BTreeMap<String, usize> {
    let committed = fs::read(site.hostile_file("own/committed")).unwrap_or_default();
    let mut counts: BTreeMap<String, usize> = names.iter().map(|name| ((*name).to_owned(), 0)).collect();
    String::from_utf8_lossy(&committed).lines().for_each(|name| *counts.entry(name.to_owned()).or_default() += 1);
    counts.remove(crowd::STALLED_UPLOADS);
    counts
}

/// Whether the attack has to go on: one that never came shows nothing. A short run is over with half of them.
fn lacks(site: &Site, names: &[&str], seconds: u64) -> bool {
    let counts = commitments(site, names);
    let came = counts.values().filter(|count| **count > 0).count();
    if seconds < ENOUGH_FOR_ALL { came * 2 < counts.len() } else { came < counts.len() }
}

fn judge_commitments(site: &Site, names: &[&str], seconds: u64, verdict: &mut Verdict) {
    let read =
        |name| String::from_utf8_lossy(&fs::read(site.hostile_file(&format!("own/{name}"))).unwrap_or_default()).into_owned();
    let counts = commitments(site, names);
    println!("committed by {} processes: {counts:?}", read("processes").len());
    let missing: Vec<_> = counts.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name).collect();
    let text = format!("too little was committed; missing: {missing:?}");
    verdict.expect(!lacks(site, names, seconds), text);
    let mistakes = read("mistakes");
    verdict.expect(mistakes.is_empty(), format!("attacks with mistakes of their own:\n{mistakes}"));
}

/// What did not hold.
#[derive(Debug, Default)]
struct Verdict(Vec<String>);

impl Verdict {
    fn expect(&mut self, holds: bool, otherwise: impl Display) {
        if !holds {
            self.0.push(otherwise.to_string());
        }
    }

    #[track_caller]
    fn conclude(self) {
        assert!(self.0.is_empty(), "{} things did not hold:\n- {}", self.0.len(), self.0.join("\n- "));
    }
}

/// A text of which nobody wants to read more.
fn shortened(text: &str) -> String {
    let escaped: String = text.escape_debug().take(600).collect();
    if has_escapes(text) || escaped.len() >= 600 { escaped } else { text.to_owned() }
}

const QUIET: Duration = Duration::from_secs(4);
const BETWEEN_RELOADS: Duration = Duration::from_secs(1);
const BETWEEN_STATUSES: Duration = Duration::from_millis(500);
/// What hostile processes hold when they are left behind, they hold for 12 s.
const RECOVERY: Duration = Duration::from_secs(20);
/// As the site has it.
const GRACEFUL_TIMEOUT: Duration = Duration::from_secs(3);
/// Half a second for the end, and some for the machine.
const SLACK: Duration = Duration::from_millis(700);
const ENOUGH_FOR_ALL: u64 = 60;
/// Or three times as long as asked for: a busy machine starts fewer processes in a second, and these commit the attacks.
const MOST_OF_ATTACK: Duration = Duration::from_secs(90);

/// What `tests/apps/attacks.py` knows, and the uploads, which are a peer's.
const ATTACKS: &[&str] = &[
    "request_endless",
    "request_endless_head",
    "request_endless_no_content",
    "request_short",
    "request_empty",
    "request_exit",
    "request_stop",
    "request_hold",
    "request_forge",
    "request_interrupt",
    "request_sleep",
    "passage_credentials",
    "passage_timestamps",
    "passage_ten_descriptors",
    "passage_no_descriptor",
    "passage_wrong_kinds",
    "passage_unread_in_masses",
    "passage_full",
    "passage_taken",
    "passage_shut",
    "listener_shut",
    "listener_emptied",
    "queue_stopped",
    "queue_stopped_for_a_moment",
    "queue_killed",
    "queue_signalled",
    "queue_starved",
    "queue_traced",
    "line_filled",
    "line_blocking",
    "scoreboard_scribbled",
    "scoreboard_all_full",
    "scoreboard_forged",
    "scoreboard_torn",
    "scoreboard_shortened",
    "traced_by_an_orphan",
    "traced_by_the_supervisor",
    "own_descriptors",
    "own_descriptor_limit",
    "own_memory",
    "own_interpreter_lock",
    "own_power",
    "own_file_size_limit",
    "own_processor_limit",
    "own_process_limit",
    "own_address_space_limit",
    "own_priority",
    "import_exit",
    "import_raise_escapes",
    "import_raise_much",
    "import_print_escapes",
    "import_hang",
    "import_ignore_the_stop",
    "import_stop",
    "import_skipped_reports",
    "import_endless_length",
    "import_reports_in_masses",
    "import_link_closed",
    "log_malformed",
    "log_huge",
    "log_forged",
    "log_escapes",
    "log_in_masses",
    "log_descriptors",
    "log_shut",
    "output_endless_line",
    "output_empty_lines",
    "output_closed",
    "link_skipped_reports",
    "link_endless_length",
    "link_half_a_report",
    "link_reports_byte_by_byte",
    "link_reports_in_masses",
    "link_saturation_in_masses",
    "link_failures_in_masses",
    "link_random_bytes",
    "link_closed",
    "link_shut",
    "link_half_shut",
    "link_stolen",
    "link_descriptors",
    "orphan",
    "orphans_short",
    "orphan_deaf",
    "daemon",
    "daemon_behind_python",
    "zombies",
    "lock_run_directory",
    "lock_pid_file",
    "lock_socket_directory",
    "lock_other_sockets",
    "lock_configuration",
    "lock_log_directory",
    "swap_for_a_victim",
    "swap_for_another_socket",
    "signal_stop_itself",
    "signal_stop_for_ever",
    "signal_stop_siblings",
    "signal_kill_siblings",
    "signal_kill_itself",
    "signal_crash",
    "signal_exit",
    "signal_terminate_the_group",
    "signal_kill_the_group",
    "signal_the_supervisor",
    "signal_trace_the_supervisor",
    "signal_type_at_the_terminal",
    "signal_interrupt_at_the_terminal",
    "signal_block",
    "signal_dispositions",
    crowd::STALLED_UPLOADS,
];
