use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::Instant;

use super::*;

/// What a server got, and a client's exit code, stdout and stderr.
struct Seen {
    received: Vec<u8>,
    code: u8,
    out: String,
    err: String,
}

/// What is typed with these options.
pub(super) fn parse(typed: &[(&str, &str)]) -> Result<Options, ValueError> {
    Options::parse(|name| typed.iter().filter(|(key, _)| *key == name).map(|(_, text)| OsStr::new(text)).collect())
}

fn options(address: &str, change: impl FnOnce(&mut Options)) -> Options {
    let mut options = parse(&[("connect", address), ("max-time", "20s")]).unwrap();
    change(&mut options);
    options
}

fn run_client(options: &Options) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(options, &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Serves one connection: reads the request to its end of STDIN, then sends these bytes and closes.
fn serve(answer: Vec<u8>) -> (String, JoinHandle<Vec<u8>>) {
    serve_with(move |stream| {
        let received = read_request(stream);
        stream.write_all(&answer).unwrap();
        received
    })
}

fn serve_with<T: Send + 'static>(act: impl FnOnce(&mut TcpStream) -> T + Send + 'static) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        act(&mut stream)
    });
    (address, server)
}

fn ask(answer: &[&[u8]], change: impl FnOnce(&mut Options)) -> Seen {
    let (address, server) = serve(answer.concat());
    let (code, out, err) = run_client(&options(&address, change));
    Seen { received: server.join().unwrap(), code, out, err }
}

/// Every byte up to the empty STDIN record, by the specification's layout and not by our codec.
fn read_request(stream: &mut impl Read) -> Vec<u8> {
    let mut received = Vec::new();
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header).unwrap();
        let mut rest = vec![0; usize::from(header[4]) * 256 + usize::from(header[5]) + usize::from(header[6])];
        stream.read_exact(&mut rest).unwrap();
        received.extend_from_slice(&header);
        received.extend_from_slice(&rest);
        if header[1] == 5 && rest.is_empty() {
            return received;
        }
    }
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 0, 1, length[0], length[1], 3, 0], content, b"pad"].concat()
}

fn stdout(content: &str) -> Vec<u8> {
    record(6, content.as_bytes())
}

fn end(protocol_status: u8) -> Vec<u8> {
    record(3, &[0, 0, 0, 0, protocol_status, 0, 0, 0])
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn an_answer_in_pieces_is_printed_and_stderr_goes_to_stderr() {
    let pieces =
        [&stdout("Status: 200 OK\r\nContent-Ty")[..], &record(7, b"careful\n"), &stdout("pe: a\r\n\r\nhel"), &stdout("lo\n")];
    let seen = ask(&[&pieces.concat(), &stdout(""), &end(0)], |_| {});
    assert_eq!((seen.code, seen.out.as_str(), seen.err.as_str()), (0, "hello\n", "careful\n"));
    assert_eq!(seen.received[..16], [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], "BEGIN_REQUEST, responder, not kept");
    assert!(contains(&seen.received, b"\x0e\x03REQUEST_METHODGET"));
    assert!(contains(&seen.received, b"\x09\x01PATH_INFO/"));
    assert!(seen.received.ends_with(&[1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0]));
}

#[test]
fn include_prints_the_head_as_it_was_sent() {
    let seen = ask(&[&stdout("Status: 404 None\r\nA: b\r\n\r\nno"), &end(0)], |options| options.include_head = true);
    assert_eq!((seen.code, seen.out.as_str()), (0, "Status: 404 None\r\nA: b\r\n\r\nno"));
}

#[test]
fn fail_turns_4xx_and_5xx_into_exit_code_22() {
    let fail = |options: &mut Options| options.fail = true;
    let seen = ask(&[&stdout("Status: 404 Not Found\r\n\r\nno"), &end(0)], fail);
    assert_eq!((seen.code, seen.out.as_str()), (22, ""));
    assert_eq!(seen.err, "pyfcgid: the response status is 404 Not Found\n");
    assert_eq!(ask(&[&stdout("Status: 500 x\n\nno"), &end(0)], fail).code, 22);
    assert_eq!(ask(&[&stdout("Status: 399 x\n\nyes"), &end(0)], fail).code, 0);
    assert_eq!(ask(&[&stdout("Status: 500 x\n\nno"), &end(0)], |_| {}).code, 0);
}

#[test]
fn data_is_sent_as_stdin_with_its_length() {
    let seen = ask(&[&stdout("A: b\n\n"), &end(0)], |options| {
        options.method = b"POST".to_vec();
        options.data = Some(Data::Bytes(b"name=value".to_vec()));
    });
    assert_eq!(seen.code, 0);
    assert!(contains(&seen.received, b"\x0e\x02CONTENT_LENGTH10"));
    assert!(contains(&seen.received, b"\x01\x05\x00\x01\x00\x0a\x00\x00name=value"));
}

#[test]
fn a_large_file_and_a_large_answer_cross_each_other_without_blocking() {
    const PIECES: usize = 200;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let size = 16 << 20;
    file.write_all(&vec![b'x'; size]).unwrap();
    // Answers all of it before it reads any of the request.
    let (address, server) = serve_with(|stream| {
        stream.write_all(&stdout("A: b\n\n")).unwrap();
        for _ in 0..PIECES {
            stream.write_all(&stdout(&"y".repeat(60_000))).unwrap();
        }
        let received = read_request(stream);
        stream.write_all(&end(0)).unwrap();
        received
    });
    let data = Data::File(file.path().to_owned());
    let (code, out, err) = run_client(&options(&address, |options| options.data = Some(data)));
    assert_eq!((code, out.len(), err.as_str()), (0, PIECES * 60_000, ""));
    let received = server.join().unwrap();
    assert!(received.iter().filter(|byte| **byte == b'x').count() >= size);
}

#[test]
fn an_answer_before_the_body_is_read_ends_the_exchange() {
    let (address, server) = serve_with(|stream| {
        stream.write_all(&[stdout("Status: 413 Too Large\n\nno"), end(0)].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        std::io::copy(stream, &mut std::io::sink()).ok();
    });
    let data = Data::Bytes(vec![b'x'; 32 << 20]);
    let (code, out, _) = run_client(&options(&address, |options| options.data = Some(data)));
    assert_eq!((code, out.as_str()), (0, "no"));
    server.join().unwrap();
}

#[test]
fn every_incomplete_answer_has_its_exit_code_and_one_line() {
    let head = stdout("A: b\r\n\r\nhalf");
    let table: [(&[&[u8]], u8, &str); 13] = [
        (&[], 52, "closed before any response arrived"),
        (&[&head], 18, "closed in the middle of the response"),
        (&[&head[..4]], 18, "closed before the response headers were complete"),
        (&[&stdout("A: b\r\n")], 18, "closed before the response headers were complete"),
        (&[&stdout("A: b\r\n"), &end(0)], 8, "no header block"),
        (&[&end(0)], 8, "no header block"),
        (&[&stdout("Status: 503 Busy\n\nbusy"), &end(2)], 8, "END_REQUEST says OVERLOADED"),
        (&[&end(3)], 8, "END_REQUEST says UNKNOWN_ROLE"),
        (&[&head, &[0xff; 16]], 18, "the response was cut short"),
        (&[&stdout("A: b\r\n"), &[0xff; 16]], 18, "the response was cut short"),
        (&[&head, b"HTTP/1.1 400 Bad Request\r\n\r\n"], 18, "the response was cut short"),
        (&[&[0xff; 16]], 8, "not FastCGI"),
        (&[b"HTTP/1.1 400 Bad Request\r\n\r\n"], 8, "it looks like HTTP"),
    ];
    for (answer, code, text) in table {
        let seen = ask(answer, |_| {});
        assert_eq!(seen.code, code, "{}", seen.err);
        assert!(seen.err.starts_with("pyfcgid: ") && seen.err.contains(text), "{}", seen.err);
        assert_eq!(seen.err.lines().count(), 1, "{}", seen.err);
    }
}

#[test]
fn records_of_other_requests_and_of_management_are_ignored() {
    let other = [1, 6, 0, 2, 0, 4, 0, 0, b'e', b'v', b'i', b'l'];
    let management = [1, 11, 0, 0, 0, 8, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0];
    let seen = ask(&[&other, &management, &stdout("A: b\n\nfine"), &end(0)], |_| {});
    assert_eq!((seen.code, seen.out.as_str()), (0, "fine"));
}

#[test]
fn a_silent_or_trickling_server_is_given_up_in_time() {
    let max_time = Some(Duration::from_millis(300));
    let (address, server) = serve_with(|stream| {
        read_request(stream);
        stream.write_all(&stdout("A: b\n\n")).unwrap();
        // The client's end of file is what ends this, and until then it sends.
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while stream.read(&mut [0]).is_err() && stream.write_all(&stdout("x")).is_ok() {}
    });
    let begin = Instant::now();
    let (code, out, err) = run_client(&options(&address, |options| options.max_time = max_time));
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!((code, err.as_str()), (28, "pyfcgid: no complete response within --max-time\n"));
    assert!(out.starts_with('x'));
    server.join().unwrap();
}

#[test]
fn a_server_that_reads_nothing_is_given_up_in_time() {
    let (sender, done) = std::sync::mpsc::channel::<()>();
    let (address, server) = serve_with(move |_stream| done.recv().is_err());
    let (code, _, _) = run_client(&options(&address, |options| {
        options.max_time = Some(Duration::from_millis(300));
        options.data = Some(Data::Bytes(vec![0; 64 << 20]));
    }));
    drop(sender);
    assert_eq!(code, 28);
    assert!(server.join().unwrap());
}

#[test]
fn a_unix_socket_serves_as_well_and_a_missing_one_says_what_to_check() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let address = format!("unix:{}", path.display());
    let (code, _, err) = run_client(&options(&address, |_| {}));
    assert_eq!(code, 7);
    assert!(err.contains("no such socket: is pyfcgid running"), "{err}");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        stream.write_all(&[stdout("A: b\n\nunix"), end(0)].concat()).unwrap();
    });
    let (code, out, _) = run_client(&options(&address, |_| {}));
    assert_eq!((code, out.as_str()), (0, "unix"));
    server.join().unwrap();
    let (code, _, err) = run_client(&options(&address, |_| {}));
    assert_eq!(code, 7);
    assert!(err.contains("nothing is listening there"), "{err}");
}

#[test]
fn a_full_backlog_of_a_unix_socket_is_given_up_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("full.sock");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let waiting = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let address = path.display().to_string();
    let (code, _, _) = run_client(&options(&address, |options| options.max_time = Some(Duration::from_millis(100))));
    assert_eq!(code, 28);
    drop(waiting);
}

#[test]
fn a_closed_port_an_unreadable_body_and_a_broken_output_have_their_codes() {
    // Bound and not listening: nobody else gets the port meanwhile.
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = bound.local_addr().unwrap().as_socket().unwrap().to_string();
    assert_eq!(run_client(&options(&address, |_| {})).0, 7);
    let missing = Some(Data::File(PathBuf::from("/nonexistent/body")));
    let (code, _, err) = run_client(&options(&address, |options| options.data = missing));
    assert_eq!((code, err.contains("cannot read the body from /nonexistent/body: ")), (26, true));
    let (address, server) = serve([stdout("A: b\n\nhello"), end(0)].concat());
    let mut full: &mut [u8] = &mut [];
    assert_eq!(run(&options(&address, |_| {}), &mut full, &mut Vec::new()), 23);
    server.join().unwrap();
}

#[test]
fn what_makes_no_request_is_refused() {
    let wrong = [
        &[("connect", "fd:3")][..],
        &[("connect", "9000")],
        &[("method", "GE T")],
        &[("method", "")],
        &[("header", "no colon")],
        &[("header", "A: b\r\nC: d")],
        &[("header", ": b")],
        &[("param", "NOTHING")],
        &[("max-time", "soon")],
        &[("role", "server")],
        &[("role", "authorizer"), ("data", "a=1")],
        &[("data-file", "file")],
        &[("path", "http://localhost/")],
        &[("path", "")],
    ];
    for typed in wrong {
        assert!(parse(typed).is_err(), "{typed:?}");
    }
}
