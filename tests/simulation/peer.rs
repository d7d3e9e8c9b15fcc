//! A web server that multiplexes, and the trivial model: what it has asked for is what it must get.

use std::collections::{BTreeMap, VecDeque};
use std::ops::AddAssign;

use crate::plan::{Answer, Fate, MAX_OPEN, Plan};
use crate::random::Random;
use crate::record::{self, kind, protocol_status};

/// The peer of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    to_begin: usize,
    at_once: usize,
    ids: Vec<u16>,
    asked: BTreeMap<u16, Asked>,
    unread: VecDeque<u8>,
    bytes_sent: u64,
    received: Vec<u8>,
    questions: usize,
    tally: Tally,
}

/// A request on its way.
#[derive(Debug)]
struct Asked {
    role: u16,
    to_send: VecDeque<Vec<u8>>,
    fate: Fate,
    answer: Answer,
    /// The byte behind ABORT_REQUEST.
    aborted_at: Option<u64>,
    stdout: Vec<u8>,
    stdout_ended: bool,
    ended: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All that can be answered has been.
    Done,
    /// The gateway has cut it.
    Cut,
    /// The peer has closed it.
    Left,
}

/// How often what has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    begun: usize,
    /// To responders, authorizers and filters.
    echoed: [usize; 3],
    refused: usize,
    gave_up: usize,
    answered_before_abort: usize,
    cut_in_the_middle: usize,
    stalled: usize,
    lost_to_a_cut: usize,
    lost_to_leaving: usize,
    questions: usize,
    most_at_once: usize,
}

impl Peer {
    /// Up to 64 requests at once and twice as many in all, under ids that come back.
    pub(crate) fn new(random: &mut Random) -> Self {
        let at_once = random.length(MAX_OPEN).min(MAX_OPEN);
        let mut ids: Vec<u16> = (0..at_once).map(|_| u16::try_from(1 + random.below(0xffff)).unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        Self {
            to_begin: 1 + random.below(2 * at_once),
            at_once: ids.len(),
            ids,
            asked: BTreeMap::new(),
            unread: VecDeque::new(),
            bytes_sent: 0,
            received: Vec::new(),
            questions: 0,
            tally: Tally::default(),
        }
    }

    /// Sends one record of one of its requests, or a question about the gateway.
    pub(crate) fn send(&mut self, random: &mut Random) {
        if random.below(100) == 0 {
            let question = [record::record(kind::GET_VALUES, 0, b""), record::record(200, 0, b"?")];
            self.write(&question[random.below(2)]);
            self.questions += 1;
        }
        if self.to_begin > 0 && !self.ids.is_empty() && random.below(3) == 0 {
            self.begin(random);
        }
        let unsent: Vec<u16> = self.asked.iter().filter(|(_, asked)| !asked.to_send.is_empty()).map(|(id, _)| *id).collect();
        if !unsent.is_empty() {
            self.send_record(unsent[random.below(unsent.len())]);
        }
    }

    /// Whether nothing is left to be sent, or to be read by the gateway.
    pub(crate) fn has_sent_all(&self) -> bool {
        let can_begin = self.to_begin > 0 && !self.ids.is_empty();
        let waits = self.asked.values().any(|asked| !asked.to_send.is_empty());
        !can_begin && !waits && self.unread.is_empty()
    }

    /// At most `count` bytes of what was sent.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        self.unread.drain(..count.min(self.unread.len())).collect()
    }

    /// Takes what the gateway sent once it had read `read` bytes, and checks it.
    pub(crate) fn receive(&mut self, bytes: &[u8], read: u64) {
        self.received.extend_from_slice(bytes);
        let received = std::mem::take(&mut self.received);
        let mut rest = &received[..];
        while let [1, kind, id_high, id_low, length_high, length_low, padding, _, content @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
            let (content, behind) = content.split_at(length);
            self.check(*kind, u16::from_be_bytes([*id_high, *id_low]), content, read);
            rest = &behind[usize::from(*padding)..];
        }
        assert!(rest.is_empty(), "only whole records are sent at once");
    }

    /// Checks what was not answered, and sums up: of each request there is one outcome.
    pub(crate) fn into_tally(mut self, end: End) -> Tally {
        let unanswered: Vec<Asked> = std::mem::take(&mut self.asked).into_values().filter(|asked| !asked.ended).collect();
        match end {
            End::Done => {
                assert_eq!(self.questions, 0, "every management record is answered");
                let lost = unanswered.iter().find(|asked| asked.fate != Fate::Stalled || !asked.stdout.is_empty());
                assert!(lost.is_none(), "this request was not answered: {lost:?}");
                self.tally.stalled += unanswered.len();
            }
            End::Cut => {
                let is_broken = |asked: &Asked| matches!(asked.answer, Answer::Cut) && !asked.stdout.is_empty();
                assert!(unanswered.iter().any(is_broken), "the connection was cut, and no answer broke");
                self.tally.lost_to_a_cut += unanswered.len();
            }
            End::Left => self.tally.lost_to_leaving += unanswered.len(),
        }
        self.tally.check_sum();
        self.tally
    }

    fn begin(&mut self, random: &mut Random) {
        let id = self.ids.swap_remove(random.below(self.ids.len()));
        let Plan { role, records, fate, answer } = Plan::new(id, self.tally.begun, random);
        let asked = Asked {
            role,
            to_send: records.into(),
            fate,
            answer,
            aborted_at: None,
            stdout: Vec::new(),
            stdout_ended: false,
            ended: false,
        };
        self.asked.insert(id, asked);
        self.to_begin -= 1;
        self.tally.begun += 1;
        self.tally.most_at_once = self.tally.most_at_once.max(self.at_once - self.ids.len());
    }

    fn send_record(&mut self, id: u16) {
        let asked = self.asked.get_mut(&id).unwrap();
        let record = asked.to_send.pop_front().unwrap();
        let aborts = record[1] == kind::ABORT_REQUEST;
        self.write(&record);
        let behind = self.bytes_sent;
        let asked = self.asked.get_mut(&id).unwrap();
        if aborts {
            asked.aborted_at = Some(behind);
        }
        self.free(id);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.unread.extend(bytes);
        self.bytes_sent += bytes.len() as u64;
    }

    /// An id may be used again when all of its request has been sent and answered.
    fn free(&mut self, id: u16) {
        if self.asked.get(&id).is_some_and(|asked| asked.ended && asked.to_send.is_empty()) {
            self.asked.remove(&id);
            self.ids.push(id);
        }
    }

    fn check(&mut self, kind: u8, id: u16, content: &[u8], read: u64) {
        if id == 0 {
            assert!(matches!(kind, kind::GET_VALUES_RESULT | kind::UNKNOWN_TYPE));
            self.questions = self.questions.checked_sub(1).expect("an answer has its question");
            self.tally.questions += 1;
            return;
        }
        let asked = self.asked.get_mut(&id).unwrap_or_else(|| panic!("nobody asked under {id}"));
        assert!(!asked.ended, "request {id} was answered twice");
        match kind {
            kind::STDOUT if content.is_empty() => asked.stdout_ended = true,
            kind::STDOUT => {
                assert!(!asked.stdout_ended, "STDOUT behind its end");
                asked.stdout.extend_from_slice(content);
            }
            kind::END_REQUEST => {
                asked.check_end(content, read, &mut self.tally);
                self.free(id);
            }
            other => panic!("a record of type {other}"),
        }
    }
}

impl Asked {
    fn check_end(&mut self, content: &[u8], read: u64, tally: &mut Tally) {
        assert!(self.stdout_ended, "the answer is whole");
        assert!(self.fate != Fate::Stalled, "it was not complete: {self:?}");
        self.ended = true;
        let aborted = self.aborted_at.is_some_and(|behind| behind <= read);
        let (mut app_status, mut protocol_status) = (0, protocol_status::REQUEST_COMPLETE);
        match &self.answer {
            _ if aborted && self.status() == Some(499) => tally.gave_up += 1,
            Answer::Echo(expected) if aborted => {
                assert!(expected.starts_with(&self.stdout), "an aborted answer is a piece of its own");
                assert!(self.stdout.len() < expected.len(), "an aborted request was answered in full");
                tally.cut_in_the_middle += 1;
            }
            Answer::Echo(expected) => {
                assert!(*expected == self.stdout, "the answer is its own");
                tally.echoed[usize::from(self.role) - 1] += 1;
                tally.answered_before_abort += usize::from(self.fate == Fate::Aborted);
            }
            Answer::Status(expected) => {
                assert_eq!(self.status(), Some(*expected), "{self:?}");
                app_status = u8::from(*expected == 500);
                protocol_status = if *expected == 403 { protocol_status::UNKNOWN_ROLE } else { protocol_status };
                tally.refused += 1;
            }
            Answer::Cut => {
                assert!(aborted, "a broken answer was ended");
                tally.cut_in_the_middle += 1;
            }
        }
        assert_eq!(content, [0, 0, 0, app_status, protocol_status, 0, 0, 0]);
    }

    /// The number in the Status line.
    fn status(&self) -> Option<u16> {
        let start = self.stdout.windows(8).position(|found| found == b"Status: ")? + 8;
        std::str::from_utf8(self.stdout.get(start..start + 3)?).ok()?.parse().ok()
    }
}

impl Tally {
    /// Nothing is lost, and nothing is answered twice.
    fn check_sum(&self) {
        let answered = self.echoed.iter().sum::<usize>() + self.refused + self.gave_up + self.cut_in_the_middle;
        let unanswered = self.stalled + self.lost_to_a_cut + self.lost_to_leaving;
        assert_eq!(answered + unanswered, self.begun, "{self:?}");
    }

    /// Whether all that can happen has.
    pub(crate) fn is_everything(&self) -> bool {
        let Self { begun: _, echoed, refused, gave_up, answered_before_abort, cut_in_the_middle, .. } = *self;
        let Self { stalled, lost_to_a_cut, lost_to_leaving, questions, most_at_once, .. } = *self;
        let answered = [refused, gave_up, answered_before_abort, cut_in_the_middle];
        let unanswered = [stalled, lost_to_a_cut, lost_to_leaving, questions];
        echoed.iter().chain(&answered).chain(&unanswered).all(|count| *count > 0) && most_at_once == MAX_OPEN
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.begun += other.begun;
        for (sum, echoed) in self.echoed.iter_mut().zip(other.echoed) {
            *sum += echoed;
        }
        self.refused += other.refused;
        self.gave_up += other.gave_up;
        self.answered_before_abort += other.answered_before_abort;
        self.cut_in_the_middle += other.cut_in_the_middle;
        self.stalled += other.stalled;
        self.lost_to_a_cut += other.lost_to_a_cut;
        self.lost_to_leaving += other.lost_to_leaving;
        self.questions += other.questions;
        self.most_at_once = self.most_at_once.max(other.most_at_once);
    }
}
