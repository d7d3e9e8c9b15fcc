//! Whether a pyfcgid is well enough for a probe.

use std::str::FromStr;

use super::{PoolStatus, Status};

/// What a pool may be at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The part of its workers that has a request.
    pub busy: Option<Share>,
    /// Requests that wait.
    pub queue: Option<usize>,
}

/// A part of all, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u8);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|number| *number <= 100);
        number.map(Self).ok_or_else(|| "must be a part of 100, as in 95%".to_owned())
    }
}

impl Status {
    /// What is wrong with its pools, if anything is.
    pub fn illness(&self, limits: Limits) -> Option<String> {
        let pools = self.pools.iter().filter(|pool| !pool.removed);
        let faults: Vec<String> = pools.filter_map(|pool| pool.illness(limits)).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

impl PoolStatus {
    fn illness(&self, limits: Limits) -> Option<String> {
        let (busy, all) = (self.workers.busy, self.workers.busy + self.workers.idle);
        let fault = if !self.serves {
            self.state.clone()
        } else if limits.busy.is_some_and(|Share(most)| busy * 100 > usize::from(most) * all) {
            format!("{busy} of {all} workers busy")
        } else if limits.queue.is_some_and(|most| self.waiting > most) {
            format!("{} requests waiting", self.waiting)
        } else {
            return None;
        };
        Some(format!("pool {}: {fault}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workers;
    use super::*;

    fn status(serves: bool, busy: usize, waiting: usize) -> Status {
        let state = if serves { "serving" } else { "failing" }.to_owned();
        let workers = Workers { busy, idle: 20 - busy };
        let pool = PoolStatus { name: "shop".to_owned(), state, serves, workers, waiting, ..PoolStatus::default() };
        let removed = PoolStatus { removed: true, serves: false, ..pool.clone() };
        Status { pools: vec![removed, pool], ..Status::default() }
    }

    #[test]
    fn what_does_not_serve_or_is_above_a_limit_is_ill() {
        let (none, busy, queue) = (Limits::default(), Some(Share(95)), Some(7));
        let fault = |status: Status, limits| status.illness(limits);
        assert_eq!(fault(status(true, 20, 99), none), None);
        assert_eq!(fault(status(false, 0, 0), none).unwrap(), "pool shop: failing");
        assert_eq!(fault(status(true, 19, 0), Limits { busy, ..none }), None);
        assert_eq!(fault(status(true, 20, 0), Limits { busy, ..none }).unwrap(), "pool shop: 20 of 20 workers busy");
        assert_eq!(fault(status(true, 0, 7), Limits { queue, ..none }), None);
        assert_eq!(fault(status(true, 0, 8), Limits { queue, ..none }).unwrap(), "pool shop: 8 requests waiting");
    }

    #[test]
    fn a_share_is_a_part_of_a_hundred() {
        assert_eq!(["95%", "0", "100%"].map(|text| text.parse()), [Ok(Share(95)), Ok(Share(0)), Ok(Share(100))]);
        assert!(["", "%", "101%", "-1", "0.5", "95 %"].iter().all(|text| text.parse::<Share>().is_err()));
    }
}
