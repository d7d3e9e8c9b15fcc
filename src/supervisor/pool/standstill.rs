//! Whether the workers of a pool still come to an end of anything.
//!
//! A worker that has answered takes the next request, or has none. So a pool stands still if all of its workers have had the requests
//! that they have for long, or if some wait for long and none has taken any meanwhile, because C code keeps the GIL, say. A pool that is
//! merely busy takes requests all the time.

use std::time::{Duration, Instant};

use super::super::process::Process;
use super::RunningPool;
use shared::scoreboard::slot::{Glance, Phase};
use shared::sys::process::monotonic_time;

impl RunningPool {
    /// For how long the workers of these children, which are to serve, have taken no request, if somebody should look at a request that has
    /// taken so long.
    pub fn standstill<'a>(&self, children: impl IntoIterator<Item = &'a Process>) -> Option<Duration> {
        let too_long = self.settings().slow_request_timeout?;
        let full_since = self.saturation.full_since().filter(|_| self.ties.scoreboard.waiting() > 0);
        let full_for = full_since.map(|since| Instant::now().saturating_duration_since(since));
        let mut glances = Vec::new();
        for process in children {
            // Of workers without slots nothing is known.
            let slots = process.desk.as_ref().map(|desk| desk.slots.clone()).filter(|slots| !slots.is_empty())?;
            glances.extend(self.ties.scoreboard.glances(slots));
        }
        standstill(&glances, full_for, monotonic_time()).filter(|length| *length >= too_long)
    }
}

/// `full_for` says for how long no process has had time, if requests wait.
fn standstill(workers: &[Glance], full_for: Option<Duration>, now: Duration) -> Option<Duration> {
    // Idle ones still say what they had last.
    let last_taken = workers.iter().map(|glance| glance.request.taken).max()?;
    let without = now.saturating_sub(last_taken);
    let are_all_busy = workers.iter().all(|glance| glance.phase != Phase::Idle);
    Some(if are_all_busy { without } else { without.min(full_for?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::scoreboard::slot::{Said, ThreadNumbers};

    /// What workers say that have taken requests at these seconds; those of the others are answered.
    fn workers(busy: &[u64], idle: &[u64]) -> Vec<Glance> {
        let worker = |phase, taken: &u64| Glance {
            phase,
            thread: ThreadNumbers::default(),
            request: Said { taken: seconds(*taken), ..Said::default() },
            is_torn: false,
        };
        let idle = idle.iter().map(|taken| worker(Phase::Idle, taken));
        busy.iter().map(|taken| worker(Phase::Sending, taken)).chain(idle).collect()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn after_a_hundred(workers: &[Glance], full_for: Option<u64>) -> Option<u64> {
        standstill(workers, full_for.map(seconds), seconds(100)).map(|length| length.as_secs())
    }

    #[test]
    fn workers_that_all_have_old_requests_stand_still() {
        assert_eq!(after_a_hundred(&workers(&[40, 90], &[]), None), Some(10));
        assert_eq!(after_a_hundred(&workers(&[40, 99], &[]), Some(60)), Some(1), "one has taken something");
        assert_eq!(after_a_hundred(&workers(&[40, 60], &[0]), None), None, "one has time");
        assert_eq!(after_a_hundred(&[], Some(60)), None);
        assert_eq!(after_a_hundred(&workers(&[u64::MAX], &[]), Some(60)), Some(0), "an application has invented it");
    }

    #[test]
    fn workers_that_take_nothing_although_somebody_waits_stand_still() {
        assert_eq!(after_a_hundred(&workers(&[60], &[80, 0]), Some(12)), Some(12));
        assert_eq!(after_a_hundred(&workers(&[60], &[85, 0]), Some(40)), Some(15));
        assert_eq!(after_a_hundred(&workers(&[60], &[80]), Some(9)), Some(9));
        assert_eq!(after_a_hundred(&workers(&[60], &[99]), Some(60)), Some(1), "it is merely busy");
    }
}
