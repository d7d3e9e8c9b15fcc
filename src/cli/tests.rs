use std::time::Duration;

use super::*;
use crate::config::{Group, Pool};

/// On a machine without any configuration file.
fn run(args: &[&str]) -> Result<Command, Exit> {
    run_on(&nowhere(), args, &|_| None).map(|typed| typed.command)
}

pub(super) fn run_on(files: &DefaultFiles, args: &[&str], environment: Environment<'_>) -> Result<Typed, Exit> {
    let args = std::iter::once("pyfcgid").chain(args.iter().copied()).map(OsString::from);
    parse(args, Surroundings { environment, files })
}

pub(super) fn nowhere() -> DefaultFiles {
    DefaultFiles { file: "/nonexistent/pyfcgid/pyfcgid.toml".into(), former: "/nonexistent/pyfcgid.toml".into() }
}

fn serve(args: &[&str]) -> Config {
    match run(&[&["serve"], args].concat()) {
        Ok(Command::Serve(config)) => config,
        other => panic!("{other:?}"),
    }
}

/// The only pool.
fn pool(args: &[&str]) -> Pool {
    let [pool] = serve(args).pools.try_into().unwrap();
    pool
}

fn refused(args: &[&str]) -> Exit {
    let exit = run(args).expect_err("it is wrong");
    assert!(exit.message.starts_with("pyfcgid: ") && exit.message.ends_with('\n') && !exit.to_stdout, "{}", exit.message);
    exit
}

#[test]
fn the_grammar_is_sound() {
    parser().debug_assert();
}

#[test]
fn help_is_grouped_and_complete() {
    for name in ["serve", "check"] {
        let exit = run(&[name, "--help"]).unwrap_err();
        assert_eq!((exit.code, exit.to_stdout), (0, true));
        let mut last = 0;
        for group in Group::ALL {
            let at = exit.message.find(&format!("\n{}:\n", group.heading())).expect("every group has its heading");
            assert!(at > last, "groups come in their order");
            last = at;
        }
        let flat = exit.message.split_whitespace().collect::<Vec<_>>().join(" ");
        for setting in SETTINGS.iter() {
            let shown = if setting.name == APP { "[APP]".to_owned() } else { format!("--{}", setting.name) };
            assert!(flat.contains(&shown) && flat.contains(&help(setting)), "{shown} in\n{flat}");
        }
    }
    assert_eq!(run(&["serve", "-h"]), run(&["serve", "--help"]));
}

#[test]
fn version_and_the_short_help_go_to_stdout() {
    let version = run(&["--version"]).unwrap_err();
    assert_eq!((version.code, version.to_stdout), (0, true));
    assert_eq!(version.message, concat!("pyfcgid ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = run(&["--help"]).unwrap_err();
    assert!(help.code == 0 && commands().iter().all(|name| help.message.contains(name)));
    let nothing = run(&[]).unwrap_err();
    assert_eq!((nothing.code, nothing.to_stdout), (64, false));
}

#[test]
fn every_option_is_a_flag() {
    let values = [
        ("app", "shop:app", "shop:app"),
        ("listen", ":1", "*:1"),
        ("processes", "2..8", "2..8"),
        ("threads", "8", "8"),
        ("mount", "/shop", "/shop"),
        ("remote-user", "never", "never"),
        ("errors", "peer", "peer"),
        ("app-log", "plain", "plain"),
        ("stdout-level", "debug", "debug"),
        ("stderr-level", "info", "info"),
        ("request-id", "true", "true"),
        ("abort", "raise", "raise"),
        ("roles", "authorizer", "authorizer"),
        ("ping-path", "/ping", "/ping"),
        ("access-log-exclude", "/health", "/health"),
        ("status-path", "/status", "/status"),
        ("status-listen", ":2", "*:2"),
        ("sendfile-header", "X-Sendfile", "X-Sendfile"),
        ("backlog", "5", "5"),
        ("socket-mode", "600", "0600"),
        ("socket-owner", "nginx", "nginx"),
        ("socket-group", "33", "33"),
        ("max-connections", "7", "7"),
        ("allowed-clients", "10.0.0.0/8", "10.0.0.0/8"),
        ("python", "/p3", "/p3"),
        ("venv", "/v", "/v"),
        ("python-path", "/p", "/p"),
        ("chdir", "/c", "/c"),
        ("clear-env", "false", "false"),
        ("pass-env", "AWS_*", "AWS_*"),
        ("env-file", "/e", "/e"),
        ("env", "A=-1", "A=-1"),
        ("factory", "true", "true"),
        ("max-params-size", "64K", "64K"),
        ("max-params", "9", "9"),
        ("max-body-size", "2M", "2M"),
        ("body-memory", "0", "0"),
        ("uploads-memory", "1048576", "1M"),
        ("max-queue", "3", "3"),
        ("max-requests", "1000", "1000"),
        ("max-requests-jitter", "0", "0"),
        ("max-rss", "300M", "300M"),
        ("memory-limit", "1024M", "1G"),
        ("rlimit-nofile", "20000", "20000"),
        ("rlimit-core", "unlimited", "unlimited"),
        ("nice", "-5", "-5"),
        ("startup-timeout", "90", "90s"),
        ("idle-timeout", "5m", "5m"),
        ("socket-timeout", "500ms", "500ms"),
        ("queue-timeout", "1500ms", "1500ms"),
        ("slow-request-timeout", "5", "5s"),
        ("request-timeout", "90s", "90s"),
        ("timeouts", "/a=b/=300", "/a=b/=5m"),
        ("interrupt-timeout", "0", "0"),
        ("deadlock-timeout", "2m", "2m"),
        ("deadlock-kill", "true", "true"),
        ("graceful-timeout", "1d", "1d"),
        ("max-lifetime", "1d", "1d"),
        ("user", "www-data", "www-data"),
        ("group", "33", "33"),
        ("supplementary-groups", "own", "own"),
        ("umask", "27", "027"),
        ("chroot", "/r", "/r"),
        ("no-new-privs", "false", "false"),
        ("daemonize", "true", "true"),
        ("pid-file", "/run/p.pid", "/run/p.pid"),
        ("control-socket", "/run/c", "/run/c"),
        ("control-socket-mode", "660", "0660"),
        ("control-socket-group", "33", "33"),
        ("log", "file:/l", "file:/l"),
        ("log-level", "trace", "trace"),
        ("syslog-facility", "local7", "local7"),
        ("syslog-ident", "site", "site"),
        ("syslog-socket", "/s", "/s"),
        ("access-log", "stderr", "stderr"),
        ("access-log-format", "$status", "$status"),
    ];
    assert_eq!(values.map(|(name, ..)| name).to_vec(), SETTINGS.iter().map(|setting| setting.name).collect::<Vec<_>>());
    for (setting, (name, typed, shown)) in SETTINGS.iter().zip(values) {
        let flag = format!("--{name}={typed}");
        let config = match name {
            APP => serve(&[typed]),
            // Alone it is refused.
            "status-listen" => serve(&["shop", "--status-path=/status", &flag]),
            _ => serve(&["shop", &flag]),
        };
        let of_pool = || setting.of_pool.map(|show| show(&config.pools[0]));
        let values = setting.of_process.map(|show| show(&config)).or_else(of_pool).unwrap_or_default();
        assert_eq!(values, [shown], "{name}");
    }
}

#[test]
fn flags_repeat_as_lists_and_otherwise_the_last_wins() {
    let config = pool(&["-l", ":1", "shop", "--listen", ":2", "--threads", "2", "--threads", "3", "--factory"]);
    assert_eq!((config.listen.len(), config.threads, config.app.factory), (2, 3, true));
    assert_eq!(pool(&["shop", "--python-path", "/a:/b", "--python-path=/c"]).python_path.len(), 3);
    assert_eq!(pool(&["shop", "--python-path", "", "--roles", "filter,"]).python_path.len(), 0);
    assert_eq!(pool(&["shop", "--nice", "-5"]).nice, Some(-5), "a number, and no option");
}

#[test]
fn a_switch_needs_no_value_and_has_its_letter() {
    assert!(serve(&["-D", "shop"]).daemonize && serve(&["shop", "--daemonize"]).daemonize);
    assert!(!serve(&["-D", "--daemonize=false", "shop"]).daemonize && !serve(&["shop"]).daemonize);
    assert!(pool(&["shop", "--no-new-privs"]).no_new_privs && !pool(&["shop", "--no-new-privs=no"]).no_new_privs);
}

#[test]
fn a_file_is_read_from_the_flag_or_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.toml");
    std::fs::write(&path, "[pool.blog]\napp = \"blog\"\nthreads = 7\n").unwrap();
    let typed = path.to_str().unwrap();
    assert_eq!((pool(&["-c", typed]).threads, pool(&["--config", typed, "--threads=2"]).threads), (7, 2));
    let variable = |name: &str| (name == "PYFCGID_CONFIG").then(|| path.clone().into_os_string());
    let Ok(Typed { command: Command::Check(config), remark: None }) = run_on(&nowhere(), &["check"], &variable) else {
        panic!("it names a good file")
    };
    assert_eq!((config.pools[0].name.as_str(), config.pools[0].threads), ("blog", 7));
    std::fs::write(&path, "[pool.blog]\nthread = 7\n").unwrap();
    let exit = refused(&["serve", "-c", typed]);
    assert_eq!((exit.code, exit.message.contains("site.toml:2: unknown key `thread` = 7")), (78, true));
    let exit = refused(&["serve", "-c", "/nonexistent/site.toml"]);
    assert_eq!((exit.code, exit.message.contains("/nonexistent/site.toml: No such file")), (78, true));
}

#[test]
fn a_wrong_command_line_is_64_and_says_what_is_right() {
    let table: [(&[&str], &str); 41] = [
        (&["serve", "shop", "--thread", "4"], "--threads"),
        (&["serve", "shop", "--roles", ""], "pyfcgid: --roles \"\": must be responder, authorizer or filter\n"),
        (&["serve", "shop", "--roles=,"], "pyfcgid: --roles \",\": must be responder, authorizer or filter\n"),
        (&["serve", "shop", "--env", ""], "pyfcgid: --env \"\": must be NAME=VALUE\n"),
        (
            &["serve", "shop", "--workers", "2"],
            "pyfcgid: unknown option --workers: use --processes, and --threads for the workers of each\n",
        ),
        (&["serve", "-w", "2", "shop"], "pyfcgid: unknown option -w: use --processes,"),
        (&["serve", "shop", "--daemon"], "pyfcgid: unknown option --daemon: use --daemonize\n"),
        (&["serve", "shop", "--port", "9000"], "pyfcgid: unknown option --port: use --listen, as in --listen 127.0.0.1:9000\n"),
        (
            &["serve", "--module", "shop"],
            "pyfcgid: unknown option --module: the application needs no option, as in `pyfcgid serve ",
        ),
        (&["-w", "2", "serve", "shop"], "pyfcgid: unknown option -w: use --processes,"),
        (&["status", "--pid", "p"], "pyfcgid: unknown option --pid: use --pid-file\n"),
        (&["request", "--user", "a:b"], "pyfcgid: --user is an option of serve and check"),
        (&["check", "shop", "--uid=33"], "pyfcgid: unknown option --uid: use --user\n"),
        (&["-D", "serve", "shop"], "pyfcgid: -D is an option of serve and check"),
        (&["reload", "--threads", "4"], "pyfcgid: --threads is an option of serve and check"),
        (&["--listen", ":1", "serve", "shop"], "pyfcgid: --listen is an option of serve and check: put it after the command\n"),
        (&["-l", ":1", "shop"], "pyfcgid: -l is an option of serve and check"),
        (&["shop:app"], "to serve an application, use `pyfcgid serve shop:app`\n"),
        (
            &["shop"],
            "pyfcgid: unknown command 'shop' (did you mean stop?); the commands are serve, check, reload, stop, status, ",
        ),
        (&["help"], "pyfcgid: there is no command 'help': use pyfcgid --help"),
        (&["restart"], "pyfcgid: there is no command 'restart': pyfcgid reload loads"),
        (&["serve", "shop", "-l", "tmp.sock"], "--listen \"tmp.sock\": must start with ./ or unix:"),
        (&["serve", "shop", "extra"], "unexpected argument 'extra'"),
        (&["serve", "shop", "--threads"], "a value is required"),
        (&["serve", "shop", "--threads", "0"], "--threads \"0\": must be a whole number from 1 to 1024"),
        (&["serve", "shop", "--threads", "-1"], "pyfcgid: --threads \"-1\": must be a whole number from 1 to 1024\n"),
        (&["serve", "shop", "--max-body-size", "-1"], "pyfcgid: --max-body-size \"-1\": must be "),
        (&["check", "shop", "--request-timeout", "-5"], "pyfcgid: --request-timeout \"-5\": must be "),
        (
            &["serve", "shop", "--request-timeout", "-5s"],
            "pyfcgid: --request-timeout \"-5s\": must be a duration such as 500ms",
        ),
        (&["serve", "shop", "--max-body-size", "-5M"], "pyfcgid: --max-body-size \"-5M\": must be "),
        (&["serve", "shop", "--threads", "-4x"], "pyfcgid: --threads \"-4x\": must be a whole number from 1 to 1024\n"),
        (&["request", "--max-time", "-5s"], "pyfcgid: --max-time \"-5s\": must be "),
        (&["top", "--delay", "-5s"], "invalid value '-5s' for '--delay <TIME>': must be "),
        (&["serve", "-1"], "unexpected argument '-1'"),
        (
            &["serve", "shop", "--umask", "9"],
            "--umask \"9\": must be permissions in octal digits, from 0000 to 0777, such as 027\n",
        ),
        (
            &["serve", "shop", "--socket-mode", "9"],
            "--socket-mode \"9\": must be permissions in octal digits, from 0000 to 0777, such as 0660\n",
        ),
        (&["serve"], "pyfcgid serve blog:app"),
        (&["serve", "my-shop"], "application \"my-shop\": must be a dotted module name"),
        (&["serv"], "did you mean serve?"),
        (&["request", "search"], "must start with a slash"),
        (&["request", "--connect", "127.0.0.1"], "--connect \"127.0.0.1\": must have a port, as in 127.0.0.1:9000\n"),
    ];
    for (args, text) in table {
        let exit = refused(args);
        assert_eq!(exit.code, 64, "{args:?}");
        assert!(exit.message.contains(text), "{args:?}: {}", exit.message);
    }
}

#[test]
fn advice_names_no_option_that_the_command_has_not() {
    for args in
        [&["request", "-u", "a:b", "/"][..], &["status", "-u", "x"], &["request", "--bind", ":1"], &["stop", "--port", "1"]]
    {
        let exit = refused(args);
        assert_eq!(exit.code, 64, "{args:?}");
        assert!(exit.message.contains("unexpected argument '-"), "{args:?}: {}", exit.message);
        assert!(!["--user", "--listen"].iter().any(|flag| exit.message.contains(flag)), "{args:?}: {}", exit.message);
    }
}

#[test]
fn a_request_is_understood() {
    let args = [
        "request",
        "--connect",
        "/run/a.sock",
        "-H",
        "A: b",
        "-d",
        "-1",
        "--param",
        "HTTPS=on",
        "-i",
        "--fail",
        "--max-time",
        "5s",
        "/x?y",
    ];
    let Ok(Command::Request(options)) = run(&args) else { panic!("{:?}", run(&args)) };
    assert_eq!(options.connect.to_string(), "unix:/run/a.sock");
    assert_eq!((options.method.as_slice(), options.path.as_slice()), (&b"POST"[..], &b"/x?y"[..]));
    assert_eq!(options.data, Some(client::Data::Bytes(b"-1".to_vec())));
    assert!(options.include_head && options.fail && options.max_time == Some(Duration::from_secs(5)));
    let Ok(Command::Request(options)) = run(&["request", "-X", "HEAD", "-d", "@-"]) else { panic!("it is right") };
    assert_eq!((options.method.as_slice(), options.data), (&b"HEAD"[..], Some(client::Data::Stdin)));
    assert_eq!((options.connect.to_string().as_str(), options.path.as_slice()), ("127.0.0.1:9000", &b"/"[..]));
    assert!(!options.include_head && !options.fail && options.max_time.is_none());
}

#[test]
fn an_argument_that_is_not_utf8_is_refused_politely() {
    use std::os::unix::ffi::OsStringExt;
    let args = ["pyfcgid", "serve"].map(OsString::from).into_iter().chain([OsString::from_vec(vec![b'a', 0xff])]);
    let exit = parse(args, Surroundings { environment: &|_| None, files: &nowhere() }).unwrap_err();
    assert_eq!((exit.code, exit.message.contains("must be UTF-8")), (64, true));
}

/// The places of a machine, below this directory, with these texts.
fn machine(directory: &std::path::Path, file: Option<&str>, former: Option<&str>) -> DefaultFiles {
    let files = DefaultFiles { file: directory.join("pyfcgid/pyfcgid.toml"), former: directory.join("pyfcgid.toml") };
    std::fs::create_dir_all(directory.join("pyfcgid")).unwrap();
    file.into_iter().for_each(|text| std::fs::write(&files.file, text).unwrap());
    former.into_iter().for_each(|text| std::fs::write(&files.former, text).unwrap());
    files
}

const MACHINE: &str = "pid-file = \"/run/m.pid\"\n[pool.machine]\napp = \"machine\"\nthreads = 7\n";

#[test]
fn the_file_of_the_machine_is_taken_where_no_file_and_no_application_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let files = machine(directory.path(), Some(MACHINE), None);
    let names = |args: &[&str], environment: Environment<'_>| match run_on(&files, args, environment).unwrap() {
        Typed { command: Command::Serve(config) | Command::Check(config), remark: None } => {
            config.pools.into_iter().map(|pool| (pool.name, pool.threads)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let is = |name: &str, threads| vec![(name.to_owned(), threads)];
    for command in ["serve", "check"] {
        assert_eq!(names(&[command], &|_| None), is("machine", 7));
        assert_eq!(names(&[command, "--threads", "2"], &|_| None), is("machine", 2));
        assert_eq!(
            names(&[command, "shop:app"], &|_| None),
            is("shop", 4),
            "the machine's file is none of a typed application"
        );
        assert_eq!(names(&[command], &|name| (name == "PYFCGID_APP").then(|| "shop".into())), is("shop", 4));
    }
    let own = directory.path().join("own.toml");
    std::fs::write(&own, "[pool.own]\napp = \"own\"\n").unwrap();
    let named = |name: &str| (name == "PYFCGID_CONFIG").then(|| own.clone().into());
    assert_eq!(names(&["serve"], &named), is("own", 4));
    assert_eq!(names(&["serve", "-c", own.to_str().unwrap()], &|_| None), is("own", 4));
}

#[test]
fn commands_find_what_runs_through_the_file_of_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    let files = machine(directory.path(), Some(MACHINE), None);
    let socket = |args: &[&str], environment: Environment<'_>| match run_on(&files, args, environment).unwrap() {
        Typed { command: Command::Control(control), remark: None } => control.files.control_socket.display().to_string(),
        other => panic!("{other:?}"),
    };
    for command in ["reload", "stop", "status"] {
        assert_eq!(socket(&[command], &|_| None), "/run/m.pid.control");
        assert_eq!(socket(&[command, "--pid-file", "/run/x"], &|_| None), "/run/x.control");
        assert_eq!(socket(&[command, "--control-socket", "/run/x"], &|_| None), "/run/x");
        assert_eq!(socket(&[command], &|name| (name == "PYFCGID_CONTROL_SOCKET").then(|| "/run/e".into())), "/run/e");
    }
    std::fs::write(&files.file, "[pool.machine]\napp = \"machine\"\n").unwrap();
    let exit = run_on(&files, &["status"], &|_| None).unwrap_err();
    assert!(
        exit.code == 64 && exit.message.contains("pyfcgid/pyfcgid.toml sets neither pid-file nor control-socket"),
        "{exit:?}"
    );
    // What is wrong with it does not matter to who does not need it.
    std::fs::write(&files.file, "[").unwrap();
    assert_eq!(socket(&["stop"], &|name| (name == "PYFCGID_PID_FILE").then(|| "/run/e".into())), "/run/e.control");
}

#[test]
fn a_file_where_0_1_had_it_is_taken_with_a_line_that_says_to_move_it() {
    let directory = tempfile::tempdir().unwrap();
    let files = machine(directory.path(), None, Some(MACHINE));
    for args in [&["serve"][..], &["check"], &["status"]] {
        let remark = run_on(&files, args, &|_| None).unwrap().remark.expect("it is to be moved");
        assert!(remark.contains(&format!("move it to {}", files.file.display())) && !remark.contains('\n'), "{remark}");
    }
    assert_eq!(run_on(&files, &["serve", "shop"], &|_| None).unwrap().remark, None);
    let both = machine(directory.path(), Some(MACHINE), None);
    let remark = run_on(&both, &["serve"], &|_| None).unwrap().remark.expect("one of them does not count");
    assert!(remark.contains("is ignored because"), "{remark}");
}

#[test]
fn a_file_that_is_there_and_cannot_be_read_is_not_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let files = machine(directory.path(), None, Some(MACHINE));
    std::fs::create_dir(&files.file).unwrap();
    for args in [&["serve"][..], &["check"], &["status"], &["new", "shop"]] {
        let exit = run_on(&files, args, &|_| None).unwrap_err();
        let told = format!("pyfcgid: cannot read the configuration file {}: ", files.file.display());
        assert!(exit.code == 78 && exit.message.starts_with(&told), "{args:?}: {}", exit.message);
    }
}

#[test]
fn without_any_file_all_that_was_looked_for_is_told() {
    let places =
        "PYFCGID_CONFIG is not set, and neither /nonexistent/pyfcgid/pyfcgid.toml nor /nonexistent/pyfcgid.toml exists\n";
    for (args, told) in [
        (&["serve"][..], "no application given: name it, as in `pyfcgid serve blog:app`"),
        (&["check", "--threads", "2"], "no application given: name it"),
        (&["status"], "which pyfcgid is meant? give the --pid-file FILE or --control-socket FILE it was started with"),
        (&["reload", "shop"], "which pyfcgid is meant?"),
        (&["new", "shop"], "where should the file go? Give the configuration with -c FILE, or --output FILE"),
    ] {
        let exit = refused(args);
        assert_eq!(exit.code, 64);
        assert!(exit.message.starts_with(&format!("pyfcgid: {told}")) && exit.message.ends_with(places), "{}", exit.message);
    }
}

#[test]
fn a_new_pool_goes_where_the_configuration_includes_it() {
    let directory = tempfile::tempdir().unwrap();
    let files = machine(directory.path(), Some("include = \"pools.d/*.toml\"\n"), None);
    let target = |args: &[&str]| match run_on(&files, args, &|_| None).unwrap().command {
        Command::New(new) if new.pool.name() == "shop" => new.target,
        other => panic!("{other:?}"),
    };
    let file = directory.path().join("pyfcgid/pools.d/shop.toml");
    assert_eq!(target(&["new", "shop"]), Target::Included { file, by: None });
    let own = directory.path().join("own.toml");
    std::fs::write(&own, "include = \"own/*\"\n").unwrap();
    let file = directory.path().join("own/shop.toml");
    let args = ["new", "shop", "-c", own.to_str().unwrap(), "--app", "shop:app"];
    assert_eq!(target(&args), Target::Included { file, by: Some(own) });
    assert_eq!(target(&["new", "shop", "--output", "a.toml"]), Target::File("a.toml".into()));
    assert_eq!(target(&["new", "shop", "-o", "-"]), Target::Stdout);
    for (args, told) in [
        (&["new"][..], "<NAME>"),
        (&["new", "a/b"], "invalid value 'a/b' for '<NAME>': use up to 64 letters, digits, `-`, `_` and `.`"),
        (&["new", "shop", "-o", "-", "--threads", "0"], "--threads \"0\": must be a whole number from 1 to 1024"),
        (&["new", "shop", "-o", "-", "--threads", "-1"], "--threads \"-1\": must be a whole number from 1 to 1024"),
        (&["new", "shop", "-o", "-", "--max-queue", "9"], "--max-queue"),
    ] {
        let exit = run_on(&files, args, &|_| None).unwrap_err();
        assert!(exit.code == 64 && exit.message.contains(told), "{args:?}: {}", exit.message);
    }
}
