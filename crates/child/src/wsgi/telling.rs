//! What a worker says of its request, on the scoreboard and at its station.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::Instant;

use super::FAILED;
use super::station::Station;
use connections::exchange::{Params, SitePath};
use shared::scoreboard::slot::{Asked, Begun};
use shared::settings::{Deadlines, RequestLimits};

/// What is known of the request before.
#[derive(Default)]
pub(super) struct Told {
    /// When it ended, unless the worker has waited for something since: under load that is now, as well as that matters.
    ended: Cell<Option<Instant>>,
}

/// A request that has begun; it has ended, with this status, when this is dropped.
pub(super) struct Telling<'a> {
    station: &'a Station,
    in_slot: Option<Begun>,
    ended: &'a Cell<Option<Instant>>,
    pub(super) status: u16,
}

impl Told {
    /// When the worker takes what it takes now.
    pub(super) fn taken(&self) -> Instant {
        self.ended.take().unwrap_or_else(Instant::now)
    }

    /// It waits for something.
    pub(super) fn note_wait(&self) {
        self.ended.set(None);
    }

    /// Begins a request of this number and these parameters, whose first record came at `begun` and which was taken at `taken`.
    pub(super) fn begin<'a>(
        &'a self,
        station: &'a Station,
        number: u64,
        (begun, taken): (Instant, Instant),
        (params, deadlines): (&Params, &Deadlines),
    ) -> Telling<'a> {
        let waited = taken.saturating_duration_since(begun);
        let (taken, due) = station.begin(number, taken, limits(deadlines, params));
        let in_slot = station.slot().map(|slot| {
            let [method, target, remote] =
                [params.get(b"REQUEST_METHOD"), params.get(b"REQUEST_URI"), params.get(b"REMOTE_ADDR")]
                    .map(Option::unwrap_or_default);
            let path = if target.is_empty() { Cow::Owned(joined_path(params)) } else { Cow::Borrowed(path_of(target)) };
            slot.begin(&Asked { number, begun, waited, taken, due, method, path: &path, remote })
        });
        Telling { station, in_slot, ended: &self.ended, status: FAILED }
    }
}

/// How long the request of these parameters may take.
pub(super) fn limits(deadlines: &Deadlines, params: &Params) -> RequestLimits {
    if deadlines.paths.is_empty() {
        return deadlines.usual();
    }
    let path = SitePath::of(|name| params.get(name));
    deadlines.of_path(|start| path.begins_with(start))
}

/// For web servers that do not send the target as it came.
fn joined_path(params: &Params) -> Vec<u8> {
    let parts = [b"SCRIPT_NAME".as_slice(), b"PATH_INFO"];
    parts.map(|name| params.get(name).unwrap_or_default()).concat()
}

fn path_of(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.station.end();
        if let (Some(begun), Some(slot)) = (self.in_slot, self.station.slot()) {
            let now = Instant::now();
            slot.end(begun, self.status, now);
            self.ended.set(Some(now));
        }
    }
}
