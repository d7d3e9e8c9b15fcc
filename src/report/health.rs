//! Whether a pyfcgid is well enough for a probe.

use super::amount::{length, span};
use super::{ChildStatus, FailingStatus, PoolStatus, Status, Workers};

/// What a pool may be at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The part of its workers that has a request, in percent.
    pub busy: Option<u8>,
    /// Requests that wait.
    pub queue: Option<usize>,
}

impl Status {
    /// What is wrong with its pools, if anything is.
    pub fn illness(&self, limits: Limits) -> Option<String> {
        let pools = self.pools.iter().filter(|pool| !pool.removed);
        let faults: Vec<String> = pools.filter_map(|pool| pool.illness(limits)).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// Whether a process is stopped that would serve. It may be so for a moment only, since who looks at its stack stops it.
    pub fn has_stopped(&self) -> bool {
        self.pools.iter().any(|pool| pool.stopped().next().is_some())
    }
}

impl PoolStatus {
    fn illness(&self, limits: Limits) -> Option<String> {
        let fault = self.fault().or_else(|| self.excess(limits))?;
        Some(format!("pool {}: {fault}", self.name))
    }

    /// What somebody should look at, whatever the limits are.
    fn fault(&self) -> Option<String> {
        let stopped: Vec<i32> = self.stopped().map(|child| child.pid).collect();
        match (&stopped[..], self.serves) {
            (stopped @ [first, ..], _) => Some(told_of_stopped(stopped.len(), *first)),
            ([], false) => Some(match &self.failing {
                Some(FailingStatus { r#for: age, error, .. }) => {
                    format!("no process has started for {}: {error}", span(*age as u64))
                }
                None => self.state.clone(),
            }),
            ([], true) => self.stuck.map(|seconds| self.told_of_standstill(seconds)),
        }
    }

    /// Those of its children that would serve if no signal had stopped them.
    fn stopped(&self) -> impl Iterator<Item = &ChildStatus> {
        self.children.iter().filter(|child| child.stopped && child.state == "serving")
    }

    fn told_of_standstill(&self, seconds: f64) -> String {
        let all = match self.workers {
            Workers { idle: 0, busy } if busy > 1 => format!("all {busy} workers are busy, and none of them"),
            Workers { idle: 0, .. } => "its only worker is busy, and it".to_owned(),
            _ => "requests wait, and no worker".to_owned(),
        };
        let length = length(seconds);
        format!("{all} has taken a request for {length}: `pyfcgid stacks {}` tells what they are doing", self.name)
    }

    fn excess(&self, limits: Limits) -> Option<String> {
        let (busy, all) = (self.workers.busy, self.workers.busy + self.workers.idle);
        let too_busy = limits.busy.filter(|most| busy * 100 > usize::from(*most) * all);
        let too_many = limits.queue.filter(|most| self.waiting > *most);
        let excess = match (too_busy, too_many) {
            (Some(most), _) => format!("{busy} of {all} workers busy, more than {most}% (--max-busy)"),
            (None, Some(most)) => {
                format!("{} of at most {} requests waiting, more than {most} (--max-queue)", self.waiting, self.max_queue)
            }
            (None, None) => return None,
        };
        Some(format!("{excess}: `pyfcgid requests {}` tells what the workers answer; see threads, processes", self.name))
    }
}

fn told_of_stopped(count: usize, first: i32) -> String {
    let others = if count > 1 { format!(", and so {}", are(count - 1)) } else { String::new() };
    format!(
        "process {first} is stopped by a signal{others}: `kill -CONT {first}` lets it go on, `kill -9 {first}` has it replaced"
    )
}

fn are(others: usize) -> String {
    if others == 1 { "is 1 other".to_owned() } else { format!("are {others} others") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(serves: bool, busy: usize, waiting: usize) -> Status {
        let state = if serves { "serving" } else { "failing" }.to_owned();
        let workers = Workers { busy, idle: 20 - busy };
        let pool =
            PoolStatus { name: "shop".to_owned(), state, serves, workers, waiting, max_queue: 1024, ..PoolStatus::default() };
        let removed = PoolStatus { removed: true, serves: false, ..pool.clone() };
        Status { pools: vec![removed, pool], ..Status::default() }
    }

    #[test]
    fn what_does_not_serve_or_is_above_a_limit_is_ill() {
        let (none, busy, queue) = (Limits::default(), Some(95), Some(7));
        let fault = |status: Status, limits| status.illness(limits);
        assert_eq!(fault(status(true, 20, 99), none), None);
        assert_eq!(fault(status(false, 0, 0), none).unwrap(), "pool shop: failing");
        assert_eq!(fault(status(true, 19, 0), Limits { busy, ..none }), None);
        let advice = "`pyfcgid requests shop` tells what the workers answer; see threads, processes";
        let told = format!("pool shop: 20 of 20 workers busy, more than 95% (--max-busy): {advice}");
        assert_eq!(fault(status(true, 20, 0), Limits { busy, ..none }).unwrap(), told);
        assert_eq!(fault(status(true, 0, 7), Limits { queue, ..none }), None);
        let told = format!("pool shop: 8 of at most 1024 requests waiting, more than 7 (--max-queue): {advice}");
        assert_eq!(fault(status(true, 0, 8), Limits { queue, ..none }).unwrap(), told);
    }

    #[test]
    fn a_pool_with_a_process_that_is_stopped_is_ill_though_others_serve() {
        let child = |pid, state: &str, stopped| ChildStatus { pid, state: state.to_owned(), stopped, ..ChildStatus::default() };
        let of = |children: &[ChildStatus], serves| {
            let mut status = status(serves, 20, 0);
            status.pools[1].children = children.to_vec();
            (status.illness(Limits::default()), status.has_stopped())
        };
        let (well, ill, leaving) = (child(7, "serving", false), child(8, "serving", true), child(9, "retiring", true));
        assert_eq!(of(&[well.clone(), leaving.clone()], true), (None, false));
        let told = "pool shop: process 8 is stopped by a signal: `kill -CONT 8` lets it go on, `kill -9 8` has it replaced";
        assert_eq!(of(&[well, ill.clone(), leaving], true), (Some(told.to_owned()), true));
        let (all, _) = of(&[ill.clone(), ill.clone(), ill], false);
        assert!(all.unwrap().starts_with("pool shop: process 8 is stopped by a signal, and so are 2 others: `kill -CONT 8`"));
    }

    #[test]
    fn a_pool_whose_workers_come_to_no_end_is_ill() {
        let of = |busy, stuck| {
            let mut status = status(true, busy, 0);
            status.pools[1].stuck = stuck;
            status.illness(Limits::default())
        };
        assert_eq!(of(20, None), None);
        let advice = "has taken a request for 42.0 s: `pyfcgid stacks shop` tells what they are doing";
        assert_eq!(of(20, Some(42.0)), Some(format!("pool shop: all 20 workers are busy, and none of them {advice}")));
        assert_eq!(of(1, Some(42.0)), Some(format!("pool shop: requests wait, and no worker {advice}")));
    }

    #[test]
    fn why_no_process_has_started_is_said() {
        let mut status = status(false, 0, 0);
        let failing = FailingStatus { r#for: 61.5, error: "no database".to_owned(), next_try_in: None };
        status.pools[1].failing = Some(failing);
        let told = "pool shop: no process has started for 1m 1s: no database";
        assert_eq!(status.illness(Limits::default()).unwrap(), told);
    }
}
