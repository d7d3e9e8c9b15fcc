//! One connection: what is still to be sent, and what is waited for.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use crate::answer::Finished;
use crate::fastcgi::FastCgi;
use crate::http::Http;
use crate::options::{Expected, Options, Protocol, Reuse};
use crate::stream::Stream;

pub enum Answers {
    FastCgi(FastCgi),
    Http(Http),
}

/// What reading has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Closed,
}

pub struct Connection {
    pub stream: Stream,
    answers: Answers,
    /// By request id less one: when the request that is under way began.
    started: Vec<Option<Instant>>,
    unsent: VecDeque<(Rc<[u8]>, usize)>,
    /// Whether the end of the connection matters; if not, a read that fills less than its room was the last for now.
    reads_to_the_end: bool,
    /// Answers that have come on it.
    pub answered: usize,
    /// Whether it is registered for writing, too.
    pub is_full: bool,
    /// The answer of a one-shot connection, which counts when the connection has ended.
    pub last: Option<(Instant, Finished)>,
}

impl Connection {
    pub fn open(options: &Options) -> io::Result<Self> {
        let answers = match options.protocol {
            Protocol::FastCgi => Answers::FastCgi(FastCgi::new(options.multiplex)),
            Protocol::Http => Answers::Http(Http::new()),
        };
        Ok(Self {
            stream: Stream::connect(&options.connect)?,
            answers,
            started: vec![None; usize::from(options.multiplex)],
            unsent: VecDeque::new(),
            reads_to_the_end: options.multiplex > 1 || options.reuse == Reuse::OneShot,
            answered: 0,
            is_full: false,
            last: None,
        })
    }

    /// Sends a request, or what goes into the socket; [`flush`](Self::flush) sends the rest.
    pub fn send(&mut self, id: u16, request: Rc<[u8]>, started: Instant) -> io::Result<()> {
        self.started[usize::from(id) - 1] = Some(started);
        self.unsent.push_back((request, 0));
        self.flush()
    }

    pub fn flush(&mut self) -> io::Result<()> {
        while let Some((request, sent)) = self.unsent.front_mut() {
            match self.stream.write(&request[*sent..]) {
                Ok(count) => *sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if *sent == request.len() {
                self.unsent.pop_front();
            }
        }
        Ok(())
    }

    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Reads what is there, and adds the answers that are complete.
    pub fn read(&mut self, expected: &Expected, finished: &mut Vec<Finished>) -> io::Result<State> {
        loop {
            let space = self.answers.space();
            let room = space.len();
            match self.stream.read(space) {
                Ok(0) => {
                    self.answers.close(expected, finished);
                    return Ok(State::Closed);
                }
                Ok(count) => {
                    self.answers.advance(count, expected, finished)?;
                    if count < room && !finished.is_empty() && !self.reads_to_the_end {
                        return Ok(State::Open);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(State::Open),
                Err(error) if is_lost(&error) => return Ok(State::Closed),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the time at which a request began, whose answer has come.
    pub fn complete(&mut self, id: u16) -> Option<Instant> {
        self.answered += 1;
        self.started.get_mut(usize::from(id) - 1)?.take()
    }

    /// The requests that have no answer, with their times.
    pub fn under_way(&self) -> Vec<(u16, Instant)> {
        let ids = (1..).zip(&self.started);
        ids.filter_map(|(id, started)| started.map(|started| (id, started))).collect()
    }

    pub fn is_idle(&self) -> bool {
        self.started.iter().all(Option::is_none)
    }

    pub fn has_begun(&self, id: u16) -> bool {
        match &self.answers {
            Answers::FastCgi(answers) => answers.has_begun(id),
            Answers::Http(answers) => answers.has_begun(),
        }
    }
}

impl Answers {
    fn space(&mut self) -> &mut [u8] {
        match self {
            Self::FastCgi(answers) => answers.space(),
            Self::Http(answers) => answers.space(),
        }
    }

    fn advance(&mut self, count: usize, expected: &Expected, finished: &mut Vec<Finished>) -> io::Result<()> {
        match self {
            Self::FastCgi(answers) => answers.advance(count, expected, finished),
            Self::Http(answers) => answers.advance(count, expected, finished),
        }
    }

    fn close(&mut self, expected: &Expected, finished: &mut Vec<Finished>) {
        if let Self::Http(answers) = self {
            answers.close(expected, finished);
        }
    }
}

/// Whether an error says that the server has closed the connection.
pub fn is_lost(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
