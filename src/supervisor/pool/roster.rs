//! What a pool's processes are told of it, so that each of them can answer who asks for its status.

use std::time::{Duration, Instant};

use super::super::children::{ChildId, Condition, Generation};
use super::super::process::Process;
use super::RunningPool;
use shared::logging::offset_before;
use shared::scoreboard::roster::{Child, Record, STOPPED};
use shared::sys::process::monotonic_time;

/// What is counted over the life of a pool.
#[derive(Debug)]
pub struct Ledger {
    /// When it began, by both clocks.
    started: (Instant, Duration),
    /// Those that have succeeded, and the others.
    reloads: [u64; 2],
    last_reload: Option<(Duration, bool)>,
    /// How often there were more requests than workers.
    pub saturations: u64,
}

impl Ledger {
    /// Goes on from what was said last; nothing was, of a pool that begins now.
    pub fn after(record: &Record) -> Self {
        let (now, monotonic) = (Instant::now(), monotonic_time());
        let age = if record.started.is_zero() { Duration::ZERO } else { monotonic.saturating_sub(record.started) };
        let started = now.checked_sub(age).map_or((now, monotonic), |started| (started, monotonic - age));
        let Record { reloads, last_reload, saturations, .. } = *record;
        Self { started, reloads, last_reload, saturations }
    }

    /// A reload of it has ended.
    pub fn note_reload(&mut self, is_good: bool, now: Instant) {
        self.reloads[usize::from(!is_good)] += 1;
        self.last_reload = Some((self.monotonic(now), is_good));
    }

    /// The same moment by the other clock.
    fn monotonic(&self, moment: Instant) -> Duration {
        let (started, monotonic) = self.started;
        match moment.checked_duration_since(started) {
            Some(later) => monotonic + later,
            None => monotonic.saturating_sub(started.duration_since(moment)),
        }
    }
}

impl RunningPool {
    /// How it is, in a word.
    pub fn state_word(&self) -> &'static str {
        match self.children.condition() {
            Condition::Serving if self.saturation.is_said() => "saturated",
            Condition::Serving => "serving",
            Condition::Starting => "starting",
            Condition::Failing => "failing",
            Condition::Sleeping => "sleeping",
            Condition::Stopping => "stopping",
        }
    }

    /// Tells its processes how it is, if that has changed and anybody may ask them.
    pub fn publish(&self) {
        if self.settings().status_path.is_some() {
            self.ties.roster.publish(&self.record());
        }
    }

    fn record(&self) -> Record {
        let (ledger, processes) = (&self.ledger, self.settings().processes);
        Record {
            started: ledger.started.1,
            offset: offset_before(ledger.started.0.elapsed()),
            state: if self.are_all_stopped() { STOPPED } else { self.state_word() },
            generation: self.children.generation().0,
            wanted: [self.children.wanted(), processes.min, processes.max],
            queue_process: self.queue_process().map_or(0, number),
            saturations: ledger.saturations,
            reloads: ledger.reloads,
            last_reload: ledger.last_reload,
            exits: self.exits,
            failing_since: self
                .children
                .failing()
                .map(|(failing, _)| (ledger.monotonic(failing.since), offset_before(failing.since.elapsed()))),
            past: self.past.clone(),
            children: self.children.describe_all().filter_map(|child| self.listed(child)).collect(),
        }
    }

    /// Whether a signal has stopped all children that would serve.
    pub(super) fn are_all_stopped(&self) -> bool {
        let mut serving = self.children.serving().peekable();
        serving.peek().is_some() && serving.all(|id| self.processes.get(&id).is_some_and(|process| process.is_stopped))
    }

    /// A child that has a process and a desk.
    fn listed(&self, (id, word, Generation(generation)): (ChildId, &'static str, Generation)) -> Option<Child> {
        let process = self.processes.get(&id)?;
        let desk = process.desk.as_ref()?;
        Some(Child {
            pid: number(process),
            state: word,
            is_stopped: process.is_stopped,
            generation,
            started: self.ledger.monotonic(process.started),
            offset: offset_before(process.started.elapsed()),
            seat: desk.seat,
            slots: desk.slots.clone(),
        })
    }
}

fn number(process: &Process) -> u32 {
    process.id.number().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_and_after_the_beginning_are_told_by_the_other_clock() {
        let ledger = Ledger::after(&Record::default());
        let (started, monotonic) = ledger.started;
        let second = Duration::from_secs(1);
        assert_eq!(ledger.monotonic(started + second), monotonic + second);
        assert_eq!(ledger.monotonic(started - second), monotonic - second);
    }

    #[test]
    fn reloads_are_counted_by_how_they_were_by_the_next_program_too() {
        let ledger = Ledger::after(&Record::default());
        let (started, monotonic) = ledger.started;
        let record = Record { started: monotonic, reloads: [3, 4], saturations: 5, ..Record::default() };
        let mut next = Ledger::after(&record);
        assert!(next.started.0.duration_since(started) < Duration::from_secs(1) && next.started.1 == monotonic);
        let now = started + Duration::from_secs(2);
        [true, false, false].into_iter().for_each(|is_good| next.note_reload(is_good, now));
        assert_eq!((next.reloads, next.saturations), ([4, 6], 5));
        let (at, is_good) = next.last_reload.unwrap();
        assert!(!is_good && at.abs_diff(monotonic + Duration::from_secs(2)) < Duration::from_secs(1), "{at:?}");
    }
}
