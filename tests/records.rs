//! Golden transcripts: bytes that real web servers sent, and bytes that nobody should send.
//!
//! `records/captures/` holds the former with a description made without this code, `records/transcripts/` the latter. Each is
//! replayed whole, byte by byte, and cut in two at every offset; `records/README.md` tells the formats.

#[path = "records/capture.rs"]
mod capture;
#[path = "records/replay.rs"]
mod replay;
#[path = "records/transcript.rs"]
mod transcript;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use capture::Capture;
use replay::Replay;
use transcript::Transcript;

#[test]
fn every_capture_has_a_description_and_every_description_a_capture() {
    let (descriptions, captures) = (files("captures", "json"), files("captures", "bin"));
    assert_eq!(captures.len(), 180);
    let expected: Vec<PathBuf> = captures.iter().map(|path| path.with_extension("json")).collect();
    assert_eq!(descriptions, expected);
}

#[test]
fn captures_decode_to_their_description_when_they_come_whole() {
    for capture in captures() {
        let mut replay = Replay::default();
        replay.feed(&capture.bytes);
        capture.check(&replay);
    }
}

#[test]
fn captures_decode_to_their_description_when_they_come_byte_by_byte() {
    for capture in captures() {
        let mut replay = Replay::default();
        for byte in &capture.bytes {
            replay.feed(std::slice::from_ref(byte));
        }
        capture.check(&replay);
    }
}

/// Only the records are compared, and with those of the whole replay, which is compared with the description above: a session
/// sees records, not reads, so equal records give equal requests.
#[test]
fn captures_decode_to_the_same_records_at_every_split_point() {
    let mut captures = captures();
    captures.sort_by_key(|capture| std::cmp::Reverse(capture.bytes.len()));
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
            capture.check_every_split();
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    assert!(next.into_inner() > captures.len());
}

#[test]
fn transcripts_give_what_they_expect_when_they_come_whole() {
    for transcript in transcripts() {
        transcript.check(&[]);
    }
}

#[test]
fn transcripts_give_what_they_expect_when_they_come_byte_by_byte() {
    for transcript in transcripts() {
        let every: Vec<usize> = (1..transcript.bytes.len()).collect();
        transcript.check(&every);
    }
}

#[test]
fn transcripts_give_what_they_expect_at_every_split_point() {
    for transcript in transcripts() {
        for split in 1..transcript.bytes.len() {
            transcript.check(&[split]);
        }
    }
}

fn captures() -> Vec<Capture> {
    files("captures", "bin").iter().map(|path| Capture::load(path)).collect()
}

fn transcripts() -> Vec<Transcript> {
    let paths = files("transcripts", "txt");
    assert!(!paths.is_empty());
    paths.iter().map(|path| Transcript::load(path)).collect()
}

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records").join(directory);
    let entries = directory.read_dir().expect("the directory is in the repository");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}
