//! Programs that open the listening socket and start pyfcgid with it: spawn-fcgi as descriptor 0, systemd from descriptor 3 on.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::ports::reserve_port;
use crate::roles::{Daemon, Running};
use crate::site::{children_of, control, expect_nothing_left, is_alive, kill, says, wait_until_gone, write_config};
use crate::support::peer::Address;
use crate::support::{Params, Peer};
use crate::wait_until;
use crate::web_server::find_program;

/// A directory with a site that says nothing of where it listens.
struct Place(TempDir);

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- its log ---\n{}---", self.log());
        }
    }
}

impl Place {
    fn new(pools: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let tables = pools.iter().map(|pool| format!("[pool.{pool}]\napp = \"{pool}.py\"\n")).collect::<String>();
        write_config(place.path(), &format!("pid-file = \"site.pid\"\nlog = \"file:site.log\"\n{tables}"));
        pools.iter().for_each(|pool| place.deploy(pool, &format!("{pool} one")));
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn deploy(&self, pool: &str, text: &str) {
        fs::write(self.file(&format!("{pool}.py")), says(text)).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("site.log")).unwrap_or_default()
    }

    fn reloads(&self) -> usize {
        self.log().matches("]: PF0302 reloaded\n").count()
    }

    /// A program that is given the command to be run behind its own arguments.
    fn command(&self, program: &str, package: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(find_program(program, package));
        command.args(arguments).arg("--").arg(env!("CARGO_BIN_EXE_pyfcgid")).args(["serve", "-c", "site.toml"]);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYFCGID_PASS_ENV", "PYTHONDONTWRITEBYTECODE").current_dir(self.path());
        command
    }

    #[track_caller]
    fn reload_by(&self, act: impl FnOnce()) {
        let before = self.reloads();
        act();
        wait_until("the reload", || self.reloads() > before);
    }

    #[track_caller]
    fn expect_gone(&self, processes: &[u32]) {
        wait_until_gone(processes);
        expect_nothing_left(self.path());
    }
}

#[track_caller]
fn expect_answer(address: &Address, text: &str) {
    let mut peer = None;
    wait_until("a connection", || {
        peer = Peer::try_connect(address).ok();
        peer.is_some()
    });
    let answer = peer.unwrap().last_request(&Params::get("/"), b"");
    assert_eq!(answer.expect_status(200).text(), text);
}

/// What is told to whoever starts it, and what a command in the background says, is the same site with the same socket.
#[track_caller]
fn expect_kept_over_reloads(place: &Place, address: &Address, pool: &str, pid: u32) {
    expect_answer(address, &format!("{pool} one"));
    place.deploy(pool, &format!("{pool} two"));
    place.reload_by(|| kill(pid, "HUP"));
    expect_answer(address, &format!("{pool} two"));
    place.deploy(pool, &format!("{pool} three"));
    control(place.path(), "reload").expect_code(0);
    expect_answer(address, &format!("{pool} three"));
    place.deploy(pool, &format!("{pool} four"));
    place.reload_by(|| kill(pid, "USR2"));
    expect_answer(address, &format!("{pool} four"));
    place.deploy(pool, &format!("{pool} five"));
    place.reload_by(|| kill(pid, "HUP"));
    expect_answer(address, &format!("{pool} five"));
    assert!(is_alive(pid), "{}", place.log());
}

#[test]
fn spawn_fcgi_starts_it_on_a_unix_socket() {
    let place = Place::new(&["web"]);
    let socket = place.file("spawned");
    let daemon = Daemon::of(&place.file("site.pid"));
    let status =
        place.command("spawn-fcgi", "spawn-fcgi", &["-s", socket.to_str().unwrap(), "-P", "spawn.pid"]).status().unwrap();
    assert!(status.success(), "{status}");
    let address = Address::Unix(socket);
    expect_answer(&address, "web one");
    let pid = daemon.pid();
    assert_eq!(fs::read_to_string(place.file("spawn.pid")).unwrap().trim(), pid.to_string());
    expect_kept_over_reloads(&place, &address, "web", pid);
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap(), Path::new("/dev/null"));
    let processes = daemon.processes();
    kill(pid, "TERM");
    wait_until_gone(&processes);
    fs::remove_file(place.file("spawn.pid")).unwrap();
    place.expect_gone(&processes);
}

#[test]
fn spawn_fcgi_starts_it_on_a_port() {
    let place = Place::new(&["web"]);
    let port = reserve_port();
    let arguments = ["-n", "-a", "127.0.0.1", "-p", &port.to_string()];
    let mut running = Running::start(&mut place.command("spawn-fcgi", "spawn-fcgi", &arguments));
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
    expect_kept_over_reloads(&place, &address, "web", running.pid());
    let processes: Vec<u32> = children_of(running.pid()).into_iter().collect();
    kill(running.pid(), "TERM");
    running.expect_success();
    place.expect_gone(&processes);
    assert!(Peer::try_connect(&address).is_err());
}

#[test]
fn spawn_fcgi_starts_a_daemon_that_keeps_the_socket() {
    let place = Place::new(&["web"]);
    let socket = place.file("spawned");
    let daemon = Daemon::of(&place.file("site.pid"));
    let mut command = place.command("spawn-fcgi", "spawn-fcgi", &["-n", "-s", socket.to_str().unwrap()]);
    Running::start(command.arg("-D")).expect_success();
    let processes = daemon.processes();
    expect_answer(&Address::Unix(socket), "web one");
    control(place.path(), "stop").expect_code(0);
    place.expect_gone(&processes);
}

/// The site with a pool on a socket of its own, and `other`, if it has one, on this address.
fn configure(place: &Place, other: Option<&str>) {
    let other = other.map(|listen| format!("[pool.other]\napp = \"other.py\"\nlisten = \"{listen}\"\n"));
    let web = "[pool.web]\napp = \"web.py\"\nlisten = \"unix:own\"\n";
    let (whole, other) = ("pid-file = \"site.pid\"\nlog = \"file:site.log\"\n", other.unwrap_or_default());
    write_config(place.path(), &format!("{whole}{web}{other}"));
}

#[test]
fn a_socket_that_was_given_can_be_left_and_taken_again_and_nothing_else_is_taken() {
    let place = Place::new(&["web", "other"]);
    let (own, given) = (Address::Unix(place.file("own")), Address::Unix(place.file("given")));
    configure(&place, Some("fd:3"));
    let mut running = activate(&place, &["-l", place.file("given").to_str().unwrap()]);
    for _ in 0..2 {
        expect_answer(&given, "other one");
        configure(&place, None);
        control(place.path(), "reload").expect_code(0);
        // Among these are the log, the control socket, listening ones of the pools, and what is made for the command itself.
        for number in [0, 1, 2].into_iter().chain(4..40) {
            configure(&place, Some(&format!("fd:{number}")));
            let refused = control(place.path(), "reload");
            let expected = format!("fd:{number}: pyfcgid was given no listening socket");
            assert!(refused.status.code() != Some(0) && refused.err.contains(&expected), "{number} {refused:?}");
        }
        expect_answer(&own, "web one");
        configure(&place, Some("fd:3"));
        control(place.path(), "reload").expect_code(0);
        expect_answer(&given, "other one");
        place.reload_by(|| kill(running.pid(), "USR2"));
    }
    assert!(!place.log().contains("PF0602"), "{}", place.log());
    let processes: Vec<u32> = children_of(running.pid()).into_iter().collect();
    kill(running.pid(), "TERM");
    running.expect_success();
    place.expect_gone(&processes);
}

fn activate(place: &Place, arguments: &[&str]) -> Running {
    // It hands on hardly any of its own variables.
    let arguments: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["-E", "PYTHONDONTWRITEBYTECODE=1", "-E", "PYFCGID_PASS_ENV=PYTHONDONTWRITEBYTECODE"])
        .collect();
    Running::start(place.command("systemd-socket-activate", "systemd", &arguments).stderr(Stdio::null()))
}

#[test]
fn a_socket_of_systemd_is_served_and_survives_reloads() {
    let place = Place::new(&["web"]);
    let socket = place.file("activated");
    let mut running = activate(&place, &["-l", socket.to_str().unwrap()]);
    expect_kept_over_reloads(&place, &Address::Unix(socket), "web", running.pid());
    let processes: Vec<u32> = children_of(running.pid()).into_iter().collect();
    kill(running.pid(), "TERM");
    running.expect_success();
    place.expect_gone(&processes);
}

#[test]
fn sockets_of_systemd_go_to_the_pools_whose_names_they_bear() {
    let place = Place::new(&["blog", "shop"]);
    let (blog, shop) = (place.file("1"), place.file("2"));
    let [first, second] = [&blog, &shop].map(|path| path.to_str().unwrap());
    let mut running = activate(&place, &["-l", first, "-l", second, "--fdname=blog:shop"]);
    let (blog, shop) = (Address::Unix(blog.clone()), Address::Unix(shop.clone()));
    expect_kept_over_reloads(&place, &blog, "blog", running.pid());
    expect_kept_over_reloads(&place, &shop, "shop", running.pid());
    let processes: Vec<u32> = children_of(running.pid()).into_iter().collect();
    kill(running.pid(), "TERM");
    running.expect_success();
    place.expect_gone(&processes);
}
