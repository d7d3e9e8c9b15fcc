//! A site of two pools with users of their own, in a terminal, and the commands that its administrator gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Verdict;
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::virtualenv::PYTHON;
use crate::support::{Launch, Params, Peer, Pyfcgid};

/// It, and whatever it has left behind, is killed when dropped.
pub struct Site {
    process: Pyfcgid,
    reloading: Option<JoinHandle<Ended>>,
    reloads: Vec<Ended>,
    statuses: Vec<Ended>,
    mode: &'static str,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub text: String,
    pub time: Duration,
}

impl Site {
    /// Starts it, while the hostile pool is at peace. There is none if the Python here is for root only.
    pub fn start() -> Option<Self> {
        let launch = Launch::new("serve").without_user().args(["-c", FILE]);
        let place = launch.directory().to_owned();
        lay_out(&place);
        write_config(&place, "0666");
        let launch = launch.under([PYTHON, "-c", include_str!("in_a_terminal.py")]).env(MARK, &place);
        let mut site = Self {
            process: launch.start_unawaited(),
            reloading: None,
            reloads: Vec::new(),
            statuses: Vec::new(),
            mode: "0666",
        };
        wait_until("the start", || {
            let is_ready = fs::read_to_string(site.log()).is_ok_and(|log| log.contains("]: ready\n"));
            is_ready || site.process.exit_status().is_some()
        });
        if site.process.log().contains("which this user or root directory does not reach") {
            return None;
        }
        site.process.expect_running();
        Some(site)
    }

    pub fn supervisor(&self) -> u32 {
        self.process.pid()
    }

    pub fn place(&self) -> &Path {
        self.process.directory()
    }

    pub fn log(&self) -> PathBuf {
        self.place().join("log/log")
    }

    pub fn access_log(&self) -> PathBuf {
        self.place().join("log/access")
    }

    pub fn shop(&self) -> PathBuf {
        self.place().join("shop/shop.sock")
    }

    pub fn hostile(&self) -> PathBuf {
        self.hostile_file("hostile.sock")
    }

    /// A file of the hostile application's own.
    pub fn hostile_file(&self, name: &str) -> PathBuf {
        self.place().join("hostile").join(name)
    }

    pub fn is_running(&mut self) -> bool {
        self.process.exit_status().is_none()
    }

    /// Processes that are started from now on commit these attacks.
    pub fn begin_attack(&self, names: &[&str]) {
        fs::write(self.place().join("attack"), names.join("\n")).unwrap();
    }

    pub fn end_attack(&self) {
        fs::remove_file(self.place().join("attack")).unwrap();
    }

    /// Begins a reload with a changed configuration, unless one is running, and does not wait for it.
    pub fn begin_reload(&mut self) {
        if self.reloading.as_ref().is_some_and(|reloading| !reloading.is_finished()) {
            return;
        }
        self.finish_reload();
        self.mode = if self.mode == "0666" { "0660" } else { "0666" };
        write_config(self.place(), self.mode);
        let place = self.place().to_owned();
        self.reloading = Some(thread::spawn(move || command(&place, "reload")));
    }

    pub fn finish_reload(&mut self) {
        self.reloads.extend(self.reloading.take().map(|reloading| reloading.join().unwrap()));
    }

    /// Reloads and waits for the end.
    pub fn reload(&mut self) -> &Ended {
        self.begin_reload();
        self.finish_reload();
        self.reloads.last().unwrap()
    }

    pub fn ask_status(&mut self) {
        let ended = command(self.place(), "status");
        self.statuses.push(ended);
    }

    /// Whether the hostile pool answers as it should.
    pub fn hostile_is_at_peace(&self) -> bool {
        let ask = || {
            let mut peer = Peer::try_connect(&Address::Unix(self.hostile())).ok()?;
            peer.set_deadline(Duration::from_secs(2));
            peer.try_send(&crate::support::record::request(1, true, &Params::get("/").encode(), b"")).ok()?;
            Some(peer.answer(1).text())
        };
        catch_unwind(AssertUnwindSafe(ask)).ok().flatten().is_some_and(|text| text == "at peace")
    }

    /// Stops it with TERM, and says how long that took, if it came to an end.
    pub fn terminate(&mut self) -> Option<Duration> {
        let begin = Instant::now();
        signal("TERM", &[self.supervisor()]);
        while begin.elapsed() < PATIENCE {
            if !self.is_running() {
                return Some(begin.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    pub fn judge_commands(&self, verdict: &mut Verdict) {
        let longest = |commands: &[Ended]| commands.iter().map(|ended| ended.time).max().unwrap_or_default();
        let mut codes = BTreeMap::<Option<i32>, usize>::new();
        self.reloads.iter().for_each(|ended| *codes.entry(ended.code).or_default() += 1);
        println!("status: {} times, the longest took {:.0?}", self.statuses.len(), longest(&self.statuses));
        println!(
            "reload: {} times, by exit code {codes:?}, the longest took {:.1?}",
            self.reloads.len(),
            longest(&self.reloads)
        );
        let slow = self.statuses.iter().filter(|ended| ended.time > MOST_OF_STATUS).count();
        let text = format!("{slow} of {} status took more than {MOST_OF_STATUS:?}", self.statuses.len());
        verdict.expect(slow == 0, format!("{text}, the longest {:?}", longest(&self.statuses)));
        for ended in self.statuses.iter().filter(|ended| ended.code != Some(0)).take(1) {
            verdict.expect(false, format!("a status failed: {:?} {}", ended.code, super::shortened(&ended.text)));
        }
        for ended in self.reloads.iter().filter(|ended| ended.code == Some(TIMED_OUT)).take(1) {
            verdict.expect(false, format!("a reload was not answered within {:.1?}", ended.time));
        }
        let with_escapes = self.reloads.iter().chain(&self.statuses).find(|ended| has_escapes(&ended.text));
        let text = with_escapes.map(|ended| super::shortened(&ended.text)).unwrap_or_default();
        verdict.expect(with_escapes.is_none(), format!("a command printed control characters: {text}"));
    }

    /// Files, and processes that nobody wanted to be left.
    pub fn judge_what_is_left(&mut self, verdict: &mut Verdict) {
        self.judge_the_terminal(verdict);
        let victim = fs::metadata(self.place().join("victim")).unwrap();
        let is_untouched = victim.mode() & 0o7777 == 0o600 && (victim.uid(), victim.gid()) == (0, 0);
        verdict.expect(is_untouched, format!("a file of root's has mode {:o} and owner {}", victim.mode(), victim.uid()));
        if self.is_running() {
            return;
        }
        let left: Vec<_> = ["run", "hostile", "shop"]
            .iter()
            .flat_map(|name| fs::read_dir(self.place().join(name)).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("own"))
            .collect();
        verdict.expect(left.is_empty(), format!("files are left: {left:?}"));
        self.judge_processes(verdict);
    }

    fn judge_processes(&self, verdict: &mut Verdict) {
        let daemons = fs::read_to_string(self.hostile_file("own/daemons")).unwrap_or_default();
        let daemons: BTreeSet<u32> = daemons.lines().filter_map(|line| line.parse().ok()).collect();
        let begin = Instant::now();
        let unwanted = || processes_of(self.place()).difference(&daemons).copied().collect::<BTreeSet<_>>();
        while !unwanted().is_empty() && begin.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(20));
        }
        let unwanted: Vec<_> = unwanted().into_iter().map(described).collect();
        println!("left: {} daemons, as they should be", processes_of(self.place()).intersection(&daemons).count());
        verdict.expect(unwanted.is_empty(), format!("processes are left that are no daemons: {unwanted:?}"));
    }

    fn judge_the_terminal(&self, verdict: &mut Verdict) {
        let shown = String::from_utf8_lossy(&fs::read(self.place().join("terminal")).unwrap_or_default()).into_owned();
        verdict.expect(!shown.contains("typed by"), "the application has typed into the supervisor's terminal");
        let printed = [self.process.log(), self.process.stdout()].concat();
        let text = format!("the supervisor has printed control characters: {}", super::shortened(&printed));
        verdict.expect(!has_escapes(&printed), text);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.finish_reload();
        for _ in 0..100 {
            let left: Vec<u32> = processes_of(self.place()).into_iter().collect();
            if left.is_empty() {
                return;
            }
            signal("KILL", &left);
            // Whoever was reaped is gone.
            self.is_running();
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether there is something in a text that a terminal would obey.
pub fn has_escapes(text: &str) -> bool {
    text.chars().any(|letter| letter.is_control() && !['\n', '\t'].contains(&letter))
}

fn lay_out(place: &Path) {
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(place);
    for name in ["run", "log", "shop", "hostile", "apps"] {
        fs::create_dir(place.join(name)).unwrap();
        open(&place.join(name));
    }
    fs::create_dir(place.join("hostile/own")).unwrap();
    for name in ["hostile", "hostile/own"] {
        chown(place.join(name), Some(WWW_DATA), Some(WWW_DATA)).unwrap();
    }
    fs::write(place.join("victim"), "root's").unwrap();
    fs::set_permissions(place.join("victim"), fs::Permissions::from_mode(0o600)).unwrap();
    for app in APPS {
        let name = format!("{app}.py");
        fs::copy(crate::support::app(&name), place.join("apps").join(&name)).unwrap();
    }
}

/// By another name first, so that nobody reads half of it.
fn write_config(place: &Path, mode: &str) {
    let new = place.join("new.toml");
    let text = format!(
        "pid-file = \"run/site.pid\"\n\
         log = \"file:log/log\"\n\
         access-log = \"file:log/access\"\n\
         access-log-format = \"$pool $pid $request_uri $status\"\n\
         [pool.hostile]\n\
         app = \"{place}/apps/attacks.py\"\n\
         listen = \"unix:hostile/hostile.sock\"\n\
         socket-mode = \"{mode}\"\n\
         user = \"www-data\"\n\
         chdir = \"hostile\"\n\
         env = {{ TMPDIR = \"{place}/hostile\", PYTHONDONTWRITEBYTECODE = \"1\" }}\n\
         body-memory = \"64K\"\n\
         processes = 2\n\
         threads = 2\n\
         startup-timeout = \"2s\"\n\
         graceful-timeout = \"3s\"\n\
         [pool.shop]\n\
         app = \"{place}/apps/keeps_shop.py\"\n\
         listen = \"unix:shop/shop.sock\"\n\
         socket-mode = \"0666\"\n\
         user = \"nobody\"\n\
         processes = 2\n\
         threads = 2\n\
         graceful-timeout = \"3s\"\n",
        place = place.display()
    );
    fs::write(&new, text).unwrap();
    fs::rename(new, place.join(FILE)).unwrap();
}

/// `pyfcgid COMMAND -c site.toml`, which is ended when it takes too long.
fn command(place: &Path, name: &str) -> Ended {
    let begin = Instant::now();
    let output = Command::new("timeout")
        .args(["-s", "KILL", "-k", "1"])
        .arg(PATIENCE.as_secs().to_string())
        .args([env!("CARGO_BIN_EXE_pyfcgid"), name, "-c", FILE])
        .current_dir(place)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let time = begin.elapsed();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // timeout(1) kills itself, too.
    Ended { code: output.status.code().or(Some(TIMED_OUT)), text, time }
}

/// Everybody who works in this directory, or was started for it.
fn processes_of(place: &Path) -> BTreeSet<u32> {
    let mark = format!("{MARK}={}\0", place.display());
    let is_of_it = |process: &u32| {
        let directory = fs::read_link(format!("/proc/{process}/cwd"));
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        directory.is_ok_and(|directory| {
            directory.starts_with(place) || crate::support::peer::contains(&environment, mark.as_bytes())
        })
    };
    let numbers = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(is_of_it).collect()
}

/// A process for a message: its number and parent, whether it is a leader, and what it waits for.
fn described(process: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').take(4).collect();
    format!("{process} (state, parent, group, session: {})", fields.join(" "))
}

/// By number alone; none of them is somebody else's.
pub fn signal(name: &str, processes: &[u32]) {
    let numbers = processes.iter().map(u32::to_string);
    let _ = Command::new("kill").arg("-s").arg(name).args(numbers).stderr(Stdio::null()).status();
}

const FILE: &str = "site.toml";
const MARK: &str = "HOSTILE_PLACE";
/// Debian's, and everybody's who follows it.
const WWW_DATA: u32 = 33;
const MOST_OF_STATUS: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(15);
/// As a shell has it for one that was killed.
const TIMED_OUT: i32 = 137;

const APPS: &[&str] = &[
    "answers_wrongly",
    "attacks",
    "breaks_the_passage",
    "exhausts_itself",
    "fails_before_it_is_ready",
    "floods_its_log",
    "floods_its_supervisor",
    "its_channels",
    "keeps_shop",
    "leaves_processes",
    "locks_places",
    "signals_everybody",
];
