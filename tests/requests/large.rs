//! Bodies of 200 MB, both ways, with little memory.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::support::record::{begin, record, role, stream};
use crate::support::{Launch, Params, Peer, Pyfcgid, app, kind};

const MEBIBYTES: usize = 200;
/// How much more memory than before a large body may need.
const GROWTH_KIB: u64 = 16 * 1024;

/// sha256sum on a pipe: far faster than a digest in an unoptimised build.
struct Digest(Child);

impl Digest {
    fn new() -> Self {
        let mut command = Command::new("sha256sum");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(child.expect("sha256sum runs (Debian package: coreutils)"))
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.stdin.as_mut().expect("piped").write_all(bytes).expect("sha256sum reads");
    }

    fn finish(self) -> String {
        let output = self.0.wait_with_output().expect("sha256sum ends");
        String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
    }
}

/// Another 32 KiB for every number.
fn block(number: usize) -> Vec<u8> {
    format!("{number:07}\n").repeat(32 * 1024 / 8).into_bytes()
}

fn upload(peer: &mut Peer, blocks: usize, params: &Params) -> String {
    let mut digest = Digest::new();
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &params.encode())].concat());
    for number in 0..blocks {
        let bytes = block(number);
        digest.update(&bytes);
        peer.send(&record(kind::STDIN, 1, &bytes));
    }
    peer.send(&record(kind::STDIN, 1, b""));
    digest.finish()
}

#[track_caller]
fn expect_little_growth(server: &Pyfcgid, before: u64) {
    let growth = server.peak_rss_kib().saturating_sub(before);
    println!("memory grew by {growth} KiB at most");
    assert!(growth < GROWTH_KIB, "grew from {before} by {growth} KiB");
}

fn upload_200_megabytes(params: &Params) {
    let server = Pyfcgid::serve(app("hashes.py"), &["--max-body-size", "300M"]);
    let mut peer = server.connect();
    peer.request(&Params::post("/", 4), b"warm").expect_status(200);
    let before = server.rss_kib();
    let digest = upload(&mut peer, MEBIBYTES * 32, params);
    let expected = format!("{} {digest}", MEBIBYTES << 20);
    assert_eq!(peer.answer(1).expect_status(200).text(), expected);
    expect_little_growth(&server, before);
}

#[test]
fn an_upload_of_200_megabytes_arrives_whole_with_little_memory() {
    upload_200_megabytes(&Params::post("/", MEBIBYTES << 20));
}

#[test]
fn an_upload_of_200_megabytes_of_unknown_length_arrives_whole_with_little_memory() {
    upload_200_megabytes(&Params::post("/", 0).remove("CONTENT_LENGTH"));
}

/// Reads an answer without keeping it; returns its body's length and digest.
fn download(peer: &mut Peer, target: &str) -> (usize, String) {
    peer.send_request(1, true, &Params::get(target), b"");
    let mut digest = Digest::new();
    let mut head = Vec::new();
    let mut length = 0;
    let mut in_body = false;
    while let Some(record) = peer.next_record() {
        if record.kind == kind::END_REQUEST {
            return (length, digest.finish());
        }
        assert_eq!(record.kind, kind::STDOUT);
        let mut content = record.content.as_slice();
        if !in_body {
            head.extend_from_slice(content);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            content = &head[end + 4..];
            in_body = true;
        }
        length += content.len();
        digest.update(content);
    }
    panic!("the connection ended after {length} bytes");
}

#[test]
fn a_download_of_200_megabytes_arrives_whole_with_little_memory() {
    let server = Pyfcgid::serve(app("sends_much.py"), &[]);
    let mut peer = server.connect();
    let expected = peer.request(&Params::get(&format!("/{MEBIBYTES}?digest")), b"").expect_status(200).text();
    download(&mut peer, "/8");
    let before = server.rss_kib();
    let (length, digest) = download(&mut peer, &format!("/{MEBIBYTES}"));
    assert_eq!((length, digest), (MEBIBYTES << 20, expected));
    expect_little_growth(&server, before);
}

#[test]
fn a_file_of_200_megabytes_arrives_whole_with_little_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut expected = Digest::new();
    for number in 0..MEBIBYTES * 32 {
        file.write_all(&block(number)).unwrap();
        expected.update(&block(number));
    }
    let server = Launch::serve(app("sends_files.py")).env("FILE", &path).start();
    let mut peer = server.connect();
    peer.request(&Params::get("/at-the-end"), b"").expect_status(200);
    let before = server.peak_rss_kib();
    assert_eq!(download(&mut peer, "/whole"), (MEBIBYTES << 20, expected.finish()));
    expect_little_growth(&server, before);
}
