//! Whose rights the children have.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::site::{FILE, Site, expect_refused, is_root, says, site, status_of};
use crate::support::process::{may_look_into_children, wait_until};

const SHOWS: &str = "\
import os
if 'ONLY' in os.environ: raise SystemExit
def application(environ, start_response):
    umask = os.umask(0)
    os.umask(umask)
    start_response('200 OK', [])
    return [('%s %s %s %o %s' % (os.getresuid(), os.getresgid(), os.getgroups(), umask, os.getcwd())).encode()]
";

/// Whether there is no user to become here, and why.
fn skipped() -> bool {
    if !is_root() {
        eprintln!("skipped: only root can change users");
        return true;
    }
    let finished = launch("user = \"nobody\"\nstartup-timeout = \"10s\"\n").env("ONLY", "import").run();
    let unreadable = finished.stderr.contains("Could not find platform independent libraries");
    if unreadable {
        eprintln!("skipped: the Python that pyfcgid is linked with can be read by root only");
    }
    unreadable
}

fn launch(settings: &str) -> crate::support::Launch {
    let launch =
        site(&format!("pid-file = \"site.pid\"\n[pool.web]\napp = \"shows.py\"\nlisten = \"unix:s.sock\"\n{settings}"));
    let directory = launch.directory();
    std::fs::write(directory.join("shows.py"), SHOWS).unwrap();
    // For whoever the application becomes.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory, open).unwrap();
    launch
}

/// Of a user who has more processes than he may have none can be started now: another time it may be otherwise.
#[test]
fn a_python_for_which_the_user_has_no_process_left_is_no_wrong_configuration() {
    if skipped() {
        return;
    }
    let mut other = Command::new("sleep").arg("60").uid(65534).spawn().unwrap();
    wait_until("a process of the user", || status_of(other.id(), "Uid").starts_with("65534 "));
    let launch = launch("user = \"nobody\"\n").under(["prlimit", "--nproc=0"]);
    expect_refused(launch, 71, &["the Python ", " cannot be run: Resource temporarily unavailable"]);
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn privileges_are_dropped_in_children_and_only_there() {
    if skipped() {
        return;
    }
    let site = Site::start(launch("user = \"nobody\"\numask = \"027\"\nprocesses = 2\n"));
    let (user, group) = (65534, 65534);
    let text = site.text("/");
    assert!(text.starts_with(&format!("({user}, {user}, {user}) ({group}, {group}, {group}) ")), "{text}");
    assert!(text.contains("] 27 /"), "{text}");
    for child in site.children() {
        assert_eq!(status_of(child, "Uid"), [user; 4].map(|id| id.to_string()).join(" "));
        assert_eq!(status_of(child, "Gid"), [group; 4].map(|id| id.to_string()).join(" "));
        assert!(status_of(child, "Groups").split(' ').all(|number| number.is_empty() || number == "65534"));
        assert_eq!(status_of(child, "NoNewPrivs"), "1");
        assert_eq!(u64::from_str_radix(&status_of(child, "CapEff"), 16).unwrap(), 0);
        assert_eq!(u64::from_str_radix(&status_of(child, "CapPrm"), 16).unwrap(), 0);
    }
    assert_eq!(status_of(site.pid(), "Uid"), "0 0 0 0");
    site.control("reload").expect_code(0);
    assert!(site.text("/").starts_with(&format!("({user}, ")));
    site.end();
}

#[test]
fn an_application_has_none_of_the_capabilities_that_an_ordinary_supervisor_was_started_with() {
    if skipped() {
        return;
    }
    let wrapper =
        "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_bind_service --ambient-caps +net_bind_service";
    let launch = launch("socket-mode = \"0660\"\nuser = \"nobody\"\nno-new-privs = false\n").under(wrapper.split(' '));
    std::os::unix::fs::chown(launch.directory(), Some(65534), Some(65534)).unwrap();
    let site = Site::start(launch);
    assert_eq!(u64::from_str_radix(&status_of(site.pid(), "CapAmb"), 16).unwrap(), 1 << 10, "the supervisor may bind port 80");
    for child in site.wait_for_children(1) {
        for set in ["CapAmb", "CapInh", "CapPrm", "CapEff"] {
            assert_eq!(u64::from_str_radix(&status_of(child, set), 16).unwrap(), 0, "{set}");
        }
    }
    site.text("/");
    site.end();
}

#[test]
fn groups_are_those_that_are_set() {
    if skipped() {
        return;
    }
    let site = Site::start(launch("user = \"nobody\"\ngroup = \"daemon\"\nsupplementary-groups = [\"adm\", \"tty\"]\n"));
    let child = *site.children().first().unwrap();
    assert_eq!(status_of(child, "Gid"), "1 1 1 1");
    assert_eq!(status_of(child, "Groups"), "4 5");
    site.end();
}

#[test]
fn root_without_a_user_is_refused_with_what_to_set() {
    if !is_root() {
        return eprintln!("skipped: it is about root");
    }
    // A comment, so that the test's configuration gets no user of its own.
    let finished =
        expect_refused(launch("# user = none\n"), 78, &["refusing to run the application as root: set user = ", "--user root"]);
    assert!(!finished.stderr.contains("Traceback"), "{}", finished.stderr);
}

#[test]
fn a_user_who_may_not_read_the_module_is_told_where_that_ends() {
    if skipped() {
        return;
    }
    let close = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let denied =
        |path: &Path, deed: &str| format!("permission denied at {}: let the user that the pool runs as {deed}", path.display());
    let launch_of = |app: &str, settings: &str| {
        let launch = launch(&format!("user = \"nobody\"\n{settings}"));
        let (closed, file) = (launch.directory().join("closed"), launch.directory().join(FILE));
        fs::create_dir(&closed).unwrap();
        fs::create_dir(closed.join("within")).unwrap();
        fs::write(closed.join("late.py"), says("x")).unwrap();
        fs::write(&file, fs::read_to_string(&file).unwrap().replace("shows.py", app)).unwrap();
        (launch, closed)
    };
    let (launch, closed) = launch_of("closed/late.py", "");
    let app = closed.join("late.py");
    close(&app);
    expect_refused(launch, 70, &[&denied(&app, "read it")]);
    let (launch, closed) = launch_of("closed/late.py", "");
    close(&closed);
    expect_refused(launch, 70, &[&denied(&closed, &format!("enter it, and read {}", closed.join("late.py").display()))]);
    let (launch, closed) = launch_of("way/late.py", "");
    std::os::unix::fs::symlink("closed/within", launch.directory().join("way")).unwrap();
    close(&closed);
    let app = launch.directory().join("way/late.py");
    expect_refused(launch, 70, &[&denied(&closed, &format!("enter it, and read {}", app.display()))]);
    let (launch, closed) = launch_of("late", "python-path = [\"closed\"]\n");
    close(&closed);
    expect_refused(launch, 70, &["there is no module late in ", &denied(&closed, "enter it and read it")]);
    let (launch, closed) = launch_of("shows.py", "chdir = \"closed/within\"\n");
    close(&closed);
    let told = format!(
        "cannot change to the directory {}/within (chdir): let the pool's user enter {}: ",
        closed.display(),
        closed.display()
    );
    expect_refused(launch, 78, &[&told]);
}

#[test]
fn a_socket_gets_the_owner_and_mode_that_are_set() {
    if skipped() {
        return;
    }
    let settings = "user = \"nobody\"\nsocket-owner = \"daemon\"\nsocket-group = \"tty\"\nsocket-mode = \"0600\"\n";
    let site = Site::start(launch(settings));
    let found = std::fs::metadata(site.directory().join("s.sock")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (1, 5, 0o600));
    site.end();
}

#[test]
fn an_application_finds_its_users_home_unless_it_is_told_another() {
    if skipped() {
        return;
    }
    let shown = "\
import os
def application(environ, start_response):
    start_response('200 OK', [])
    return [' '.join(os.environ.get(name, '-') for name in ['USER', 'LOGNAME', 'HOME']).encode()]
";
    for (settings, told) in [("user = \"daemon\"\n", "/usr/sbin"), ("user = \"daemon\"\nenv = { HOME = \"/srv\" }\n", "/srv")] {
        let launch = launch(settings);
        std::fs::write(launch.directory().join("shows.py"), shown).unwrap();
        let site = Site::start(launch);
        assert_eq!(site.text("/"), format!("daemon daemon {told}"));
        site.end();
    }
}

#[test]
fn a_root_without_a_python_is_told() {
    if !is_root() {
        return eprintln!("skipped: only root can change the root");
    }
    let launch = launch("user = \"nobody\"\nchroot = \"jail\"\n");
    std::fs::create_dir(launch.directory().join("jail")).unwrap();
    expect_refused(
        launch,
        78,
        &["the Python /usr/bin/python3 (found in PATH) is not in the pool's root directory (chroot), where Python"],
    );
}

/// A virtual environment in it has such a link, to the Python in it.
#[test]
fn the_links_in_a_root_are_not_followed_out_of_it() {
    if !is_root() {
        return eprintln!("skipped: only root can change the root");
    }
    let launch_with = |target: &str| {
        let launch = launch("user = \"nobody\"\nchroot = \"jail\"\npython = \"/bin/python3\"\n");
        let jail = launch.directory().join("jail");
        for directory in ["bin", "opt", "usr/lib/pyfcgid"] {
            std::fs::create_dir_all(jail.join(directory)).unwrap();
        }
        std::fs::copy("/bin/sh", jail.join("opt/only-inside")).unwrap();
        let module = std::process::Command::new(env!("CARGO_BIN_EXE_pyfcgid")).arg("module").output().unwrap().stdout;
        std::fs::write(jail.join("usr/lib/pyfcgid/_pyfcgid.abi3.so"), module).unwrap();
        std::os::unix::fs::symlink(target, jail.join("bin/python3")).unwrap();
        launch
    };
    expect_refused(launch_with("/bin/sh"), 78, &["points to /bin/sh, which does not exist"]);
    expect_refused(launch_with("/opt/only-inside"), 78, &["is missing: a root directory (chroot) must contain"]);
}

const STDLIB: &str = "\
import os
def application(environ, start_response):
    start_response('200 OK', [])
    return [('%s %s %s %s' % (os.path.dirname(os.__file__), os.getcwd(), os.listdir('/'), os.environ.get('KEY'))).encode()]
";

/// Puts Python, its modules and libraries and pyfcgid's own into a directory, which has no /proc.
fn build_root(root: &std::path::Path, stdlib: &str) {
    let script = "\
set -e
root=$1 stdlib=$2 pyfcgid=$3
copy() { mkdir -p \"$root${1%/*}\" && cp -L \"$1\" \"$root$1\"; }
mkdir -p \"$root$stdlib\" \"$root/usr/lib/pyfcgid\" \"$root/usr/bin\" \"$root/tmp\"
tar c -C \"$stdlib\" --exclude=test --exclude=site-packages --exclude=idlelib --exclude=tkinter --exclude=ensurepip --exclude=__pycache__ . |
    tar x -C \"$root$stdlib\"
cp -L \"$(command -v python3)\" \"$root/usr/bin/python3\"
\"$pyfcgid\" module >\"$root/usr/lib/pyfcgid/_pyfcgid.abi3.so\"
for file in \"$root/usr/bin/python3\" \"$root/usr/lib/pyfcgid/_pyfcgid.abi3.so\"; do
    ldd \"$file\" | grep -o '/[^ ]*' | while read -r library; do copy \"$library\"; done
done
";
    let arguments = ["-c", script, "sh", root.to_str().unwrap(), stdlib, env!("CARGO_BIN_EXE_pyfcgid")];
    assert!(std::process::Command::new("sh").args(arguments).status().unwrap().success());
}

/// With Python, its libraries and pyfcgid's module, a pool needs nothing else below its new root; its `env-file` is outside.
#[test]
fn a_pool_lives_in_a_root_of_its_own_and_is_reloaded_there() {
    if !is_root() {
        return eprintln!("skipped: only root can change the root");
    }
    let outside = Site::start(crate::site::site_with(STDLIB, ""));
    let stdlib = outside.text("/").split(' ').next().unwrap().to_owned();
    outside.end();
    let launch = site(
        "pid-file = \"site.pid\"\n[pool.web]\napp = \"/shows.py\"\nlisten = \"unix:s.sock\"\nchroot = \"jail\"\nuser = \"nobody\"\nenv-file = \"site.env\"\n",
    );
    let of_pool = launch.directory().join("site.env");
    fs::write(&of_pool, "KEY=kept outside\n").unwrap();
    fs::set_permissions(&of_pool, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    std::os::unix::fs::chown(&of_pool, Some(65534), None).unwrap();
    fs::set_permissions(launch.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let jail = launch.directory().join("jail");
    build_root(&jail, &stdlib);
    std::fs::write(jail.join("shows.py"), STDLIB).unwrap();
    let site = Site::start(launch);
    for _ in 0..2 {
        let text = site.text("/");
        assert!(
            text.starts_with(&format!("{stdlib} / ["))
                && text.contains("'shows.py'")
                && !text.contains("'proc'")
                && text.ends_with("kept outside"),
            "{text}"
        );
        site.control("reload").expect_code(0);
    }
    for child in site.wait_for_children(1) {
        assert_eq!(status_of(child, "Uid"), "65534 65534 65534 65534");
    }
    let module = jail.join("usr/lib/pyfcgid/_pyfcgid.abi3.so");
    let longer = [std::fs::read(&module).unwrap(), b"of another build".to_vec()].concat();
    for other in [b"garbage".to_vec(), longer] {
        std::fs::remove_file(&module).unwrap();
        std::fs::write(&module, other).unwrap();
        let refused = site.control("reload").expect_code(78);
        assert!(refused.err.contains("its pyfcgid module is not this program's: replace it with"), "{refused:?}");
        assert!(site.text("/").starts_with(&stdlib));
    }
    site.end();
}

/// `pyfcgid status` as nobody, in this group.
fn status_as_nobody(site: &Site, group: &str) -> std::process::Output {
    std::process::Command::new("setpriv")
        .args(["--reuid=65534", &format!("--regid={group}"), "--clear-groups", env!("CARGO_BIN_EXE_pyfcgid")])
        .args(["status", "--control-socket"])
        .arg(site.directory().join("site.pid.control"))
        .output()
        .unwrap()
}

#[test]
fn a_group_may_use_the_control_socket_and_others_are_told_which_option_helps() {
    let program = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=1", "--clear-groups", env!("CARGO_BIN_EXE_pyfcgid"), "--version"])
        .output();
    if skipped() || !program.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: another user cannot run pyfcgid here");
        return;
    }
    let settings = "user = \"root\"\n";
    let file = |top: &str| {
        format!("pid-file = \"site.pid\"\n{top}[pool.web]\napp = \"shows.py\"\nlisten = \"unix:s.sock\"\n{settings}")
    };
    let site = Site::start(launch(settings));
    let output = status_as_nobody(&site, "1");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(71), "{output:?}");
    assert!(
        said.contains("mode 0600") && said.contains("control-socket-group, with control-socket-mode, lets others in"),
        "{said}"
    );
    site.configure(&file("control-socket-group = \"daemon\"\n")).expect_code(0);
    assert!(status_as_nobody(&site, "1").status.success());
    assert_eq!(status_as_nobody(&site, "2").status.code(), Some(71));
    // It is made again as it was, and another program keeps it so.
    std::fs::remove_file(site.directory().join("site.pid.control")).unwrap();
    site.signal("HUP");
    crate::support::process::wait_until("the control socket", || status_as_nobody(&site, "1").status.success());
    site.wait_for_log_that("two reloads", |log| log.matches("]: PF0302 reloaded\n").count() == 2);
    site.signal("USR2");
    site.wait_for_log_that("the next program", |log| log.matches("]: PF0302 reloaded\n").count() == 3);
    assert!(status_as_nobody(&site, "1").status.success());
    site.configure(&file("")).expect_code(0);
    assert_eq!(status_as_nobody(&site, "1").status.code(), Some(71));
    let ended = site.configure(&file("control-socket-group = \"no-such-group\"\n")).expect_code(78);
    assert!(ended.err.contains("control-socket-group: group \"no-such-group\" does not exist"), "{ended:?}");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(site.directory(), closed).unwrap();
    let output = status_as_nobody(&site, "1");
    assert!(String::from_utf8_lossy(&output.stderr).contains("permission denied for the directory"), "{output:?}");
    site.end();
}

/// What the processes of a pool tell each other is their own: an application could keep another pool from serving with it.
#[test]
fn no_process_of_a_pool_has_what_those_of_another_share() {
    if !may_look_into_children() {
        return;
    }
    let pool = |name: &str| format!("[pool.{name}]\napp = \"app.py\"\nlisten = \"unix:{name}.sock\"\n");
    let launch = site(&[pool("one"), pool("two"), pool("three")].concat());
    fs::write(launch.directory().join("app.py"), says("x")).unwrap();
    let mut site = Site::start_unawaited(launch);
    site.wait_for_children(3);
    wait_until("the start", || site.log().contains("]: PF0101 ready\n"));
    let maps = |process: &str| fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let scoreboards = || {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", site.pid())).unwrap();
        let maps = children.split_whitespace().map(maps).filter(|maps| !maps.is_empty());
        let count = |maps: String| ["pyfcgid-scoreboard", "pyfcgid-roster"].map(|name| maps.matches(name).count());
        maps.map(count).collect::<Vec<_>>()
    };
    // A queue process comes after the children, and has those of all pools from its parent for a moment.
    wait_until("three children and three queue processes, each with its own scoreboard and roster alone", || {
        let scoreboards = scoreboards();
        scoreboards.len() >= 6 && scoreboards.iter().all(|counts| *counts == [1, 1])
    });
    assert!(site.stop().success());
}
