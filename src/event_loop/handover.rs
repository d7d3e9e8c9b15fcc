//! Giving connections to other processes of the pool: all of them when this one retires, and those on which a request waits when it
//! has no worker for it. Nothing is lost on the way, because a FastCGI connection has no state between requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

use mio::{Registry, Token, Waker};

use super::entrance::Door;
use super::passage::Traveller;
use super::{Accept, EventLoop};
use crate::link::Report;
use crate::sys::fd::is_out_of_descriptors;

/// Whether the workers have too much to do, and who was told.
#[derive(Debug)]
pub struct Saturation {
    shut: Arc<Shut>,
    reported: bool,
    /// When that was last said or was still so.
    since: Instant,
}

/// Whether the event loop takes no connections because every worker is busy. A worker that gets time while another thread turns the loop
/// says so here.
#[derive(Debug)]
pub struct Shut {
    is_shut: AtomicBool,
    waker: Waker,
}

impl Saturation {
    /// Nothing is going on.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn new(registry: &Registry, now: Instant) -> io::Result<Self> {
        let shut = Shut { is_shut: AtomicBool::new(false), waker: Waker::new(registry, Token(WAKE_UP))? };
        Ok(Self { shut: Arc::new(shut), reported: false, since: now })
    }

    /// For the workers.
    pub fn shut(&self) -> Arc<Shut> {
        Arc::clone(&self.shut)
    }
}

impl Shut {
    /// A worker has time.
    pub fn open(&self) {
        // The worker has ended its request before it looks here, and the loop looks at the requests after it has said that it is
        // shut: one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.is_shut.load(Ordering::SeqCst)
            && self.is_shut.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            log::error!("the event loop cannot be woken: {error}");
        }
    }
}

impl EventLoop {
    /// Whether a request that came now had better go to another process.
    pub(super) fn is_saturated(&self) -> bool {
        self.settings.spread && self.queue.is_saturated()
    }

    /// At the start of a turn: whether connections are taken, and what becomes of those that wait. It is only saturated then if the
    /// standby turns the loop, which means that the workers have been busy for a while. Returns how many connections were read.
    ///
    /// Whoever waits for events while the entrance is open may be the only one who is woken for a connection, so it must be shut
    /// before that.
    pub(super) fn open_or_shut(&mut self) -> io::Result<usize> {
        let saturated = self.note_saturation() && self.stop_at.is_none();
        self.entrance.watch(self.accept == Accept::Ready && !saturated && self.stop_at.is_none())?;
        if saturated {
            self.hand_over_deferred();
            return Ok(0);
        }
        Ok(self.read_deferred())
    }

    /// When to look whether the workers have had time for long enough; nothing else may happen until then.
    pub(super) fn relief_in(&self, now: Instant) -> Option<Duration> {
        let is_due = self.saturation.reported && !self.is_saturated();
        is_due.then(|| (self.saturation.since + RELIEF + Duration::from_millis(1)).saturating_duration_since(now))
    }

    fn note_saturation(&mut self) -> bool {
        if !self.is_saturated() {
            if self.saturation.reported && self.now.duration_since(self.saturation.since) > RELIEF {
                self.saturation.reported = false;
                self.controls.report(&Report::Relieved);
            }
            return false;
        }
        self.saturation.shut.is_shut.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !self.is_saturated() {
            self.saturation.shut.is_shut.store(false, Ordering::SeqCst);
            return false;
        }
        self.saturation.since = self.now;
        if !std::mem::replace(&mut self.saturation.reported, true) {
            self.controls.report(&Report::Saturated);
        }
        true
    }

    /// Whether this connection is not to be read now. What is in its socket waits there, for whoever reads it in the end.
    pub(super) fn leaves_unread(&mut self, key: usize, closing: bool) -> bool {
        let is_saturated = self.is_saturated() && self.stop_at.is_none();
        let Some(connection) = self.connections.get_mut(key) else {
            return true;
        };
        if self.retiring {
            return !closing && connection.has_whole_requests() && !connection.outbox().status().phase.is_over();
        }
        let defers = is_saturated && connection.is_untouched();
        // One that is read after all comes off the list: with a request on it, it must not be handed over.
        if !connection.set_deferred(defers) && defers {
            self.deferred.push_back((connection.id(), key));
        }
        defers
    }

    fn read_deferred(&mut self) -> usize {
        let mut count = 0;
        while !self.is_saturated()
            && let Some(key) = self.pop_deferred()
        {
            self.read(key, true);
            count += 1;
        }
        count
    }

    fn pop_deferred(&mut self) -> Option<usize> {
        while let Some((id, key)) = self.deferred.pop_front() {
            let connection = self.connections.get_mut(key).filter(|connection| connection.id() == id);
            if connection.is_some_and(|connection| connection.set_deferred(false)) {
                return Some(key);
            }
        }
        None
    }

    /// Whoever has a worker first takes them, this process among others.
    fn hand_over_deferred(&mut self) {
        while let Some(key) = self.pop_deferred() {
            if !self.hand_over(key)
                && let Some(connection) = self.connections.get_mut(key)
            {
                connection.set_deferred(true);
                return self.deferred.push_front((connection.id(), key));
            }
        }
    }

    /// Others serve on: connections go to them as soon as nothing is going on there.
    pub(super) fn start_retiring(&mut self) {
        if self.entrance.passage().is_none() {
            return self.start_stopping();
        }
        if self.stop_at.is_some() {
            return;
        }
        self.stop_at = Some(self.now + self.settings.graceful_timeout);
        self.retiring = true;
        self.shut_entrance();
        self.deferred.clear();
        self.hand_over_idle();
        if self.retiring {
            self.controls.report(&Report::Retired);
        }
    }

    /// While retiring: hands over what has become idle.
    pub(super) fn hand_over_idle(&mut self) {
        if !self.retiring {
            return;
        }
        let idle = self.connections.iter().filter(|(_, connection)| connection.is_between_requests());
        for key in idle.map(|(key, _)| key).collect::<Vec<_>>() {
            if !self.hand_over(key) {
                return;
            }
        }
    }

    /// Connections stay from now on. Those that were to be given away end with what has begun on them.
    fn lose_passage(&mut self) {
        self.give_up(Door::Passage);
        if self.retiring {
            self.start_stopping();
        }
    }

    fn hand_over(&mut self, key: usize) -> bool {
        let (Some(passage), Some(connection)) = (self.entrance.passage(), self.connections.get(key)) else {
            return false;
        };
        if let Err(error) = connection.give(passage) {
            log::debug!("connection {} stays for now: {error}", connection.id());
            if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
                self.lose_passage();
            }
            return false;
        }
        self.connections.remove(key).release(&self.desk.registry);
        true
    }

    /// At least one, as with accepting.
    pub(super) fn take_from_passage(&mut self) {
        let mut strays = 0;
        while strays < STRAYS_A_TURN && self.has_room() {
            if self.connections.len() >= self.settings.max_connections {
                return self.reach_limit();
            }
            match self.entrance.take(&mut self.spare) {
                Ok(traveller) => self.resume(traveller),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    // It has ended on the way.
                    io::ErrorKind::NotConnected => strays += 1,
                    io::ErrorKind::InvalidData => {
                        self.note_stray();
                        strays += 1;
                    }
                    _ if is_out_of_descriptors(&error) => log::error!("a connection from another process is lost: {error}"),
                    _ => return self.lose_passage(),
                },
            }
            if self.is_saturated() && self.stop_at.is_none() {
                return;
            }
        }
    }

    fn resume(&mut self, traveller: Traveller) {
        let Traveller { stream, peer, unread, has_read } = traveller;
        let key = self.insert(stream, peer);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.resume(&unread, has_read);
        }
        self.read(key, false);
    }
}

/// The token of the event that a worker makes.
pub const WAKE_UP: usize = usize::MAX;
/// How soon to try again what the passage did not take.
pub const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// More that is no connection waits for the next turn.
const STRAYS_A_TURN: usize = 64;
/// For how long the workers must have had time before that is said.
const RELIEF: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::event_loop::stream::PeerName;
    use crate::event_loop::stream::Stream;
    use crate::event_loop::{Passage, Settings};
    use crate::exchange::{Exchange, Limits, NothingHeld, Pause, Roles};
    use crate::protocol::{RecordType, RequestId, Role, SessionLimits, encoder};
    use crate::sys::passing;
    use crate::workers::{self, Handler, Worker};

    /// Answers a request when the test says so.
    struct Gated(mpsc::Receiver<()>);

    impl Pause for Gated {
        fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
            NothingHeld.pause(wait);
        }
    }

    impl Handler for Gated {
        fn handle(&mut self, exchange: Exchange) {
            self.0.recv().unwrap();
            drop(exchange);
        }
    }

    fn settings() -> Settings {
        let request = Limits {
            max_params_size: 1000,
            max_params: 10,
            max_body_size: 1000,
            body_memory: 1000,
            max_requests: 10,
            roles: Roles::RESPONDER,
        };
        Settings {
            max_connections: 10,
            idle_timeout: None,
            socket_timeout: None,
            graceful_timeout: Duration::from_secs(30),
            max_requests: None,
            spread: true,
            session: SessionLimits { max_connections: 10, max_requests: 10 },
            request,
            journal: None,
        }
    }

    /// An event loop with one worker, which is at a request, and the gate that lets it answer.
    fn saturated() -> (EventLoop, mpsc::Sender<()>, UnixStream) {
        let (queue, worker) = workers::queue(10);
        let (give, take) = passing::pair().unwrap();
        let control = mio::net::UnixStream::from_std(UnixStream::pair().unwrap().0);
        let mut event_loop =
            EventLoop::new(Vec::new(), vec![control], Some(Passage::new(give, take)), queue, settings()).unwrap();
        let gate = start(worker);
        wait_until(|| !event_loop.is_saturated());
        let (key, busy) = connect(&mut event_loop);
        event_loop.read(key, false);
        event_loop.queue.call_worker();
        assert!(event_loop.is_saturated());
        (event_loop, gate, busy)
    }

    fn start(worker: Worker) -> mpsc::Sender<()> {
        let (gate, gated) = mpsc::channel();
        thread::spawn(move || worker.run(&mut Gated(gated)));
        gate
    }

    /// A connection on which a request waits, and its other end.
    fn connect(event_loop: &mut EventLoop) -> (usize, UnixStream) {
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let key = event_loop.insert(Stream::Unix(mio::net::UnixStream::from_std(near)), PeerName::Unix);
        far.write_all(&request()).unwrap();
        (key, far)
    }

    fn request() -> Vec<u8> {
        let mut bytes = Vec::new();
        encoder::encode_begin_request(&mut bytes, RequestId::new(1), Role::Responder, true);
        encoder::encode_params(&mut bytes, RequestId::new(1), [(&b"REQUEST_METHOD"[..], &b"GET"[..])]).unwrap();
        encoder::encode_stream(&mut bytes, RecordType::Stdin, RequestId::new(1), b"");
        bytes
    }

    fn wait_until(condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(30));
            thread::yield_now();
        }
    }

    #[test]
    fn a_request_for_which_no_worker_has_time_is_handed_over_unread() {
        let (mut event_loop, gate, _busy) = saturated();
        let (key, mut far) = connect(&mut event_loop);
        event_loop.read(key, false);
        event_loop.hand_over_deferred();
        assert!(!event_loop.connections.contains(key));
        let traveller = event_loop.entrance.take(&mut event_loop.spare).unwrap();
        assert_eq!(traveller.stream.read(&mut [0; 1000]).unwrap(), request().len());
        drop((traveller, gate));
        assert_eq!(far.read(&mut [0]).unwrap(), 0, "no copy is left");
    }

    #[test]
    fn a_deferred_request_that_is_read_after_all_stays() {
        let (mut event_loop, gate, _busy) = saturated();
        let (key, mut far) = connect(&mut event_loop);
        event_loop.read(key, false);
        gate.send(()).unwrap();
        wait_until(|| !event_loop.is_saturated());
        event_loop.read(key, false);
        assert!(event_loop.is_saturated(), "it was not read");
        event_loop.hand_over_deferred();
        assert!(event_loop.connections.contains(key), "handed over with its request running");
        event_loop.queue.call_worker();
        gate.send(()).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert!(far.read(&mut [0; 1000]).unwrap() > 0);
    }
}
