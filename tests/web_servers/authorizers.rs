//! Web servers that ask an authorizer: `examples/authorizer.py` behind Apache, with both of its modules that do, and lighttpd, with
//! the files that we ship.

use std::path::PathBuf;

use crate::http::{Request, Response};
use crate::mod_fcgid::Installed;
use crate::ports::reserve_port;
use crate::shipped::{SOCKET, Shipped};
use crate::site::{app_path, start_back_end};
use crate::support::{Launch, Pyfcgid};
use crate::web_server::{Place, WebServer, permit};
use crate::{apache, lighttpd};

const ADA: &str = "Basic YWRhOmxvdmVsYWNl";
const GRACE: &str = "Basic Z3JhY2U6aG9wcGVy";
const ADA_WITH_A_WRONG_PASSWORD: &str = "Basic YWRhOmxvdmVsYWNF";
const LINUS: &str = "Basic bGludXM6eA==";
/// What Apache knows: ada with her password, and linus, whom the application does not know. Made by `htpasswd -s`.
const HTPASSWD: &str = "ada:{SHA}MJgvYgf2tRctgBqviyzN0HpBdyY=\nlinus:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n";

/// A web server, the authorizer behind it with what else it leads to, and the pages.
struct Guarded {
    front: WebServer,
    back_ends: Vec<Pyfcgid>,
    _started_by_apache: Option<Installed>,
    _pages: Place,
}

impl Guarded {
    /// `--roles` as the file says, or none.
    #[track_caller]
    fn by_apache(app: PathBuf, options: &[&str]) -> Self {
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], reserve_port()));
        let launch = Launch::serve_unlistened(app).listen(listen).args(options).env("PASSWORDS", example("passwords"));
        let (back_end, pages) = (start_back_end(launch), pages());
        let htpasswd = pages.write("htpasswd", HTPASSWD);
        permit(&htpasswd, 0o644);
        let file = Shipped::read("apache/authorizer.conf").replace("127.0.0.1:9000", &listen.to_string());
        let file = file.replace("/etc/apache2/example.htpasswd", text(&htpasswd));
        let front = apache::start(file, text(pages.path()), None);
        Self { front, back_ends: vec![back_end], _started_by_apache: None, _pages: pages }
    }

    #[track_caller]
    fn by_mod_fcgid(app: PathBuf, options: &[&str]) -> Self {
        let (installed, pages) = (Installed::new(), pages());
        let passwords = installed.copy(&example("passwords"));
        let program = installed.script(&format!("serve {} {}", text(&installed.copy(&app)), options.join(" ")));
        let htpasswd = pages.write("htpasswd", HTPASSWD);
        permit(&htpasswd, 0o644);
        let file =
            Shipped::read("apache/mod_fcgid-authorizer.conf").replace("/usr/local/lib/example/authorizer", text(&program));
        let file = installed.site(file.replace("/etc/apache2/example.htpasswd", text(&htpasswd)), "PASSWORDS", &passwords);
        let front = apache::start(file, text(pages.path()), None);
        Self { front, back_ends: Vec::new(), _started_by_apache: Some(installed), _pages: pages }
    }

    #[track_caller]
    fn by_lighttpd(app: PathBuf, options: &[&str]) -> Self {
        let authorizer = start_back_end(Launch::serve(app).args(options).env("PASSWORDS", example("passwords")));
        let application = start_back_end(Launch::serve(app_path("environ.py")).args(["--mount", ""]));
        let file = Shipped::read("docs/clients/lighttpd-authorizer.conf");
        let file = file.replace("/run/pyfcgid/authorizer.sock", text(&authorizer.socket()));
        let file = file.replace(SOCKET, text(&application.socket()));
        let pages = pages();
        let front = lighttpd::start(file, text(pages.path()));
        Self { front, back_ends: vec![authorizer, application], _started_by_apache: None, _pages: pages }
    }

    #[track_caller]
    fn get(&self, target: &str, authorization: Option<&str>) -> Response {
        self.send(Request::get(target), authorization)
    }

    #[track_caller]
    fn send(&self, request: Request, authorization: Option<&str>) -> Response {
        let request = authorization.iter().fold(request, |request, value| request.header("Authorization", value));
        request.send(self.front.port)
    }

    /// Fails unless this one sees the page, with the group that the application told if any.
    #[track_caller]
    fn expect_allowed(&self, target: &str, authorization: &str, group: Option<&str>) {
        let page = self.get(target, Some(authorization)).expect(200);
        assert_eq!((page.text().as_str(), page.header("X-Group").as_deref()), ("a page\n", group), "{target}");
        self.send(Request::new("HEAD", target), Some(authorization)).expect(200);
    }

    /// Fails unless these get this status, and not the page.
    #[track_caller]
    fn expect_denied(&self, target: &str, authorizations: &[Option<&str>], status: u16) {
        for authorization in authorizations {
            let answer = self.get(target, *authorization).expect(status);
            assert!(!answer.text().contains("a page"), "{target} with {authorization:?}");
        }
    }

    #[track_caller]
    fn expect_healthy(mut self) {
        self.front.expect_running();
        self.back_ends.iter_mut().for_each(Pyfcgid::expect_running);
    }
}

#[track_caller]
fn pages() -> Place {
    let pages = Place::new();
    permit(&pages.write("error.html", "an error\n"), 0o644);
    for directory in ["both", "password", "permission", "members", "both/inner", "password/inner", "permission/inner"] {
        permit(&pages.write(&format!("{directory}/page.txt"), "a page\n"), 0o644);
        permit(&pages.path().join(directory), 0o755);
    }
    pages
}

fn example(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(file)
}

fn app(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(file)
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

const AUTHORIZER: &[&str] = &["--roles", "authorizer"];

/// One in the group is let in, nobody else.
#[track_caller]
fn expect_asks_for_staff(site: Guarded, page: &str) {
    site.expect_allowed(page, ADA, Some("staff"));
    site.expect_denied(page, &[None, Some(ADA_WITH_A_WRONG_PASSWORD), Some(LINUS), Some(GRACE)], 401);
    site.expect_healthy();
}

#[track_caller]
fn expect_lets_nobody_in(site: Guarded, credentials: &[Option<&str>], status: u16) {
    for page in ["/both/page.txt", "/password/page.txt", "/permission/page.txt"] {
        site.expect_denied(page, credentials, status);
    }
    site.expect_healthy();
}

#[test]
fn apache_asks_for_password_and_permission_at_once() {
    let site = Guarded::by_apache(example("authorizer.py"), AUTHORIZER);
    site.expect_allowed("/both/page.txt", ADA, Some("staff"));
    site.expect_allowed("/both/page.txt", GRACE, Some("navy"));
    site.expect_denied("/both/page.txt", &[None, Some(ADA_WITH_A_WRONG_PASSWORD), Some(LINUS), Some("Basic !")], 401);
    site.expect_healthy();
}

#[test]
fn apache_asks_for_the_password_alone() {
    let site = Guarded::by_apache(example("authorizer.py"), AUTHORIZER);
    expect_asks_for_staff(site, "/password/page.txt");
}

#[test]
fn apache_asks_for_permission_alone() {
    let site = Guarded::by_apache(example("authorizer.py"), AUTHORIZER);
    expect_asks_for_staff(site, "/permission/page.txt");
}

#[test]
fn apache_lets_a_post_in_whose_body_the_authorizer_never_sees() {
    let site = Guarded::by_apache(example("authorizer.py"), AUTHORIZER);
    let answer = site.send(Request::new("POST", "/both/page.txt").body("x".repeat(1_000_000)), Some(ADA));
    assert_ne!((answer.status, answer.status >= 500), (401, true));
    site.send(Request::new("POST", "/both/page.txt").body("x"), Some(LINUS)).expect(401);
    site.expect_healthy();
}

#[test]
fn apache_lets_nobody_in_when_the_application_is_no_authorizer() {
    let site = Guarded::by_apache(app("answers.py"), &[]);
    expect_lets_nobody_in(site, &[None, Some(ADA)], 401);
}

#[test]
fn apache_lets_nobody_in_when_the_answer_breaks_in_the_middle() {
    let site = Guarded::by_apache(app("body_shorter_than_content_length.py"), AUTHORIZER);
    expect_lets_nobody_in(site, &[Some(ADA)], 500);
}

/// What the application told is in the environment twice, and not in the answer.
#[test]
fn mod_fcgid_asks_for_password_and_permission() {
    let site = Guarded::by_mod_fcgid(example("authorizer.py"), AUTHORIZER);
    site.expect_allowed("/both/page.txt", ADA, None);
    site.expect_allowed("/both/page.txt", GRACE, None);
    site.expect_denied("/both/page.txt", &[None, Some(ADA_WITH_A_WRONG_PASSWORD), Some(LINUS), Some("Basic !")], 401);
    assert_eq!(site.get("/both/page.txt", Some(ADA)).header("Variable-AUTH_GROUP"), None);
    site.expect_healthy();
}

#[test]
fn mod_fcgid_shows_what_the_application_told_to_no_browser() {
    expect_browsers_learn_nothing(Guarded::by_mod_fcgid(example("authorizer.py"), AUTHORIZER));
}

#[test]
fn apache_shows_what_the_application_told_to_no_browser() {
    expect_browsers_learn_nothing(Guarded::by_apache(example("authorizer.py"), AUTHORIZER));
}

/// Not in answers that Apache makes itself, either: no such page, a page that is a directory, nothing to delete, wrong user.
#[track_caller]
fn expect_browsers_learn_nothing(site: Guarded) {
    for place in ["/both/", "/password/", "/permission/"] {
        let cases = [("GET", "page.txt", 200), ("GET", "absent", 404), ("GET", "inner", 301), ("GET", "", 403)];
        for (method, page, status) in cases.into_iter().chain([("DELETE", "page.txt", 405)]) {
            let answer = site.send(Request::new(method, format!("{place}{page}")), Some(ADA)).expect(status);
            expect_no_variable(&answer);
            assert_eq!(answer.header("Location").is_some(), status == 301, "{answer:?}");
        }
    }
    expect_no_variable(&site.get("/password/page.txt", Some(GRACE)).expect(401));
    site.expect_healthy();
}

#[track_caller]
fn expect_no_variable(answer: &Response) {
    let told = answer.headers.iter().find(|(name, _)| name.starts_with("Variable-"));
    assert_eq!(told, None, "with {}", answer.status);
}

#[test]
fn mod_fcgid_asks_for_the_password_alone() {
    let site = Guarded::by_mod_fcgid(example("authorizer.py"), AUTHORIZER);
    expect_asks_for_staff(site, "/password/page.txt");
}

#[test]
fn mod_fcgid_asks_for_permission_alone() {
    let site = Guarded::by_mod_fcgid(example("authorizer.py"), AUTHORIZER);
    expect_asks_for_staff(site, "/permission/page.txt");
}

#[test]
fn mod_fcgid_lets_a_post_in_whose_body_the_authorizer_never_sees() {
    let site = Guarded::by_mod_fcgid(example("authorizer.py"), AUTHORIZER);
    let answer = site.send(Request::new("POST", "/both/page.txt").body("x".repeat(1_000_000)), Some(ADA));
    assert!(answer.status != 401 && answer.status < 500, "{answer:?}");
    site.send(Request::new("POST", "/both/page.txt").body("x"), Some(LINUS)).expect(401);
    site.expect_healthy();
}

#[test]
fn mod_fcgid_lets_nobody_in_when_the_application_is_no_authorizer() {
    let site = Guarded::by_mod_fcgid(app("answers.py"), &[]);
    expect_lets_nobody_in(site, &[None, Some(ADA)], 401);
}

#[test]
fn mod_fcgid_lets_nobody_in_when_the_answer_breaks_in_the_middle() {
    let site = Guarded::by_mod_fcgid(app("body_shorter_than_content_length.py"), AUTHORIZER);
    expect_lets_nobody_in(site, &[Some(ADA)], 401);
}

#[test]
fn lighttpd_asks_and_passes_on_how_to_log_in() {
    let site = Guarded::by_lighttpd(example("authorizer.py"), AUTHORIZER);
    site.expect_allowed("/members/page.txt", ADA, None);
    let denied = [None, Some(ADA_WITH_A_WRONG_PASSWORD), Some(LINUS), Some("Basic !"), Some("Bearer x")];
    site.expect_denied("/members/page.txt", &denied, 401);
    let login = site.get("/members/page.txt", None).header("WWW-Authenticate");
    assert!(login.as_ref().is_some_and(|login| login.starts_with("Basic realm=")), "{login:?}");
    site.expect_healthy();
}

#[test]
fn lighttpd_lets_nobody_in_when_the_application_is_no_authorizer() {
    let site = Guarded::by_lighttpd(app("answers.py"), &[]);
    site.expect_denied("/members/page.txt", &[None, Some(ADA)], 403);
    site.send(Request::get("/app/x"), Some(ADA)).expect(403);
    site.expect_healthy();
}

#[test]
fn lighttpd_lets_nobody_in_when_the_answer_breaks_in_the_middle() {
    let site = Guarded::by_lighttpd(app("body_shorter_than_content_length.py"), AUTHORIZER);
    for page in ["/members/page.txt", "/app/x"] {
        site.expect_denied(page, &[Some(ADA)], 500);
    }
    site.expect_healthy();
}

#[test]
fn lighttpd_tells_an_application_what_the_authorizer_told() {
    let site = Guarded::by_lighttpd(example("authorizer.py"), AUTHORIZER);
    let environ = site.get("/app/x", Some(ADA)).expect(200).json();
    let told = (&environ["PATH_INFO"], &environ["AUTH_GROUP"], &environ["REMOTE_USER"]);
    assert_eq!(told, (&"/app/x".into(), &"staff".into(), &serde_json::Value::Null), "{environ:#}");
    site.send(Request::new("POST", "/app/x").body("abc"), Some(ADA)).expect(200);
    for authorization in [None, Some(ADA_WITH_A_WRONG_PASSWORD), Some(LINUS)] {
        site.send(Request::get("/app/x"), authorization).expect(401);
    }
    site.expect_healthy();
}
