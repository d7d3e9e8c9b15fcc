use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use super::*;
use crate::event_loop::lifecycle::Entrance;
use crate::event_loop::stream::PeerName;
use crate::event_loop::stream::Stream;
use crate::event_loop::{Doors, Passage, Purpose, Settings};
use crate::exchange::{AnswerLog, Exchange, Limits, NothingHeld, Pause, Roles};
use crate::scheduler::{self, Handler, Queue, Worker};
use fastcgi_codec::{RecordType, RequestId, Role, SessionLimits, encoder};
use shared::logging::access::Answered;
use shared::scoreboard::Scoreboard;
use shared::sys::passing;

pub(in crate::event_loop) const MOST: usize = 3;

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
        max_open_requests: 10,
        roles: Roles::RESPONDER,
    };
    Settings {
        max_connections: 10,
        idle_timeout: None,
        socket_timeout: None,
        queue_timeout: None,
        graceful_timeout: Duration::from_secs(30),
        max_requests: None,
        spread: true,
        session: SessionLimits { max_conns: 10, max_reqs: 10 },
        request,
        uploads_memory: 1 << 20,
        answer_log: None,
        probes: None,
    }
}

/// An event loop with one worker, which is at a request, and the gate that lets it answer.
pub(in crate::event_loop) fn saturated() -> (EventLoop, mpsc::Sender<()>, UnixStream) {
    let scoreboard = Arc::new(Scoreboard::new().unwrap());
    let (queue, worker) = scheduler::queue_of_pool((MOST, None), scoreboard.seat(0));
    let mut event_loop = event_loop(queue, &scoreboard, Duty::Serve);
    let gate = start(worker);
    wait_until(|| !event_loop.is_saturated());
    let (key, busy) = connect(&mut event_loop);
    event_loop.read(key, false);
    event_loop.queue.call_worker();
    wait_until(|| !event_loop.queue.load().has_work);
    assert!(event_loop.is_saturated());
    (event_loop, gate, busy)
}

pub(in crate::event_loop) fn event_loop(queue: Queue, scoreboard: &Arc<Scoreboard>, duty: Duty) -> EventLoop {
    let passage = || {
        let (give, take) = passing::pair().unwrap();
        Passage::new(give, take)
    };
    let control = mio::net::UnixStream::from_std(UnixStream::pair().unwrap().0);
    let doors = Doors { listeners: Vec::new(), passage: passage(), line: Line::new(passage(), scoreboard.seat(0), MOST) };
    EventLoop::new(doors, vec![control], duty, queue, settings()).unwrap()
}

fn start(worker: Worker) -> mpsc::Sender<()> {
    let (gate, gated) = mpsc::channel();
    thread::spawn(move || worker.run(&mut Gated(gated)));
    gate
}

/// A connection on which a request waits, and its other end.
pub(in crate::event_loop) fn connect(event_loop: &mut EventLoop) -> (usize, UnixStream) {
    connect_to(event_loop, &request())
}

/// One on which these bytes have come.
pub(in crate::event_loop) fn connect_to(event_loop: &mut EventLoop, bytes: &[u8]) -> (usize, UnixStream) {
    let (near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let key = event_loop.insert(Stream::new(near), PeerName(None), Purpose::Site);
    far.write_all(bytes).unwrap();
    (key, far)
}

pub(in crate::event_loop) fn request() -> Vec<u8> {
    request_of(1)
}

pub(in crate::event_loop) fn request_of(id: u16) -> Vec<u8> {
    let id = RequestId::new(id);
    let mut bytes = Vec::new();
    encoder::encode_begin_request(&mut bytes, id, Role::Responder, true);
    encoder::encode_params(&mut bytes, id, [(&b"REQUEST_METHOD"[..], &b"GET"[..])]).unwrap();
    encoder::encode_stream(&mut bytes, RecordType::Stdin, id, b"");
    bytes
}

#[track_caller]
pub(in crate::event_loop) fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30));
        thread::yield_now();
    }
}

#[test]
fn a_request_for_which_no_worker_has_time_is_lined_up_unread() {
    let (mut event_loop, gate, _busy) = saturated();
    let (key, mut far) = connect(&mut event_loop);
    let came = Instant::now();
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(!event_loop.connections.contains(key));
    let line = &event_loop.line;
    assert!(line.somebody_waits() && !line.is_empty());
    let (traveller, since) = line.take(&mut event_loop.spare).unwrap();
    assert!(since >= came && since <= Instant::now());
    assert_eq!(traveller.stream.read(&mut [0; 1000]).unwrap(), request().len());
    drop((traveller, gate));
    assert_eq!(far.read(&mut [0]).unwrap(), 0, "no copy is left");
}

#[test]
fn a_connection_that_is_lined_up_makes_room_for_another_one() {
    let (mut event_loop, _gate, _busy) = saturated();
    let (key, _far) = connect(&mut event_loop);
    event_loop.read(key, false);
    event_loop.lifecycle.set_entrance(Entrance::Full);
    event_loop.line_up();
    assert!(!event_loop.lifecycle.is_full() && event_loop.accept_again_at.is_some());
}

#[test]
fn who_is_on_a_full_line_and_has_gone_makes_room_and_the_others_stay_in_order() {
    let (mut event_loop, _gate, _busy) = saturated();
    let waiting: Vec<_> = (0..MOST).map(|_| connect(&mut event_loop)).collect();
    waiting.iter().for_each(|(key, _)| event_loop.read(*key, false));
    event_loop.line_up();
    let heads = |event_loop: &mut EventLoop| -> Vec<Instant> {
        std::iter::from_fn(|| Some(event_loop.line.take(&mut event_loop.spare).ok()?.1)).collect()
    };
    let mut far: Vec<_> = waiting.into_iter().map(|(_, far)| far).collect();
    far.remove(1);
    let (key, _last) = connect(&mut event_loop);
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(!event_loop.connections.contains(key), "it was not lined up");
    assert_eq!(event_loop.line.waiting(), MOST);
    let order = heads(&mut event_loop);
    assert!(order.len() == MOST && order.is_sorted(), "{order:?}");
}

#[test]
fn on_the_line_of_one_process_nobody_is_before_who_has_waited() {
    let (mut event_loop, gate, _busy) = saturated();
    event_loop.settings.spread = false;
    let (quick, _far) = connect(&mut event_loop);
    event_loop.read(quick, false);
    assert!(event_loop.queue.load().has_work, "it is read, since nothing says that the worker is slow");
    event_loop.open_or_shut().unwrap();
    let (key, _far) = connect(&mut event_loop);
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(!event_loop.connections.contains(key), "it is lined up");
    assert_eq!(event_loop.line.waiting(), 2);
    drop(gate);
}

#[test]
fn a_connection_that_multiplexes_is_read_where_it_is_when_nobody_has_time() {
    let (mut event_loop, _gate, _busy) = saturated();
    let (key, mut far) = connect(&mut event_loop);
    far.write_all(&request_of(2)).unwrap();
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(event_loop.connections.contains(key) && event_loop.queue.load().has_work);
    let line = &event_loop.line;
    assert!(line.waiting() == 2 && line.seat.is_multiplexed() && line.is_empty());
}

#[test]
fn a_connection_without_a_request_is_not_lined_up() {
    let (mut event_loop, _gate, _busy) = saturated();
    let (near, _far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let key = event_loop.insert(Stream::new(near), PeerName(None), Purpose::Site);
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(event_loop.connections.contains(key));
}

#[test]
fn who_finds_the_line_full_is_answered_503_and_keeps_the_connection() {
    let (mut event_loop, _gate, _busy) = saturated();
    let mut waiting: Vec<_> = (0..MOST + 1).map(|_| connect(&mut event_loop)).collect();
    waiting.iter().for_each(|(key, _)| event_loop.read(*key, false));
    event_loop.line_up();
    let (last, mut far) = waiting.pop().unwrap();
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = [0; 1000];
    let count = far.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]);
    assert!(answer.contains("503") && answer.contains("Retry-After"), "{answer}");
    assert!(event_loop.connections.contains(last), "the connection is kept");
    assert!(waiting.iter().all(|(key, _)| !event_loop.connections.contains(*key)));
}

#[test]
fn who_waits_is_served_in_order_when_a_worker_has_time() {
    let (mut event_loop, gate, _busy) = saturated();
    let mut waiting: Vec<_> = (0..MOST).map(|_| connect(&mut event_loop)).collect();
    waiting.iter().for_each(|(key, _)| event_loop.read(*key, false));
    event_loop.line_up();
    for (_, far) in &mut waiting {
        gate.send(()).unwrap();
        wait_until(|| !event_loop.is_saturated());
        assert_eq!(event_loop.take_from_line(), 1);
        event_loop.queue.call_worker();
        gate.send(()).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert!(far.read(&mut [0; 1000]).unwrap() > 0);
        wait_until(|| !event_loop.is_saturated());
        let (key, _busy) = connect(&mut event_loop);
        event_loop.read(key, false);
        event_loop.queue.call_worker();
    }
    assert!(!event_loop.line.somebody_waits());
}

#[test]
fn who_has_waited_for_longer_than_all_that_are_queued_comes_off_the_line_and_keeps_its_place() {
    let (mut event_loop, gate, _busy) = saturated();
    let ago = |time| Instant::now().checked_sub(time).unwrap();
    let waiting = [2 * AGO, AGO].map(|time| {
        let (key, far) = connect(&mut event_loop);
        event_loop.connections[key].has_waited(ago(time));
        event_loop.read(key, false);
        far
    });
    event_loop.line_up();
    event_loop.line.seat.note_multiplexing();
    let queue_one = |event_loop: &mut EventLoop, since| {
        event_loop.now = since;
        let (key, far) = connect(event_loop);
        event_loop.read(key, false);
        assert!(event_loop.queue.load().has_work && event_loop.line.waiting() == MOST);
        far
    };
    let _earlier = queue_one(&mut event_loop, ago(3 * AGO));
    assert_eq!(event_loop.take_from_line(), 0);
    gate.send(()).unwrap();
    wait_until(|| !event_loop.queue.load().has_work);
    assert_eq!(event_loop.take_from_line(), 0, "another process may be sooner");
    let _later = queue_one(&mut event_loop, ago(Duration::ZERO));
    assert_eq!(event_loop.take_from_line(), 1);
    assert_eq!(event_loop.line.waiting(), MOST);
    assert_eq!(event_loop.take_from_line(), 0, "the next one has waited for less time than that");
    // The one that ran, and the one from the line.
    (0..2).for_each(|_| gate.send(()).unwrap());
    let [mut first, mut second] = waiting;
    first.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(first.read(&mut [0; 1000]).unwrap() > 0, "it is answered next");
    expect_silence(&mut second);
}

#[test]
fn who_comes_off_the_line_and_is_not_complete_is_counted_among_those_that_wait_when_it_is() {
    let (mut event_loop, _gate, _busy) = saturated();
    let whole = request();
    let (begin, rest) = whole.split_at(24);
    let (key, mut far) = connect_to(&mut event_loop, begin);
    event_loop.connections[key].has_waited(Instant::now().checked_sub(AGO).unwrap());
    event_loop.read(key, false);
    event_loop.line_up();
    event_loop.line.seat.note_multiplexing();
    let (key, _later) = connect(&mut event_loop);
    event_loop.read(key, false);
    assert_eq!((event_loop.line.waiting(), event_loop.take_from_line()), (2, 1));
    assert_eq!(event_loop.line.waiting(), 1);
    far.write_all(rest).unwrap();
    let keys: Vec<_> = event_loop.connections.iter().map(|(key, _)| key).collect();
    keys.into_iter().for_each(|key| event_loop.read(key, false));
    event_loop.line_up();
    assert_eq!(event_loop.line.waiting(), 2);
}

#[test]
fn the_queue_process_holds_refuses_and_rests() {
    let scoreboard = Arc::new(Scoreboard::new().unwrap());
    let (queue, _worker) = scheduler::queue_of_pool((MOST, None), scoreboard.seat(0));
    let mut event_loop = event_loop(queue, &scoreboard, Duty::Hold);
    assert!(event_loop.is_saturated(), "it has no worker");
    let (key, mut far) = connect(&mut event_loop);
    event_loop.read(key, false);
    event_loop.line_up();
    assert_eq!((event_loop.connections.len(), scoreboard.waiting()), (0, 1));
    event_loop.set_duty(Duty::Refuse);
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(far.read(&mut [0; 1000]).unwrap() > 0);
    assert_eq!((event_loop.connections.len(), scoreboard.waiting()), (1, 0));
    event_loop.set_duty(Duty::Rest);
    event_loop.hand_over_idle();
    assert!(event_loop.connections.is_empty() && event_loop.acceptor.take(&mut event_loop.spare).is_ok());
}

/// Others serve on, so nobody is refused: neither who waits in its hands, nor who sends a request there meanwhile.
#[test]
fn a_queue_process_that_retires_hands_over_whom_it_has() {
    for duty in [Duty::Hold, Duty::Rest] {
        let scoreboard = Arc::new(Scoreboard::new().unwrap());
        let (queue, _worker) = scheduler::queue_of_pool((MOST, None), scoreboard.seat(0));
        let mut event_loop = event_loop(queue, &scoreboard, duty);
        let (waits, mut far) = connect(&mut event_loop);
        event_loop.read(waits, false);
        let (comes, mut later) = connect(&mut event_loop);
        event_loop.lifecycle.end(End::Retire, event_loop.now, Duration::from_secs(30));
        event_loop.read(comes, false);
        event_loop.hand_over_idle();
        assert!(event_loop.connections.is_empty(), "{duty:?}");
        for end in [&mut far, &mut later] {
            let traveller = event_loop.acceptor.take(&mut event_loop.spare).unwrap();
            assert_eq!(traveller.stream.read(&mut [0; 1000]).unwrap(), request().len(), "it travels unread");
            end.set_nonblocking(true).unwrap();
            assert_eq!(end.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{duty:?}: it was answered");
        }
    }
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
    event_loop.line_up();
    assert!(event_loop.connections.contains(key), "handed over with its request running");
    event_loop.queue.call_worker();
    gate.send(()).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(far.read(&mut [0; 1000]).unwrap() > 0);
}

/// Notes that it was told of an answer.
#[derive(Debug, Default)]
struct Told(AtomicUsize);

impl AnswerLog for Told {
    fn tells_cpu_time(&self) -> bool {
        false
    }

    fn note(&self, _: &Answered<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A saturated loop that has read what waits.
struct Waiting {
    event_loop: EventLoop,
    gate: mpsc::Sender<()>,
    /// Those on which requests have waited in its queue for a minute.
    connections: Vec<(usize, UnixStream)>,
    told: Arc<Told>,
    _busy: UnixStream,
}

impl Waiting {
    fn new(requests: &[Vec<u8>]) -> Self {
        let (mut event_loop, gate, busy) = saturated();
        event_loop.settings.spread = false;
        let told = Arc::new(Told::default());
        event_loop.settings.answer_log = Some(Arc::<Told>::clone(&told));
        let connections: Vec<_> = requests.iter().map(|bytes| connect_to(&mut event_loop, bytes)).collect();
        event_loop.now -= AGO;
        connections.iter().for_each(|(key, _)| event_loop.read(*key, false));
        event_loop.now += AGO;
        assert!(event_loop.queue.load().has_work && event_loop.line.is_empty());
        Self { event_loop, gate, connections, told, _busy: busy }
    }

    fn told(&self) -> usize {
        self.told.0.load(Ordering::Relaxed)
    }
}

fn expect_silence(far: &mut UnixStream) {
    far.set_nonblocking(true).unwrap();
    assert_eq!(far.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock, "it was answered");
}

#[test]
fn what_no_worker_has_taken_when_its_process_retires_is_on_the_line_in_its_order() {
    let requests = [request_of(3), [request_of(1), b"\x01\x01".to_vec()].concat(), request_of(2)];
    let mut waiting = Waiting::new(&requests);
    let event_loop = &mut waiting.event_loop;
    assert_eq!(event_loop.line.waiting(), MOST);
    event_loop.start_retiring();
    assert_eq!((event_loop.line.waiting(), event_loop.connections.len()), (MOST, 1), "but for that of the worker");
    for (bytes, (_, far)) in requests.iter().zip(&mut waiting.connections) {
        let (traveller, since) = event_loop.line.take(&mut event_loop.spare).unwrap();
        assert_eq!((&traveller.unread, traveller.has_read), (bytes, true));
        assert!((AGO..2 * AGO).contains(&since.elapsed()), "{:?}", since.elapsed());
        expect_silence(far);
    }
    assert!(!event_loop.acceptor.passage().unwrap().is_readable() && !event_loop.queue.load().has_work);
    waiting.gate.send(()).unwrap();
    wait_until(|| !waiting.event_loop.is_saturated());
    assert_eq!(waiting.told(), 0, "who answers them tells the log");
}

#[test]
fn what_the_line_does_not_take_from_a_process_that_retires_goes_through_the_passage() {
    let Waiting { mut event_loop, gate: _gate, mut connections, .. } = Waiting::new(&[request()]);
    event_loop.line.is_broken = true;
    event_loop.start_retiring();
    assert_eq!((event_loop.line.waiting(), event_loop.connections.len()), (0, 1));
    let traveller = event_loop.acceptor.passage().unwrap().take(&mut event_loop.spare).unwrap();
    assert_eq!(traveller.unread, request());
    expect_silence(&mut connections[0].1);
}

#[test]
fn what_cannot_leave_a_process_that_retires_is_answered_there() {
    let several = [request_of(1), request_of(2)].concat();
    let mut waiting = Waiting::new(&[several, request()]);
    let event_loop = &mut waiting.event_loop;
    let (given_up, _) = waiting.connections[1];
    event_loop.connections[given_up].outbox().abort(RequestId::new(1));
    event_loop.start_retiring();
    event_loop.now += event_loop.settings.graceful_timeout;
    event_loop.hand_over_idle();
    assert!(waiting.connections.iter().all(|(key, _)| event_loop.connections.contains(*key)) && event_loop.line.is_empty());
    assert_eq!(event_loop.line.waiting(), MOST);
    (0..3).for_each(|_| waiting.gate.send(()).unwrap());
    wait_until(|| waiting.told() == 3);
    let (_, far) = &mut waiting.connections[0];
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(far.read(&mut [0; 1000]).unwrap() > 0);
}

#[test]
fn what_is_complete_later_leaves_a_process_that_retires_unless_a_worker_has_time() {
    let Waiting { mut event_loop, gate, .. } = Waiting::new(&[request()]);
    let bytes = request();
    let mut begun: Vec<_> = (0..2).map(|_| connect_to(&mut event_loop, &bytes[..20])).collect();
    begun.iter().for_each(|(key, _)| event_loop.read(*key, false));
    event_loop.start_retiring();
    let mut complete = |event_loop: &mut EventLoop| {
        let (key, mut far) = begun.pop().unwrap();
        assert!(event_loop.connections.contains(key), "it has begun");
        far.write_all(&bytes[20..]).unwrap();
        event_loop.read(key, false);
        assert!(event_loop.queue.load().has_work);
        event_loop.hand_over_idle();
        (event_loop.connections.contains(key), far)
    };
    let (stays, _far) = complete(&mut event_loop);
    assert!(!stays && event_loop.line.waiting() == 2);
    gate.send(()).unwrap();
    wait_until(|| !event_loop.is_saturated());
    let (stays, _far) = complete(&mut event_loop);
    assert!(stays && event_loop.line.waiting() == 2);
}

#[test]
fn what_is_queued_leaves_a_process_that_retires_also_where_peers_multiplex_and_nobody_has_time() {
    let Waiting { mut event_loop, gate: _gate, .. } = Waiting::new(&[request()]);
    event_loop.line.seat.note_multiplexing();
    event_loop.start_retiring();
    assert!(!event_loop.queue.load().has_work && !event_loop.line.is_empty());
}

#[test]
fn a_stop_leaves_what_is_queued_where_it_is() {
    let Waiting { mut event_loop, gate: _gate, connections, .. } = Waiting::new(&[request()]);
    event_loop.start_stopping();
    event_loop.hand_over_idle();
    assert!(event_loop.queue.load().has_work && event_loop.connections.contains(connections[0].0));
}

/// When that came which waits.
const AGO: Duration = Duration::from_secs(60);
