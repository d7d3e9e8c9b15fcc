//! The application names a file, the web server sends it, and pyfcgid does not read what else the application has: behind each web
//! server that can, with the files that we ship.

use crate::digest::block;
use crate::front::text_of;
use crate::http::{Ending, Request, Response};
use crate::kind::Kind;
use crate::shipped::Shipped;
use crate::site::address_like;
use crate::support::process::wait_until;
use crate::support::{Launch, Pyfcgid, app};
use crate::web_server::{Place, WebServer, permit};

/// A web server with files that only the application leads to.
struct Site {
    front: WebServer,
    back: Pyfcgid,
    files: Place,
    kind: Kind,
}

impl Site {
    /// `tests/apps/names_a_file.py`, which has a body besides.
    #[track_caller]
    fn start(kind: Kind) -> Self {
        Self::start_app(kind, &app("names_a_file.py"), |launch, _| launch)
    }

    #[track_caller]
    fn start_app(kind: Kind, app: &str, prepare: impl FnOnce(Launch, &Place) -> Launch) -> Self {
        let name = match kind {
            Kind::Nginx => "nginx/sendfile.conf",
            Kind::Apache => "apache/sendfile.conf",
            Kind::Lighttpd => "docs/clients/lighttpd-sendfile.conf",
            _ => panic!("{kind:?} sends no file"),
        };
        let (file, files) = (Shipped::read(name), Place::new());
        permit(&files.write("protected/a b.txt", &content()), 0o644);
        permit(&files.write("secret.txt", "secret\n"), 0o644);
        permit(&files.path().join("protected"), 0o755);
        let documented = file.addresses()[0];
        let address = address_like(documented, &files);
        let launch = Launch::serve_unlistened(app).listen(address.clone()).args(file.serve_options());
        let back = prepare(launch, &files).start();
        let protected = files.path().join("protected");
        let file = file.replace(documented, &text_of(&address)).replace("/srv/example/protected", text(&protected));
        let front = kind.start(file, text(files.path()), None);
        Self { front, back, files, kind }
    }

    /// A request for this path of the application, which names this file of the protected ones. The query is decoded once.
    fn naming(&self, method: &str, path: &str, file: &str) -> Request {
        // mod_xsendfile takes the value as it is, the others as part of a URL.
        let file = if self.kind == Kind::Apache { file.to_owned() } else { file.replace('%', "%25") };
        let header = if self.kind == Kind::Nginx {
            format!("X-Accel-Redirect=/protected/{file}")
        } else {
            format!("X-Sendfile={}/{file}", self.files.path().join("protected").display())
        };
        Request::new(method, format!("{path}?{header}"))
    }

    #[track_caller]
    fn get(&self, path: &str, file: &str) -> Response {
        self.naming("GET", path, file).send(self.front.port)
    }

    #[track_caller]
    fn expect_healthy(mut self) {
        self.front.expect_running();
        self.back.expect_running();
        let log = self.back.log();
        assert!(!log.contains("panicked") && !log.contains("were not sent"), "{log}");
    }
}

const FILE: &str = "a%20b.txt";

fn content() -> String {
    block(3).iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

#[track_caller]
fn expect_the_file(answer: Response) {
    let answer = answer.expect(200);
    assert_eq!(answer.ending, Ending::Complete);
    assert!(answer.text() == content(), "{} bytes instead of {}", answer.body.len(), content().len());
    assert_eq!(answer.header("Content-Length"), Some(content().len().to_string()));
    assert_eq!(answer.header("Content-Type").as_deref(), Some("text/plain"));
    for name in ["X-Sendfile", "X-Accel-Redirect"] {
        assert_eq!(answer.header(name), None, "the browser learns of {name}");
    }
}

/// Whatever body there is, with a length of its own or not; and the connection carries the next one.
#[track_caller]
fn the_file_is_sent_and_the_body_is_closed_unread(kind: Kind) {
    let site = Site::start(kind);
    for path in ["/wrapped", "/list", "/late", "/measured", "/iterable"] {
        expect_the_file(site.get(path, FILE));
        let plain = Request::get(path).send(site.front.port).expect(200);
        assert_eq!(plain.text(), "onetwo", "{path}: the next request");
    }
    // "/iterable", "/measured" and "/wrapped" say so, with and without the header.
    wait_until("six closed bodies", || site.back.log().matches("the body was closed").count() == 6);
    let log = site.back.log();
    assert_eq!(log.matches("the body was read").count(), 3 * 3 + 1, "{log}");
    site.expect_healthy();
}

#[track_caller]
fn a_part_of_the_file_and_its_head_are_the_web_servers(kind: Kind) {
    let site = Site::start(kind);
    let part = site.naming("GET", "/list", FILE).header("Range", "bytes=5-9").send(site.front.port).expect(206);
    assert_eq!(part.text(), content()[5..10]);
    let head = site.naming("HEAD", "/list", FILE).send(site.front.port).expect(200);
    assert_eq!((head.header("Content-Length"), head.text().as_str()), (Some(content().len().to_string()), ""));
    site.expect_healthy();
}

#[track_caller]
fn other_files_are_out_of_reach(kind: Kind, status: u16) {
    let site = Site::start(kind);
    for file in ["absent.txt", "../secret.txt"] {
        let answer = site.get("/wrapped", file);
        assert!(answer.status >= 400 && !answer.text().contains("secret"), "{file}: {answer:?}");
    }
    assert_eq!(site.get("/wrapped", "../secret.txt").status, status);
    expect_the_file(site.get("/wrapped", FILE));
    site.expect_healthy();
}

/// With what the file says, and nothing else.
#[track_caller]
fn upload_over_the_limit_of_the_file_gets_413(kind: Kind) {
    let site = Site::start(kind);
    let send = |request: Request| request.send(site.front.port);
    let (most, more) = (vec![b'x'; 9 << 20], vec![b'x'; 11 << 20]);
    assert_eq!(send(Request::new("POST", "/list").body(&most[..])).expect(200).text(), "onetwo");
    send(Request::new("POST", "/list").body(&more[..])).expect(413);
    send(Request::new("POST", "/list").chunked(&more.chunks(100_000).collect::<Vec<_>>())).expect(413);
    expect_the_file(site.get("/list", FILE));
    site.expect_healthy();
}

macro_rules! tests {
    ($name:ident, $kind:expr, $outside:expr) => {
        mod $name {
            use super::Kind;

            #[test]
            fn the_file_is_sent_and_the_body_is_closed_unread() {
                super::the_file_is_sent_and_the_body_is_closed_unread($kind);
            }

            #[test]
            fn a_part_of_the_file_and_its_head_are_the_web_servers() {
                super::a_part_of_the_file_and_its_head_are_the_web_servers($kind);
            }

            #[test]
            fn upload_over_the_limit_of_the_file_gets_413() {
                super::upload_over_the_limit_of_the_file_gets_413($kind);
            }

            #[test]
            fn other_files_are_out_of_reach() {
                super::other_files_are_out_of_reach($kind, $outside);
            }
        }
    };
}

tests!(by_nginx, Kind::Nginx, 404);
tests!(by_apache, Kind::Apache, 404);
tests!(by_lighttpd, Kind::Lighttpd, 403);

#[test]
fn nginx_gives_a_protected_file_to_nobody_who_asks_it() {
    let site = Site::start(Kind::Nginx);
    Request::get("/protected/a%20b.txt").send(site.front.port).expect(404);
    site.expect_healthy();
}

#[test]
fn nginx_sends_what_flask_and_django_name() {
    for (file, packages) in [("protected_flask.py", "flask"), ("protected_django.py", "django")] {
        let app = format!("{}/examples/{file}", env!("CARGO_MANIFEST_DIR"));
        let site = Site::start_app(Kind::Nginx, &app, |launch, files| {
            launch.env("FILES", files.path().join("protected")).args(["--venv", &virtual_environment()])
        });
        let get = |target: &str| Request::get(target).send(site.front.port);
        let answer = get("/files/a%20b.txt?token=lovelace").expect(200);
        assert!(answer.text() == content(), "{packages}: {} bytes", answer.body.len());
        get("/files/a%20b.txt").expect(403);
        get("/files/..%2Fsecret.txt?token=lovelace").expect(404);
        site.expect_healthy();
    }
}

/// mod_xsendfile has no other ETag than "0", for every file and every content of it.
#[test]
fn apache_sends_a_changed_file_to_a_browser_that_has_the_old_one() {
    let site = Site::start(Kind::Apache);
    let old = site.get("/list", FILE).expect(200);
    assert_eq!(old.header("ETag"), None);
    let modified = old.header("Last-Modified").expect("a time");
    site.naming("GET", "/list", FILE).header("If-Modified-Since", &modified).send(site.front.port).expect(304);
    permit(&site.files.write("protected/a b.txt", "changed\n"), 0o644);
    let asked = site.naming("GET", "/list", FILE).header("If-None-Match", "\"0\"");
    assert_eq!(asked.send(site.front.port).expect(200).text(), "changed\n");
    site.expect_healthy();
}

/// `.venv` at the top of the repository, or the active one.
fn virtual_environment() -> String {
    std::env::var("VIRTUAL_ENV").unwrap_or_else(|_| format!("{}/.venv", env!("CARGO_MANIFEST_DIR")))
}
