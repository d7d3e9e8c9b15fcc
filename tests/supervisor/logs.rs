//! Logs of single pools.

use std::fs;
use std::path::Path;

use crate::site::{Site, connect_to, site, write_config};
use crate::support::Params;
use crate::support::process::wait_until;

const TOP: &str = "pid-file = \"site.pid\"\naccess-log = \"file:access\"\naccess-log-format = \"$pool $request_uri $status\"\n";

fn config(of_blog: &str, of_shop: &str) -> String {
    let pool = |name: &str, own: &str| format!("[pool.{name}]\napp = \"app.py\"\nlisten = \"unix:{name}.sock\"\n{own}");
    format!("{TOP}{}{}", pool("blog", of_blog), pool("shop", of_shop))
}

/// Says the path that it was asked for.
const SAYS: &str = "\
def application(environ, start_response):
    print('asked for', environ['PATH_INFO'])
    start_response('200 OK', [])
    return []
";

fn start(config: &str, arguments: &[&str]) -> Site {
    let launch = site(config).args(arguments.iter().copied());
    fs::write(launch.directory().join("app.py"), SAYS).unwrap();
    Site::start(launch)
}

fn ask(site: &Site, pool: &str, path: &str) {
    connect_to(&site.directory().join(format!("{pool}.sock"))).last_request(&Params::get(path), b"").expect_status(200);
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[track_caller]
fn wait_for(path: &Path, line: &str) {
    wait_until(&format!("{line:?} in {}", path.display()), || text(path).contains(line));
}

#[test]
fn a_pool_has_logs_of_its_own_which_are_rotated_and_reloaded_with_it() {
    let own = "log = \"file:blog.log\"\naccess-log = \"file:blog.access\"\n";
    let site = start(&config(own, "access-log = \"none\"\n"), &[]);
    let file = |name: &str| site.directory().join(name);
    ask(&site, "shop", "/one");
    ask(&site, "blog", "/two");
    wait_for(&file("blog.access"), "blog /two 200\n");
    wait_for(&file("blog.log"), ": asked for /two\n");
    site.wait_for_log("asked for /one");
    assert_eq!((text(&file("access")).as_str(), site.log().contains("/two")), ("", false));
    for name in ["blog.log", "blog.access"] {
        fs::rename(file(name), file(&format!("{name}.1"))).unwrap();
    }
    site.signal("USR1");
    wait_until("the new files", || file("blog.log").exists() && file("blog.access").exists());
    ask(&site, "blog", "/three");
    wait_for(&file("blog.access"), "blog /three 200\n");
    wait_for(&file("blog.log"), ": asked for /three\n");
    assert!(!text(&file("blog.log.1")).contains("/three"));
    // Of the other pool alone.
    write_config(site.directory(), &config("", "log = \"file:shop.log\"\n"));
    site.control("reload shop").expect_code(0);
    ask(&site, "shop", "/four");
    ask(&site, "blog", "/five");
    wait_for(&file("shop.log"), ": asked for /four\n");
    wait_for(&file("access"), "shop /four 200\n");
    wait_for(&file("blog.access"), "blog /five 200\n");
    site.control("reload").expect_code(0);
    ask(&site, "blog", "/six");
    wait_for(&file("access"), "blog /six 200\n");
    site.wait_for_log("asked for /six");
    // A place that there cannot be changes nothing.
    write_config(site.directory(), &config("log = \"file:missing/blog.log\"\n", ""));
    let ended = site.control("reload blog").expect_code(78);
    assert!(ended.err.contains("missing/blog.log"), "{ended:?}");
    ask(&site, "blog", "/seven");
    site.wait_for_log("asked for /seven");
    site.end();
}

#[test]
fn what_is_typed_on_the_command_line_is_for_all_pools() {
    let own = "log = \"file:blog.log\"\naccess-log = \"file:blog.access\"\n";
    let site = start(&config(own, ""), &["--log", "stderr", "--access-log", "file:all"]);
    ask(&site, "blog", "/one");
    ask(&site, "shop", "/two");
    let all = site.directory().join("all");
    wait_for(&all, "shop /two 200\n");
    wait_for(&all, "blog /one 200\n");
    site.wait_for_log("asked for /one");
    assert!(!site.directory().join("blog.log").exists() && !site.directory().join("blog.access").exists());
    site.end();
}

#[test]
fn a_log_on_standard_output_has_all_its_lines_after_a_reload_too() {
    let own = "log = \"stdout\"\naccess-log = \"stdout\"\n";
    let site = start(&config(own, ""), &[]);
    let has = |line: &str| site.stdout().contains(line);
    for path in ["/one", "/two"] {
        ask(&site, "blog", path);
        wait_until("the lines on stdout", || has(&format!(": asked for {path}\n")) && has(&format!("blog {path} 200\n")));
        site.control("reload").expect_code(0);
    }
    assert!(!site.log().contains("asked for") && !site.stdout().contains("pyfcgid["), "{}{}", site.log(), site.stdout());
    site.end();
}
