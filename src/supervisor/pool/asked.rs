//! What the children of a pool were asked, and have answered.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::children::ChildId;
use super::RunningPool;
use shared::link::Command;

/// Invariant: of each child there is one answer at most, and none that nobody has asked for, whatever it says; all of them together have
/// no more bytes than `MOST` says.
#[derive(Debug, Default)]
pub struct Asked(BTreeMap<ChildId, Entry>);

#[derive(Debug, Default)]
struct Entry {
    is_expected: bool,
    answer: Option<(Instant, String)>,
}

impl RunningPool {
    /// Asks a child what its threads are doing.
    pub fn ask_for_stacks(&mut self, id: ChildId) {
        self.asked.ask(id);
        self.tell(id, Command::TellStacks);
    }

    /// Has the child interrupt a request, if the worker of this slot still answers it.
    pub fn interrupt(&mut self, id: ChildId, slot: usize, request: u64) {
        self.ties.scoreboard.interrupt(slot, request);
        self.tell(id, Command::Look);
    }
}

impl Asked {
    /// A child is asked what its threads are doing.
    pub fn ask(&mut self, id: ChildId) {
        self.0.entry(id).or_default().is_expected = true;
    }

    /// It has said this.
    pub fn hear(&mut self, id: ChildId, stacks: String, now: Instant) {
        let others = self.0.iter().filter(|(other, _)| **other != id).filter_map(|(_, entry)| entry.answer.as_ref());
        let bytes: usize = others.map(|(_, text)| text.len()).sum();
        let Some(entry) = self.0.get_mut(&id).filter(|entry| entry.is_expected) else { return };
        let is_too_much = bytes + stacks.len() > MOST;
        let text = if is_too_much { "@0 (left out: the other processes have said too much)\n".to_owned() } else { stacks };
        *entry = Entry { is_expected: false, answer: Some((now, text)) };
    }

    /// What it has said since then, if it has.
    pub fn answer(&self, id: ChildId, since: Instant) -> Option<&str> {
        let (when, text) = self.0.get(&id)?.answer.as_ref()?;
        (*when >= since).then_some(text)
    }

    /// It has gone.
    pub fn forget(&mut self, id: ChildId) {
        self.0.remove(&id);
    }
}

/// Bytes of all answers.
const MOST: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_was_asked_for_is_kept_once_and_told_to_who_asked_before_it_came() {
        let (mut asked, begin) = (Asked::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let id = ChildId(1);
        asked.hear(id, "unasked".to_owned(), at(1));
        assert_eq!(asked.answer(id, at(0)), None);
        asked.ask(id);
        assert_eq!(asked.answer(id, at(0)), None);
        asked.hear(id, "first".to_owned(), at(3));
        asked.hear(id, "once more".to_owned(), at(4));
        assert_eq!(
            (asked.answer(id, at(2)), asked.answer(id, at(3)), asked.answer(id, at(4))),
            (Some("first"), Some("first"), None)
        );
        asked.ask(id);
        assert_eq!(asked.answer(id, at(2)), Some("first"), "who waits for others has it still");
        asked.hear(id, "second".to_owned(), at(6));
        assert_eq!(asked.answer(id, at(5)), Some("second"));
        asked.forget(id);
        assert_eq!(asked.answer(id, at(0)), None);
    }

    #[test]
    fn there_is_a_limit_to_all_of_them() {
        let (mut asked, now) = (Asked::default(), Instant::now());
        for number in 0..200 {
            asked.ask(ChildId(number));
            asked.hear(ChildId(number), "x".repeat(64 * 1024), now);
        }
        let bytes: usize = (0..200).filter_map(|number| asked.answer(ChildId(number), now)).map(str::len).sum();
        assert!((MOST / 2..=MOST + 200 * 100).contains(&bytes), "{bytes}");
    }
}
