//! What runs now, as workers say on the scoreboards: for `pyfcgid requests`.

use std::collections::BTreeMap;
use std::time::Duration;

use itertools::Itertools;

use super::Supervisor;
use super::pool::RunningPool;
use super::process::Process;
use crate::control_protocol::Scope;
use crate::report::{Requests, RunningRequest, SCHEMA, seconds};
use shared::scoreboard::slot::{Glance, Phase};
use shared::sys::process;

impl Supervisor<'_> {
    /// Those that run, the oldest first, whatever the children are doing.
    pub(super) fn requests(&self, scope: &Scope) -> Requests {
        let now = process::monotonic_time();
        let pools: Vec<&RunningPool> = self.pools.iter().filter(|pool| scope.has(&pool.name)).collect();
        // Each pool has its share, or what one invents would leave no room for the others.
        let share = (MOST / pools.len().max(1)).max(1);
        let mut told = Requests { schema: SCHEMA, ..Requests::default() };
        for pool in pools {
            let (found, left_out) = oldest(share, pool.processes().flat_map(|(_, child)| running(pool, child)));
            told.more += left_out;
            told.requests.extend(found.iter().map(|running| tell(running, now)));
        }
        told.requests.sort_by(|one, other| other.age.total_cmp(&one.age));
        told
    }
}

/// Those of one child, by their numbers in it.
pub(super) fn running_in(pool: &RunningPool, child: &Process, now: Duration) -> BTreeMap<u64, RunningRequest> {
    running(pool, child).map(|running| (running.glance.request.number, tell(&running, now))).collect()
}

/// A worker that has a request.
struct Running<'a> {
    pool: &'a str,
    pid: i32,
    is_stopped: bool,
    glance: Glance,
}

fn running<'a>(pool: &'a RunningPool, child: &'a Process) -> impl Iterator<Item = Running<'a>> {
    let (pid, is_stopped) = (child.id.number(), child.is_stopped);
    pool.busy(child).map(move |glance| Running { pool: &pool.name, pid, is_stopped, glance })
}

/// Those that have run for longest, and no more than some; and how many others there are. They may all be inventions.
fn oldest<'a>(most: usize, running: impl Iterator<Item = Running<'a>>) -> (Vec<Running<'a>>, u64) {
    let mut count = 0;
    let oldest = running.inspect(|_| count += 1).k_smallest_by_key(most, |running| running.glance.request.taken);
    let found: Vec<_> = oldest.collect();
    let left_out = count - found.len() as u64;
    (found, left_out)
}

fn tell(Running { pool, pid, is_stopped, glance }: &Running<'_>, now: Duration) -> RunningRequest {
    let Glance { phase, request, is_torn, .. } = glance;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    RunningRequest {
        id: format!("{pid}-{}", request.number),
        age: seconds(now.saturating_sub(request.taken)),
        phase: phase_word(*phase).to_owned(),
        pool: (*pool).to_owned(),
        pid: *pid,
        stopped: *is_stopped,
        method: text(&request.method),
        path: text(&request.path),
        cut: request.path_is_cut,
        remote: text(&request.remote),
        torn: *is_torn,
        stack: None,
    }
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Application => "application",
        Phase::Sending => "sending",
        Phase::Closing => "closing",
        Phase::Overdue => "overdue",
        Phase::Aborted => "aborted",
    }
}

/// Requests that are told at once.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use shared::scoreboard::slot::{Said, ThreadNumbers};

    fn running(taken: u64, path: &[u8]) -> Running<'static> {
        let request = Said { number: 5, taken: Duration::from_secs(taken), path: path.to_vec(), ..Said::default() };
        let glance = Glance { phase: Phase::Sending, thread: ThreadNumbers::default(), request, is_torn: true };
        Running { pool: "shop", pid: 77, is_stopped: true, glance }
    }

    #[test]
    fn only_the_oldest_are_kept_and_the_others_are_counted() {
        for count in [0, 1, 3, 4, 100] {
            let all = || (0..count).map(|number| running((number * 37) % 101, b"/"));
            let mut sorted: Vec<Duration> = all().map(|running| running.glance.request.taken).collect();
            sorted.sort();
            let (found, left_out) = oldest(3, all());
            let found: Vec<Duration> = found.iter().map(|running| running.glance.request.taken).collect();
            assert_eq!((&found[..], left_out), (&sorted[..found.len()], count.saturating_sub(3)));
            assert_eq!(found.len(), sorted.len().min(3));
        }
    }

    #[test]
    fn whatever_a_worker_says_is_told_as_text() {
        let told = tell(&running(3, b"/a\xff"), Duration::from_millis(4500));
        assert_eq!((told.id.as_str(), told.age, told.phase.as_str(), told.pid), ("77-5", 1.5, "sending", 77));
        assert!(told.path == "/a\u{fffd}" && told.torn && told.stopped, "{told:?}");
        // It says that it has begun in the future.
        assert_eq!(tell(&running(u64::MAX, b""), Duration::ZERO).age, 0.0);
    }
}
