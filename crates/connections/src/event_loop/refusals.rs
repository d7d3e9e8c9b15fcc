//! What is said of refused requests: each kind at once, and then at most once a second with a count, because a peer can send
//! hundreds of thousands of them.

use std::time::{Duration, Instant};

use super::EventLoop;
use super::intake::name_alone;
use crate::exchange::{Exchange, Refusal};
use shared::scoreboard::refused::RefusedFor;

/// Refusals of each kind that were said lately, and how many were not.
#[derive(Debug, Default)]
pub struct Refusals {
    kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Kind {
    refusal: Refusal,
    said: Instant,
    unsaid: u64,
}

impl Refusals {
    /// A request was refused, `which` tells which one.
    pub fn note(&mut self, refusal: Refusal, now: Instant, which: impl FnOnce() -> String) {
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.refusal.is_like(refusal)) {
            kind.unsaid += 1;
            return;
        }
        self.kinds.push(Kind { refusal, said: now, unsaid: 0 });
        let (status, reason) = (refusal.status(), refusal.reason());
        log::log!(target: refusal.meaning(), level(refusal), "{} was answered {status}: {reason}", which());
    }

    /// Says what has been held back for long enough.
    pub fn say_held_back(&mut self, now: Instant) {
        self.kinds.retain_mut(|kind| {
            if now < kind.said + HOLD_BACK {
                return true;
            }
            let count = std::mem::take(&mut kind.unsaid);
            say_count(count, kind.refusal);
            kind.said = now;
            count > 0
        });
    }

    /// Says everything that has been held back: nobody will later.
    pub fn say_all_held_back(&mut self) {
        self.kinds.drain(..).for_each(|kind| say_count(kind.unsaid, kind.refusal));
    }

    /// How long after `now` something is to be said.
    pub fn next_in(&self, now: Instant) -> Option<Duration> {
        self.kinds.iter().map(|kind| (kind.said + HOLD_BACK).saturating_duration_since(now)).min()
    }
}

impl EventLoop {
    /// Answers those that were taken out of the queue, since no worker will. Nobody waits for what the peer has given up.
    pub(super) fn refuse_all(&mut self, exchanges: impl IntoIterator<Item = Exchange>, refusal: Refusal) {
        for Exchange { request, mut reply, .. } in exchanges {
            if reply.is_aborted() {
                reply.end_aborted();
                continue;
            }
            reply.refuse(refusal);
            counted(refusal).into_iter().for_each(|reason| self.queue.note_refusal(reason));
            self.refusals.note(refusal, self.now, || name_alone(&request.params));
        }
    }
}

fn say_count(count: u64, refusal: Refusal) {
    let (status, reason) = (refusal.status(), refusal.reason());
    let requests_were = if count == 1 { "request was" } else { "requests were" };
    if count > 0 {
        log::log!(target: refusal.meaning(), level(refusal), "{count} more {requests_were} answered {status}: {reason}");
    }
}

/// As what a refusal is counted, if nobody had a worker for the request.
pub fn counted(refusal: Refusal) -> Option<RefusedFor> {
    match refusal {
        Refusal::Overloaded => Some(RefusedFor::QueueFull),
        Refusal::WaitedTooLong => Some(RefusedFor::QueueTimeout),
        Refusal::NotServing => Some(RefusedFor::NotServing),
        Refusal::NobodyRuns => Some(RefusedFor::GilKept),
        _ => None,
    }
}

fn level(refusal: Refusal) -> log::Level {
    if refusal == Refusal::Aborted { log::Level::Info } else { log::Level::Warn }
}

const HOLD_BACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_refusals_are_counted_and_said_once_a_second() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut refusals = Refusals::default();
        assert_eq!(refusals.next_in(start), None);
        for millis in [0, 10, 20] {
            refusals.note(Refusal::Overloaded, after(millis), || format!("the request at {millis}"));
        }
        assert_eq!(refusals.kinds[0].unsaid, 2);
        assert_eq!(refusals.next_in(after(20)), Some(Duration::from_millis(980)));
        refusals.say_held_back(after(999));
        assert_eq!(refusals.kinds[0].unsaid, 2);
        refusals.say_held_back(after(1000));
        assert_eq!(refusals.kinds[0].unsaid, 0);
        refusals.say_held_back(after(2000));
        assert!(refusals.kinds.is_empty());
    }

    /// Each kind is kept until it has been quiet for a second.
    #[test]
    fn a_peer_cannot_make_up_kinds() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        for role in 0..1000_u16 {
            refusals.note(Refusal::UnknownRole(role.into()), now, || "a request".to_owned());
        }
        assert_eq!(refusals.kinds.len(), 4);
    }
}
