//! What the supervisor itself uses.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Verdict;
use super::site::Site;

/// Looks at the supervisor's memory from time to time, and at its processor time at both ends.
pub struct Watch {
    supervisor: u32,
    begin: Instant,
    ticks_before: u64,
    kib_before: u64,
    over: Arc<AtomicBool>,
    looking: Option<JoinHandle<u64>>,
    figures: Option<Figures>,
}

struct Figures {
    kib_most: u64,
    ticks: u64,
    time: Duration,
}

impl Watch {
    pub fn of(site: &Site) -> Self {
        let (supervisor, over) = (site.supervisor(), Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&over);
        let looking = thread::spawn(move || {
            let mut most = 0;
            while !flag.load(Ordering::Relaxed) {
                most = most.max(anonymous_kib(supervisor).unwrap_or(0));
                thread::sleep(BETWEEN_LOOKS);
            }
            most
        });
        let (ticks_before, kib_before) = (ticks(supervisor), anonymous_kib(supervisor).expect("it runs"));
        Self { supervisor, begin: Instant::now(), ticks_before, kib_before, over, looking: Some(looking), figures: None }
    }

    /// The attack is over.
    pub fn finish(&mut self) {
        let (ticks, time) = (ticks(self.supervisor).saturating_sub(self.ticks_before), self.begin.elapsed());
        let kib_most = self.stop_looking();
        self.figures = Some(Figures { kib_most, ticks, time });
    }

    fn stop_looking(&mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.looking.take().map_or(0, |looking| looking.join().unwrap())
    }

    pub fn judge(&self, verdict: &mut Verdict) {
        let Figures { kib_most, ticks, time } = self.figures.as_ref().expect("the attack is over");
        let grown = kib_most.saturating_sub(self.kib_before);
        let share = *ticks as f64 / TICKS_PER_SECOND / time.as_secs_f64();
        println!("supervisor: {} KiB before, + {grown} KiB at most; {:.1} % of a processor", self.kib_before, share * 100.0);
        verdict.expect(grown <= MOST_KIB, format!("the supervisor's memory has grown by {grown} KiB, more than {MOST_KIB}"));
        let text =
            format!("the supervisor has used {:.1} % of a processor, more than {:.0}", share * 100.0, MOST_SHARE * 100.0);
        verdict.expect(share <= MOST_SHARE, text);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop_looking();
    }
}

fn anonymous_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?.split_whitespace().next()?.parse().ok()
}

/// User and system time.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

const MOST_KIB: u64 = 2048;
const MOST_SHARE: f64 = 0.2;
/// USER_HZ, which is 100 on every architecture that matters here.
const TICKS_PER_SECOND: f64 = 100.0;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
