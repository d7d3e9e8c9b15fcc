//! What a pool's processes may have of the machine: memory, descriptors, core dumps and their turn on a processor.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::site::{Site, control, expect_refused, is_root, kill, says, site_of, site_with, status_of};
use crate::support::Params;
use crate::support::process::{is_queue_process, wait_until};

const LIMIT: &str = "memory-limit = \"256M\"\nthreads = 4\nbody-memory = \"1G\"\nuploads-memory = \"1G\"\n";

#[test]
fn an_allocation_beyond_memory_limit_fails_its_request_and_the_process_lives() {
    let site = Site::start(site_of("uses_up_memory.py", LIMIT));
    let pid = site.text("/");
    for path in ["/at-once", "/small", "/small", "/threads"] {
        site.ask(path).expect_status(500);
        assert_eq!(site.text("/"), pid, "{path}");
    }
    // Of each there is the whole traceback, also where all memory was kept by the functions in it.
    let log = site.wait_for_log("can't start new thread");
    assert_eq!(log.matches("in in_small_pieces").count(), 2, "{log}");
    assert!(log.contains("in at_once") && log.matches("\n    MemoryError\n").count() == 3, "{log}");
    assert!(!log.contains("cannot be printed") && !log.contains("exited"), "{log}");
    site.end();
}

#[test]
fn while_one_request_keeps_all_memory_the_others_are_answered_and_nothing_ends() {
    let site = Site::start(site_of("uses_up_memory.py", LIMIT));
    let pid = site.text("/");
    let mut holder = site.connect();
    holder.send_request(1, true, &Params::get("/held"), b"");
    let place = |name: &str| site.directory().join(name);
    wait_until("a process without memory", || place("held").exists());
    let (large, line) = (vec![b'x'; 60_000_000], vec![b'x'; 3_000_000]);
    for round in 0..3 {
        for (path, body) in [
            ("/", &b""[..]),
            ("/body", b"short"),
            ("/body", &large),
            ("/line", &line),
            ("/list", b""),
            ("/large", b""),
            ("/prints", b""),
            ("/raises", b""),
            ("/at-once", b""),
        ] {
            let params = if body.is_empty() { Params::get(path) } else { Params::post(path, body.len()) };
            let answer = site.connect().last_request(&params, body);
            let status = answer.status;
            assert!([200, 500].contains(&status), "{round} {path}: {status}\n{}", site.log());
        }
    }
    let shown = site.control("requests").expect_code(0).out;
    assert!(shown.contains("/held"), "{shown}");
    fs::create_dir(place("told")).unwrap();
    holder.answer(1).expect_status(200);
    assert_eq!(site.text("/"), pid);
    assert_eq!(site.connect().last_request(&Params::post("/line", line.len()), &line).expect_status(200).text(), "3000000");
    assert!(!site.log().contains("PF0202"), "{}", site.log());
    site.end();
}

#[test]
fn memory_is_named_as_the_cause_of_an_end() {
    let site = Site::start(site_of("uses_up_memory.py", LIMIT));
    assert!(!site.ask("/dies").ended);
    let log = site.wait_for_log("starting another");
    let line = log.lines().find(|line| line.contains("starting another")).unwrap();
    let told =
        ", signal 6 (SIGABRT), \"memory allocation of 7 bytes failed\", and its memory-limit is 256M, answering request ";
    assert!(line.contains(told) && line.contains("(GET /dies)"), "{line}");
    site.text("/");
    site.end();
}

#[test]
fn an_import_or_a_start_for_which_memory_is_too_short_is_refused_with_the_limit() {
    let large = "kept = [bytearray(10**6) for _ in range(300)]\n";
    let hint = "its memory-limit is 128M: raise it";
    expect_refused(site_with(large, "memory-limit = \"128M\"\n"), 70, &["MemoryError", hint]);
    expect_refused(
        site_with(&says("x"), "memory-limit = \"128M\"\nthreads = 64\n"),
        70,
        &["PF0958", "8M for each of its 64 threads", "a worker could not be started", hint, "or lower threads"],
    );
    expect_refused(
        site_with(&says("x"), "memory-limit = \"8M\"\n"),
        78,
        &["cannot be used", "its memory-limit is 8M: raise it"],
    );
    let ended = expect_refused(
        site_with(&says("x"), "memory-limit = \"1M\"\n"),
        78,
        &["exited before it loaded pyfcgid's module (signal ", "); its memory-limit is 1M: raise it\n"],
    );
    assert!(!ended.stderr.contains("is it really Python?"), "{}", ended.stderr);
}

/// Wherever it fails, which depends on the Python.
#[test]
fn whoever_starts_or_checks_within_too_small_a_limit_is_told_of_it() {
    let mut refused = 0;
    for megabytes in (16..40).step_by(2) {
        let launch = site_with(&says("x"), &format!("memory-limit = \"{megabytes}M\"\nthreads = 1\n"));
        let checked = control(launch.directory(), "check");
        let mut told = vec![(checked.status.code(), checked.err)];
        // One that starts goes on.
        if told[0].0 != Some(0) {
            let started = launch.run();
            told.push((Some(started.code()), started.stderr));
        }
        for (code, text) in told.into_iter().filter(|(code, _)| *code != Some(0)) {
            assert!(text.contains(&format!("; its memory-limit is {megabytes}M: raise it")), "{code:?}: {text}");
            refused += 1;
        }
    }
    assert!(refused >= 2, "all of them were enough");
}

/// A field of `/proc/PID/limits`: the soft and the hard limit.
fn limits_of(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn nice_of(pid: u32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()
}

#[track_caller]
fn queue_process(site: &Site) -> u32 {
    let find = || {
        let text = fs::read_to_string(format!("/proc/{0}/task/{0}/children", site.pid())).unwrap();
        text.split_whitespace().map(|number| number.parse().unwrap()).find(|number| is_queue_process(*number))
    };
    wait_until("the queue process", || find().is_some());
    find().unwrap()
}

#[test]
fn limits_hold_for_the_processes_of_the_pool_and_a_changed_one_reaches_new_ones() {
    let user = if is_root() { "user = \"daemon\"\nsocket-mode = \"0666\"\n" } else { "" };
    let settings = |limits: &str| format!("max-connections = 10\nprocesses = 2\n{user}{limits}");
    let first = "rlimit-nofile = 300\nrlimit-core = 0\nmemory-limit = \"1G\"\nnice = 3\n";
    let launch = site_with(&says("x"), &settings(first));
    fs::set_permissions(launch.directory(), PermissionsExt::from_mode(0o755)).unwrap();
    let site = Site::start(launch);
    let own = (limits_of(site.pid(), "Max address space"), nice_of(site.pid()));
    let children = site.wait_for_children(2);
    for child in &children {
        assert_eq!(limits_of(*child, "Max open files"), "300 300");
        assert_eq!(limits_of(*child, "Max core file size"), "0 0");
        assert_eq!(limits_of(*child, "Max address space"), format!("{0} {0}", 1 << 30));
        assert_eq!(nice_of(*child), 3);
        assert_eq!(status_of(*child, "Uid").starts_with("1 1 "), is_root());
    }
    let queue = queue_process(&site);
    wait_until("a queue process with its limits", || {
        (limits_of(queue, "Max open files"), nice_of(queue)) == ("300 300".to_owned(), 3)
    });
    assert_eq!(limits_of(queue, "Max address space"), own.0, "it runs no Python");
    let second = "rlimit-nofile = 310\nmemory-limit = \"2G\"\nnice = 4\n";
    let toml = fs::read_to_string(site.directory().join(crate::site::FILE)).unwrap();
    fs::write(site.directory().join(crate::site::FILE), toml.replace(first, second)).unwrap();
    site.control("reload").expect_code(0);
    wait_until("the new children", || site.children().len() == 2 && site.children().is_disjoint(&children));
    for child in site.children() {
        assert_eq!((limits_of(child, "Max open files"), nice_of(child)), ("310 310".to_owned(), 4));
        assert_eq!(limits_of(child, "Max address space"), format!("{0} {0}", 2_u64 << 30));
    }
    wait_until("a queue process with the new limits", || limits_of(queue_process(&site), "Max open files") == "310 310");
    assert_eq!((limits_of(site.pid(), "Max address space"), nice_of(site.pid())), own);
    site.text("/");
    site.end();
}

/// A site below these limits, as which a root without CAP_SYS_RESOURCE would be.
fn below(settings: &str) -> crate::support::Launch {
    let wrapper =
        "prlimit --nofile=2000:2000 setpriv --bounding-set -sys_resource,-sys_nice --inh-caps -sys_resource,-sys_nice";
    site_with(&says("x"), settings).under(wrapper.split(' '))
}

#[test]
fn a_limit_that_cannot_be_had_is_refused_before_anything_is_touched() {
    if !is_root() {
        return eprintln!("skipped: only root can give up what it may");
    }
    let files = "max-connections = 10\nrlimit-nofile = 5000\n";
    let told = [
        "pool web: cannot set rlimit-nofile = 5000 (site.toml:8): the hard limit, 2000, is lower, and only root with CAP_SYS_RESOURCE may \
         raise it: lower rlimit-nofile, or start pyfcgid with a higher one (ulimit -Hn; LimitNOFILE= of a systemd service)",
    ];
    expect_refused(below(files), 78, &told);
    expect_refused(
        below("nice = -9\n"),
        78,
        &["pool web: cannot set nice = -9 (site.toml:7): only root with CAP_SYS_NICE may go below 0"],
    );
    let site = Site::start(below("max-connections = 10\nrlimit-nofile = 2000\n"));
    let children = site.wait_for_children(1);
    let toml = fs::read_to_string(site.directory().join(crate::site::FILE)).unwrap();
    fs::write(site.directory().join(crate::site::FILE), toml.replace("nofile = 2000", "nofile = 5000")).unwrap();
    let refused = site.control("reload").expect_code(78);
    assert!(refused.err.contains("the hard limit, 2000, is lower"), "{}", refused.err);
    wait_until("the children from before, and nobody else", || site.children() == children);
    site.end();
}

#[test]
fn others_can_look_into_a_process_only_if_it_may_dump_core() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    let as_daemon = |settings: &str| {
        let launch = site_with(&says("x"), &format!("user = \"daemon\"\nsocket-mode = \"0666\"\n{settings}"));
        fs::set_permissions(launch.directory(), PermissionsExt::from_mode(0o755)).unwrap();
        Site::start(launch)
    };
    for (settings, owner) in [("", 0), ("rlimit-core = 0\n", 0), ("rlimit-core = \"10M\"\n", 1)] {
        let site = as_daemon(settings);
        // What nobody may look at belongs to root.
        let owners = site.children().into_iter().map(|child| fs::metadata(format!("/proc/{child}/maps")).unwrap().uid());
        assert_eq!(owners.collect::<Vec<_>>(), [owner], "{settings}");
        assert_eq!(fs::metadata(format!("/proc/{}/maps", queue_process(&site))).unwrap().uid(), 0, "{settings}");
        site.end();
    }
}

#[test]
fn a_core_dump_is_written_where_rlimit_core_lets_the_system() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with(['|', '/']) {
        return eprintln!("skipped: this system puts core dumps elsewhere: {}", pattern.trim());
    }
    let hard = fs::read_to_string("/proc/self/limits").unwrap();
    if hard.lines().any(|line| line.starts_with("Max core file size") && !line.contains(" unlimited  ")) {
        return eprintln!("skipped: core dumps are limited here");
    }
    for (settings, is_written) in [("", false), ("rlimit-core = \"unlimited\"\n", true)] {
        let site = Site::start(site_with(&says("x"), settings));
        let child = *site.wait_for_children(1).first().unwrap();
        kill(child, "SEGV");
        site.wait_for_log("starting another");
        let is_core = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("core");
        let found = fs::read_dir(site.directory()).unwrap().filter(|entry| is_core(entry.as_ref().unwrap())).count();
        assert_eq!(found > 0, is_written, "{settings}");
        site.end();
    }
}

#[test]
fn a_request_that_keeps_all_memory_meets_its_deadlines_and_nothing_ends() {
    let settings = format!("{LIMIT}slow-request-timeout = \"1s\"\nrequest-timeout = \"2s\"\ninterrupt-timeout = 0\n");
    let site = Site::start(site_of("uses_up_memory.py", &settings));
    let pid = site.text("/");
    site.ask("/held").expect_status(504);
    // Whether there is memory for a look at its stack depends on the last bytes.
    let log = site.wait_for_log("raising RequestTimeout in its thread");
    for code in ["PF0531", "PF0532"] {
        assert!(log.split(code).nth(1).is_some_and(|message| message.contains("(GET /held) ")), "{log}");
    }
    fs::create_dir(site.directory().join("told")).unwrap();
    wait_until("its end", || site.ask("/large").status == 200);
    assert_eq!(site.text("/"), pid);
    assert!(!site.log().contains("PF0202"), "{}", site.log());
    site.end();
}
