//! One connection from decoder to reply without a socket or a thread: a random peer has up to 64 requests open at once, and the
//! gateway reads its bytes in random pieces and works on the answers in random order. A run is all in its seed.
//!
//! `PYFCGID_SEEDS=100000 cargo test --test simulation` tries more seeds than the suite does; `PYFCGID_SEED=42` replays one.

#![allow(clippy::unwrap_used)]

#[path = "simulation/gateway.rs"]
mod gateway;
#[path = "simulation/peer.rs"]
mod peer;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "event_loop/random.rs"]
#[allow(dead_code, unreachable_pub)]
mod random;
#[path = "support/record.rs"]
#[allow(dead_code, unreachable_pub)]
mod record;
#[path = "simulation/wire.rs"]
mod wire;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gateway::Gateway;
use peer::{End, Peer, Tally};
use random::Random;

#[test]
fn every_request_is_answered_once_with_its_own_answer_and_an_aborted_one_never_in_full() {
    let mut tally = Tally::default();
    for seed in seeds() {
        match catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
            Ok(found) => tally += found,
            Err(_) => panic!("seed {seed} failed; replay it with PYFCGID_SEED={seed}"),
        }
    }
    println!("{tally:?}");
    assert!(env::var_os("PYFCGID_SEED").is_some() || tally.is_everything(), "something was never tried: {tally:?}");
}

/// One connection from its first byte to its last.
fn simulate(seed: u64) -> Tally {
    let mut random = Random::from_seed(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let (mut peer, mut gateway) = (Peer::new(&mut random), Gateway::default());
    let end = converse(&mut peer, &mut gateway, &mut random);
    let wire = gateway.close();
    assert!(wire.take_sent().is_empty(), "something was said on a closed connection");
    peer.into_tally(end)
}

fn converse(peer: &mut Peer, gateway: &mut Gateway, random: &mut Random) -> End {
    let (read_weight, work_weight) = (1 + random.below(8), 1 + random.below(8));
    let mut patience = if random.below(20) == 0 { random.length(1_000) } else { usize::MAX };
    while !peer.has_sent_all() || !gateway.is_idle() {
        match random.below(8 + read_weight + work_weight) {
            choice if choice < 8 => peer.send(random),
            choice if choice < 8 + read_weight => gateway.read(peer.take(random.length(100_000)), random),
            _ => gateway.work(random),
        }
        peer.receive(&gateway.wire.take_sent(), gateway.bytes_read());
        gateway.check_open_requests();
        if gateway.wire.is_over() {
            return End::Cut;
        }
        patience -= 1;
        if patience == 0 {
            return End::Left;
        }
    }
    End::Done
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    match number("PYFCGID_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PYFCGID_SEEDS").unwrap_or(2_000),
    }
}
