//! Every example, run with the very command that its first line names.
//!
//! Flask and Django come from the virtual environment `.venv` at the top of the repository, which `make test` sets up, or from the
//! active one.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::peer::Address;
use support::process::wait_until;
use support::record::{begin, kind, role, stream};
use support::{Answer, Launch, Params, Peer, Pyfcgid, virtualenv};

#[test]
fn wsgi_function_greets() {
    let example = Example::start("wsgi_function.py");
    let answer = example.get("/caf%C3%A9").expect_status(200);
    assert_eq!(answer.text(), "Hello from the root, you asked for /café\n");
    assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string()));
}

#[test]
fn wsgi_class_shows_the_environ() {
    let example = Example::start("wsgi_class.py");
    let text = example.get("/x?y=1").expect_status(200).text();
    assert!(text.contains("QUERY_STRING = 'y=1'\n") && text.contains("PATH_INFO = '/x'\n"), "{text}");
}

#[test]
fn flask_routes_redirects_and_knows_its_prefix() {
    let example = Example::start("flask_app.py");
    assert!(example.get("/").expect_status(200).text().contains("href=\"/hello/Ada\""));
    let prefixed = Params::get("/app/").set("SCRIPT_NAME", "/app").add("PATH_INFO", "/");
    assert!(example.request(&prefixed, b"").expect_status(200).text().contains("href=\"/app/hello/Ada\""));
    let hello = example.get("/hello/Ada?x=1").expect_status(200).json();
    assert_eq!((&hello["hello"], &hello["query"]["x"], &hello["from"]), (&"Ada".into(), &"1".into(), &"127.0.0.1".into()));
    example.expect_logged("[info]", "greeting Ada");
    let form = b"name=Grace";
    let params = Params::post("/notes", form.len()).set("CONTENT_TYPE", "application/x-www-form-urlencoded");
    let redirect = example.request(&params, form).expect_status(303);
    assert_eq!(redirect.header("Location").as_deref(), Some("/hello/Grace"));
    example.get("/absent").expect_status(404);
}

#[test]
fn django_routes_reads_and_knows_its_prefix() {
    let example = Example::start("django_app.py");
    assert!(example.get("/").expect_status(200).text().contains("href=\"/hello/Ada/\""));
    let prefixed = Params::get("/app/").set("SCRIPT_NAME", "/app").add("PATH_INFO", "/");
    assert!(example.request(&prefixed, b"").expect_status(200).text().contains("href=\"/app/hello/Ada/\""));
    let hello = example.request(&Params::post("/hello/Ada/", 5), b"12345").expect_status(200).json();
    assert_eq!((&hello["hello"], &hello["method"], &hello["body"]), (&"Ada".into(), &"POST".into(), &5.into()));
    example.expect_logged("[info]", "hello: greeting Ada");
    example.get("/absent").expect_status(404);
    example.expect_logged("[warn]", "django.request: Not Found: /absent");
}

#[test]
fn streaming_sends_each_line_as_it_is_made() {
    let example = Example::start("streaming.py");
    let mut peer = example.connect();
    peer.send_request(1, true, &Params::get("/"), b"");
    peer.wait_for_stdout(1, "line 1 of 10\n");
    let lines: String = (1..=10).map(|number| format!("line {number} of 10\n")).collect();
    let all = example.get("/all").expect_status(200);
    assert_eq!(all.text(), lines);
    assert!(all.stdout_records.len() > 10, "a record for each line: {:?}", all.stdout_records);
}

#[test]
fn upload_tells_length_and_digest() {
    let example = Example::start("upload.py");
    let body = vec![b'x'; 1_000_000];
    let answer = example.request(&Params::post("/", body.len()), &body).expect_status(200);
    let digest = sha256(&body);
    assert_eq!(answer.text(), format!("1000000 bytes, SHA-256 {digest}\n"));
    assert!(example.get("/").expect_status(200).text().contains("<form"));
}

#[test]
fn authorizer_lets_in_whom_the_file_knows() {
    let example = Example::start("authorizer.py");
    let ask = |params: &Params| {
        let mut peer = example.connect();
        let params = stream(kind::PARAMS, 1, &params.encode());
        peer.send(&[begin(1, role::AUTHORIZER, false), params].concat());
        peer.answer(1)
    };
    let by_apache = |password: &str| {
        let known = Params::get("/").add("AUTH_TYPE", "Basic").set("REMOTE_USER", "ada");
        ask(&known.add("REMOTE_PASSWD", password).add("FCGI_APACHE_ROLE", "AUTHENTICATOR"))
    };
    assert_eq!(by_apache("lovelace").expect_status(200).header("Variable-AUTH_GROUP").as_deref(), Some("staff"));
    by_apache("lovelacE").expect_status(401);
    by_apache("").expect_status(401);
    ask(&Params::get("/").add("HTTP_AUTHORIZATION", "Basic YWRhOmxvdmVsYWNl")).expect_status(200);
    ask(&Params::get("/")).expect_status(401);
    example.get("/").expect_status(403);
}

#[test]
fn download_sends_the_file() {
    let example = Example::start("download.py");
    let answer = example.get("/").expect_status(200);
    assert_eq!(answer.text(), source("download.py"));
    assert_eq!(answer.header("Content-Disposition").as_deref(), Some("attachment; filename=\"download.py\""));
    assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string()));
}

/// By the header alone: the file is nginx's to send.
#[test]
fn protected_flask_names_the_file_to_whom_may_have_it() {
    expect_protected(&Example::start("protected_flask.py"));
}

#[test]
fn protected_django_names_the_file_to_whom_may_have_it() {
    expect_protected(&Example::start("protected_django.py"));
}

#[track_caller]
fn expect_protected(example: &Example) {
    std::fs::write(example.0.directory().join("a b.txt"), "a file\n").expect("a file in the temporary directory");
    let answer = example.get("/files/a%20b.txt?token=lovelace").expect_status(200);
    assert_eq!(answer.header("X-Accel-Redirect").as_deref(), Some("/protected/a%20b.txt"));
    assert_eq!(answer.text(), "");
    let content_type = answer.header("Content-Type").expect("a type");
    assert_eq!(content_type.split(';').next(), Some("text/plain"), "the framework's own idea, with or without a charset");
    example.get("/files/a%20b.txt").expect_status(403);
    example.get("/files/absent?token=lovelace").expect_status(404);
    example.get("/files/..%2F..%2Fetc%2Fpasswd?token=lovelace").expect_status(404);
}

/// The codec alone, built and run without Python.
#[test]
fn responder_answers_interleaved_and_kept_requests() {
    let responder = Responder::start();
    let mut peer = Peer::connect(Address::Tcp(responder.address));
    peer.send_request(1, true, &Params::get("/first"), b"");
    peer.send_request(2, true, &Params::post("/second", 3), b"abc");
    let (second, first) = (peer.answer(2).expect_status(200).text(), peer.answer(1).expect_status(200).text());
    assert!(first.starts_with("0 bytes") && first.contains("REQUEST_URI = /first\n"), "{first}");
    assert!(second.starts_with("3 bytes") && second.contains("REQUEST_URI = /second\n"), "{second}");
    peer.last_request(&Params::get("/last"), b"").expect_status(200);
}

#[test]
fn every_example_has_a_test() {
    let tests = include_str!("examples.rs");
    for entry in std::fs::read_dir(repository().join("examples")).expect("examples") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let tested = match path.extension().and_then(|extension| extension.to_str()) {
            Some("py") => tests.contains(&format!("Example::start(\"{name}\")")),
            Some("rs") => tests.contains(&name),
            _ => true,
        };
        assert!(tested, "{name} has no test");
    }
}

/// An example of the binary at work.
struct Example(Pyfcgid);

impl Example {
    /// Runs the command of the file's first line from the top of the repository. Where it listens comes from the environment.
    #[track_caller]
    fn start(file: &str) -> Self {
        let command = first_line(file, "# ");
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("pyfcgid"), "{file} names another command: {command}");
        let launch = Launch::new(words.next().expect("a subcommand")).args(words);
        let socket = launch.directory().join("s.sock");
        let listen = format!("unix:{}", socket.display());
        let files = launch.directory().to_owned();
        let launch = launch.env("PYFCGID_LISTEN", listen).env("PYFCGID_CHDIR", repository()).env("FILES", files);
        let launch = launch.env("VIRTUAL_ENV", virtualenv::of_the_tests());
        let mut example = Self(launch.start_unawaited());
        wait_until(&format!("{file} to accept"), || {
            example.0.expect_running();
            Peer::try_connect(&Address::Unix(socket.clone())).is_ok()
        });
        example
    }

    fn connect(&self) -> Peer {
        self.0.connect()
    }

    #[track_caller]
    fn get(&self, target: &str) -> Answer {
        self.request(&Params::get(target), b"")
    }

    /// A message of a request, at this level.
    #[track_caller]
    fn expect_logged(&self, level: &str, text: &str) {
        let log = self.0.wait_for_log(text);
        let line = log.lines().find(|line| line.contains(text)).unwrap_or_default();
        assert!(line.contains(&format!(" {level} ")) && line.ends_with(&format!(": {text}")), "{line}");
        assert!(line.contains(&format!("]: request {}-", self.0.child_pid())), "{line}");
    }

    #[track_caller]
    fn request(&self, params: &Params, body: &[u8]) -> Answer {
        self.connect().last_request(params, body)
    }
}

/// A running `responder.rs` of the codec's examples. It is killed when dropped.
struct Responder {
    child: Child,
    address: std::net::SocketAddr,
}

impl Responder {
    /// Runs the command of the file's first line, on any free port.
    #[track_caller]
    fn start() -> Self {
        let command = first_line("../crates/fastcgi/examples/responder.rs", "//! ");
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("cargo"), "it names another command: {command}");
        // The binary itself is what has to be killed in the end, not cargo: build first.
        let arguments: Vec<&str> = words.skip_while(|word| *word == "run").collect();
        let built =
            Command::new(env!("CARGO")).arg("build").args(&arguments).current_dir(repository()).output().expect("cargo runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self::run(&Path::new(env!("CARGO_BIN_EXE_pyfcgid")).with_file_name("examples").join("responder"))
    }

    #[track_caller]
    fn run(program: &Path) -> Self {
        let mut child = Command::new(program)
            .arg("127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it writes text");
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        Self { child, address: address.unwrap_or_else(|| panic!("it says {line:?}")) }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn source(example: &str) -> String {
    std::fs::read_to_string(repository().join("examples").join(example)).expect("an example")
}

#[track_caller]
fn first_line(example: &str, comment: &str) -> String {
    let line = source(example).lines().next().unwrap_or_default().to_owned();
    line.strip_prefix(comment).unwrap_or_else(|| panic!("{example} does not begin with its command: {line:?}")).to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
