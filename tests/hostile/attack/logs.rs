//! Reads the logs as they grow, and looks who is said to have written what.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::customers::{Account, thing};
use super::site::{Site, has_escapes, signal};
use super::{Verdict, shortened};

/// The log, which is rotated before it is too large for the disk, and in the end the access log.
pub struct Logs {
    path: PathBuf,
    access_path: PathBuf,
    supervisor: u32,
    file: File,
    /// The beginning of a line that is not whole yet.
    rest: Vec<u8>,
    lines: u64,
    bytes: u64,
    /// What the shop says that it has sold, and what the access log says of it.
    sold: HashSet<String>,
    entries: HashSet<String>,
    sellers: HashSet<String>,
    faults: BTreeMap<&'static str, Vec<String>>,
    /// What the supervisor says of the hostile pool, without the numbers.
    events: BTreeMap<String, u64>,
}

impl Logs {
    pub fn follow(site: &Site) -> Self {
        Self {
            path: site.log(),
            access_path: site.access_log(),
            supervisor: site.supervisor(),
            file: File::open(site.log()).unwrap(),
            rest: Vec::new(),
            lines: 0,
            bytes: 0,
            sold: HashSet::new(),
            entries: HashSet::new(),
            sellers: HashSet::new(),
            faults: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    /// Reads what has come.
    pub fn read(&mut self) {
        self.read_to_end();
        if self.file.metadata().unwrap().len() > MOST_BYTES {
            self.rotate();
        }
    }

    fn read_to_end(&mut self) {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = self.file.read(&mut buffer).unwrap();
            if count == 0 {
                return;
            }
            self.bytes += count as u64;
            self.rest.extend_from_slice(&buffer[..count]);
            let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
            let rest = self.rest.split_off(end);
            let whole = std::mem::replace(&mut self.rest, rest);
            whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| self.take(line));
        }
    }

    fn rotate(&mut self) {
        let old = self.path.with_extension("old");
        fs::rename(&self.path, &old).unwrap();
        signal("USR1", &[self.supervisor]);
        let begin = Instant::now();
        while !self.path.exists() && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        self.read_to_end();
        fs::remove_file(old).unwrap();
        match File::open(&self.path) {
            Ok(file) => self.file = file,
            Err(_) => self.note("the log was not reopened on USR1", ""),
        }
    }

    /// `2026-11-20 18:46:14.123 +0000 [info] pool[123]: PF0101 text`, and further lines of it with a space in front.
    fn take(&mut self, line: &[u8]) {
        self.lines += 1;
        let line = String::from_utf8_lossy(line);
        if has_escapes(&line) {
            self.note("a log line has control characters", &line);
        }
        if line.starts_with(' ') {
            return;
        }
        let parts =
            line.starts_with("20").then(|| line.split_once("] ")).flatten().and_then(|(_, rest)| rest.split_once("]: "));
        let Some((who, text)) = parts else {
            return self.note("a log line is torn", &line);
        };
        match who.split_once('[') {
            Some(("hostile", _)) => {}
            Some(("shop", process)) => self.take_of_shop(process, text, &line),
            Some(("pyfcgid", process)) if process == self.supervisor.to_string() => self.take_of_supervisor(text, &line),
            _ => self.note("a log line has a name that nobody has", &line),
        }
    }

    fn take_of_shop(&mut self, process: &str, text: &str, line: &str) {
        let said_by_request = text.strip_prefix(&format!("request {process}-")).and_then(|text| text.split_once(": sold "));
        if let Some((_, sold)) = said_by_request {
            self.sold.insert(sold.to_owned());
        } else if text.starts_with("PF0201 serving ") {
            self.sellers.insert(process.to_owned());
        } else if text.contains("forged") {
            self.note("a log line of the shop is forged", line);
        }
    }

    fn take_of_supervisor(&mut self, text: &str, line: &str) {
        // The code before it says the same.
        if let Some((_, event)) = text.split_once(" pool hostile: ") {
            *self.events.entry(without_numbers(event)).or_default() += 1;
        } else if text.contains("forged") {
            self.note("a log line of the supervisor is forged", line);
        }
    }

    fn note(&mut self, what: &'static str, line: &str) {
        let lines = self.faults.entry(what).or_default();
        // The first ones tell it all.
        lines.push(if lines.len() < 3 { shortened(line) } else { String::new() });
    }

    /// Everybody has ended: the access log does not grow any more.
    pub fn finish(&mut self) {
        self.read_to_end();
        let access = fs::read(&self.access_path).unwrap_or_default();
        for line in access.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            if has_escapes(&line) {
                self.note("a line of the access log has control characters", &line);
            }
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["shop", process, target, "200"] if self.sellers.contains(process) && target.starts_with("/?customer-") => {
                    self.entries.insert(target["/?".len()..].to_owned());
                }
                // Who calls the hostile pool is led to the shop where the application has swapped the sockets, and answered there.
                ["shop", process, target, "200"] if self.sellers.contains(process) && target.starts_with(ASTRAY) => {}
                ["hostile", process, ..] if process.parse().is_ok_and(|process: u32| process > 1) => {}
                _ => self.note("a line of the access log is forged", &line),
            }
        }
    }

    pub fn judge(&self, account: &Account, verdict: &mut Verdict) {
        println!(
            "log: {} lines, {} KiB; {} of the shop's, and {} in the access log",
            self.lines,
            self.bytes >> 10,
            self.sold.len(),
            self.entries.len()
        );
        for (event, count) in &self.events {
            println!("    {count} × {event}");
            verdict.expect(!tells_of_file_limit(event), format!("a file that may not grow is more than an error: {event}"));
        }
        for (what, lines) in &self.faults {
            verdict
                .expect(false, format!("{what}, {} times:\n    {}", lines.len(), lines[..lines.len().min(3)].join("\n    ")));
        }
        for (name, found) in [("log", &self.sold), ("access log", &self.entries)] {
            let all = account
                .good
                .iter()
                .enumerate()
                .flat_map(|(customer, good)| (0..*good).map(move |number| thing(customer, number)));
            let missing: Vec<_> = all.filter(|thing| !found.contains(thing)).collect();
            let text =
                format!("{} of the shop's lines are missing in the {name}, the first for {:?}", missing.len(), missing.first());
            verdict.expect(missing.is_empty(), text);
        }
    }
}

/// Whether a process has ended because a file was not to grow, which is an error of one write.
pub fn tells_of_file_limit(line: &str) -> bool {
    line.contains("signal 25") || line.contains("SIGXFSZ")
}

/// The beginning of a line, alike for all processes; the numbers of signals stay.
pub fn without_numbers(line: &str) -> String {
    let mut short = String::new();
    for letter in line.chars().take(100) {
        match letter {
            '0'..='9' if short.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("signal ") => short.push(letter),
            '0'..='9' if short.ends_with('#') => {}
            '0'..='9' => short.push('#'),
            letter => short.extend(letter.escape_debug()),
        }
    }
    short
}

/// What [`Crowd`](super::crowd::Crowd) asks for, as a log has it.
const ASTRAY: &str = r"/forged\x0Ashop\x201\x20/?forged\x20200\x0A\x1B[31m?";
const MOST_BYTES: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(5);
