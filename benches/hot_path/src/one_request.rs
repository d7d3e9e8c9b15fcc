//! Takes a request through codec and exchange as often as its argument says, in one thread and without a clock, so that every
//! run executes the same instructions. `benches/instructions` counts them.
//!
//! `cargo run --release --package hot-path --bin one_request -- 1000`

#[path = "../../load/options.rs"]
#[allow(dead_code, reason = "the load generator's command line is in there, too")]
mod options;
#[path = "../../load/request.rs"]
mod request;
#[path = "../../walk/mod.rs"]
mod walk;

use std::hint::black_box;
use std::process::ExitCode;

use walk::Walk;

fn main() -> ExitCode {
    match std::env::args().nth(1).unwrap_or("1".to_owned()).parse() {
        Ok(times) => repeat(times),
        Err(error) => {
            eprintln!("one_request: how often is a number: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn repeat(times: u32) {
    let (mut walk, records) = (Walk::new(), walk::nginx_get());
    for _ in 0..times {
        let assembled = black_box(walk.assemble(black_box(&records)));
        walk::answer(walk.reply(assembled.id), walk::head());
        walk.finish(assembled.id);
    }
}
