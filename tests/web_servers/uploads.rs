//! What the application reads. Each check but the last runs with every shipped site file.

use crate::digest::{Digest, block};
use crate::environ::Environ;
use crate::http::{Ending, Request};
use crate::shipped::Shipped;
use crate::site::Site;

/// Rules 13 and 15: with a length, without one, after 100 Continue: the application gets the real length and all of it.
pub(crate) fn uploads_arrive_whole_with_their_length(site: &Site) {
    let running = site.start("environ.py");
    let big = block(7);
    let pieces: Vec<&[u8]> = big.chunks(10_000).collect();
    running.expect_upload(Request::new("POST", "/").body("abc"), b"abc");
    running.expect_upload(Request::new("PUT", "/").body(&big[..]), &big);
    running.expect_upload(Request::new("POST", "/").chunked(&[b"a", b"bc"]), b"abc");
    running.expect_upload(Request::new("POST", "/").chunked(&pieces), &big);
    running.expect_upload(Request::new("POST", "/").header("Expect", "100-continue").body("abc"), b"abc");
    running.expect_healthy();
}

/// Rules 14 and 15: no body, an empty one and an empty chunked one are all empty, and none makes anybody wait.
pub(crate) fn empty_uploads_are_answered_at_once(site: &Site) {
    let running = site.start("environ.py");
    for request in [Request::new("POST", "/"), Request::new("POST", "/").body(""), Request::new("POST", "/").chunked(&[])] {
        let environ = running.environ(request);
        assert_eq!(environ["test.body_length"], 0);
        let length = environ.variable("CONTENT_LENGTH");
        assert!(matches!(length, None | Some("" | "0")), "{length:?}");
    }
    running.expect_healthy();
}

/// Rules 2 and 13: a body that is too large gets its 413, not a broken connection, and the next request is served.
pub(crate) fn upload_over_max_body_size_gets_413(site: &Site) {
    let running = site.start_with("environ.py", &["--max-body-size", "64K"], Shipped::read(site.file));
    running.send(Request::new("POST", "/").body(block(1))).expect(413);
    let pieces = block(2);
    running.send(Request::new("POST", "/").chunked(&pieces.chunks(8_192).collect::<Vec<_>>())).expect(413);
    running.expect_upload(Request::new("POST", "/").body("abc"), b"abc");
    running.expect_healthy();
}

/// The limit that each file documents, 10 MiB, holds with nothing but what the file says: the web server's or pyfcgid's own.
pub(crate) fn upload_over_the_limit_of_the_file_gets_413(site: &Site) {
    let running = site.start("environ.py");
    let most = block(3).repeat(LIMIT_MIB);
    let more = [&most[..], b"x"].concat();
    running.expect_upload(Request::new("POST", "/").body(&most[..]), &most);
    running.expect_upload(Request::new("POST", "/").chunked(&most.chunks(100_000).collect::<Vec<_>>()), &most);
    running.send(Request::new("POST", "/").body(&more[..])).expect(413);
    running.send(Request::new("POST", "/").chunked(&more.chunks(100_000).collect::<Vec<_>>())).expect(413);
    running.expect_upload(Request::new("POST", "/").body("abc"), b"abc");
    running.expect_healthy();
}

/// Rules 2, 13 and 15: nginx that passes a body on as it comes says nothing of a chunked one's length, and stops sending when
/// an answer comes early.
pub(crate) fn unbuffered_uploads_arrive_whole(site: &Site) {
    let unbuffered = "client_max_body_size 10m; fastcgi_request_buffering off;";
    let file = Shipped::read(site.file).replace("client_max_body_size 10m;", unbuffered);
    let running = site.start_with("environ.py", &["--max-body-size", "2M"], file);
    let big = block(4);
    running.expect_upload(Request::new("POST", "/").body(&big[..]), &big);
    running.expect_upload(Request::new("POST", "/").chunked(&big.chunks(5_000).collect::<Vec<_>>()), &big);
    running.send(Request::new("POST", "/").body(big.repeat(3))).expect(413);
    running.expect_upload(Request::new("POST", "/").body("abc"), b"abc");
    running.expect_healthy();
}

/// 200 MiB each way with the right digest, in memory that does not grow with them. `raise` takes the web server's own limit on
/// uploads away.
pub(crate) fn transfers_of_200_mib_take_no_memory(site: &Site, raise: impl FnOnce(Shipped) -> Shipped) {
    let running = site.start_with("large.py", &["--max-body-size", "300M"], raise(Shipped::read(site.file)));
    running.send(Request::new("POST", "/").body(block(0))).expect(200);
    let back_end = &running.back_ends[0];
    let before = (back_end.rss_kib(), back_end.peak_rss_kib());

    let expected = expected_digest();
    let answer = running.send(Request::new("POST", "/").body((0..BLOCKS).map(block).collect::<Vec<_>>().concat())).expect(200);
    assert_eq!(answer.text(), expected, "the upload");
    let mut received = Digest::start();
    assert_eq!(running.open(Request::get("/")).copy_to(&mut received), Ending::Complete);
    assert_eq!(received.finish(), expected, "the download");

    let (resident, peak) = (back_end.rss_kib().saturating_sub(before.0), back_end.peak_rss_kib().saturating_sub(before.1));
    println!("{}: 200 MiB up and down: resident memory grew by {resident} KiB, its peak by {peak} KiB", site.file);
    assert!(resident < 16 * 1024 && peak < 16 * 1024, "grew by {resident} KiB, peak by {peak} KiB");
    running.expect_healthy();
}

fn expected_digest() -> String {
    let mut digest = Digest::start();
    for number in 0..BLOCKS {
        std::io::Write::write_all(&mut digest, &block(number)).expect("sha256sum reads");
    }
    digest.finish()
}

/// What the files have for the largest upload.
const LIMIT_MIB: usize = 10;
/// As in `apps/large.py`.
const BLOCKS: u64 = 200;
