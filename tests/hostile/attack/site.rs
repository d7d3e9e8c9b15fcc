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
use super::crowd::STALLED_UPLOADS;
use super::logs::{tells_of_file_limit, without_numbers};
use crate::support::peer::Address;
use crate::support::process::wait_until;
use crate::support::virtualenv::PYTHON;
use crate::support::{Launch, Params, Peer, Pyfcgid};

/// It, and whatever it has left behind, is killed when dropped.
pub struct Site {
    process: Pyfcgid,
    twin: Pyfcgid,
    reloading: Option<JoinHandle<Ended>>,
    reloads: Vec<Ended>,
    /// Each with the time that the twin's took meanwhile.
    statuses: Vec<(Ended, Duration)>,
    /// What else looks inside, with its name.
    looks: Vec<(&'static str, Ended, Duration)>,
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
        let mut process = start_in_a_terminal(|place| hostile_pool(place, SOCKETS[1]) + &shop_pool(place));
        if process.log().contains("which this user or root directory does not reach") {
            return None;
        }
        process.expect_running();
        let twin = start_in_a_terminal(shop_pool);
        Some(Self { process, twin, reloading: None, reloads: Vec::new(), statuses: Vec::new(), looks: Vec::new() })
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

    /// A shop like that, whose supervisor has no other pool and is reloaded at the same times.
    pub fn twin(&self) -> PathBuf {
        self.twin.directory().join("shop/shop.sock")
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
        let names: Vec<_> = names.iter().copied().filter(|name| *name != STALLED_UPLOADS).collect();
        fs::write(self.place().join("attack"), names.join("\n")).unwrap();
    }

    pub fn end_attack(&self) {
        fs::remove_file(self.place().join("attack")).unwrap();
        self.mend_socket();
    }

    /// As an administrator does, who finds a socket beside its place. A process that swaps may still end in the middle after that.
    pub fn mend_socket(&self) {
        let _ = fs::rename(self.hostile_file("hostile.kept"), self.hostile());
    }

    /// Begins a reload with a changed configuration, unless one is running, and does not wait for it.
    pub fn begin_reload(&mut self) {
        if self.reloading.as_ref().is_some_and(|reloading| !reloading.is_finished()) {
            return;
        }
        self.finish_reload();
        let settings = SOCKETS[self.reloads.len() % SOCKETS.len()];
        write_config(self.place(), &(hostile_pool(self.place(), settings) + &shop_pool(self.place())));
        let [place, twin] = [&self.process, &self.twin].map(|process| process.directory().to_owned());
        self.reloading = Some(thread::spawn(move || {
            let twin = thread::spawn(move || command(&twin, "reload"));
            let ended = command(&place, "reload");
            twin.join().unwrap();
            ended
        }));
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
        let twin = self.twin.directory().to_owned();
        let twin = thread::spawn(move || command(&twin, "status"));
        let ended = command(self.place(), "status");
        self.statuses.push((ended, twin.join().unwrap().time));
    }

    /// Looks inside in another way each time.
    pub fn look(&mut self) {
        let name = LOOKS[self.looks.len() % LOOKS.len()];
        let twin = self.twin.directory().to_owned();
        let twin = thread::spawn(move || command(&twin, name));
        let ended = command(self.place(), name);
        self.looks.push((name, ended, twin.join().unwrap().time));
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
        let longest = |times: &mut dyn Iterator<Item = Duration>| times.max().unwrap_or_default();
        let longest_status = longest(&mut self.statuses.iter().map(|(ended, _)| ended.time));
        let longest_of_twin = longest(&mut self.statuses.iter().map(|(_, twin)| *twin));
        let longest_reload = longest(&mut self.reloads.iter().map(|ended| ended.time));
        let mut codes = BTreeMap::<Option<i32>, usize>::new();
        self.reloads.iter().for_each(|ended| *codes.entry(ended.code).or_default() += 1);
        println!("status: {} times, at most {longest_status:.0?}; its twin's {longest_of_twin:.0?}", self.statuses.len());
        println!("reload: {} times, by exit code {codes:?}, at most {longest_reload:.1?}", self.reloads.len());
        let mut reasons = BTreeMap::<String, usize>::new();
        for ended in self.reloads.iter().filter(|ended| ended.code != Some(0)) {
            let mut lines = ended.text.lines();
            let line = lines.find(|line| line.contains("hostile:")).or(ended.text.lines().last()).unwrap_or("nothing was said");
            *reasons.entry(without_numbers(line)).or_default() += 1;
        }
        for (reason, count) in &reasons {
            println!("    {count} × {reason}");
            verdict.expect(!tells_of_file_limit(reason), format!("a file that may not grow is more than an error: {reason}"));
        }
        // Where the twin's takes as long, the machine is busy.
        let is_slow = |(ended, twin): &&(Ended, Duration)| ended.time > MOST_OF_STATUS && ended.time > *twin * 3;
        let slow = self.statuses.iter().filter(is_slow).count();
        let text = format!("{slow} of {} status took more than {MOST_OF_STATUS:?}", self.statuses.len());
        verdict.expect(slow == 0, format!("{text}, the longest {longest_status:?}"));
        // That the hostile pool does not serve is told by the exit code.
        let is_answer = |ended: &Ended| {
            matches!(ended.code, Some(0 | SOME_POOL_DOES_NOT_SERVE))
                && SHOP_IS_WELL.iter().any(|line| ended.text.contains(line))
        };
        for (ended, _) in self.statuses.iter().filter(|(ended, _)| !is_answer(ended)).take(1) {
            verdict.expect(false, format!("a status failed: {:?} {}", ended.code, super::shortened(&ended.text)));
        }
        for ended in self.reloads.iter().filter(|ended| ended.code == Some(TIMED_OUT)).take(1) {
            verdict.expect(false, format!("a reload was not answered within {:.1?}", ended.time));
        }
        let longest_look = longest(&mut self.looks.iter().map(|(_, ended, _)| ended.time));
        println!("requests, top and stacks: {} times, at most {longest_look:.0?}", self.looks.len());
        let is_slow = |ended: &Ended, twin: Duration| ended.time > MOST_OF_STATUS + FOR_STACKS && ended.time > twin * 3;
        for (name, ended, twin) in &self.looks {
            let text = format!("{name} took {:.0?} (its twin {twin:.0?}): {}", ended.time, super::shortened(&ended.text));
            verdict.expect(!is_slow(ended, *twin), text.clone());
            verdict.expect(ended.code == Some(0), format!("{text} {:?}", ended.code));
        }
        let looks = self.looks.iter().map(|(_, ended, _)| ended);
        let told = self.reloads.iter().chain(self.statuses.iter().map(|(ended, _)| ended)).chain(looks);
        let with_escapes = told.into_iter().find(|ended| has_escapes(&ended.text));
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
        let left = fs::read_to_string(self.hostile_file("own/left")).unwrap_or_default();
        let left: BTreeSet<u32> = left.lines().filter_map(|line| line.parse().ok()).collect();
        let begin = Instant::now();
        let unwanted = || processes_of(self.place()).difference(&left).copied().collect::<BTreeSet<_>>();
        while !unwanted().is_empty() && begin.elapsed() < LIVES_ON {
            thread::sleep(Duration::from_millis(20));
        }
        let unwanted: Vec<_> = unwanted().into_iter().map(described).collect();
        println!("left: {} processes, as they should be", processes_of(self.place()).intersection(&left).count());
        verdict.expect(unwanted.is_empty(), format!("processes are left that nobody meant to leave: {unwanted:?}"));
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
            let places = [self.process.directory(), self.twin.directory()];
            let left: Vec<u32> = places.into_iter().flat_map(processes_of).collect();
            if left.is_empty() {
                return;
            }
            signal("KILL", &left);
            // Whoever was reaped is gone.
            self.is_running();
            self.twin.exit_status();
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether there is something in a text that a terminal would obey.
pub fn has_escapes(text: &str) -> bool {
    text.chars().any(|letter| letter.is_control() && !['\n', '\t'].contains(&letter))
}

/// `pyfcgid serve` with pools for its directory, when it is ready or has ended.
fn start_in_a_terminal(pools: impl Fn(&Path) -> String) -> Pyfcgid {
    let launch = Launch::new("serve").without_user().args(["-c", FILE]);
    let place = launch.directory().to_owned();
    lay_out(&place);
    write_config(&place, &pools(&place));
    let launch = launch.under([PYTHON, "-c", include_str!("in_a_terminal.py")]).env(MARK, &place);
    let mut process = launch.start_unawaited();
    wait_until("the start", || {
        let is_ready = fs::read_to_string(place.join("log/log")).is_ok_and(|log| log.contains("]: PF0101 ready\n"));
        is_ready || process.exit_status().is_some()
    });
    process
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
fn write_config(place: &Path, pools: &str) {
    let new = place.join("new.toml");
    let text = format!(
        "pid-file = \"run/site.pid\"\n\
         log = \"file:log/log\"\n\
         access-log = \"file:log/access\"\n\
         access-log-format = \"$pool $pid $request_uri $status\"\n\
         {pools}"
    );
    fs::write(&new, text).unwrap();
    fs::rename(new, place.join(FILE)).unwrap();
}

fn hostile_pool(place: &Path, sockets: &str) -> String {
    format!(
        "[pool.hostile]\n\
         app = \"{place}/apps/attacks.py\"\n\
         {sockets}\n\
         user = \"www-data\"\n\
         chdir = \"hostile\"\n\
         python-path = \"{place}/apps\"\n\
         env = {{ TMPDIR = \"{place}/hostile\" }}\n\
         body-memory = \"64K\"\n\
         startup-timeout = \"3s\"\n\
         {SIZE}",
        place = place.display()
    )
}

fn shop_pool(place: &Path) -> String {
    format!(
        "[pool.shop]\n\
         app = \"{}/apps/keeps_shop.py\"\n\
         listen = \"unix:shop/shop.sock\"\n\
         socket-mode = \"0666\"\n\
         user = \"nobody\"\n\
         {SIZE}",
        place.display()
    )
}

/// `pyfcgid COMMAND -c site.toml`, which is ended when it takes too long.
fn command(place: &Path, name: &str) -> Ended {
    let begin = Instant::now();
    let output = Command::new("timeout")
        .args(["-s", "KILL", "-k", "1"])
        .arg(PATIENCE.as_secs().to_string())
        .arg(env!("CARGO_BIN_EXE_pyfcgid"))
        .args(name.split(' '))
        .args(["-c", FILE])
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

/// A process for a message: its name, number and parent, whether it is a leader, what it waits for and since when it is there.
fn described(process: u32) -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default().trim().to_owned();
    let stat = read("stat");
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let up: f64 = fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    let since = fields.get(19).and_then(|ticks| ticks.parse::<f64>().ok()).map_or(0.0, |ticks| up - ticks / 100.0);
    let (name, waits, fields) = (read("comm"), read("wchan"), fields[..fields.len().min(4)].join(" "));
    format!("{process} ({name}, for {since:.1} s, in {waits}; state, parent, group, session: {fields})")
}

/// By number alone; none of them is somebody else's.
pub fn signal(name: &str, processes: &[u32]) {
    let numbers = processes.iter().map(u32::to_string);
    let _ = Command::new("kill").arg("-s").arg(name).args(numbers).stderr(Stdio::null()).status();
}

const FILE: &str = "site.toml";
const MARK: &str = "HOSTILE_PLACE";
const SIZE: &str = "processes = 2\nthreads = 2\ngraceful-timeout = \"3s\"\n";
/// They change with each reload, so that it has something to bind, to follow and to remove.
const SOCKETS: [&str; 2] = [
    "listen = [\"unix:hostile/hostile.sock\", \"unix:hostile/second.sock\"]\nsocket-mode = \"0660\"",
    "listen = \"unix:hostile/hostile.sock\"\nsocket-mode = \"0666\"",
];
/// Debian's, and everybody's who follows it.
const WWW_DATA: u32 = 33;
/// As promised of the program as it is installed; one that is not optimised is tested beside others.
/// Each asks all children or reads all slots.
const LOOKS: [&str; 3] = ["requests", "top --once --delay 0", "stacks"];
/// So long the supervisor waits for children that say nothing.
const FOR_STACKS: Duration = Duration::from_millis(300);
const MOST_OF_STATUS: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 300 });
const PATIENCE: Duration = Duration::from_secs(15);
/// What is to continue a stopped process does so within 2 s.
const LIVES_ON: Duration = Duration::from_secs(4);
const SOME_POOL_DOES_NOT_SERVE: i32 = 4;
const SHOP_IS_WELL: [&str; 2] = ["\npool shop: serving, ", "\npool shop: saturated, "];
/// As a shell has it for one that was killed.
const TIMED_OUT: i32 = 137;

const APPS: &[&str] = &[
    "answers_wrongly",
    "attacks",
    "breaks_the_line",
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
