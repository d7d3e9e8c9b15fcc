//! cgi-fcgi, run by the shipped script with the environment that RFC 3875 gives a CGI program. Each request has a process and a
//! connection of its own.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::apache;
use crate::digest::{Digest, block};
use crate::http::{Ending, Request, Response};
use crate::shipped::{SOCKET, Shipped};
use crate::site::{BackEnd, app_path};
use crate::support::Pyfcgid;
use crate::support::answer::latin1;
use crate::support::peer::Address;
use crate::support::process::{may_look_into_children, wait_until};
use crate::web_server::{Place, WebServer, find_program, permit};

/// A pyfcgid with the script in front of it.
struct Installed {
    script: PathBuf,
    served: Pyfcgid,
    back_end: BackEnd,
    _place: Place,
}

impl Installed {
    #[track_caller]
    fn new(app: &str) -> Self {
        Self::with_options(app, &[])
    }

    #[track_caller]
    fn with_options(app: &str, options: &[&str]) -> Self {
        find_program("cgi-fcgi", "libfcgi-bin");
        let place = Place::new();
        let file = Shipped::read(FILE);
        let socket = place.path().join("s.sock");
        let gate = place.path().join("gate");
        let mut serve_options = file.serve_options();
        serve_options.extend(options.iter().map(ToString::to_string));
        let addresses = vec![Address::Unix(socket.clone())];
        let back_end = BackEnd { app: app_path(app), addresses, options: serve_options, gate, number: 0 };
        let served = back_end.start();
        let socket = socket.to_str().expect("a temporary path is UTF-8");
        let script = place.write("cgi-bin/app", file.replace(SOCKET, socket).text());
        permit(&script, 0o755);
        permit(script.parent().expect("it is in a directory"), 0o755);
        Self { script, served, back_end, _place: place }
    }

    /// What a web server does with a request for `/cgi-bin/app` and the rest of the path.
    #[track_caller]
    fn spawn(&self, method: &str, path: &[u8], body: &[u8]) -> Child {
        let uri = String::from_utf8_lossy(path).replace(' ', "%20");
        let mut command = Command::new("/bin/sh");
        command
            .arg(&self.script)
            .env_clear()
            .envs([("GATEWAY_INTERFACE", "CGI/1.1"), ("SERVER_PROTOCOL", "HTTP/1.1"), ("SERVER_NAME", "example.com")])
            .envs([
                ("SERVER_PORT", "80"),
                ("REMOTE_ADDR", "192.0.2.1"),
                ("REQUEST_METHOD", method),
                ("QUERY_STRING", "x=1%202"),
            ])
            .envs([("SCRIPT_NAME", "/cgi-bin/app"), ("REQUEST_URI", &format!("/cgi-bin/app{uri}?x=1%202"))])
            .env("PATH_INFO", String::from_utf8_lossy(path).as_ref())
            .envs([("PATH", "/usr/bin:/bin"), ("HTTP_HOST", "example.com"), ("HTTP_PROXY", "http://192.0.2.1:8080")])
            .envs((!body.is_empty()).then(|| ("CONTENT_LENGTH", body.len().to_string())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(body).expect("cgi-fcgi reads the body");
        child
    }

    #[track_caller]
    fn send(&self, method: &str, path: &[u8], body: &[u8]) -> Answer {
        let mut child = self.spawn(method, path, body);
        let mut output = Vec::new();
        child.stdout.take().expect("it is piped").read_to_end(&mut output).expect("a pipe");
        Answer::parse(&output, child.wait().expect("the child is ours"))
    }

    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        self.send("GET", path.as_bytes(), b"")
    }
}

/// What the web server reads.
#[derive(Debug)]
struct Answer {
    exit: ExitStatus,
    head: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn parse(output: &[u8], exit: ExitStatus) -> Self {
        let end = output.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?} ({exit})", latin1(output)));
        let head = latin1(&output[..end]);
        let head = head.lines().map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}")));
        let head = head.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { exit, head, body: output[end + 4..].to_vec() }
    }

    fn values(&self, name: &str) -> Vec<&str> {
        self.head.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    fn expect(self, status: &str) -> Self {
        assert!(self.exit.success() && self.values("Status") == [status], "{status}: {self:?}");
        self
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", latin1(&self.body)))
    }

    /// What a web server can tell: from the length.
    fn ending(&self) -> Ending {
        let complete = match self.values("Content-Length")[..] {
            [length] => length.parse() == Ok(self.body.len()),
            _ => self.exit.success(),
        };
        if complete { Ending::Complete } else { Ending::Cut }
    }
}

#[test]
fn paths_are_split_at_the_prefix() {
    let installed = Installed::new("environ.py");
    for path in ["/", "", "/a b/c", "/x/y/z", "/100% sure%41", "/café"] {
        let environ = installed.get(path).expect("200 OK").json();
        let split = (&environ["SCRIPT_NAME"], &environ["PATH_INFO"], &environ["QUERY_STRING"]);
        assert_eq!(split, (&"/cgi-bin/app".into(), &latin1(path.as_bytes()).into(), &"x=1%202".into()), "{environ:#}");
        assert_eq!((&environ["REMOTE_ADDR"], &environ["SERVER_NAME"]), (&"192.0.2.1".into(), &"example.com".into()));
        assert!(environ.get("HTTP_PROXY").is_none(), "{environ:#}");
    }
}

#[test]
fn uploads_arrive_whole_with_their_length() {
    let installed = Installed::new("environ.py");
    for body in [b"abc".to_vec(), block(7)] {
        let environ = installed.send("POST", b"/", &body).expect("200 OK").json();
        assert_eq!(environ["test.body_sha256"], Digest::of(&body));
        assert_eq!(environ["CONTENT_LENGTH"], body.len().to_string());
    }
    assert_eq!(installed.send("POST", b"/", b"").expect("200 OK").json()["test.body_length"], 0);
}

#[test]
fn head_and_304_have_no_body() {
    let installed = Installed::new("answers.py");
    let head = installed.send("HEAD", b"/hello", b"").expect("200 OK");
    assert_eq!((head.values("Content-Length"), head.body.len()), (vec!["6"], 0));
    for path in ["/not_modified", "/not_modified_with_body"] {
        let not_modified = installed.get(path).expect("304 Not Modified");
        assert_eq!((not_modified.values("ETag"), not_modified.body.len()), (vec!["\"v1\""], 0));
    }
}

#[test]
fn each_cookie_has_its_own_line() {
    let installed = Installed::new("answers.py");
    let answer = installed.get("/cookies").expect("200 OK");
    assert_eq!(answer.values("Set-Cookie"), ["a=1; Path=/", "b=2; Path=/", "c=3"]);
    assert_eq!(answer.body, b"cookies\n");
}

#[test]
fn exception_is_a_plain_500() {
    let installed = Installed::new("answers.py");
    for path in ["/raises_before", "/raises_first"] {
        let answer = installed.get(path);
        assert_eq!(answer.values("Status"), ["500 Internal Server Error"]);
        assert!(!latin1(&answer.body).contains("ValueError"), "{answer:?}");
    }
}

#[test]
fn broken_response_with_a_length_is_cut() {
    expect_cut("/raises_in_measured_body");
}

/// The process ends with a failure.
#[test]
fn broken_response_without_a_length_ends_as_documented() {
    expect_cut("/raises_in_body");
}

#[track_caller]
fn expect_cut(path: &str) {
    let installed = Installed::new("answers.py");
    let answer = installed.get(path);
    assert_eq!(answer.ending(), Ending::Cut, "{path}: {} bytes, {}", answer.body.len(), answer.exit);
    assert!(!answer.exit.success(), "{path}: {}", answer.exit);
    wait_until("a logged traceback", || installed.served.log().contains("ValueError: in the body"));
    installed.get("/hello").expect("200 OK");
}

#[test]
fn slow_browser_gets_all_of_8_mib() {
    let installed = Installed::new("eight_mebibytes.py");
    let mut slow = installed.spawn("GET", b"/", b"");
    for _ in 0..5 {
        assert_eq!(installed.get("/short").expect("200 OK").body, b"short\n");
    }
    let mut output = Vec::new();
    slow.stdout.take().expect("it is piped").read_to_end(&mut output).expect("a pipe");
    let answer = Answer::parse(&output, slow.wait().expect("the child is ours")).expect("200 OK");
    let expected: Vec<u8> = (0..1 << 7).flat_map(|number: u64| number.to_be_bytes().repeat(8_192)).collect();
    assert!(answer.body == expected, "{} bytes came", answer.body.len());
}

/// A web server kills a CGI program whose browser has left.
#[test]
fn browser_that_leaves_a_silent_app_interrupts_it_as_documented() {
    expect_interrupted("/silent", "it ended while it was silent", |_| ());
}

#[test]
fn browser_that_leaves_a_stream_interrupts_it() {
    expect_interrupted("/stream", "it ended while it streamed", |child| {
        let mut head = [0; 16];
        child.stdout.as_mut().expect("it is piped").read_exact(&mut head).expect("a response begins");
    });
}

#[track_caller]
fn expect_interrupted(path: &str, told: &str, read: impl FnOnce(&mut Child)) {
    let installed = Installed::with_options("interrupted.py", &["--abort", "raise"]);
    let mut child = installed.spawn("GET", path.as_bytes(), b"");
    installed.served.wait_for_log("running");
    read(&mut child);
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
    installed.served.wait_for_log(told);
    installed.get("/short").expect("200 OK");
}

#[test]
fn restart_between_requests_costs_none() {
    let mut installed = Installed::new("answers.py");
    for _ in 0..3 {
        installed.get("/hello").expect("200 OK");
        assert!(installed.served.stop().success(), "{}", installed.served.log());
        installed.served = installed.back_end.start();
        installed.get("/hello").expect("200 OK");
    }
}

#[test]
fn each_process_leaves_pyfcgid_running() {
    if !may_look_into_children() {
        return;
    }
    let mut installed = Installed::new("answers.py");
    let before = fs::read_dir(format!("/proc/{}/fd", installed.served.child_pid())).expect("the process lives").count();
    for _ in 0..10 {
        installed.get("/hello").expect("200 OK");
    }
    installed.served.wait_for_open_files(before);
    installed.served.expect_running();
    assert!(!installed.served.log().contains("panicked"));
}

/// Apache with mod_cgid, which runs the script in its own /cgi-bin/.
struct BehindApache {
    front: WebServer,
    installed: Installed,
}

impl BehindApache {
    /// With the settings for Apache that the script's comment has, or without them.
    #[track_caller]
    fn start(app: &str, settings: Settings) -> Self {
        let (installed, file) = (Installed::new(app), Shipped::read(FILE));
        let settings = if settings == Settings::Documented { documented_settings(&file) } else { String::new() };
        let directory = installed.script.parent().and_then(Path::to_str).expect("a temporary path is UTF-8");
        Self { front: apache::start_cgi(&file, directory, &settings), installed }
    }

    #[track_caller]
    fn send(&self, request: Request) -> Response {
        request.under(PREFIX).send(self.front.port)
    }

    #[track_caller]
    fn get(&self, target: &str) -> Response {
        self.send(Request::get(target))
    }

    #[track_caller]
    fn expect_healthy(mut self) {
        self.front.expect_running();
        self.installed.served.expect_running();
        assert!(!self.installed.served.log().contains("panicked"));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Settings {
    Documented,
    None,
}

/// What the script's comment has below "with this in the site's VirtualHost".
#[track_caller]
fn documented_settings(file: &Shipped) -> String {
    let (_, rest) = file.text().split_once("VirtualHost:\n").expect("settings for Apache");
    let lines = rest.lines().map_while(|line| line.strip_prefix("#     ")).collect::<Vec<_>>();
    assert!(lines.len() > 5, "{lines:?}");
    lines.join("\n")
}

#[test]
fn behind_apache_the_path_is_split_at_the_script() {
    let site = BehindApache::start("environ.py", Settings::Documented);
    for (target, path) in [("", ""), ("/", "/"), ("/404", "/404"), ("/a%20b/c", "/a b/c"), ("/x%2Fy/z", "/x/y/z")] {
        let request = Request::get(format!("{target}?x=1%202")).header("Authorization", "Basic YTpi");
        let environ = site.send(request).expect(200).json();
        let split = (&environ["SCRIPT_NAME"], &environ["PATH_INFO"], &environ["QUERY_STRING"]);
        assert_eq!(split, (&PREFIX.into(), &path.into(), &"x=1%202".into()), "{target}: {environ:#}");
        assert_eq!(environ["HTTP_AUTHORIZATION"], "Basic YTpi", "{environ:#}");
    }
    site.expect_healthy();
}

#[test]
fn behind_apache_uploads_arrive_whole_unless_chunked() {
    let site = BehindApache::start("environ.py", Settings::Documented);
    for body in [b"abc".to_vec(), block(7)] {
        let environ = site.send(Request::new("POST", "/").body(&body[..])).expect(200).json();
        assert_eq!(environ["test.body_sha256"], Digest::of(&body));
    }
    for body in [&b"abc"[..], &block(8)] {
        site.send(Request::new("POST", "/").chunked(&body.chunks(10_000).collect::<Vec<_>>())).expect(411);
    }
    site.expect_healthy();
}

#[test]
fn behind_apache_head_keeps_its_length_with_the_documented_settings_only() {
    for (settings, length) in [(Settings::Documented, Some("6")), (Settings::None, None)] {
        let site = BehindApache::start("answers.py", settings);
        let head = site.send(Request::new("HEAD", "/hello")).expect(200);
        assert_eq!(head.header("Content-Length").as_deref(), length);
        assert_eq!(site.get("/hello").expect(200).text(), "hello\n");
        site.expect_healthy();
    }
}

#[test]
fn behind_apache_a_broken_response_is_cut_if_it_has_a_length_and_the_documented_settings() {
    let (documented, none) = (Settings::Documented, Settings::None);
    let (measured, other) = ("/raises_in_measured_body", "/raises_in_body");
    for (settings, cut) in [(documented, &[measured][..]), (none, &[])] {
        let site = BehindApache::start("answers.py", settings);
        for path in [measured, other] {
            let expected = if cut.contains(&path) { Ending::Cut } else { Ending::Complete };
            let answer = site.get(path);
            assert_eq!((answer.status, answer.ending), (200, expected), "{path}: {} bytes", answer.body.len());
        }
        site.expect_healthy();
    }
}

const FILE: &str = "docs/clients/cgi-fcgi.cgi";
/// Where the application is.
const PREFIX: &str = "/cgi-bin/app";
