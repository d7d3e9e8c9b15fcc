//! The environment variables of an application: whose they are, and what `env-file` says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::site::{Site, control, expect_refused, is_root, kill, site, site_with, write_config};
use crate::support::process::wait_until;
use crate::support::{Launch, virtualenv};

const SHOWS: &str = "\
import json, os, sys
def application(environ, start_response):
    start_response('200 OK', [])
    shown = {'variables': dict(os.environ), 'optimize': sys.flags.optimize, 'path': sys.path}
    return [json.dumps(shown).encode()]
";
/// Its tests say which variables pass.
const NOTHING: &str = "";
const STANDARD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn shown(site: &Site) -> Value {
    serde_json::from_str(&site.text("/")).unwrap()
}

fn variable(site: &Site, name: &str) -> Option<String> {
    shown(site)["variables"][name].as_str().map(str::to_owned)
}

fn names(site: &Site) -> BTreeSet<String> {
    shown(site)["variables"].as_object().unwrap().keys().cloned().collect()
}

/// A site of which nothing passes but by its own configuration.
fn launch(settings: &str) -> Launch {
    site_with(SHOWS, settings).env("PYFCGID_PASS_ENV", NOTHING)
}

/// The same for a user that is not the test's.
fn launch_as(user: &str, settings: &str) -> Launch {
    let launch = launch(&format!("user = \"{user}\"\n{settings}"));
    permit(launch.directory(), 0o755);
    launch
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Writes a file that others may not read.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    permit(path, 0o640);
}

#[test]
fn an_application_has_the_variables_of_a_login_and_its_locale_and_no_others() {
    let begun = launch("").env("LANG", "C.UTF-8").env("LC_TIME", "C").env("TZ", "Asia/Tokyo").env("GREETING", "hello");
    let site = Site::start(begun);
    let mut found = names(&site);
    // What whoever starts the test has.
    found.retain(|name| !["HOME", "USER", "LOGNAME", "SHELL"].contains(&name.as_str()));
    assert_eq!(found, ["LANG", "LC_TIME", "PATH", "PWD", "TZ"].map(str::to_owned).into());
    let variables = &shown(&site)["variables"];
    for (name, value) in [("PATH", STANDARD_PATH), ("LANG", "C.UTF-8"), ("LC_TIME", "C"), ("TZ", "Asia/Tokyo")] {
        assert_eq!(variables[name], value, "{name}");
    }
    site.end();
}

#[test]
fn an_application_of_another_user_has_that_ones_home_and_shell() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    let site = Site::start(launch_as("daemon", "").env("HOME", "/nowhere").env("SHELL", "/bin/other"));
    let entry = Command::new("getent").args(["passwd", "daemon"]).output().unwrap().stdout;
    let entry = String::from_utf8(entry).unwrap();
    let fields: Vec<&str> = entry.trim_end().split(':').collect();
    let variables = &shown(&site)["variables"];
    for (name, value) in [("USER", "daemon"), ("LOGNAME", "daemon"), ("HOME", fields[5]), ("SHELL", fields[6])] {
        assert_eq!(variables[name], value, "{name}");
    }
    site.end();
}

#[test]
fn a_number_that_is_no_user_s_has_not_the_home_of_whoever_starts_it() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    let site = Site::start(launch_as("54321", "group = \"54321\"\n").env("HOME", "/root").env("SHELL", "/bin/other"));
    let variables = &shown(&site)["variables"];
    assert!(variables["HOME"] == "/" && variables["SHELL"] == "/bin/sh" && variables["USER"] == "54321", "{variables}");
    site.end();
}

#[test]
fn what_pass_env_names_gets_through_and_with_clear_env_false_all_does() {
    let outside = |settings| {
        let launch = launch(settings).env("SHOP_URL", "u").env("SHOP_KEY", "k").env("SHOPS", "s").env("OTHER", "o");
        Site::start(launch.env("LANG", "C.UTF-8"))
    };
    let site = outside("pass-env = [\"SHOP_*\", \"OTHERS\"]\n");
    let found: BTreeSet<String> = names(&site).into_iter().filter(|name| name.contains("SHOP") || name == "OTHER").collect();
    assert_eq!(found, ["SHOP_KEY", "SHOP_URL"].map(str::to_owned).into());
    site.end();
    let site = outside("clear-env = false\n");
    let all = names(&site);
    assert!(["SHOP_KEY", "SHOP_URL", "SHOPS", "OTHER"].iter().all(|name| all.contains(*name)), "{all:?}");
    assert_eq!(variable(&site, "PATH"), std::env::var("PATH").ok());
    assert!(!site.log().contains("variables not passed to any pool"), "{}", site.log());
    site.end();
}

/// Such a command has Python load something before everything else.
#[test]
fn a_command_in_front_instruments_the_application_where_clear_env_is_false() {
    for (settings, expected) in [("clear-env = false\n", Some("1")), ("", None)] {
        let launch = launch(settings);
        let instruments = launch.directory().join("instruments");
        fs::create_dir(&instruments).unwrap();
        fs::write(instruments.join("sitecustomize.py"), "import os\nos.environ['INSTRUMENTED'] = '1'\n").unwrap();
        let site = Site::start(launch.env("PYTHONPATH", instruments));
        assert_eq!(variable(&site, "INSTRUMENTED").as_deref(), expected, "{settings}");
        site.end();
    }
}

#[test]
fn a_virtual_environment_is_that_of_its_user() {
    let launch = launch("venv = \"venv\"\n");
    let venv = virtualenv::create(launch.directory());
    let site = Site::start(launch);
    assert_eq!(variable(&site, "VIRTUAL_ENV").as_deref(), venv.to_str());
    assert_eq!(variable(&site, "PATH"), Some(format!("{}/bin:{STANDARD_PATH}", venv.display())));
    site.end();
}

#[test]
fn what_stays_outside_is_named_once_and_its_values_are_not() {
    let launch = launch("pass-env = [\"PASSED\"]\n").env("PASSED", "1").env("B_SECRET", "s3cret-b").env("A_SECRET", "s3cret-a");
    let site = Site::start(launch);
    site.control("reload").expect_code(0);
    site.wait_for_log("]: PF0302 reloaded\n");
    let log = site.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("_SECRET") || line.contains("s3cret")).collect();
    let [line] = told[..] else { panic!("{told:?}") };
    assert!(line.contains("not passed to any pool unless pass-env names them: A_SECRET, B_SECRET"), "{line}");
    site.end();
}

#[test]
fn what_the_supervisor_says_to_python_does_not_reach_a_pools_python_but_what_env_says_does() {
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path().to_str().unwrap();
    let outside = |settings: &str| {
        let launch = launch(settings).env("PYTHONPATH", elsewhere).env("PYTHONHOME", "/nonexistent").env("PYTHONOPTIMIZE", "2");
        Site::start(launch.env("PYTHONSTARTUP", "/nonexistent").env("PYTHONINSPECT", "1"))
    };
    let site = outside("");
    let found = shown(&site);
    assert!(!found["path"].as_array().unwrap().iter().any(|entry| entry == elsewhere), "{found}");
    assert_eq!(found["optimize"], 0);
    assert!(!names(&site).iter().any(|name| name.starts_with("PYTHON")), "{found}");
    site.end();
    let site = outside(&format!("env = {{ PYTHONPATH = \"{elsewhere}\", PYTHONOPTIMIZE = \"1\" }}\n"));
    let found = shown(&site);
    assert!(found["path"].as_array().unwrap().iter().any(|entry| entry == elsewhere), "{found}");
    assert_eq!(found["optimize"], 1);
    site.end();
}

#[test]
fn an_env_file_is_stronger_than_all_but_env() {
    let settings = "pass-env = [\"FROM_*\"]\nvenv = \"venv\"\nenv-file = \"site.env\"\nenv = { FROM_ENV = \"env\" }\n";
    let launch = launch(settings).env("FROM_OUTSIDE", "outside").env("FROM_FILE", "outside").env("FROM_ENV", "outside");
    let venv = virtualenv::create(launch.directory());
    let text = "# what the site keeps to itself\nexport FROM_FILE='fi le'\n\nHOME = /srv/home # not the user's\nPATH=/bin\n\
                FROM_ENV=file\nKEY=\"-----BEGIN\nabc\\n$HOME\"\n";
    write_private(&launch.directory().join("site.env"), text);
    let site = Site::start(launch);
    for (name, value) in [
        ("FROM_OUTSIDE", "outside"),
        ("FROM_FILE", "fi le"),
        ("FROM_ENV", "env"),
        ("HOME", "/srv/home"),
        ("PATH", "/bin"),
        ("VIRTUAL_ENV", venv.to_str().unwrap()),
        ("KEY", "-----BEGIN\nabc\n$HOME"),
    ] {
        assert_eq!(variable(&site, name).as_deref(), Some(value), "{name}");
    }
    site.end();
}

#[test]
fn an_env_file_is_read_anew_by_each_process() {
    let launch = launch("env-file = \"site.env\"\n");
    let file = launch.directory().join("site.env");
    write_private(&file, "A=1\n");
    let site = Site::start(launch);
    assert_eq!(variable(&site, "A").as_deref(), Some("1"));
    write_private(&file, "A=2\n");
    site.control("reload").expect_code(0);
    assert_eq!(variable(&site, "A").as_deref(), Some("2"));
    write_private(&file, "A=3\n");
    let child = *site.wait_for_children(1).first().unwrap();
    kill(child, "TERM");
    wait_until("another child", || site.children().iter().any(|other| *other != child) && site.children().len() == 1);
    assert_eq!(variable(&site, "A").as_deref(), Some("3"));
    write_private(&file, "# secrets\nA s3cret\n");
    let ended = site.control("reload").expect_code(78);
    let told = format!("pool web: {}:2: a line of an env-file must be NAME=VALUE", file.display());
    assert!(ended.err.contains(&told) && !ended.err.contains("s3cret"), "{ended:?}");
    assert_eq!(variable(&site, "A").as_deref(), Some("3"), "the old ones serve on");
    let ended = control(site.directory(), "check").expect_code(78);
    assert!(ended.err.contains(&told), "{ended:?}");
    write_private(&file, "A=s3cret\n");
    let ended = control(site.directory(), "check").expect_code(0);
    assert!(ended.out.contains(&format!("env-file = \"{}\"", file.display())), "{ended:?}");
    assert!(!ended.out.contains("s3cret") && !ended.err.contains("s3cret") && !site.log().contains("s3cret"), "{ended:?}");
    site.end();
}

/// What is at the place of the file, and what a start says of it.
type Misplaced = (fn(&Path), &'static str);

#[test]
fn what_is_no_env_file_is_refused_with_what_to_do_and_nothing_waits_for_it() {
    let cases: [Misplaced; 7] = [
        (|_| {}, "cannot read the env-file {}: create it, or remove env-file"),
        (
            |path| {
                write_private(path, "A=s3cret\n");
                permit(path, 0o644);
            },
            "others can access the env-file {}, whose mode is 0644: it may hold secrets, so keep them out, as with \"chmod o= \
             {}\"",
        ),
        (|path| write_private(path, "A=1\nB=\"s3cret\n\nC=3\n"), "{}:2: a line of an env-file has a \" that is not closed"),
        (
            |path| write_private(path, &"A=s3cret\n".repeat(120_000)),
            "cannot read the env-file {}: it has more than 1048576 bytes",
        ),
        (|path| fs::create_dir(path).unwrap(), "cannot read the env-file {}: Is a directory"),
        (
            |path| assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success()),
            "cannot read the env-file {}: it is not a regular file",
        ),
        (|path| symlink("/dev/zero", path).unwrap(), "cannot read the env-file {}: it is not a regular file"),
    ];
    for (make, told) in cases {
        let launch = launch("env-file = \"site.env\"\n");
        let path = launch.directory().join("site.env");
        make(&path);
        let told = format!("pool web: {}", told.replace("{}", path.to_str().unwrap()));
        let ended = control(launch.directory(), "check").expect_code(78);
        assert!(ended.err.contains(&told), "{told}\n{ended:?}");
        let finished = expect_refused(launch, 78, &[&told]);
        assert!(!finished.stderr.contains("s3cret") && !ended.err.contains("s3cret"), "{}", finished.stderr);
    }
}

#[test]
fn an_env_file_lies_beside_the_configuration_file_also_when_chdir_is_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let launch = launch(&format!("env-file = \"site.env\"\nchdir = \"{}\"\n", directory.path().display()));
    fs::rename(launch.directory().join("app.py"), directory.path().join("app.py")).unwrap();
    write_private(&launch.directory().join("site.env"), "A=1\n");
    let site = Site::start(launch);
    assert_eq!(variable(&site, "A").as_deref(), Some("1"));
    site.end();
}

/// A directory that, as all above it, only root can change.
fn directory_of_root() -> Option<tempfile::TempDir> {
    if !is_root() {
        eprintln!("skipped: only root can change users");
        return None;
    }
    let made = tempfile::Builder::new().prefix("pyfcgid-test-").tempdir_in("/run");
    made.inspect_err(|error| eprintln!("skipped: no directory can be made in /run: {error}")).ok()
}

#[test]
fn root_reads_an_env_file_that_is_its_own_alone_for_a_user_who_may_not() {
    let Some(directory) = directory_of_root() else { return };
    let (file, link) = (directory.path().join("site.env"), directory.path().join("link"));
    write_private(&file, "A=1\n");
    permit(&file, 0o600);
    // Root has made it, too.
    symlink("../../../run".to_owned() + file.to_str().unwrap().strip_prefix("/run").unwrap(), &link).unwrap();
    for path in [&file, &link] {
        let site = Site::start(launch_as("nobody", &format!("env-file = \"{}\"\n", path.display())));
        assert_eq!(variable(&site, "A").as_deref(), Some("1"));
        site.control("reload").expect_code(0);
        assert_eq!(variable(&site, "A").as_deref(), Some("1"));
        site.end();
    }
}

#[test]
fn any_other_env_file_is_read_as_the_pools_user() {
    let Some(directory) = directory_of_root() else { return };
    let secret = directory.path().join("of_another_pool");
    write_private(&secret, "A=s3cret\n");
    permit(&secret, 0o600);
    let start = |make: fn(&Path, &Path)| {
        let launch = launch_as("nobody", "env-file = \"theirs/site.env\"\n");
        let theirs = launch.directory().join("theirs");
        fs::create_dir(&theirs).unwrap();
        chown(&theirs, Some(NOBODY), Some(NOBODY)).unwrap();
        make(&theirs.join("site.env"), &secret);
        launch
    };
    let site = Site::start(start(|path, _| {
        write_private(path, "A=2\n");
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }));
    assert_eq!(variable(&site, "A").as_deref(), Some("2"));
    site.end();
    let told = " as user nobody: let that user read it, or make root the owner of it and of all directories above it";
    let cases: [fn(&Path, &Path); 3] = [
        // A file of root's alone where others can exchange it.
        |path, _| {
            write_private(path, "A=s3cret\n");
            permit(path, 0o600);
        },
        |path, secret| symlink(secret, path).unwrap(),
        |path, secret| {
            let (theirs, of_root) = (path.parent().unwrap(), secret.parent().unwrap());
            fs::copy(secret, of_root.join("site.env")).unwrap();
            fs::remove_dir(theirs).unwrap();
            symlink(of_root, theirs).unwrap();
            std::os::unix::fs::lchown(theirs, Some(NOBODY), Some(NOBODY)).unwrap();
        },
    ];
    for make in cases {
        let finished = expect_refused(start(make), 78, &["pool web: cannot read the env-file ", told]);
        assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    }
}

#[test]
fn the_groups_of_the_pools_user_may_let_it_read_the_env_file() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    let started = |group: &str| {
        let launch = launch_as("nobody", &format!("{group}env-file = \"site.env\"\n"));
        let file = launch.directory().join("site.env");
        write_private(&file, "A=1\n");
        chown(&file, Some(0), Some(ADM)).unwrap();
        launch
    };
    let site = Site::start(started("supplementary-groups = [\"adm\"]\n"));
    assert_eq!(variable(&site, "A").as_deref(), Some("1"));
    site.end();
    expect_refused(started(""), 78, &["cannot read the env-file", "as user nobody"]);
}

#[test]
fn pools_of_one_user_are_warned_of_when_root_starts_them() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    let pool = |name: &str, user: &str| {
        format!("[pool.{name}]\napp = \"app.py\"\nlisten = \"unix:{name}.sock\"\nsocket-mode = \"0666\"\nuser = \"{user}\"\n")
    };
    let launch = site(&[pool("shop", "nobody"), pool("blog", "daemon"), pool("wiki", "nobody")].concat());
    fs::write(launch.directory().join("app.py"), SHOWS).unwrap();
    permit(launch.directory(), 0o755);
    let told = "pools shop and wiki run as the same user, nobody: ";
    let ended = control(launch.directory(), "check").expect_code(0);
    assert_eq!(ended.err.matches("warning").count(), 1, "{ended:?}");
    assert!(ended.err.contains(told) && ended.err.contains("give each pool its own user (user)"), "{ended:?}");
    let mut site = Site::start(launch);
    assert_eq!(site.log().matches(told).count(), 1);
    assert!(site.stop().success());
    write_config(site.directory(), &[pool("shop", "nobody"), pool("blog", "daemon")].concat());
    let ended = control(site.directory(), "check").expect_code(0);
    assert!(!ended.err.contains("warning"), "{ended:?}");
}

const NOBODY: u32 = 65534;
const ADM: u32 = 4;
