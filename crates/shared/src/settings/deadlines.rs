//! How long requests may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time limits of a pool's requests. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// `slow-request-timeout`, as far as it is shorter than the next one.
    pub slow: Option<Duration>,
    /// `request-timeout`.
    pub request: Option<Duration>,
    /// `interrupt-timeout`.
    pub interrupt: Option<Duration>,
    /// `deadlock-timeout`.
    pub deadlock: Option<Duration>,
    /// `timeouts`.
    pub paths: Vec<PathTimeout>,
}

/// Another `request-timeout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathTimeout {
    /// For all paths that begin so.
    pub path: String,
    /// `None` is no limit.
    pub limit: Option<Duration>,
}

/// Those of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// When it is slow.
    pub slow: Option<Duration>,
    /// When it is overdue.
    pub request: Option<Duration>,
}

impl Deadlines {
    /// Those of a request without a limit of its own.
    pub fn usual(&self) -> RequestLimits {
        RequestLimits { slow: self.slow, request: self.request }
    }

    /// Those of a request whose path begins as `begins_with` says. Of several limits the one with the longest path counts. Who is given
    /// more time than others is not slow as soon as they are: after half of it.
    pub fn of_path(&self, begins_with: impl Fn(&[u8]) -> bool) -> RequestLimits {
        let fitting = self.paths.iter().filter(|timeout| begins_with(timeout.path.as_bytes()));
        match fitting.max_by_key(|timeout| timeout.path.len()) {
            Some(PathTimeout { limit, .. }) => {
                RequestLimits { slow: self.slow.and(limit.map(|limit| limit / 2)), request: *limit }
            }
            None => self.usual(),
        }
    }

    /// The shortest of all: no request that begins now needs to be looked at before that.
    pub fn shortest(&self) -> Option<Duration> {
        let of_paths = self.paths.iter().flat_map(|timeout| {
            let RequestLimits { slow, request } = self.of_path(|path| path == timeout.path.as_bytes());
            [slow, request]
        });
        of_paths.chain([self.slow, self.request]).flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Option<Duration> {
        Some(Duration::from_secs(count))
    }

    fn deadlines() -> Deadlines {
        let timeout = |path: &str, limit| PathTimeout { path: path.to_owned(), limit };
        Deadlines {
            slow: seconds(10),
            request: seconds(30),
            interrupt: seconds(5),
            deadlock: None,
            paths: vec![timeout("/reports/", seconds(300)), timeout("/reports/live", None), timeout("/quick", seconds(6))],
        }
    }

    #[test]
    fn the_longest_path_counts() {
        let limits = |path: &str| {
            let RequestLimits { slow, request } = deadlines().of_path(|start| path.as_bytes().starts_with(start));
            (slow, request)
        };
        assert_eq!(limits("/"), (seconds(10), seconds(30)));
        assert_eq!(limits("/reports/2026"), (seconds(150), seconds(300)));
        assert_eq!(limits("/reports/live/1"), (None, None));
        assert_eq!(limits("/quickly"), (seconds(3), seconds(6)));
        assert_eq!(deadlines().shortest(), seconds(3));
    }

    #[test]
    fn who_wants_no_word_of_slow_requests_gets_none() {
        let deadlines = Deadlines { slow: None, ..deadlines() };
        assert_eq!(deadlines.of_path(|_| true).slow, None);
        assert_eq!(deadlines.shortest(), seconds(6));
        assert_eq!(Deadlines::default().shortest(), None);
    }
}
