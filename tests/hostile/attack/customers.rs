//! Who asks the other pool for something, on kept connections, and what they get.

use std::fmt::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Verdict;
use crate::support::latency::Latencies;
use crate::support::peer::Address;
use crate::support::{Params, Peer};

/// Customers of one shop, who buy until they are told to leave.
pub struct Customers {
    over: Arc<AtomicBool>,
    customers: Vec<JoinHandle<Bought>>,
}

/// What one of them got.
#[derive(Debug, Default)]
struct Bought {
    times: Vec<(Instant, Duration)>,
    good: u64,
    bad: Vec<String>,
}

/// What all of them got.
#[derive(Debug)]
pub struct Account {
    times: Vec<(Instant, Duration)>,
    /// How many requests were answered, each customer's.
    pub good: Vec<u64>,
    bad: Vec<String>,
}

impl Customers {
    pub fn of(shop: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (address, flag) = (Address::Unix(shop), &over);
        let customers = (0..CUSTOMERS).map(|number| {
            let (address, over) = (address.clone(), Arc::clone(flag));
            thread::spawn(move || buy(number, &address, &over))
        });
        Self { customers: customers.collect(), over }
    }

    pub fn leave(self) -> Account {
        self.over.store(true, Ordering::Relaxed);
        let bought: Vec<_> = self.customers.into_iter().map(|customer| customer.join().unwrap()).collect();
        let good = bought.iter().map(|bought| bought.good).collect();
        let (mut times, mut bad) = (Vec::new(), Vec::new());
        for bought in bought {
            times.extend(bought.times);
            bad.extend(bought.bad);
        }
        Account { times, good, bad }
    }
}

fn buy(number: usize, address: &Address, over: &AtomicBool) -> Bought {
    let mut bought = Bought::default();
    let mut kept: Option<Peer> = None;
    while !over.load(Ordering::Relaxed) {
        let wanted = thing(number, bought.good);
        let begin = Instant::now();
        // A wait that is too long is a panic, and no more than one bad request.
        let result = catch_unwind(AssertUnwindSafe(|| ask(&mut kept, address, &wanted)));
        match result.unwrap_or_else(|_| Err(format!("nothing came for {PATIENCE:?}"))) {
            Ok(()) => {
                bought.times.push((begin, begin.elapsed()));
                bought.good += 1;
            }
            Err(fault) => {
                bought.bad.push(format!("{wanted}: {fault}"));
                kept = None;
                thread::sleep(Duration::from_millis(50));
            }
        }
        thread::sleep(PAUSE);
    }
    bought
}

/// What a customer asks for; no two are the same.
pub fn thing(customer: usize, number: u64) -> String {
    format!("customer-{customer}-thing-{number}")
}

fn ask(kept: &mut Option<Peer>, address: &Address, wanted: &str) -> Result<(), String> {
    let peer = match kept {
        Some(peer) => peer,
        None => kept.insert(Peer::try_connect(address).map_err(|error| error.to_string())?),
    };
    peer.set_deadline(PATIENCE);
    peer.try_send(&crate::support::record::request(1, true, &Params::get(&format!("/?{wanted}")).encode(), b""))
        .map_err(|error| error.to_string())?;
    let answer = peer.answer(1);
    let is_right = answer.ended && answer.status == 200 && answer.text() == format!("here is {wanted}");
    if is_right { Ok(()) } else { Err(answer.summary()) }
}

impl Account {
    fn within(&self, phase: &Range<Instant>) -> Latencies {
        self.times.iter().filter(|(begin, _)| phase.contains(begin)).map(|(_, time)| *time).collect()
    }

    /// `twin` is what customers of such a shop got at the same time, on the same machine, which no attack reaches but by the processor
    /// time that it takes: so much is the scheduler's matter, and the weather's.
    pub fn judge(&self, twin: &Self, quiet: &Range<Instant>, attack: &Range<Instant>, verdict: &mut Verdict) {
        let [before, beside] = [quiet, attack].map(|phase| self.within(phase));
        let [twin_before, twin_beside] = [quiet, attack].map(|phase| twin.within(phase));
        println!("shop, quiet:  {before}; its twin: {twin_before}");
        println!("shop, attack: {beside}; its twin: {twin_beside}");
        let ratio = |one: &Latencies, other: &Latencies| one.p99().as_secs_f64() / other.p99().as_secs_f64();
        println!(
            "shop: p99 {:.2} times its own when quiet, {:.2} times its twin's",
            ratio(&beside, &before),
            ratio(&beside, &twin_beside)
        );
        println!("shop: {} requests failed of {}", self.bad.len(), self.good.iter().sum::<u64>() + self.bad.len() as u64);
        let mut some = String::new();
        self.bad.iter().take(5).for_each(|fault| write!(some, "\n    {}", super::shortened(fault)).unwrap());
        verdict.expect(self.bad.is_empty(), format!("{} requests of the shop failed:{some}", self.bad.len()));
        verdict.expect(before.count() > 100 && beside.count() > 100, "the shop had too few customers");
        let usual = before.p99().max(twin_beside.p99()).max(FLOOR);
        let text = format!("p99 of the shop is {:?}, more than {FACTOR} × {usual:?}", beside.p99());
        verdict.expect(beside.p99() <= usual * FACTOR, text);
    }
}

const CUSTOMERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(10);
const FACTOR: u32 = 3;
/// Below it, the differences are the machine's.
const FLOOR: Duration = Duration::from_millis(2);
