//! The answers of a connection, each from its request's first record until the event loop has freed its id.
//!
//! ```text
//!              the peer gives it up
//!  ──▶ Open ───────────────────────▶ GivenUp
//!        │                              │
//!        └────────▶ Ended ◀─────────────┘     END_REQUEST is about to be written
//!                     │
//!                     └──▶ gone               the event loop has heard of it
//! ```

use std::sync::Arc;

use crate::exchange::AbortListener;
use fastcgi_codec::{RequestId, Requests};

/// What is known of each.
#[derive(Debug, Default)]
pub(super) struct Answers {
    all: Requests<Answer>,
    /// How many of them have ended.
    ended: usize,
}

#[derive(Debug)]
enum Answer {
    Open {
        /// Who is to be told when the peer gives it up.
        listener: Option<Arc<dyn AbortListener>>,
        /// Whether its worker waits until less of it is queued.
        waits: bool,
    },
    GivenUp,
    Ended,
}

impl Answers {
    /// A request has begun.
    pub(super) fn begin(&mut self, id: RequestId) {
        self.all.insert(id, Answer::Open { listener: None, waits: false });
    }

    /// It has not.
    pub(super) fn take_back(&mut self, id: RequestId) {
        self.all.remove(id);
    }

    /// How many have not ended.
    pub(super) fn open(&self) -> usize {
        self.all.len() - self.ended
    }

    /// Its last bytes are about to be written.
    pub(super) fn end(&mut self, id: RequestId) {
        if !matches!(self.all.insert(id, Answer::Ended), Some(Answer::Ended)) {
            self.ended += 1;
        }
    }

    /// Calls `forget` for each that has ended, which is gone then.
    pub(super) fn take_ended(&mut self, mut forget: impl FnMut(RequestId)) {
        if std::mem::take(&mut self.ended) == 0 {
            return;
        }
        self.all.retain(|id, answer| {
            let has_ended = matches!(answer, Answer::Ended);
            if has_ended {
                forget(id);
            }
            !has_ended
        });
    }

    /// The peer gives one up, of which its listener is told; says whether that is news.
    pub(super) fn give_up(&mut self, id: RequestId) -> bool {
        let Some(answer @ Answer::Open { .. }) = self.all.get_mut(id) else {
            return false;
        };
        answer.tell_aborted();
        *answer = Answer::GivenUp;
        true
    }

    /// Whether the peer has given up one that has not ended.
    pub(super) fn is_given_up(&self, id: RequestId) -> bool {
        matches!(self.all.get(id), Some(Answer::GivenUp))
    }

    /// Nobody will read the rest of any.
    pub(super) fn tell_all_aborted(&mut self) {
        self.all.values_mut().for_each(Answer::tell_aborted);
    }

    /// `listener` is to be told when the peer gives this one up.
    pub(super) fn listen(&mut self, id: RequestId, listener: Arc<dyn AbortListener>) {
        if let Some(Answer::Open { listener: listens, .. }) = self.all.get_mut(id) {
            *listens = Some(listener);
        }
    }

    /// Nobody is to be told of this one.
    pub(super) fn forget_listener(&mut self, id: RequestId) {
        if let Some(Answer::Open { listener, .. }) = self.all.get_mut(id) {
            *listener = None;
        }
    }

    /// Whether its worker waits from now on.
    pub(super) fn set_waiting(&mut self, id: RequestId, waiting: bool) {
        if let Some(Answer::Open { waits, .. }) = self.all.get_mut(id) {
            *waits = waiting;
        }
    }

    /// Those whose workers wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = RequestId> {
        self.all.iter().filter(|(_, answer)| matches!(answer, Answer::Open { waits: true, .. })).map(|(id, _)| id)
    }
}

impl Answer {
    /// Once.
    fn tell_aborted(&mut self) {
        if let Self::Open { listener, .. } = self
            && let Some(listener) = listener.take()
        {
            listener.aborted();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const A: RequestId = RequestId::new(1);
    const B: RequestId = RequestId::new(2);

    #[derive(Debug, Default)]
    struct Told(AtomicUsize);

    impl AbortListener for Told {
        fn aborted(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ended(answers: &mut Answers) -> Vec<RequestId> {
        let mut ended = Vec::new();
        answers.take_ended(|id| ended.push(id));
        ended
    }

    fn listening(answers: &mut Answers, id: RequestId) -> Arc<Told> {
        let told = Arc::new(Told::default());
        let listener: Arc<dyn AbortListener> = Arc::<Told>::clone(&told);
        answers.listen(id, listener);
        told
    }

    #[test]
    fn an_answer_is_open_until_its_end_and_gone_when_that_is_known() {
        let mut answers = Answers::default();
        answers.begin(A);
        answers.begin(B);
        assert_eq!((answers.open(), ended(&mut answers)), (2, vec![]));
        answers.end(B);
        answers.end(B);
        assert_eq!((answers.open(), ended(&mut answers), ended(&mut answers)), (1, vec![B], vec![]));
        answers.begin(B);
        assert_eq!(answers.open(), 2);
    }

    #[test]
    fn what_is_given_up_is_told_once_and_not_behind_its_end() {
        let mut answers = Answers::default();
        answers.begin(A);
        answers.begin(B);
        let (of_a, of_b) = (listening(&mut answers, A), listening(&mut answers, B));
        assert!(answers.give_up(A) && answers.is_given_up(A) && !answers.is_given_up(B));
        assert!(!answers.give_up(A));
        answers.end(A);
        assert!(!answers.is_given_up(A), "its id is about to be another one's");
        answers.tell_all_aborted();
        answers.tell_all_aborted();
        answers.end(B);
        assert!(!answers.give_up(B));
        assert_eq!((of_a.0.load(Ordering::Relaxed), of_b.0.load(Ordering::Relaxed)), (1, 1));
    }

    #[test]
    fn whoever_waits_does_so_no_longer_than_the_request_is_open() {
        let mut answers = Answers::default();
        for id in [A, B] {
            answers.begin(id);
            answers.set_waiting(id, true);
        }
        answers.give_up(B);
        assert_eq!(answers.waiting().collect::<Vec<_>>(), [A]);
        answers.set_waiting(A, false);
        assert_eq!(answers.waiting().next(), None);
    }
}
