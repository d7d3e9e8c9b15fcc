//! Requests that come in pieces, as some web servers send them: a process may have read the beginnings of more than it has workers for.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::{Pool, Shape};
use crate::site::limit;
use crate::support::process::wait_until;
use crate::support::record::{begin, role, stream};
use crate::support::{Params, Peer, kind};

const TWO_BY_TWO: Shape = Shape { processes: 2, threads: 2 };
const FOUR_BY_ONE: Shape = Shape { processes: 4, threads: 1 };

/// Within which a request begins that a worker has time for, wherever that is.
fn soon() -> Duration {
    limit(Duration::from_millis(200), Duration::from_secs(5))
}

/// How its bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    AtOnce,
    /// The beginnings of all first.
    InPieces(Duration),
    /// The same with a body.
    Uploads(Duration),
}

impl Way {
    fn pieces(self) -> Vec<Vec<u8>> {
        let head = begin(1, role::RESPONDER, true);
        let params = |params: Params| stream(kind::PARAMS, 1, &params.encode());
        match self {
            Self::AtOnce => vec![[head, params(Params::get("/?hold")), stream(kind::STDIN, 1, b"")].concat()],
            Self::InPieces(_) => vec![head, params(Params::get("/?hold")), stream(kind::STDIN, 1, b"")],
            Self::Uploads(_) => {
                let body = stream(kind::STDIN, 1, &[b'x'; BODY]);
                let (first, last) = body.split_at(body.len() / 2);
                let params = params(Params::post("/?hold", BODY));
                vec![[head, params, first.to_vec()].concat(), last.to_vec()]
            }
        }
    }

    fn pause(self) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::InPieces(pause) | Self::Uploads(pause) => pause,
        }
    }
}

/// As many requests as there are workers all begin while none of them ends, over and over again.
fn all_begin_at_once(shape: Shape, is_kept: bool, way: Way) {
    let mut pool = Pool::start(shape, "");
    let mut times = Vec::new();
    let mut kept: Vec<Peer> = Vec::new();
    for round in 0..ROUNDS {
        if !is_kept || round == 0 {
            kept = (0..shape.workers()).map(|_| pool.connect()).collect();
        }
        for (number, piece) in way.pieces().iter().enumerate() {
            if number > 0 {
                thread::sleep(way.pause());
            }
            kept.iter_mut().for_each(|peer| peer.send(piece));
        }
        let sent = Instant::now();
        wait_until(&format!("all of round {round}"), || pool.started("hold").len() == shape.workers());
        times.push(sent.elapsed());
        pool.open_gate();
        kept.iter_mut().for_each(|peer| drop(peer.answer(1).expect_status(200)));
        ["gate", "started"].into_iter().for_each(|file| fs::remove_file(pool.directory().join(file)).unwrap());
    }
    times.sort_unstable();
    let [median, last] = [times[ROUNDS / 2], times[ROUNDS - 1]];
    println!("{shape:?}, kept: {is_kept}, {way:?}: all began after {median:.1?}, and {last:.1?} at most");
    assert!(last < soon(), "{times:?}");
    drop(kept);
    wait_until("nobody to wait", || pool.waiting() == 0);
    pool.end();
}

fn all_begin_at_once_on_each_kind_of_connection(shape: Shape) {
    let ways = [
        Way::AtOnce,
        Way::InPieces(Duration::ZERO),
        Way::InPieces(Duration::from_millis(2)),
        Way::Uploads(Duration::from_millis(2)),
    ];
    for way in ways {
        [false, true].into_iter().for_each(|is_kept| all_begin_at_once(shape, is_kept, way));
    }
}

#[test]
fn no_request_waits_for_one_process_while_the_other_one_has_a_worker() {
    all_begin_at_once_on_each_kind_of_connection(TWO_BY_TWO);
}

#[test]
fn no_request_waits_for_one_of_four_processes_while_another_one_has_its_worker() {
    all_begin_at_once_on_each_kind_of_connection(FOUR_BY_ONE);
}

const ROUNDS: usize = 20;
const BODY: usize = 20_000;
