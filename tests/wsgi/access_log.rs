//! The access log: one line for each answer, whoever gave it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::process::{Finished, Launch, wait_until};
use crate::support::record::{abort, begin, record, role, stream};
use crate::support::{Params, Pyfcgid, app, kind};

/// The number at the end tells requests apart.
const FORMAT: &str = "$status $body_bytes_sent $request_method $request_uri";

/// A server that writes an access log in this form.
#[track_caller]
fn logging(file: &str, format: &str, arguments: &[&str]) -> Pyfcgid {
    launch(file).args(["--access-log-format", format]).args(arguments).start()
}

fn launch(file: &str) -> Launch {
    Launch::serve(app(file)).args(["--access-log", "file:access.log"])
}

fn path(server: &Pyfcgid) -> PathBuf {
    server.directory().join("access.log")
}

fn lines(server: &Pyfcgid) -> Vec<String> {
    let text = fs::read_to_string(path(server)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until there are as many lines, and fails when they are others.
#[track_caller]
fn expect_lines(server: &Pyfcgid, expected: &[&str]) {
    wait_until(&format!("{} lines", expected.len()), || lines(server).len() >= expected.len());
    assert_eq!(lines(server), expected);
}

#[test]
fn get_head_and_post_leave_a_line_each_with_the_bytes_of_their_bodies() {
    let server = logging("echoes.py", FORMAT, &[]);
    let mut peer = server.connect();
    peer.request(&Params::get("/a?"), b"").expect_status(200);
    peer.request(&Params::nginx("HEAD", "/b"), b"").expect_status(200);
    peer.request(&Params::post("/c", 5), b"hello").expect_status(200);
    expect_lines(&server, &["200 10 GET /a?", "200 0 HEAD /b", "200 15 POST /c"]);
}

#[test]
fn the_usual_form_is_that_of_nginx() {
    let server = launch("answers.py").start();
    let params = Params::get("/x?y=1").set("HTTP_REFERER", "http://a/").set("HTTP_USER_AGENT", "it is \"quoted\"\n");
    server.connect().request(&params, b"").expect_status(200);
    wait_until("a line", || lines(&server).len() == 1);
    let line = lines(&server).remove(0);
    let (address, rest) = line.split_once(" - - [").unwrap();
    let (time, rest) = rest.split_once("] ").unwrap();
    assert_eq!(address, "127.0.0.1");
    assert_eq!((time.len(), time.matches(['/', ':', ' ']).count()), ("21/Nov/2026:14:22:20 +0000".len(), 6), "{line}");
    assert_eq!(rest, r#""GET /x?y=1 HTTP/1.1" 200 8 "http://a/" "it is \x22quoted\x22\x0A""#);
}

#[test]
fn times_have_the_zone_of_pyfcgid_whatever_the_application_sets() {
    let format = "$time_local $time_iso8601";
    let launch =
        launch("sets_its_zone.py").env("TZ", "EAST-5:30").args(["--access-log-format", format, "--status-path", "/status"]);
    let server = launch.start();
    let mut peer = server.connect();
    assert_eq!(peer.request(&Params::get("/"), b"").expect_status(200).text(), "-0300");
    let status = peer.request(&Params::get("/status?full"), b"").expect_status(200).text();
    let starts: Vec<_> = status.lines().filter(|line| line.starts_with("start time:")).collect();
    assert!(starts.len() == 2 && starts.iter().all(|line| line.ends_with(" +0530")), "{starts:?}");
    wait_until("a line", || !lines(&server).is_empty());
    let line = lines(&server).remove(0);
    assert!(line.contains(" +0530 ") && line.ends_with("+05:30"), "{line}");
}

#[test]
fn a_line_names_process_pool_and_request_as_the_log_does() {
    let server = logging("not_aborted.py", "$pid $pool $request_id $request_length", &[]);
    let params = Params::post("/", 7);
    let answer = server.connect().request(&params, b"7 bytes").expect_status(200);
    let (id, length) = (answer.header("X-Id").unwrap(), params.encode().len() + 7);
    expect_lines(&server, &[&format!("{} not_aborted {id} {length}", server.child_pid())]);
}

#[test]
fn the_time_of_a_request_is_that_from_its_first_record_to_its_answer() {
    let server = logging("echoes.py", "$request_time", &[]);
    let mut peer = server.connect();
    peer.send(&begin(1, role::RESPONDER, true));
    assert!(peer.is_silent_for(std::time::Duration::from_millis(500)));
    peer.send(&[stream(kind::PARAMS, 1, &Params::get("/").encode()), record(kind::STDIN, 1, b"")].concat());
    peer.answer(1).expect_status(200);
    wait_until("a line", || lines(&server).len() == 1);
    let time: f64 = lines(&server)[0].parse().unwrap();
    // Not from its last record: that would be next to nothing. A busy machine may read the first one late.
    assert!((0.1..30.0).contains(&time), "{time}");
}

#[test]
fn what_the_application_gets_wrong_is_500_or_what_was_sent_until_then() {
    let server = logging("raises.py", FORMAT, &[]);
    let body = server.connect().request(&Params::get("/before-the-body"), b"").expect_status(500).body.len();
    assert!(server.connect().request(&Params::get("/in-the-middle"), b"").closed);
    assert!(server.connect().request(&Params::get("/after-write"), b"").closed);
    let refused = format!("500 {body} GET /before-the-body");
    expect_lines(&server, &[&refused, "200 10 GET /in-the-middle", "200 10 GET /after-write"]);
}

#[test]
fn an_answer_that_is_shorter_than_it_says_leaves_what_was_sent() {
    let server = logging("body_shorter_than_content_length.py", FORMAT, &[]);
    assert!(server.connect().request(&Params::get("/"), b"").closed);
    expect_lines(&server, &["200 17 GET /"]);
}

#[test]
fn a_path_outside_the_mount_is_logged_as_404() {
    let server = logging("echoes.py", "$status $request", &["--mount", "/shop"]);
    server.connect().request(&Params::get("/blog/1"), b"").expect_status(404);
    expect_lines(&server, &["404 GET /blog/1 HTTP/1.1"]);
}

#[test]
fn what_the_application_never_sees_is_logged_too() {
    let arguments = ["--max-body-size", "10", "--max-params", "30", "--mount", ""];
    let server = logging("echoes.py", "$status $request_method $request_uri $request_id", &arguments);
    let mut peer = server.connect();
    peer.request(&Params::post("/large", 11), b"hello world").expect_status(413);
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &Params::post("/short", 9).encode())].concat());
    peer.send(&[record(kind::STDIN, 1, b"four"), record(kind::STDIN, 1, b"")].concat());
    peer.answer(1).expect_status(400);
    peer.request(&Params::get("/no-length").set("CONTENT_LENGTH", "x"), b"").expect_status(400);
    peer.request(&Params::get("/no-method").remove("REQUEST_METHOD"), b"").expect_status(400);
    let many = (0..31).fold(Params::get("/many"), |params, number| params.add(format!("P{number}"), ""));
    peer.request(&many, b"").expect_status(431);
    peer.send(&[begin(1, 9, true), stream(kind::PARAMS, 1, b""), record(kind::STDIN, 1, b"")].concat());
    peer.answer(1).expect_status(403);
    let expected =
        ["413 POST /large -", "400 POST /short -", "400 GET /no-length -", "400 - /no-method -", "431 - - -", "403 - - -"];
    expect_lines(&server, &expected);
}

#[test]
fn a_request_that_finds_the_queue_full_is_logged_as_503() {
    let server = logging("echoes.py", "$status $request_uri", &["--threads", "1", "--max-queue", "1"]);
    let gate = server.directory().join("gate");
    let running = format!("/?{}", gate.display());
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&running), b"");
    server.wait_for_log("the app ran");
    peer.send_request(2, true, &Params::get("/waits"), b"");
    peer.send_request(3, true, &Params::get("/refused"), b"");
    peer.answer(3).expect_status(503);
    fs::write(gate, "").unwrap();
    peer.answer(1).expect_status(200);
    peer.answer(2).expect_status(200);
    expect_lines(&server, &["503 /refused", &format!("200 {running}"), "200 /waits"]);
}

/// In the queue of its process, where another on the same connection runs, or on the line.
#[test]
fn a_request_that_has_waited_for_too_long_is_logged_as_503_with_how_long_that_was() {
    let settings = ["--threads", "1", "--queue-timeout", "300ms"];
    let server = logging("echoes.py", "$status $status_detail $queue_time $request_uri $request_time", &settings);
    let gate = server.directory().join("gate");
    let running = format!("/?{}", gate.display());
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&running), b"");
    server.wait_for_log("the app ran");
    peer.send_request(2, true, &Params::get("/beside"), b"");
    let mut other = server.connect();
    other.send_request(1, true, &Params::get("/other"), b"");
    peer.answer(2).expect_status(503);
    other.answer(1).expect_status(503);
    fs::write(gate, "").unwrap();
    peer.answer(1).expect_status(200);
    wait_until("all lines", || lines(&server).len() == 3);
    for path in ["/beside", "/other"] {
        let lines = lines(&server);
        let begin = format!("503 queue-timeout - {path} ");
        let time = lines.iter().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("{lines:?}"));
        assert!((0.3..10.0).contains(&time.parse::<f64>().unwrap()), "{lines:?}");
    }
}

/// In a process of its own, or on the line of all of them.
#[test]
fn the_time_that_a_request_waits_for_a_worker_is_told_and_why_one_was_refused() {
    for processes in ["1", "2"] {
        let format = "$queue_time $request_time $status_detail $request_uri";
        let settings = ["--threads", "1", "--max-queue", "1", "--processes", processes];
        let server = logging("echoes.py", format, &settings);
        let gate = server.directory().join("gate");
        let running = format!("/?{}", gate.display());
        let count: usize = processes.parse().unwrap();
        let ask = |path: &str| {
            let mut peer = server.connect();
            peer.send_request(1, true, &Params::get(path), b"");
            peer
        };
        let mut busy: Vec<_> = (0..count).map(|_| ask(&running)).collect();
        wait_until("busy workers", || server.log().matches("the app ran").count() == count);
        let mut waits = ask("/waits");
        assert!(waits.is_silent_for(std::time::Duration::from_millis(500)));
        ask("/refused").answer(1).expect_status(503);
        fs::write(gate, "").unwrap();
        busy.iter_mut().chain([&mut waits]).for_each(|peer| drop(peer.answer(1).expect_status(200)));
        wait_until("all lines", || lines(&server).len() == count + 2);
        let lines = lines(&server);
        let fields = |end: &str| {
            let line = lines.iter().find(|line| line.ends_with(end)).unwrap();
            line.split(' ').map(str::to_owned).collect::<Vec<_>>()
        };
        let seconds = |text: &str| text.parse::<f64>().unwrap();
        let (ran, waited, refused) = (fields(&running), fields(" /waits"), fields(" /refused"));
        assert!((0.4..30.0).contains(&seconds(&waited[0])) && seconds(&waited[1]) >= seconds(&waited[0]), "{waited:?}");
        assert!(seconds(&ran[0]) < 0.4 && seconds(&ran[1]) >= 0.4, "{ran:?}");
        assert_eq!((waited[2].as_str(), ran[2].as_str()), ("-", "-"));
        assert_eq!((refused[0].as_str(), refused[2].as_str()), ("-", "overloaded"));
    }
}

#[test]
fn the_detailed_form_is_the_usual_one_with_more_behind_it() {
    let server = logging("answers.py", "detailed", &[]);
    server.connect().request(&Params::get("/x"), b"").expect_status(200);
    wait_until("a line", || lines(&server).len() == 1);
    let line = lines(&server).remove(0);
    assert!(line.contains("\"GET /x HTTP/1.1\" 200 8 \""), "{line}");
    let (_, more) = line.rsplit_once("\" ").unwrap();
    let more: Vec<&str> = more.split(' ').collect();
    let [pool, request_time, queue_time, "-"] = more[..] else { panic!("{line}") };
    assert!(pool == "answers" && request_time.parse::<f64>().is_ok() && queue_time.parse::<f64>().is_ok(), "{line}");
}

#[test]
fn a_request_that_is_aborted_is_499_unless_its_status_was_sent() {
    let server = logging("waits_for_abort.py", FORMAT, &["--threads", "1"]);
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/runs"), b"");
    peer.wait_for_stdout(1, "running");
    peer.send_request(2, true, &Params::get("/waits"), b"");
    peer.send(&[begin(3, role::RESPONDER, true), stream(kind::PARAMS, 3, &Params::post("/uploads", 5).encode())].concat());
    for id in [3, 2, 1] {
        peer.send(&abort(id));
    }
    for id in [3, 1, 2] {
        assert!(peer.answer(id).ended);
    }
    expect_lines(&server, &["499 0 POST /uploads", "200 7 GET /runs", "499 0 GET /waits"]);
}

#[test]
fn a_connection_that_is_closed_leaves_a_line_of_what_ran_on_it() {
    let server = logging("waits_for_abort.py", FORMAT, &[]);
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/left"), b"");
    peer.wait_for_stdout(1, "running");
    drop(peer);
    expect_lines(&server, &["200 7 GET /left"]);
}

#[test]
fn a_file_that_is_sent_counts_with_all_its_bytes() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), vec![b'x'; 300_000]).unwrap();
    let variable = format!("FILE={}", file.path().display());
    let server = logging("sends_files.py", FORMAT, &["--env", &variable]);
    server.connect().request(&Params::get("/whole"), b"").expect_status(200);
    server.connect().request(&Params::get("/bytesio"), b"").expect_status(200);
    expect_lines(&server, &["200 300000 GET /whole", "200 299995 GET /bytesio"]);
}

#[test]
fn there_is_no_access_log_unless_it_is_asked_for() {
    let mut server = Launch::serve(app("echoes.py")).args(["--access-log-format", "seen $status"]).start();
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    server.stop();
    assert!(!server.log().contains("seen"), "{}", server.log());
}

#[test]
fn it_can_go_where_the_log_goes() {
    let server =
        Launch::serve(app("echoes.py")).args(["--access-log", "stderr", "--access-log-format", "seen $status"]).start();
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    server.wait_for_log_that("a bare line", |log| log.lines().any(|line| line == "seen 200"));
}

/// What `logrotate` does, while requests come in.
#[test]
fn no_line_is_lost_when_the_file_is_renamed_and_usr1_is_sent() {
    let server = logging("echoes.py", "$request_uri", &[]);
    let goes_on = AtomicBool::new(true);
    let asked = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                scope.spawn({
                    let (server, goes_on) = (&server, &goes_on);
                    move || ask(server, client, goes_on)
                })
            })
            .collect();
        for rotation in 1..=5 {
            wait_until("lines in the new file", || lines(&server).len() > 20);
            fs::rename(path(&server), server.directory().join(format!("access.log.{rotation}"))).unwrap();
            server.signal("USR1");
        }
        wait_until("lines in the last file", || lines(&server).len() > 20);
        goes_on.store(false, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<String>>()
    });
    let mut asked = asked;
    asked.sort_unstable();
    wait_until("all lines", || all_lines(&server).len() >= asked.len());
    assert!(all_lines(&server) == asked, "{} lines for {} requests", all_lines(&server).len(), asked.len());
}

fn ask(server: &Pyfcgid, client: u32, goes_on: &AtomicBool) -> Vec<String> {
    let mut peer = server.connect();
    let mut asked = Vec::new();
    while goes_on.load(Ordering::Relaxed) {
        let target = format!("/{client}/{}", asked.len());
        peer.request(&Params::get(&target), b"").expect_status(200);
        asked.push(target);
        // Whoever asks without a pause gets lines lost because the supervisor does not keep up, which is said and no fault of a rotation.
        if asked.len().is_multiple_of(10) {
            wait_until("its line", || all_lines(server).binary_search(asked.last().unwrap()).is_ok());
        }
    }
    asked
}

/// Of all files, in order of their text.
fn all_lines(server: &Pyfcgid) -> Vec<String> {
    let files = fs::read_dir(server.directory()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("access.log")));
    let mut lines: Vec<String> = files
        .flat_map(|path| fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines.sort_unstable();
    lines
}

/// The complaint of `subcommand` about this format.
#[track_caller]
fn expect_refused(subcommand: &str, format: &str, reason: &str) {
    let launch = Launch::new(subcommand).arg(app("echoes.py")).args(["--access-log-format", format]);
    let text = format!("--access-log-format {format:?}: {reason}");
    let finished = launch.run().expect_code(64);
    assert!(finished.stderr.contains(&text), "{}", finished.stderr);
}

#[test]
fn a_format_with_an_unknown_variable_is_refused_before_anything_starts() {
    expect_refused("serve", "$statsu", "unknown variable $statsu: did you mean $status?");
    expect_refused("check", "$statsu", "unknown variable $statsu: did you mean $status?");
    expect_refused("check", "${status", "a `${` without `}`");
    expect_refused("serve", "common", "a format without a variable: combined, detailed and json have names");
}

/// A server whose format stands in `site.toml`.
fn configured(format: &str) -> Pyfcgid {
    let launch = launch("echoes.py").args(["--control-socket", "control", "-c", "site.toml"]);
    fs::write(launch.directory().join("site.toml"), settings(format)).unwrap();
    launch.start()
}

fn settings(format: &str) -> String {
    format!("# two lines\naccess-log-format = \"{format}\"\n")
}

#[track_caller]
fn reload(server: &Pyfcgid, format: &str, code: i32) -> Finished {
    fs::write(server.directory().join("site.toml"), settings(format)).unwrap();
    Launch::new("reload").arg("--control-socket").arg(server.directory().join("control")).run().expect_code(code)
}

#[test]
fn a_reload_changes_the_format() {
    let server = configured("before $status");
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    reload(&server, "after $status", 0);
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    expect_lines(&server, &["before 200", "after 200"]);
}

#[test]
fn a_reload_with_a_wrong_format_says_where_it_stands_and_changes_nothing() {
    let server = configured("before $status");
    let told = reload(&server, "$remote_adr", 78).stderr;
    let text = "site.toml:2: access-log-format = \"$remote_adr\": unknown variable $remote_adr: did you mean $remote_addr?";
    assert!(told.contains(text), "{told}");
    server.connect().request(&Params::get("/"), b"").expect_status(200);
    expect_lines(&server, &["before 200"]);
}

/// What an application can find: the channel of its log, and what a line of another pool looks like.
const FORGES: &str = "\
import os, socket
def application(environ, start_response):
    for name in os.listdir('/proc/self/fd'):
        try:
            channel = socket.socket(fileno=os.dup(int(name)))
            if channel.type == socket.SOCK_SEQPACKET:
                channel.send(b'Apool=shop\\npid=1\\nstatus=200\\nrequest_uri=/forged shop[1]\\x1b[2J\\nhttp_user_agent=x\\n')
        except OSError:
            pass
    start_response('200 OK', [])
    return []
";

#[test]
fn an_application_cannot_write_a_line_in_the_name_of_another_pool_or_process() {
    let launch = launch("echoes.py");
    let file = launch.directory().join("forges.py");
    fs::write(&file, FORGES).unwrap();
    let server = Launch::serve(&file)
        .args(["--access-log", "file:access.log", "--access-log-format", "$status $request_uri $pool[$pid]"])
        .start();
    server.connect().request(&Params::get("/own"), b"").expect_status(200);
    wait_until("both lines", || lines(&server).iter().any(|line| line.starts_with("200 /own ")) && lines(&server).len() >= 2);
    let who = format!(" forges[{}]", server.child_pid());
    assert!(lines(&server).iter().all(|line| line.ends_with(&who) && line.matches(' ').count() == 2), "{:?}", lines(&server));
    assert!(lines(&server).iter().any(|line| line.contains("/forged\\x20shop[1]\\x1B[2J")), "{:?}", lines(&server));
}

#[test]
fn an_application_cannot_write_an_object_in_the_name_of_another_pool_or_break_one() {
    let launch = launch("echoes.py");
    let file = launch.directory().join("forges.py");
    fs::write(&file, FORGES.replace("status=200", "status=200,\"pool\":\"shop\"").replace("=x", "=\",\"pool\":\"shop\"}"))
        .unwrap();
    let server = Launch::serve(&file).args(["--access-log", "file:access.log", "--access-log-format", "json"]).start();
    server.connect().request(&Params::get("/own"), b"").expect_status(200);
    wait_until("both lines", || lines(&server).iter().any(|line| line.contains("\"/own\"")) && lines(&server).len() >= 2);
    for object in objects(&server) {
        assert_eq!((&object["pool"], &object["pid"]), (&"forges".into(), &server.child_pid().into()), "{object}");
    }
    let forged = objects(&server).into_iter().find(|object| object["request_uri"] == "/forged shop[1]\u{1b}[2J").unwrap();
    assert!(forged["status"].is_null() && forged["http_user_agent"] == "\",\"pool\":\"shop\"}", "{forged}");
}

/// The lines of a log in the form `json`.
fn objects(server: &Pyfcgid) -> Vec<serde_json::Value> {
    lines(server).iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

#[test]
fn an_object_tells_what_was_asked_and_answered_and_null_for_what_there_was_not() {
    let server = logging("answers.py", "json", &["--max-body-size", "10"]);
    let params = Params::get("/a?b=\"").set("HTTP_USER_AGENT", b"gr\xc3\xb6\xff\\\n").remove("HTTP_REFERER");
    server.connect().request(&params, b"").expect_status(200);
    wait_until("the first line", || lines(&server).len() == 1);
    server.connect().request(&Params::post("/large", 11), b"hello world").expect_status(413);
    wait_until("both lines", || lines(&server).len() == 2);
    let [answered, refused] = &objects(&server)[..] else { panic!("{:?}", lines(&server)) };
    assert_eq!((&answered["request_uri"], &answered["request_method"]), (&"/a?b=\"".into(), &"GET".into()));
    assert_eq!(answered["http_user_agent"], "grö\\xFF\\x5C\n");
    assert_eq!((&answered["status"], &answered["body_bytes_sent"]), (&200.into(), &8.into()));
    assert!((1..=4).contains(&answered["worker"].as_u64().unwrap()), "{answered}");
    assert_eq!((&answered["pool"], &answered["pid"]), (&"answers".into(), &server.child_pid().into()));
    assert!(["request_time", "queue_time", "cpu_time", "msec"].iter().all(|name| answered[name].is_number()), "{answered}");
    assert!(answered["http_referer"].is_null() && answered["status_detail"].is_null(), "{answered}");
    assert_eq!((&refused["status"], &refused["status_detail"]), (&413.into(), &"body-too-large".into()));
    assert!(["worker", "cpu_time", "queue_time", "request_id"].iter().all(|name| refused[name].is_null()), "{refused}");
}

/// Computes for as long as the path says, in ms of CPU time, or sleeps.
const USES_TIME: &str = "\
import time
def application(environ, start_response):
    kind, number = environ['SCRIPT_NAME'].strip('/').split('-')
    if kind == 'sleep':
        time.sleep(int(number) / 1000)
    end = time.thread_time() + int(number) / 1000
    while kind == 'compute' and time.thread_time() < end:
        pass
    start_response('200 OK', [])
    return []
";

#[test]
fn the_cpu_time_of_a_request_is_what_its_worker_computed_and_not_what_it_waited() {
    let launch = launch("echoes.py");
    let file = launch.directory().join("uses_time.py");
    fs::write(&file, USES_TIME).unwrap();
    let format = ["--access-log", "file:access.log", "--access-log-format", "$cpu_time $request_time $status $request_uri"];
    let server = Launch::serve(&file).args(format).args(["--mount", "auto", "--threads", "1"]).start();
    for path in ["/sleep-500", "/compute-300"] {
        server.connect().request(&Params::get(path).set("PATH_INFO", ""), b"").expect_status(200);
    }
    wait_until("both lines", || lines(&server).len() == 2);
    let seconds = lines(&server).into_iter().map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        assert_eq!(fields[0].split_once('.').unwrap().1.len(), 6, "microseconds: {line}");
        (fields[0].parse::<f64>().unwrap(), fields[1].parse::<f64>().unwrap())
    });
    let [(slept, of_sleep), (computed, of_computing)] = seconds.collect::<Vec<_>>()[..] else { panic!() };
    assert!(of_sleep >= 0.5 && slept < 0.25 && slept > 0.0, "{:?}", lines(&server));
    // Both are cut, not rounded.
    assert!(computed >= 0.3 && computed <= of_computing + 0.002, "{:?}", lines(&server));
}

#[test]
fn each_worker_has_a_number_and_who_had_none_a_dash() {
    let arguments = ["--threads", "2", "--max-queue", "1"];
    let server = logging("echoes.py", "$worker $cpu_time $request_method $status", &arguments);
    let gate = server.directory().join("gate");
    let running = format!("/?{}", gate.display());
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&running), b"");
    peer.send_request(2, true, &Params::get(&running), b"");
    wait_until("busy workers", || server.log().matches("the app ran").count() == 2);
    peer.send_request(3, true, &Params::get("/waits"), b"");
    peer.send_request(4, true, &Params::get("/refused"), b"");
    peer.answer(4).expect_status(503);
    expect_lines(&server, &["- - GET 503"]);
    fs::write(gate, "").unwrap();
    (1..=3).for_each(|id| drop(peer.answer(id).expect_status(200)));
    wait_until("all lines", || lines(&server).len() == 4);
    let workers = |number: &str| lines(&server).iter().filter(|line| line.split(' ').next() == Some(number)).count();
    assert!(workers("1") >= 1 && workers("2") >= 1 && workers("1") + workers("2") == 3, "{:?}", lines(&server));
}

#[test]
fn excluded_paths_are_not_logged_unless_they_fail() {
    let arguments = ["--access-log-exclude", "/ping,/in-the-middle,/before-the-body", "--ping-path", "/ping"];
    let server = logging("raises.py", "$status $request_uri", &arguments);
    let mut peer = server.connect();
    assert_eq!(peer.request(&Params::get("/ping?x"), b"").expect_status(200).body, b"pong");
    assert!(server.connect().request(&Params::get("/in-the-middle"), b"").closed);
    server.connect().request(&Params::get("/before-the-body"), b"").expect_status(500);
    assert!(server.connect().request(&Params::get("/after-write"), b"").closed);
    expect_lines(&server, &["500 /before-the-body", "200 /after-write"]);
}

#[test]
fn paths_below_an_excluded_one_are_not_logged_and_its_like_are() {
    let server =
        logging("answers.py", "$request_uri", &["--access-log-exclude", "/static/", "--access-log-exclude", "/health"]);
    for path in ["/static/a.css?v=1", "/health", "/health?deep", "/static", "/healthy", "/x/static/a"] {
        server.connect().request(&Params::get(path), b"").expect_status(200);
    }
    expect_lines(&server, &["/static", "/healthy", "/x/static/a"]);
}

#[test]
fn an_excluded_path_without_a_slash_before_it_is_refused() {
    let reason = "must be a path that begins with a slash and has no query string, such as /health or /static/";
    for path in ["health", "/a?b", "/ok,static/"] {
        let launch = Launch::new("check").arg(app("echoes.py")).args(["--access-log-exclude", path]);
        let finished = launch.run().expect_code(64);
        assert!(finished.stderr.contains(reason), "{path:?}: {}", finished.stderr);
    }
    let launch = Launch::new("check").arg(app("echoes.py")).args(["-c", "site.toml"]);
    fs::write(launch.directory().join("site.toml"), "[pool.a]\naccess-log-exclude = [\"/ok\", \"health\"]\n").unwrap();
    let finished = launch.run().expect_code(78);
    assert!(
        finished.stderr.contains(&format!("site.toml:2: access-log-exclude = \"health\": {reason}")),
        "{}",
        finished.stderr
    );
}
