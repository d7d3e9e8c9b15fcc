//! SCRIPT_NAME and PATH_INFO: every way that web servers send them, with every kind of mount.

use crate::support::{Params, Peer, Pyfcgid, app};

fn serve(mount: Option<&str>) -> Pyfcgid {
    let mount = mount.map(|mount| format!("--mount={mount}"));
    Pyfcgid::serve(app("environ.py"), &mount.iter().map(String::as_str).collect::<Vec<_>>())
}

/// SCRIPT_NAME and PATH_INFO as the app sees them.
#[track_caller]
fn ask(peer: &mut Peer, params: &Params) -> (String, String) {
    let shown = peer.request(params, b"").expect_status(200).json();
    let text = |name: &str| shown["environ"][name].as_str().unwrap_or_else(|| panic!("no {name} in {shown}")).to_owned();
    (text("SCRIPT_NAME"), text("PATH_INFO"))
}

#[track_caller]
fn path_of(mount: Option<&str>, params: &Params) -> (String, String) {
    ask(&mut serve(mount).connect(), params)
}

fn split(script_name: &str, path_info: &str) -> (String, String) {
    (script_name.to_owned(), path_info.to_owned())
}

/// nginx with `fastcgi_split_path_info` and PATH_INFO.
fn pair(script_name: &str, path_info: &str) -> Params {
    Params::get(&format!("{script_name}{path_info}")).set("SCRIPT_NAME", script_name).set("PATH_INFO", path_info)
}

/// An old recipe: `fastcgi_param PATH_INFO $document_uri` on top of the stock parameters.
fn sent_twice(target: &str) -> Params {
    let path = target.split('?').next().unwrap();
    Params::get(target).add("PATH_INFO", path)
}

#[test]
fn by_default_the_stock_parameters_of_nginx_put_everything_into_path_info() {
    let mut paths = serve(None);
    let mut peer = paths.connect();
    for path in ["/", "/a", "/a/b/", "/a/b.html"] {
        assert_eq!(ask(&mut peer, &Params::get(path)), split("", path));
    }
    paths.expect_running();
}

#[test]
fn by_default_auto_is_the_mount() {
    assert_eq!(path_of(Some("auto"), &Params::get("/a/b")), split("", "/a/b"));
    assert_eq!(path_of(Some("auto"), &pair("/app", "/x")), split("/app", "/x"));
}

#[test]
fn by_default_a_pair_is_kept_as_the_administrator_configured_it() {
    let server = serve(None);
    let mut peer = server.connect();
    assert_eq!(ask(&mut peer, &pair("/app", "/x")), split("/app", "/x"));
    assert_eq!(ask(&mut peer, &pair("", "/x/y")), split("", "/x/y"));
    assert_eq!(ask(&mut peer, &pair("/app", "/")), split("/app", "/"));
    assert_eq!(ask(&mut peer, &pair("/app", "")), split("/app", ""));
}

#[test]
fn a_script_name_of_a_lone_slash_becomes_the_path() {
    assert_eq!(path_of(None, &pair("/", "")), split("", "/"));
}

/// The split of Apache's SetHandler follows the files in its document root.
#[test]
fn by_default_the_split_of_apache_is_joined() {
    assert_eq!(path_of(None, &Params::apache("/a b", "/c")), split("", "/a b/c"));
}

#[test]
fn the_advice_about_apaches_split_is_logged_once() {
    let server = serve(None);
    let mut peer = server.connect();
    for _ in 0..3 {
        assert_eq!(ask(&mut peer, &Params::apache("/a", "/b")), split("", "/a/b"));
    }
    let log = server.wait_for_log("mount");
    assert_eq!(log.lines().filter(|line| line.contains("mount")).count(), 1, "{log}");
}

#[test]
fn apache_without_path_info_puts_everything_into_path_info() {
    let params = Params::apache("/a/b", "").remove("PATH_INFO");
    assert_eq!(path_of(None, &params), split("", "/a/b"));
}

#[test]
fn by_default_a_path_that_was_sent_twice_is_taken_once() {
    let server = serve(None);
    let mut peer = server.connect();
    assert_eq!(ask(&mut peer, &sent_twice("/a/b?x=1")), split("", "/a/b"));
    assert_eq!(ask(&mut peer, &sent_twice("/")), split("", "/"));
}

#[test]
fn a_path_that_was_sent_twice_is_seen_behind_its_encoding() {
    let params = Params::get("/a%20b/c").add("PATH_INFO", "/a b/c");
    assert_eq!(path_of(None, &params), split("", "/a b/c"));
}

#[test]
fn a_path_that_repeats_itself_is_not_a_path_that_was_sent_twice() {
    let params = Params::get("/a/a").set("SCRIPT_NAME", "/a").set("PATH_INFO", "/a");
    assert_eq!(path_of(None, &params), split("/a", "/a"));
}

#[test]
fn an_empty_mount_puts_everything_into_path_info() {
    let server = serve(Some(""));
    let mut peer = server.connect();
    assert_eq!(ask(&mut peer, &Params::get("/a/b")), split("", "/a/b"));
    assert_eq!(ask(&mut peer, &pair("/app", "/x")), split("", "/app/x"));
    assert_eq!(ask(&mut peer, &pair("", "/x")), split("", "/x"));
    assert_eq!(ask(&mut peer, &Params::apache("/a", "/b")), split("", "/a/b"));
    assert_eq!(ask(&mut peer, &sent_twice("/a/b")), split("", "/a/b"));
}

#[test]
fn a_mount_splits_the_path_however_it_was_sent() {
    let server = serve(Some("/app"));
    let mut peer = server.connect();
    for params in [
        Params::get("/app/x/y"),
        pair("/app", "/x/y"),
        pair("", "/app/x/y"),
        Params::apache("/app/x", "/y"),
        Params::apache("/app", "/x/y"),
        sent_twice("/app/x/y"),
    ] {
        assert_eq!(ask(&mut peer, &params), split("/app", "/x/y"), "{params:?}");
    }
}

#[test]
fn a_mount_takes_its_own_path() {
    let server = serve(Some("/app"));
    let mut peer = server.connect();
    assert_eq!(ask(&mut peer, &Params::get("/app")), split("/app", ""));
    assert_eq!(ask(&mut peer, &Params::get("/app/")), split("/app", "/"));
    assert_eq!(ask(&mut peer, &pair("/app", "")), split("/app", ""));
}

#[test]
fn a_mount_may_have_several_segments() {
    let server = serve(Some("/one/two"));
    let mut peer = server.connect();
    assert_eq!(ask(&mut peer, &Params::get("/one/two/three")), split("/one/two", "/three"));
    assert_eq!(peer.request(&Params::get("/one/three"), b"").status, 404);
}

/// `/apple` is not below `/app`. nginx's `location /app` sends it all the same.
#[test]
fn a_prefix_matches_whole_segments_only() {
    let server = serve(Some("/app"));
    let mut peer = server.connect();
    for params in
        [Params::get("/apple"), Params::get("/apple/x"), pair("/app", "le/x"), Params::get("/"), Params::get("/other/app")]
    {
        peer.request(&params, b"").expect_status(404);
    }
    assert_eq!(ask(&mut peer, &Params::get("/app/le")), split("/app", "/le"));
}

#[test]
fn a_path_info_without_a_slash_is_not_served() {
    serve(None).connect().request(&pair("/app", "le/x"), b"").expect_status(404);
}

#[test]
fn path_is_not_decoded_twice() {
    let server = serve(None);
    let mut peer = server.connect();
    assert_eq!(ask(&mut peer, &Params::get("/%2541/a%252Fb")), split("", "/%41/a%2Fb"));
    assert_eq!(ask(&mut peer, &pair("/%41", "/%2e%2E+")), split("/%41", "/%2e%2E+"));
}

#[test]
fn a_path_of_utf8_is_latin_1_text() {
    assert_eq!(path_of(None, &Params::get("/caf%C3%A9")), split("", "/caf\u{c3}\u{a9}"));
}

#[test]
fn a_path_that_begins_with_two_slashes_survives() {
    let server = serve(None);
    let mut peer = server.connect();
    assert_eq!(ask(&mut peer, &Params::get("//a///b//")), split("", "//a///b//"));
    assert_eq!(ask(&mut peer, &pair("", "//a")), split("", "//a"));
}

/// The web server's own view is the one that its access rules were checked against.
#[test]
fn a_rewritten_path_counts_and_not_request_uri() {
    let params = Params::get("/as-typed").set("SCRIPT_NAME", "/rewritten");
    assert_eq!(path_of(None, &params), split("", "/rewritten"));
}

#[test]
fn a_mount_without_a_leading_slash_is_refused() {
    let finished = crate::support::Launch::serve(app("environ.py")).arg("--mount=app").run();
    assert!([64, 78].contains(&finished.code()), "{finished:?}");
    assert!(finished.stderr.contains("mount"), "{finished:?}");
}
