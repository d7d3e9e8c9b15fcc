//! What one worker says of the request that it answers, and what it has counted. It writes alone and never waits; whoever reads
//! waits for nothing either, and takes nothing for granted.
//!
//! ```text
//! begin:   the number is made odd ─▶ what the request is ─▶ the number is made even
//! reading: the number ─▶ what the request is ─▶ the number is still the same, and even: whole
//!                                             else again, some times: then it is torn, and said to be
//! ```
//!
//! A writer may be stopped or killed in the middle, or be no worker at all, but an application that scribbles. So what is read are
//! bytes of bounded length, which are escaped before anybody sees them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::tally::{ABORTED, BUCKETS, CLASSES, Histogram, STEPS, Tally, bucket, class};
use super::{FIRST_SLOT, SLOTS, Scoreboard, sequence};
use crate::sys::terminal;

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// It has no request.
    Idle = 0,
    /// The application answers one.
    Application = 1,
    /// It waits until the web server has read what was sent of one.
    Sending = 2,
    /// The answer has ended, and the application tidies up.
    Closing = 3,
    /// It was answered 504 or broken off, and the application has not ended.
    Overdue = 4,
    /// The web server has given it up, and the application has not ended.
    Aborted = 5,
}

/// The place of one worker.
#[derive(Clone, Debug)]
pub struct Slot {
    scoreboard: Arc<Scoreboard>,
    number: usize,
}

/// A request that has begun, until its [`Slot::end`].
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    begun: Instant,
    /// How long it had waited when a worker took it.
    waited: Duration,
}

/// A request, as a worker says what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its number in its process.
    pub number: u64,
    /// When its first record has come.
    pub begun: Instant,
    /// How long it had waited when a worker took it.
    pub waited: Duration,
    /// When that was, in nanoseconds of the monotonic clock.
    pub taken: u64,
    /// When it is overdue, likewise.
    pub due: Option<u64>,
    /// REQUEST_METHOD.
    pub method: &'a [u8],
    /// The path that was asked for, without its query.
    pub path: &'a [u8],
    /// REMOTE_ADDR.
    pub remote: &'a [u8],
}

/// The thread that a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadNumbers {
    /// As Python counts them.
    pub python: u64,
    /// As the system does.
    pub system: u32,
}

/// What a worker said when somebody looked. All of it may be an invention of the application's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// What it does.
    pub phase: Phase,
    /// Its thread.
    pub thread: ThreadNumbers,
    /// The request that it answers or, when it has none, has answered last.
    pub request: Said,
    /// Whether that changed whenever it was read, so that it need not belong together.
    pub is_torn: bool,
}

/// A request, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its number in its process.
    pub number: u64,
    /// When a worker has taken it, by the monotonic clock.
    pub taken: Duration,
    /// When it is overdue, by the same clock.
    pub due: Option<Duration>,
    /// The beginning of its REQUEST_METHOD.
    pub method: Vec<u8>,
    /// The beginning of the path that was asked for.
    pub path: Vec<u8>,
    /// Whether that goes on.
    pub path_is_cut: bool,
    /// REMOTE_ADDR.
    pub remote: Vec<u8>,
}

impl Said {
    /// How it is named in messages.
    pub fn name(&self, process: u32) -> String {
        let text = |bytes: &[u8]| terminal::escaped(&String::from_utf8_lossy(bytes)).replace('\n', "\\n");
        let more = if self.path_is_cut { "..." } else { "" };
        match (self.method.as_slice(), self.path.as_slice()) {
            (b"", b"") => format!("request {process}-{}", self.number),
            (method, path) => format!("request {process}-{} ({} {}{more})", self.number, text(method), text(path)),
        }
    }
}

impl Scoreboard {
    /// The slot of this number, for the worker that has it. To be taken by one thread at a time.
    pub fn slot(self: &Arc<Self>, number: usize) -> Slot {
        Slot { scoreboard: Arc::clone(self), number }
    }

    /// What the workers of these slots are doing.
    pub fn glances(&self, slots: Range<usize>) -> impl Iterator<Item = Glance> + '_ {
        self.words_of(slots).map(glance)
    }

    /// The same of those that have a request.
    pub fn busy(&self, slots: Range<usize>) -> impl Iterator<Item = Glance> + '_ {
        self.glances(slots).filter(|glance| glance.phase != Phase::Idle)
    }

    /// What the workers of these slots have counted, together.
    pub fn tally(&self, slots: Range<usize>) -> Tally {
        let mut sum = Tally::default();
        self.words_of(slots).for_each(|words| sum.add(&tally(words)));
        sum
    }

    /// The worker of this slot is to be interrupted, if it still answers the request of this number.
    pub fn interrupt(&self, slot: usize, request: u64) {
        let words = self.slot_words(slot);
        // One that was interrupted before may be once more.
        words[INTERRUPTED].store(0, Ordering::Relaxed);
        words[INTERRUPT].store(request, Ordering::Relaxed);
    }

    /// Whether the worker of this slot has said that the request of this number was interrupted, since it was to be.
    pub fn was_interrupted(&self, slot: usize, request: u64) -> bool {
        self.slot_words(slot)[INTERRUPTED].load(Ordering::Relaxed) == request
    }

    /// Nobody has these slots any more.
    pub fn clear(&self, slots: Range<usize>) {
        self.words_of(slots).flatten().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    fn words_of(&self, slots: Range<usize>) -> impl Iterator<Item = &[AtomicU64; SLOT_WORDS]> {
        slots.take_while(|number| *number < SLOTS).map(|number| self.slot_words(number))
    }

    fn slot_words(&self, number: usize) -> &[AtomicU64; SLOT_WORDS] {
        let first = FIRST_SLOT + SLOT_WORDS * number.min(SLOTS - 1);
        let (slots, _) = self.memory.words()[first..].as_chunks();
        &slots[0]
    }
}

impl Slot {
    /// Says which thread this is.
    pub fn set_thread(&self, thread: ThreadNumbers) {
        let words = self.words();
        words[PYTHON_THREAD].store(thread.python, Ordering::Relaxed);
        words[SYSTEM_THREAD].store(thread.system.into(), Ordering::Relaxed);
    }

    /// Says which request is answered from now on. Only for the worker whose slot it is.
    pub fn begin(&self, asked: &Asked<'_>) -> Begun {
        let words = self.words();
        sequence::write(&words[SEQUENCE], || {
            words[NUMBER].store(asked.number, Ordering::Relaxed);
            words[TAKEN].store(asked.taken, Ordering::Relaxed);
            words[DUE].store(asked.due.unwrap_or(0), Ordering::Relaxed);
            let method = store(&words[METHOD..REMOTE], asked.method);
            let remote = store(&words[REMOTE..PATH], asked.remote);
            let path = store(&words[PATH..COUNTS], asked.path);
            let is_cut = asked.path.len() > path;
            words[LENGTHS].store((method | remote << 16 | path << 32 | usize::from(is_cut) << 48) as u64, Ordering::Relaxed);
            words[PHASE].store(Phase::Application as u64, Ordering::Relaxed);
        });
        Begun { begun: asked.begun, waited: asked.waited }
    }

    /// The request has ended now, with this status.
    pub fn end(&self, begun: Begun, status: u16, now: Instant) {
        self.words()[PHASE].store(Phase::Idle as u64, Ordering::Relaxed);
        self.count(begun, status, now);
    }

    /// A request that came at `begun` was given up before anything was done with it.
    pub fn pass_over(&self, begun: Instant) {
        self.count(Begun { begun, waited: begun.elapsed() }, ABORTED, Instant::now());
    }

    fn count(&self, Begun { begun, waited }: Begun, status: u16, now: Instant) {
        let words = self.words();
        add(&words[CLASS + class(status)], 1);
        if status == ABORTED {
            add(&words[ABORTS], 1);
        }
        count(&words[DURATION..], now.saturating_duration_since(begun));
        count(&words[QUEUE_WAIT..], waited);
    }

    /// Says what is done with the request.
    pub fn set_phase(&self, phase: Phase) {
        self.words()[PHASE].store(phase as u64, Ordering::Relaxed);
    }

    /// The number of the request that is answered.
    pub fn answers(&self) -> Option<u64> {
        let words = self.words();
        let is_busy = words[PHASE].load(Ordering::Relaxed) != Phase::Idle as u64;
        is_busy.then(|| words[NUMBER].load(Ordering::Relaxed))
    }

    /// Takes the request that is to be interrupted, if that is the one that is answered now. Certain for whoever knows that the worker
    /// does not run meanwhile.
    pub fn take_interrupt(&self) -> Option<u64> {
        let words = self.words();
        let asked = words[INTERRUPT].swap(0, Ordering::Relaxed);
        let is_this = asked != 0 && asked == words[NUMBER].load(Ordering::Relaxed);
        (is_this && words[PHASE].load(Ordering::Relaxed) != Phase::Idle as u64).then_some(asked)
    }

    /// Says until when the request has time from now on.
    pub fn set_due(&self, due: Option<u64>) {
        self.words()[DUE].store(due.unwrap_or(0), Ordering::Relaxed);
    }

    /// Says that the web server has given the request of this number up.
    pub fn note_aborted(&self, request: u64) {
        self.words()[ABANDONED].store(request, Ordering::Relaxed);
    }

    /// Counts the request as a slow one. This and the next two are for the one thread of the process that looks after the time.
    pub fn note_slow(&self) {
        add(&self.words()[SLOW], 1);
    }

    /// Says that the request of this number has had its time, and counts that; also for its worker, if that has ended the answer.
    pub fn note_overdue(&self, request: u64) {
        let words = self.words();
        words[OVERDUE].store(request, Ordering::Relaxed);
        add(&words[TIMEOUTS], 1);
    }

    /// Counts that it is given up.
    pub fn note_given_up(&self) {
        add(&self.words()[TIMEOUTS + 1], 1);
    }

    /// What it says itself.
    pub fn said(&self) -> Said {
        read(self.words())
    }

    /// Says that this request was interrupted.
    pub fn note_interrupted(&self, request: u64) {
        self.words()[INTERRUPTED].store(request, Ordering::Relaxed);
    }

    fn words(&self) -> &[AtomicU64; SLOT_WORDS] {
        self.scoreboard.slot_words(self.number)
    }
}

fn glance(words: &[AtomicU64; SLOT_WORDS]) -> Glance {
    let word = |index: usize| words[index].load(Ordering::Relaxed);
    let phase = match word(PHASE) {
        1..=3 if word(OVERDUE) != 0 && word(OVERDUE) == word(NUMBER) => Phase::Overdue,
        1..=3 if word(ABANDONED) != 0 && word(ABANDONED) == word(NUMBER) => Phase::Aborted,
        1 => Phase::Application,
        2 => Phase::Sending,
        3 => Phase::Closing,
        _ => Phase::Idle,
    };
    let thread = ThreadNumbers { python: word(PYTHON_THREAD), system: word(SYSTEM_THREAD) as u32 };
    let whole = sequence::read(|ordering| words[SEQUENCE].load(ordering), || read(words));
    let is_torn = whole.is_none();
    Glance { phase, thread, request: whole.unwrap_or_else(|| read(words)), is_torn }
}

fn read(words: &[AtomicU64; SLOT_WORDS]) -> Said {
    let word = |index: usize| words[index].load(Ordering::Relaxed);
    let lengths = word(LENGTHS);
    let length = |shift: u32| usize::from((lengths >> shift) as u16);
    Said {
        number: word(NUMBER),
        taken: Duration::from_nanos(word(TAKEN)),
        due: Some(word(DUE)).filter(|due| *due > 0).map(Duration::from_nanos),
        method: load(&words[METHOD..REMOTE], length(0)),
        remote: load(&words[REMOTE..PATH], length(16)),
        path: load(&words[PATH..COUNTS], length(32)),
        path_is_cut: length(48) != 0,
    }
}

fn tally(words: &[AtomicU64; SLOT_WORDS]) -> Tally {
    let word = |index: usize| words[index].load(Ordering::Relaxed);
    let histogram =
        |first: usize| Histogram { sum: word(first), buckets: std::array::from_fn(|index| word(first + 1 + index)) };
    Tally {
        classes: std::array::from_fn(|index| word(CLASS + index)),
        aborted: word(ABORTS),
        slow: word(SLOW),
        timeouts: [word(TIMEOUTS), word(TIMEOUTS + 1)],
        duration: histogram(DURATION),
        queue_wait: histogram(QUEUE_WAIT),
    }
}

/// Stores as much as fits, and says how much that is. What was behind it stays.
fn store(words: &[AtomicU64], text: &[u8]) -> usize {
    let text = &text[..text.len().min(8 * words.len())];
    let (whole, rest) = text.as_chunks();
    for (word, bytes) in words.iter().zip(whole) {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    if let Some(word) = words.get(whole.len()).filter(|_| !rest.is_empty()) {
        let mut bytes = [0; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
    }
    text.len()
}

/// So many bytes of what was stored, or as many as there can be.
fn load(words: &[AtomicU64], length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        words.iter().take(length.div_ceil(8)).flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

fn count(words: &[AtomicU64], length: Duration) {
    let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    add(&words[0], micros);
    add(&words[1 + bucket(micros)], 1);
}

/// Of a word that nobody else writes to.
fn add(word: &AtomicU64, count: u64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

const SEQUENCE: usize = 0;
const PHASE: usize = 1;
const NUMBER: usize = 2;
const TAKEN: usize = 3;
const PYTHON_THREAD: usize = 4;
const SYSTEM_THREAD: usize = 5;
/// Of the three texts, 16 bits each, and whether the path is cut.
const LENGTHS: usize = 6;
/// Written by the supervisor.
const INTERRUPT: usize = 7;
const METHOD: usize = 8;
const REMOTE: usize = METHOD + 2;
const PATH: usize = REMOTE + 6;
const COUNTS: usize = PATH + 24;
const CLASS: usize = COUNTS;
const ABORTS: usize = CLASS + CLASSES;
/// Its sum, then its buckets.
const DURATION: usize = ABORTS + 1;
const QUEUE_WAIT: usize = DURATION + 1 + BUCKETS;
/// What was interrupted last.
const INTERRUPTED: usize = QUEUE_WAIT + 1 + BUCKETS;
/// What is overdue.
const OVERDUE: usize = INTERRUPTED + 1;
/// When what is answered is overdue; 0 for never.
const DUE: usize = OVERDUE + 1;
const SLOW: usize = DUE + 1;
const TIMEOUTS: usize = SLOW + 1;
/// What the web server has given up.
const ABANDONED: usize = TIMEOUTS + STEPS;
const WORDS_END: usize = ABANDONED + 1;
/// Whole cache lines, with room for what comes.
pub(super) const SLOT_WORDS: usize = 96;
const _: () = assert!(WORDS_END <= SLOT_WORDS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::monotonic_time;
    use crate::sys::timeline::nanoseconds;

    fn asked(number: u64, path: &[u8]) -> Asked<'_> {
        Asked {
            number,
            begun: Instant::now(),
            waited: Duration::ZERO,
            taken: nanoseconds(monotonic_time()),
            due: None,
            method: b"GET",
            path,
            remote: b"2001:db8::1",
        }
    }

    fn slot() -> (Arc<Scoreboard>, Slot) {
        let scoreboard = Arc::new(Scoreboard::new().unwrap());
        let slot = scoreboard.slot(5);
        (scoreboard, slot)
    }

    fn look(scoreboard: &Scoreboard) -> Glance {
        scoreboard.glances(5..6).next().unwrap()
    }

    #[test]
    fn what_a_worker_says_is_read_as_it_was_said() {
        let (scoreboard, slot) = slot();
        let thread = ThreadNumbers { python: 1 << 40, system: 77 };
        slot.set_thread(thread);
        let begun = slot.begin(&asked(3, b"/a/longer/path"));
        let Glance { phase, thread: seen, request, is_torn } = look(&scoreboard);
        assert_eq!((phase, seen, is_torn), (Phase::Application, thread, false));
        assert_eq!((request.number, &request.method[..], &request.path[..]), (3, &b"GET"[..], &b"/a/longer/path"[..]));
        assert!(request.remote == b"2001:db8::1" && !request.path_is_cut);
        let age = monotonic_time().saturating_sub(request.taken);
        assert!(age < Duration::from_secs(10), "{age:?}");
        slot.set_phase(Phase::Sending);
        assert_eq!(look(&scoreboard).phase, Phase::Sending);
        slot.end(begun, 200, Instant::now());
        assert_eq!(look(&scoreboard).phase, Phase::Idle);
        slot.begin(&asked(4, b"/b"));
        assert_eq!(look(&scoreboard).request.path, b"/b");
    }

    #[test]
    fn what_does_not_fit_is_cut_and_that_is_said() {
        let (scoreboard, slot) = slot();
        let path = [b'x'; 1000];
        slot.begin(&Asked { method: &path, remote: &path, ..asked(1, &path) });
        let request = look(&scoreboard).request;
        assert_eq!((request.method.len(), request.remote.len(), request.path.len()), (16, 48, 192));
        assert!(request.path_is_cut);
        slot.begin(&asked(1, &path[..192]));
        assert!(!look(&scoreboard).request.path_is_cut);
    }

    #[test]
    fn what_has_ended_is_counted_by_status_and_time() {
        let (scoreboard, slot) = slot();
        for (status, age) in [(200, 0), (302, 20), (499, 0), (500, 400), (0, 0)] {
            let begun = slot.begin(&Asked {
                begun: Instant::now() - Duration::from_millis(age),
                waited: Duration::from_millis(age),
                ..asked(1, b"/")
            });
            slot.end(begun, status, Instant::now());
        }
        slot.pass_over(Instant::now());
        let tally = scoreboard.tally(0..10);
        assert_eq!((tally.classes, tally.aborted, tally.requests()), ([1, 0, 1, 1, 2, 1], 2, 6));
        assert_eq!((tally.duration.count(), tally.queue_wait.count()), (6, 6));
        assert!((420_000..5_000_000).contains(&tally.queue_wait.sum) && tally.duration.sum >= tally.queue_wait.sum);
        scoreboard.clear(5..6);
        assert_eq!(scoreboard.tally(0..10), Tally::default());
        assert_eq!(look(&scoreboard).request, Said::default());
    }

    #[test]
    fn what_has_had_its_time_is_overdue_until_the_next_request() {
        let (scoreboard, slot) = slot();
        let begun = slot.begin(&Asked { due: Some(77), ..asked(3, b"/") });
        assert_eq!(look(&scoreboard).request.due, Some(Duration::from_nanos(77)));
        slot.note_slow();
        slot.note_aborted(3);
        assert_eq!(look(&scoreboard).phase, Phase::Aborted);
        slot.note_overdue(3);
        slot.set_phase(Phase::Closing);
        assert_eq!(look(&scoreboard).phase, Phase::Overdue);
        slot.note_given_up();
        slot.end(begun, 504, Instant::now());
        assert_eq!(look(&scoreboard).phase, Phase::Idle);
        slot.begin(&asked(4, b"/"));
        assert_eq!((look(&scoreboard).phase, look(&scoreboard).request.due), (Phase::Application, None));
        slot.set_due(Some(88));
        assert_eq!(look(&scoreboard).request.due, Some(Duration::from_nanos(88)));
        let tally = scoreboard.tally(5..6);
        assert_eq!((tally.slow, tally.timeouts), (1, [1, 1]));
    }

    #[test]
    fn only_the_request_that_is_meant_is_interrupted() {
        let (scoreboard, slot) = slot();
        let begun = slot.begin(&asked(3, b"/"));
        assert_eq!(slot.answers(), Some(3));
        scoreboard.interrupt(5, 2);
        assert_eq!(slot.take_interrupt(), None);
        scoreboard.interrupt(5, 3);
        assert!(!scoreboard.was_interrupted(5, 3));
        assert_eq!((slot.take_interrupt(), slot.take_interrupt()), (Some(3), None), "once");
        slot.note_interrupted(3);
        assert!(scoreboard.was_interrupted(5, 3) && !scoreboard.was_interrupted(5, 2));
        scoreboard.interrupt(5, 3);
        assert!(!scoreboard.was_interrupted(5, 3), "not once more yet");
        slot.end(begun, 200, Instant::now());
        assert_eq!((slot.take_interrupt(), slot.answers()), (None, None));
        scoreboard.interrupt(5, 3);
        slot.begin(&asked(4, b"/"));
        assert_eq!(slot.take_interrupt(), None);
    }

    #[test]
    fn a_writer_that_was_stopped_in_the_middle_costs_a_reader_nothing() {
        let (scoreboard, slot) = slot();
        slot.begin(&asked(3, b"/stopped"));
        slot.words()[SEQUENCE].store(7, Ordering::Relaxed);
        let glance = look(&scoreboard);
        assert!(glance.is_torn && glance.request.path == b"/stopped");
        slot.begin(&asked(4, b"/next"));
        assert!(!look(&scoreboard).is_torn);
    }

    #[test]
    fn whatever_an_application_writes_is_read_within_bounds() {
        let (scoreboard, slot) = slot();
        for scribble in [u64::MAX, u64::MAX - 1, 0x0001_ffff_ffff_ffff, 1 << 63] {
            slot.words().iter().for_each(|word| word.store(scribble, Ordering::Relaxed));
            let request = look(&scoreboard).request;
            assert!(request.method.len() <= 16 && request.remote.len() <= 48 && request.path.len() <= 192);
            scoreboard.tally(0..usize::MAX);
        }
        assert_eq!(scoreboard.glances(super::super::SLOTS - 1..usize::MAX).count(), 1);
    }

    #[test]
    fn what_is_not_torn_belongs_together() {
        let (scoreboard, slot) = slot();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..20_000_u64 {
                    let byte = b'a' + (round % 26) as u8;
                    let begun = slot.begin(&asked(round, &[byte; 192][..usize::from(byte)]));
                    slot.end(begun, 200, Instant::now());
                }
            });
            while !writer.is_finished() {
                let Glance { request: Said { number, path, .. }, is_torn, .. } = look(&scoreboard);
                if !is_torn && !path.is_empty() {
                    let byte = b'a' + (number % 26) as u8;
                    assert!(path.len() == usize::from(byte) && path.iter().all(|other| *other == byte), "{number} {path:?}");
                }
            }
        });
    }
}
