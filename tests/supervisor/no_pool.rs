//! A daemon whose configuration has no pool yet, as a package starts it.

use std::fs;

use crate::site::{Site, control, kill, says, site, write_config};
use crate::support::process::wait_until;

const INCLUDES: &str = "pid-file = \"site.pid\"\ninclude = \"pools.d/*.toml\"\n";
const ADVICE: &str = "no pool configured: site.toml:2 includes pools.d/*.toml, and no file there has a pool; write one with \
                      `pyfcgid new NAME -c site.toml`, then run `pyfcgid reload -c site.toml`";

fn empty() -> Site {
    let launch = site(INCLUDES);
    fs::create_dir(launch.directory().join("pools.d")).unwrap();
    Site::start(launch)
}

#[test]
fn a_directory_of_pools_that_is_not_there_is_named() {
    let site = Site::start(site(INCLUDES));
    for command in ["status", "check"] {
        let ended = site.control(command).expect_code(0);
        assert!(
            (ended.out + &ended.err).contains(
                "a pool (the directory pools.d does not exist); write one with `pyfcgid \
                                                   new"
            ),
            "{command}"
        );
    }
    site.end();
}

/// A file for the pool of a site, in which the tests may serve.
fn add_pool(site: &Site) {
    fs::write(site.directory().join("app.py"), says("x")).unwrap();
    let user = if crate::site::is_root() { "user = \"root\"\nsocket-mode = \"0666\"\n" } else { "" };
    let text = format!("[pool.web]\napp = \"../app.py\"\nlisten = \"unix:../s.sock\"\n{user}");
    fs::write(site.directory().join("pools.d/web.toml"), text).unwrap();
}

#[test]
fn it_runs_serves_nothing_and_says_what_to_do() {
    let mut site = empty();
    assert!(site.log().contains(&format!("[warn] pyfcgid[{}]: PF0104 {ADVICE}\n", site.pid())), "{}", site.log());
    assert_eq!(site.children().len(), 0);
    let status = site.control("status").expect_code(0);
    assert!(status.out.contains(&format!("\n{ADVICE}\n")), "{}", status.out);
    let status = site.control("status --json").expect_code(0);
    assert!(status.out.contains("\"pools\":[]"), "{}", status.out);
    let status = site.control("status web").expect_code(64);
    assert_eq!(status.err, "pyfcgid: there is no pool web: there are no pools\n");
    let reload = site.control("reload").expect_code(0);
    assert!(reload.out.starts_with("reloaded 0 pools in ") && reload.out.lines().count() == 1, "{}", reload.out);
    assert_eq!(reload.err, format!("pyfcgid: warning: {ADVICE}\n"));
    let check = site.control("check").expect_code(0);
    assert!(check.err.contains(&format!("pyfcgid: warning: {ADVICE}\npyfcgid: checked 0 pools in ")), "{}", check.err);
    site.expect_running();
    site.control("stop").expect_code(0);
}

#[test]
fn a_reload_adds_the_first_pool_and_takes_the_last_one_away() {
    let site = empty();
    add_pool(&site);
    let reload = site.control("reload").expect_code(0);
    assert!(reload.out.starts_with("reloaded 1 pool in ") && reload.out.lines().count() == 1, "{}", reload.out);
    assert_eq!(site.text("/"), "x");
    assert!(!site.control("status").expect_code(0).out.contains("no pool configured"));
    fs::remove_file(site.directory().join("pools.d/web.toml")).unwrap();
    assert!(site.control("reload").expect_code(0).err.contains(ADVICE));
    wait_until("the end of the pool", || !site.control("status").out.contains("pool web"));
    assert!(site.control("status").expect_code(0).out.contains(ADVICE));
    assert!(site.children().is_empty() && !site.directory().join("s.sock").exists());
    add_pool(&site);
    site.control("reload web").expect_code(0);
    assert_eq!(site.text("/"), "x");
    site.end();
}

#[test]
fn another_binary_takes_the_place_of_one_without_a_pool() {
    let site = empty();
    kill(site.pid(), "USR2");
    wait_until("the other program", || site.log().contains("has taken over from the previous program"));
    wait_until("its reload", || site.log().contains("]: PF0302 reloaded\n"));
    add_pool(&site);
    site.control("reload").expect_code(0);
    assert_eq!(site.text("/"), "x");
    site.end();
}

#[test]
fn a_file_that_includes_nothing_is_no_configuration_without_a_pool() {
    let site = empty();
    write_config(site.directory(), "pid-file = \"site.pid\"\n");
    let check = control(site.directory(), "check").expect_code(78);
    assert!(check.err.contains("no application given: add app = "), "{}", check.err);
    let reload = site.control("reload").expect_code(78);
    assert!(
        reload.err.contains(
            "reload failed; the previous code and settings stay in \
                             effect"
        ) && reload.err.contains("no application given"),
        "{reload:?}"
    );
    assert!(site.control("status").expect_code(0).out.contains(ADVICE));
    site.end();
}
