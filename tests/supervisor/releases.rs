//! Releases in directories of their own, one of which a link names: what a deployment with `current` does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::site::{Ended, Site, control, is_root};
use crate::support::Launch;

/// Says what it is of, and where it is.
const APP: &str = "\
import json, os, sys
import version
def application(environ, start_response):
    start_response('200 OK', [])
    import late
    shown = {'release': [version.RELEASE, late.RELEASE], 'path': sys.path, 'cwd': os.getcwd(), 'pwd': os.environ.get('PWD'), 'file': __file__}
    return [json.dumps(shown).encode()]
";

/// Makes a release, which nothing names yet.
fn make(directory: &Path, number: usize) -> PathBuf {
    let release = directory.join("releases").join(number.to_string());
    fs::create_dir_all(&release).unwrap();
    fs::write(release.join("app.py"), APP).unwrap();
    for module in ["version.py", "late.py"] {
        fs::write(release.join(module), format!("RELEASE = {number}\n")).unwrap();
    }
    release
}

/// Has the link name this one, in one step.
fn switch_to(directory: &Path, release: &Path) {
    let next = directory.join("next");
    symlink(release, &next).unwrap();
    fs::rename(next, directory.join("current")).unwrap();
}

/// A site that is started in the directory that is the first release, by the name that the link has.
fn launch(arguments: &[&str]) -> Launch {
    let launch = Launch::new("serve").without_user().env("PYFCGID_PASS_ENV", "");
    let directory = launch.directory().to_owned();
    switch_to(&directory, &make(&directory, 1));
    let place = |name: &str| directory.join(name).display().to_string();
    let user: &[&str] = if is_root() { &["--user", "root", "--socket-mode", "0666"] } else { &[] };
    // Its commands are told by the file where it is.
    fs::write(place("site.toml"), format!("pid-file = \"{}\"\n", place("site.pid"))).unwrap();
    let launch = launch.args(arguments).args(user).args(["--pid-file", &place("site.pid")]);
    let launch = launch.args(["--listen", &format!("unix:{}", place("s.sock"))]);
    launch.under(["sh", "-c", "cd current && export PWD && exec \"$@\"", "sh"])
}

fn shown(site: &Site) -> Value {
    serde_json::from_str(&site.text("/")).unwrap()
}

/// Fails unless this release is served, by the link's name.
#[track_caller]
fn expect(site: &Site, number: usize) {
    let (found, directory) = (shown(site), site.directory());
    let (current, release) = (directory.join("current"), directory.join("releases").join(number.to_string()));
    assert_eq!(found["release"], json!([number, number]), "{found}");
    assert_eq!(found["cwd"], json!(release), "{found}");
    assert_eq!(found["pwd"], json!(current), "{found}");
    assert!(found["path"].as_array().unwrap().contains(&json!(current)), "{found}");
    let of_release: Vec<&Value> =
        found["path"].as_array().unwrap().iter().filter(|path| path.to_string().contains("releases")).collect();
    assert!(of_release.is_empty(), "{found}");
    assert_eq!(found["file"], json!(current.join("app.py")), "{found}");
}

fn reload(site: &Site) -> Ended {
    control(site.directory(), "reload")
}

#[test]
fn a_reload_serves_the_release_that_the_link_of_the_start_has_by_then() {
    for app in ["app.py", "app", "app:application", "./app.py"] {
        let site = Site::start(launch(&[app]));
        expect(&site, 1);
        for number in 2..=3 {
            switch_to(site.directory(), &make(site.directory(), number));
            reload(&site).expect_code(0);
            expect(&site, number);
        }
        // The older ones may go.
        fs::remove_dir_all(site.directory().join("releases/1")).unwrap();
        switch_to(site.directory(), &make(site.directory(), 4));
        reload(&site).expect_code(0);
        expect(&site, 4);
        site.end();
    }
}

#[test]
fn another_program_serves_the_release_that_the_link_has_by_then_too() {
    let site = Site::start(launch(&["app.py"]));
    for number in 2..=3 {
        switch_to(site.directory(), &make(site.directory(), number));
        site.signal("USR2");
        site.wait_for_log_that("a reload", |log| log.matches("]: PF0302 reloaded\n").count() == number - 1);
        expect(&site, number);
    }
    switch_to(site.directory(), &make(site.directory(), 4));
    fs::remove_dir_all(site.directory().join("releases/1")).unwrap();
    reload(&site).expect_code(0);
    expect(&site, 4);
    site.end();
}

#[test]
fn a_release_that_fails_is_refused_by_a_reload_and_by_the_check_of_another_program() {
    let site = Site::start(launch(&["app.py"]));
    let broken = make(site.directory(), 2);
    fs::write(broken.join("version.py"), "raise ValueError('of the release')\n").unwrap();
    switch_to(site.directory(), &broken);
    let ended = reload(&site).expect_code(70);
    assert!(ended.err.contains("ValueError: of the release"), "{ended:?}");
    assert_eq!(shown(&site)["release"][0], 1);
    site.signal("USR2");
    let log = site.wait_for_log("the new binary failed its check");
    assert!(log.matches("ValueError: of the release").count() >= 2 && !log.contains("executing "), "{log}");
    assert_eq!(shown(&site)["release"][0], 1);
    site.end();
}

#[test]
fn a_configuration_file_below_the_link_is_that_of_the_release() {
    let release = |site: &Path, number: usize| {
        let made = make(site, number);
        let text = format!("[pool.web]\napp = \"app.py\"\nenv-file = \"of.env\"\nenv = {{ OF_FILE = \"{number}\" }}\n");
        fs::write(made.join("web.toml"), text).unwrap();
        let code = APP.replace("'pwd': ", "'env': [os.environ.get('OF_FILE'), os.environ.get('OF_ENV')], 'pwd': ");
        fs::write(made.join("app.py"), code).unwrap();
        fs::write(made.join("of.env"), format!("OF_ENV={number}\n")).unwrap();
        fs::set_permissions(made.join("of.env"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        made
    };
    let launch = launch(&["-c", "web.toml"]);
    release(launch.directory(), 1);
    let site = Site::start(launch);
    for number in 1..=3 {
        switch_to(site.directory(), &release(site.directory(), number));
        if number == 3 {
            site.signal("USR2");
            site.wait_for_log_that("a second reload", |log| log.matches("]: PF0302 reloaded\n").count() == 3);
        } else {
            reload(&site).expect_code(0);
        }
        expect(&site, number);
        assert_eq!(shown(&site)["env"], json!([number.to_string(), number.to_string()]));
    }
    site.end();
}
