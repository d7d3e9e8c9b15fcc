//! What ps(1) shows of each process.

use std::fs;
use std::process::Command;

use crate::site::{Site, is_root, says, site};
use crate::support::process::{is_queue_process, wait_until};

fn shown(process: u32, what: &str) -> String {
    let output = Command::new("ps").args(["-ww", "-o", &format!("{what}="), "-p", &process.to_string()]).output();
    String::from_utf8(output.expect("ps runs (Debian package: procps)").stdout).unwrap().trim_end().to_owned()
}

fn queue_processes(site: &Site) -> Vec<u32> {
    let all = fs::read_to_string(format!("/proc/{0}/task/{0}/children", site.pid())).unwrap();
    all.split(' ').filter_map(|number| number.parse().ok()).filter(|process| is_queue_process(*process)).collect()
}

/// Fails unless the processes of these pools are shown with them, and the supervisor with its arguments.
#[track_caller]
fn expect(site: &Site, pools: &[&str]) {
    let titles = |kind: &str| -> Vec<String> { pools.iter().map(|pool| format!("pyfcgid: {kind} {pool}")).collect() };
    let sorted = |processes: Vec<u32>| -> Vec<String> {
        let mut titles: Vec<String> = processes.into_iter().map(|process| shown(process, "args")).collect();
        titles.sort();
        titles
    };
    assert_eq!(shown(site.pid(), "args"), "pyfcgid: supervisor (serve -c site.toml)");
    // For a moment it has the name of a copy that it makes of itself.
    wait_until("the name of the supervisor", || shown(site.pid(), "comm") == "pyfcgid");
    let children: Vec<u32> = site.wait_for_children(pools.len()).into_iter().collect();
    children.iter().for_each(|child| assert_eq!(shown(*child, "comm"), "pyfcgid"));
    assert_eq!(sorted(children), titles("pool"));
    wait_until("the titles of the queue processes", || sorted(queue_processes(site)) == titles("queue"));
}

#[test]
fn ps_shows_what_each_process_is_for() {
    let long = "a_pool_whose_name_is_longer_than_others_and_is_shown_as_a_whole";
    let pool = |name: &str| format!("[pool.{name}]\napp = \"app.py\"\nlisten = \"unix:{}.sock\"\n", &name[..3]);
    let toml = |names: &[&str]| format!("pid-file = \"site.pid\"\n{}", names.iter().map(|name| pool(name)).collect::<String>());
    let launch = site(&toml(&[long, "shop"]));
    fs::write(launch.directory().join("app.py"), says("x")).unwrap();
    let site = Site::start(launch);
    expect(&site, &[long, "shop"]);
    site.configure(&toml(&[long, "mail", "shop"])).expect_code(0);
    expect(&site, &[long, "mail", "shop"]);
    site.signal("USR2");
    site.wait_for_log_that("another program", |log| log.matches("]: PF0302 reloaded\n").count() == 2);
    expect(&site, &[long, "mail", "shop"]);
    site.end();
}

#[test]
fn a_process_of_another_user_is_shown_as_well() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    let launch = site("[pool.shop]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\nuser = \"nobody\"\n");
    fs::write(launch.directory().join("app.py"), says("x")).unwrap();
    fs::set_permissions(launch.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let site = Site::start(launch);
    expect(&site, &["shop"]);
    site.end();
}
