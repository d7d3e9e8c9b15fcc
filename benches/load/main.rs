//! A load generator for FastCGI and HTTP, and what the server spends on it.
//!
//! One thread, epoll, a fixed number of requests in flight, nginx's 28 parameters. Every answer is checked. Reports requests per
//! second, latencies, errors, connections, and the CPU time per request of the server's process tree, which is steadier than
//! throughput on a shared machine. When a server closes a connection that it was asked to keep, the request goes out again on a
//! new one: `connections` tells whether it does.
//!
//! `cargo bench --bench load -- --connect unix:/run/app.sock --pid 1234 [--requests 100000] [--parallel 16] [--one-shot]`

mod answer;
mod connection;
mod fastcgi;
mod http;
mod options;
mod process;
mod report;
mod request;
mod run;
mod stream;

use std::process::ExitCode;

use shared::sys::resources::Resource;

use options::{Options, Reuse};
use process::Memory;
use report::Report;
use run::Run;

fn main() -> ExitCode {
    match Options::from_arguments().and_then(|options| measure(&options).map(|report| report.print(options.format))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<Report, String> {
    let mut report = Report::default();
    let (tally, _) = Run::new(options)?.go()?;
    report.add_run("", tally);
    if options.idle > 0 {
        measure_beside_idle_connections(options, &mut report)?;
    }
    Ok(report)
}

fn measure_beside_idle_connections(options: &Options, report: &mut Report) -> Result<(), String> {
    let needed = options.idle as u64 + DESCRIPTORS_BESIDE;
    let raised = Resource::OpenFiles.set_soft_limit(|before| before.max(needed));
    let limit = raised.and_then(|_| Resource::OpenFiles.soft_limit());
    let limit = limit.map_err(|error| error.to_string())?;
    if limit < needed {
        return Err(format!("the limit on open files is {limit}, and --idle {} needs {needed}", options.idle));
    }
    let before = options.pid.map(Memory::of);
    let opening = Options { requests: options.idle, parallel: 1, multiplex: 1, reuse: Reuse::Hoarded, ..options.clone() };
    let (tally, hoard) = Run::new(&opening)?.go()?;
    let after = options.pid.map(Memory::of);
    report.add_run("opening_", tally);
    if let Some((before, after)) = before.zip(after) {
        let each = |before: u64, after: u64| (after as f64 - before as f64) / options.idle as f64;
        report.add("pss_per_idle", each(before.pss, after.pss), 1);
        report.add("anonymous_per_idle", each(before.anonymous, after.anonymous), 1);
    }
    let (tally, _) = Run::new(options)?.go()?;
    report.add_run("beside_idle_", tally);
    report.add("idle", hoard.len() as f64, 0);
    Ok(())
}

/// For everything but the idle connections.
const DESCRIPTORS_BESIDE: u64 = 1000;
