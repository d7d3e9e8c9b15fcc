//! Times of the parts of a request's way that need no socket, thread or Python.
//!
//! `cargo run --release --package hot-path -- --bench`, with `--quick` for rough ones; without `--bench` it only sees that they run.

#[path = "../../load/options.rs"]
#[allow(dead_code, reason = "the load generator's command line is in there, too")]
mod options;
#[path = "../../load/request.rs"]
mod request;
#[path = "../../walk/mod.rs"]
mod walk;

use std::hint::black_box;

use connections::exchange::Params;
use criterion::{BatchSize, Criterion};
use fastcgi_codec::{Decoder, RecordType, RequestId};

use walk::Walk;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    params(&mut criterion);
    assemble(&mut criterion);
    head(&mut criterion);
    encode(&mut criterion);
    criterion.final_summary();
}

/// Bytes to records.
fn decode(criterion: &mut Criterion) {
    let (mut decoder, records) = (Decoder::new(), walk::nginx_get());
    criterion.bench_function("decode", |bencher| {
        bencher.iter(|| {
            walk::fill(&mut decoder, black_box(&records));
            while let Some(record) = decoder.next_record().expect("the records are in order") {
                black_box(record);
            }
        });
    });
}

/// The parameters' stream to pairs.
fn params(criterion: &mut Criterion) {
    let stream = params_stream();
    criterion.bench_function("params", |bencher| {
        bencher.iter_batched(|| stream.clone(), |stream| Params::parse(stream, MAX_PARAMS), BatchSize::SmallInput);
    });
}

/// Bytes to a complete request: decoder, session and assembler.
fn assemble(criterion: &mut Criterion) {
    let (mut walk, records) = (Walk::new(), walk::nginx_get());
    criterion.bench_function("session+assembler", |bencher| {
        bencher.iter(|| {
            let assembled = walk.assemble(black_box(&records));
            walk.finish(assembled.id);
            assembled
        });
    });
}

/// A status and two headers to bytes.
fn head(criterion: &mut Criterion) {
    criterion.bench_function("head", |bencher| bencher.iter(|| walk::head().encode(false)));
}

/// A head and a body to the records of an answer.
fn encode(criterion: &mut Criterion) {
    let walk = Walk::new();
    let set_up = || (walk.reply(RequestId::new(1)), walk::head());
    criterion.bench_function("encode", |bencher| {
        bencher.iter_batched(set_up, |(reply, head)| walk::answer(reply, head), BatchSize::SmallInput);
    });
}

fn params_stream() -> Vec<u8> {
    let mut decoder = Decoder::new();
    walk::fill(&mut decoder, &walk::nginx_get());
    let mut stream = Vec::new();
    while let Some(record) = decoder.next_record().expect("the records are in order") {
        if record.record_type == RecordType::Params {
            stream.extend_from_slice(record.content);
        }
    }
    stream
}

const MAX_PARAMS: usize = 1000;
