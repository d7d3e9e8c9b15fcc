use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use log::LevelFilter;

use super::*;

impl Config {
    /// One pool of this application, where everything else is the default.
    pub fn for_app(app: &str) -> Result<Self, Error> {
        Self::load(&flags(&[("app", app)]), &|_| None, None)
    }
}

pub(super) fn forget_origins(pool: &mut Pool) {
    pool.origins.clear();
    pool.interpreter = None; // It knows who has said so, too.
}

fn flags(typed: &[(&'static str, &str)]) -> Layer {
    let mut layer = Layer::new();
    for (name, text) in typed {
        layer.entry(*name).or_default().push(Item { text: (*text).to_owned(), origin: Origin::Flag });
    }
    layer
}

fn load(flags: Layer, environment: &[(&str, &str)], file: Option<&str>) -> Result<Config, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.toml");
    if let Some(text) = file {
        fs::write(&path, text).unwrap();
    }
    let variable = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    Config::load(&flags, &variable, file.map(|_| path.as_path()))
}

/// The only pool.
fn pool(config: Result<Config, Error>) -> Pool {
    let mut pools = config.unwrap().pools;
    assert_eq!(pools.len(), 1);
    pools.remove(0)
}

/// The error's text without the directory of the file.
fn message(result: Result<Config, Error>) -> String {
    let text = result.unwrap_err().to_string();
    text.split_once("/site.toml").map_or(text.clone(), |(_, rest)| format!("site.toml{rest}"))
}

fn in_file(text: &str) -> Result<Config, Error> {
    load(Layer::new(), &[], Some(text))
}

#[test]
fn a_pool_may_have_logs_of_its_own_which_are_shown_and_checked() {
    let text = "log = \"stderr\"\naccess-log = \"stderr\"\n[pool.blog]\napp = \"blog\"\nlog = \"file:/b\"\naccess-log = \"off\"\n\
                [pool.shop]\napp = \"shop\"\nlisten = \":1\"\n";
    let config = in_file(text).unwrap();
    let [blog, shop] = &config.pools[..] else { panic!("two pools") };
    assert_eq!((blog.log_in(&config).to_string(), blog.access_log_in(&config)), ("file:/b".to_owned(), None));
    assert_eq!((shop.log_in(&config), shop.access_log_in(&config)), (&LogTarget::Stderr, Some(&LogTarget::Stderr)));
    assert!(blog.has_own_logs() && !shop.has_own_logs());
    let again = in_file(&config.to_string()).unwrap();
    assert_eq!((&again.pools[0].log, &again.pools[0].access_log), (&blog.log, &blog.access_log));
    assert!(!again.pools[1].has_own_logs());
    let stronger = load(flags(&[("log", "syslog")]), &[("PYFCGID_ACCESS_LOG", "stderr")], Some(text)).unwrap();
    assert!(!stronger.pools[0].has_own_logs());
    let wrong = text.replace("file:/b", "/b");
    assert_eq!(message(in_file(&wrong)), "site.toml:5: log = \"/b\": must start with file:, as in file:/b");
    let hidden = load(flags(&[("log", "syslog")]), &[], Some(&wrong));
    assert_eq!(message(hidden), message(in_file(&wrong)));
}

#[test]
fn an_app_alone_gets_the_documented_defaults() {
    let config = pool(Config::for_app("blog.wsgi:app"));
    assert_eq!(config.name, "blog.wsgi");
    assert_eq!(config.listen, [ListenAddress::Tcp { host: "127.0.0.1".to_owned(), port: 9000 }]);
    assert_eq!((config.threads, config.backlog, config.socket_mode, config.max_connections), (4, 1024, 0o660, 10_000));
    assert_eq!((config.mount, config.remote_user, config.errors), (Mount::Auto, RemoteUser::Authenticated, ErrorsTo::Log));
    assert_eq!((config.abort, config.roles), (OnAbort::Continue, vec![Role::Responder]));
    assert_eq!((config.venv, config.python_path, config.chdir, config.env), (None, vec![], None, vec![]));
    assert_eq!((config.max_params_size, config.max_params, config.max_queue), (128 << 10, 1000, 1024));
    assert_eq!((config.max_body_size, config.body_memory), (1 << 30, 128 << 10));
    assert_eq!(config.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(config.socket_timeout, Some(Duration::from_secs(60)));
    assert_eq!(config.graceful_timeout, Duration::from_secs(30));
    assert_eq!(config.processes, Processes { min: 1, max: 1 });
    assert_eq!((config.socket_owner, config.socket_group, config.startup_timeout), (None, None, Duration::from_secs(60)));
    assert_eq!((config.max_requests, config.max_requests_jitter, config.max_rss, config.max_lifetime), (None, 0, None, None));
    assert_eq!((config.user, config.group, config.supplementary_groups), (None, None, None));
    assert_eq!((config.umask, config.chroot, config.no_new_privs), (0o022, None, true));
    let config = Config::for_app("blog").unwrap();
    assert_eq!((config.daemonize, config.pid_file, config.control_socket), (false, None, None));
    assert_eq!((config.control_socket_mode, config.log, config.log_level), (0o600, LogTarget::Stderr, LevelFilter::Info));
    assert_eq!((config.syslog_facility.code(), config.syslog_ident.as_str()), (3, "pyfcgid"));
    assert_eq!((config.syslog_socket.as_path(), config.access_log), (Path::new("/dev/log"), None));
    assert!(
        config
            .access_log_format
            .ends_with("[$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"")
    );
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = "[pool.blog]\napp = \"blog\"\nthreads = 2\nmax-queue = 20\nbacklog = 200\n";
    let environment = [("PYFCGID_THREADS", "3"), ("PYFCGID_MAX_QUEUE", "30")];
    let config = pool(load(flags(&[("threads", "5")]), &environment, Some(file)));
    assert_eq!((config.threads, config.max_queue, config.backlog, config.max_params), (5, 30, 200, 1000));
    assert_eq!(config.origin("threads"), Origin::Flag);
    assert_eq!(config.origin("max-queue"), Origin::Environment("PYFCGID_MAX_QUEUE".to_owned()));
    assert!(matches!(config.origin("backlog"), Origin::File { line: 5, .. }));
    assert_eq!(config.origin("max-params"), Origin::Default);
}

#[test]
fn a_bad_value_is_refused_also_where_a_stronger_source_hides_it() {
    let file = "[pool.blog]\napp = \"blog\"\nthreads = \"many\"\n";
    let text = message(load(flags(&[("threads", "5")]), &[("PYFCGID_THREADS", "3")], Some(file)));
    assert!(text.starts_with("site.toml:3: threads = \"many\": must be"), "{text}");
    let text =
        message(load(flags(&[("log-level", "info")]), &[("PYFCGID_LOG_LEVEL", "loud")], Some("[pool.b]\napp = \"b\"\n")));
    assert!(text.contains("PYFCGID_LOG_LEVEL=\"loud\""), "{text}");
}

#[test]
fn a_stronger_list_replaces_a_weaker_one_but_env_goes_name_by_name() {
    let file =
        "[pool.blog]\napp = \"blog\"\nlisten = [\":9001\", \":9002\"]\n[pool.blog.env]\nA = \"file\"\nB = \"file\"\nN = 1\n";
    let environment = [("PYFCGID_ENV", "B=environment,C=environment")];
    let typed = flags(&[("listen", ":9003"), ("listen", "unix:/run/b.sock"), ("env", "C=flag,still"), ("env", "C=flag,last")]);
    let config = pool(load(typed, &environment, Some(file)));
    assert_eq!(config.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["*:9003", "unix:/run/b.sock"]);
    let env = |name: &str| config.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((env("A"), env("B"), env("C"), env("N")), (Some("file"), Some("environment"), Some("flag,last"), Some("1")));
    assert_eq!(config.env.len(), 4);
}

#[test]
fn the_environment_has_lists_and_its_empty_variables_count_as_absent() {
    let environment = [
        ("PYFCGID_APP", "shop:app"),
        ("PYFCGID_LISTEN", "127.0.0.1:9001, unix:/run/a.sock"),
        ("PYFCGID_PYTHON_PATH", "/a:/b,/c"),
        ("PYFCGID_THREADS", ""),
        ("PYFCGID_FACTORY", "yes"),
        ("PYFCGID_PORT", "tcp://10.0.0.1:80"),
        ("VIRTUAL_ENV", "/srv/venv"),
    ];
    let config = pool(load(Layer::new(), &environment, None));
    assert_eq!((config.name.as_str(), config.listen.len(), config.threads), ("shop", 2, 4));
    assert_eq!(config.python_path, ["/a", "/b", "/c"].map(PathBuf::from));
    assert_eq!(config.venv, Some(PathBuf::from("/srv/venv")));
    assert_eq!(config.origin("venv"), Origin::Environment("VIRTUAL_ENV".to_owned()));
    assert!(config.app.factory);
}

/// It would mean the default, or nothing where something has to be.
#[test]
fn a_list_without_a_value_is_refused_wherever_it_is_typed() {
    let roles = "must be responder, authorizer or filter";
    let setting = SETTINGS.iter().find(|setting| setting.name == "roles").unwrap();
    for text in ["", ",", " , "] {
        let mut typed = flags(&[("app", "b")]);
        typed.insert(setting.name, split_text(setting, text, &Origin::Flag));
        assert_eq!(message(load(typed, &[], None)), format!("--roles {text:?}: {roles}"));
        let refused = message(in_file(&format!("[pool.b]\napp = \"b\"\nroles = {text:?}\n")));
        assert_eq!(refused, format!("site.toml:3: roles = {text:?}: {roles}"));
    }
    for (variable, reason) in [
        ("PYFCGID_ROLES", roles),
        ("PYFCGID_LISTEN", "must be an address such as"),
        ("PYFCGID_SUPPLEMENTARY_GROUPS", "must be a name or a number"),
    ] {
        let refused = message(load(flags(&[("app", "b")]), &[(variable, ",")], None));
        assert!(refused.starts_with(&format!("environment variable {variable}=\",\": {reason}")), "{refused}");
    }
}

#[test]
fn a_value_is_listed_twice_only_within_one_source() {
    let file = "[pool.b]\napp = \"b\"\nlisten = \":1\"\nroles = [\"filter\"]\n";
    let typed = flags(&[("listen", ":1"), ("roles", "filter")]);
    assert_eq!(pool(load(typed.clone(), &[("PYFCGID_LISTEN", ":1")], Some(file))).listen.len(), 1);
    let twice = file.replace("\":1\"", "[\":2\", \":2\"]");
    assert_eq!(message(load(typed, &[], Some(&twice))), "site.toml:3: listen = \":2\": is listed twice");
}

#[test]
fn a_list_that_may_be_empty_takes_the_place_of_a_weaker_one_when_it_is() {
    let file = "[pool.b]\napp = \"b\"\npython-path = \"/file\"\n";
    assert!(pool(load(Layer::from([("python-path", Vec::new())]), &[], Some(file))).python_path.is_empty());
    assert!(pool(load(Layer::new(), &[("PYFCGID_PYTHON_PATH", ":")], Some(file))).python_path.is_empty());
}

#[test]
fn virtual_env_is_weaker_than_the_file() {
    let config = pool(load(Layer::new(), &[("VIRTUAL_ENV", "/v")], Some("[pool.b]\napp = \"b\"\nvenv = \"/file\"\n")));
    assert_eq!(config.venv, Some(PathBuf::from("/file")));
}

#[test]
fn relative_paths_start_from_the_file_or_the_current_directory_or_chdir() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.toml");
    let here = std::env::current_dir().unwrap();
    fs::write(&path, "[pool.b]\napp = \"wsgi.py\"\nvenv = \"venv\"\nlisten = \"unix:b.sock\"\npython-path = \"lib:/x\"\n")
        .unwrap();
    let config = pool(Config::load(&Layer::new(), &|_| None, Some(&path)));
    let below = |name: &str| directory.path().join(name);
    assert_eq!(config.app.source, AppSource::File(below("wsgi.py")));
    assert_eq!(config.venv, Some(below("venv")));
    assert_eq!(config.listen, [ListenAddress::Unix(below("b.sock"))]);
    assert_eq!(config.python_path, [below("lib"), PathBuf::from("/x")]);
    let config = pool(Config::load(&flags(&[("app", "./a.wsgi"), ("venv", "v")]), &|_| None, Some(&path)));
    assert_eq!((config.app.source, config.venv), (AppSource::File(here.join("a.wsgi")), Some(here.join("v"))));
    let config = pool(Config::load(&flags(&[("chdir", "/srv/shop"), ("venv", "v")]), &|_| None, Some(&path)));
    assert_eq!(config.app.source, AppSource::File(PathBuf::from("/srv/shop/wsgi.py")));
    assert_eq!(config.python_path, ["/srv/shop/lib", "/x"].map(PathBuf::from));
    assert_eq!((config.venv, config.listen), (Some(here.join("v")), vec![ListenAddress::Unix(below("b.sock"))]));
}

#[test]
fn zero_switches_off_where_that_makes_sense() {
    let zeros = flags(&[
        ("app", "b"),
        ("idle-timeout", "0"),
        ("socket-timeout", "0s"),
        ("max-body-size", "0"),
        ("graceful-timeout", "0"),
    ]);
    let config = pool(load(zeros, &[], None));
    assert_eq!((config.idle_timeout, config.socket_timeout, config.max_body_size), (None, None, u64::MAX));
    assert_eq!(config.graceful_timeout, Duration::ZERO);
    for name in ["threads", "backlog", "max-connections", "max-queue", "max-params", "max-params-size"] {
        assert!(load(flags(&[("app", "b"), (name, "0")]), &[], None).is_err(), "{name}");
    }
}

#[test]
fn a_mode_is_octal_in_the_file_too() {
    for typed in ["\"0640\"", "640", "0o640", "\"0o640\""] {
        let config = pool(in_file(&format!("[pool.b]\napp = \"b\"\nsocket-mode = {typed}\n")));
        assert_eq!(config.socket_mode, 0o640, "{typed}");
    }
}

#[test]
fn what_is_shown_is_a_file_that_means_the_same() {
    let full = "log-level = \"debug\"\ndaemonize = true\npid-file = \"/run/p.pid\"\ncontrol-socket-mode = 0o660\nlog = \"file:/l\"\n\
                syslog-facility = \"local3\"\nsyslog-ident = \"site\"\nsyslog-socket = \"/s\"\naccess-log = \"syslog\"\n\
                access-log-format = '\"$request\" its'\n\
                [pool.\"b.c\"]\napp = \"/srv/a.py:make()\"\nlisten = [\"[::1]:1\", \"unix:/a b.sock\", \"fd:3\"]\n\
                threads = 8\nmount = \"/x\"\nremote-user = \"never\"\nerrors = \"peer\"\nrequest-id = true\nabort = \"raise\"\nroles = [\"authorizer\", \"filter\"]\nsocket-mode = \"0600\"\nvenv = \"/v\"\n\
                python-path = [\"/a:b\"]\nchdir = \"/c\"\nenv = [\"A=\\\"1\\\"\", \"B=\"]\nmax-body-size = 0\nidle-timeout = 0\n\
                socket-timeout = \"1m30s\"\nbody-memory = 1500\nprocesses = \"0..8\"\nsocket-owner = 0\nsocket-group = \"007\"\n\
                max-requests = 1000\nmax-requests-jitter = 10\nmax-rss = \"300M\"\nmax-lifetime = \"1d\"\n\
                memory-limit = \"1G\"\nrlimit-nofile = 11000\nrlimit-core = \"unlimited\"\nnice = -3\nstartup-timeout = \"10s\"\n\
                user = \"www-data\"\ngroup = 33\nsupplementary-groups = [\"ssl-cert\", 44]\numask = \"007\"\nchroot = \"/srv\"\n\
                no-new-privs = false\n\
                sendfile-header = \"X-Accel-Redirect\"\n\
                [pool.z]\napp = \"z\"\nlisten = \":1000\"\nuser = \"z\"\nsupplementary-groups = \"none\"\numask = 777\n\
                [pool.y]\napp = \"y\"\n";
    for text in [full, "[pool.b]\napp = \"b\"\nmount = \"\"\n"] {
        let mut config = in_file(text).unwrap();
        let shown = config.to_string();
        let mut again = in_file(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        for config in [&mut again, &mut config] {
            config.origins.clear();
            config.pools.iter_mut().for_each(forget_origins);
        }
        assert_eq!(again, config, "{shown}");
        assert!(SETTINGS.iter().all(|setting| shown.contains(setting.name)), "{shown}");
    }
}

#[test]
fn the_time_after_which_a_request_is_slow_is_shown_as_it_holds() {
    for (typed, slow) in [
        ("", "10s"),
        ("request-timeout = \"30s\"\n", "10s"),
        ("request-timeout = \"3s\"\n", "1500ms"),
        ("request-timeout = \"3s\"\nslow-request-timeout = \"2s\"\n", "2s"),
        ("request-timeout = \"3s\"\nslow-request-timeout = \"0\"\n", "0"),
    ] {
        let config = in_file(&format!("[pool.web]\napp = \"app\"\n{typed}")).unwrap();
        assert_eq!(config.pools[0].value_of("slow-request-timeout"), slow, "{typed}");
        let deadlines = |config: &Config| config.pools[0].of_processes(config).deadlines;
        assert_eq!(deadlines(&config), deadlines(&in_file(&config.to_string()).unwrap()), "{typed}");
    }
}

#[test]
fn what_is_masked_is_shown_without_secrets_and_says_so() {
    let file = "[pool.b]\napp = 'b:make(\"pg://a:s3cret@db\")'\nenv = { API_KEY = \"s3cret\", A = \"http://a:s3cret@b\", B = \"c\" }\n";
    let config = in_file(file).unwrap();
    let masked = config.masked();
    assert!(masked.starts_with("# *** hides what may be a secret"), "{masked}");
    assert!(masked.contains("env = [\"A=http://a:***@b\", \"API_KEY=***\", \"B=c\"]"), "{masked}");
    assert!(masked.contains("make(\"pg://a:***@db\")") && !masked.contains("s3cret"), "{masked}");
    assert_eq!(config.to_string().matches("s3cret").count(), 3);
    let plain = in_file("[pool.b]\napp = \"b\"\nenv = { B = \"c\" }\n").unwrap();
    assert_eq!(plain.masked(), plain.to_string());
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_line_key_value_and_advice() {
    let table = [
        ("[pool.b]\napp = \"b\"\nthread = 8\n", "site.toml:3: unknown key `thread` = 8: did you mean `threads`?"),
        ("[pool.b]\nbind = \":1\"\n", "site.toml:2: unknown key `bind` = \":1\": did you mean `listen`?"),
        ("[pool.b]\nmax_queue = 1\n", "site.toml:2: unknown key `max_queue` = 1: did you mean `max-queue`?"),
        ("[pool.b]\nfrobnicate = 1\n", "site.toml:2: unknown key `frobnicate` = 1: valid keys here are app, listen,"),
        ("\nfrobnicate = 1\n", "site.toml:2: unknown key `frobnicate` = 1: valid keys here are daemonize, pid-file,"),
        ("[pools.b]\napp = \"b\"\n", "site.toml:1: unknown key `pools`: did you mean a line such as [pool.blog]?"),
        ("[a]\napp = \"b\"\n", "site.toml:1: unknown key `a`: a pool's settings go under a line such as [pool.a]"),
        ("[\"a/b\"]\napp = \"b\"\n", "site.toml:1: unknown key `a/b`: a pool's settings go under a line such as [pool.blog]"),
        ("[pool.b]\nworkers = 2\n", "site.toml:2: unknown key `workers` = 2: did you mean `processes`?"),
        ("[pool.b]\nrlimit_files = 2\n", "site.toml:2: unknown key `rlimit_files` = 2: did you mean `rlimit-nofile`?"),
        ("[pool.b]\nprocess.priority = 2\n", "site.toml:2: unknown key `process`: did you mean `nice`?"),
        ("[pool.b]\nlimit-as = 512\n", "site.toml:2: unknown key `limit-as` = 512: did you mean `memory-limit`?"),
        ("daemon = true\n", "site.toml:1: unknown key `daemon` = true: did you mean `daemonize`?"),
        (
            "control-socket = \"unix:/run/c\"\n",
            "site.toml:1: control-socket = \"unix:/run/c\": must be a path alone, without unix:",
        ),
        ("[pool.b]\npid-file = \"x\"\n", "site.toml:2: misplaced key `pid-file` = \"x\": it applies to the whole process"),
        ("threads = 4\n", "site.toml:1: misplaced key `threads` = 4: it belongs under a [pool.NAME] line"),
        (
            "[pool.b]\nlog-level = \"info\"\n",
            "site.toml:2: misplaced key `log-level` = \"info\": it applies to the whole process",
        ),
        ("[pool]\napp = \"b\"\n", "site.toml:2: misplaced key `app` = \"b\": a pool needs a name"),
        ("pool = 1\n", "site.toml:1: misplaced key `pool` = 1: a pool needs a name"),
        ("[pool.\"a/b\"]\n", "site.toml:1: bad pool name `a/b`: use up to 64 letters"),
        ("[pool.b]\napp = \"b\"\nthreads = 0\n", "site.toml:3: threads = \"0\": must be a whole number from 1 to 1024"),
        ("[pool.b]\napp = \"b\"\nthreads = 1.5\n", "site.toml:3: threads = \"1.5\": must be a whole number"),
        ("[pool.b]\napp = \"b\"\nthreads = [1, 2]\n", "site.toml:3: threads = \"[1, 2]\": must be one value, not a list"),
        ("[pool.b]\napp = \"b\"\nthreads = {}\n", "site.toml:3: threads = \"{}\": must be a value, not a table"),
        (
            "[pool.b]\napp = \"b\"\nlisten = [\n\":1\",\n\"nowhere\",\n]\n",
            "site.toml:5: listen = \"nowhere\": must be an address",
        ),
        ("[pool.b]\napp = \"b\"\nlisten = [[]]\n", "site.toml:3: listen = \"[]\": must be a list of strings"),
        ("[pool.b]\napp = \"b\"\nlisten = []\n", "site.toml:3: listen = \"[]\": must have at least one value"),
        ("[pool.b]\napp = \"b\"\nlisten = [\":1\", \"*:1\"]\n", "site.toml:3: listen = \"*:1\": is listed twice"),
        (
            "[pool.b]\napp = \"b\"\nroles = [\"authoriser\"]\n",
            "site.toml:3: roles = \"authoriser\": must be responder, authorizer or filter",
        ),
        ("[pool.b]\napp = \"b\"\nroles = []\n", "site.toml:3: roles = \"[]\": must have at least one value"),
        ("[pool.b]\napp = \"b\"\nroles = \"filter,filter\"\n", "site.toml:3: roles = \"filter\": is listed twice"),
        ("[pool.b]\napp = \"b\"\nvenv = 2020-01-01\n", "site.toml:3: venv = \"2020-01-01\": must be a string"),
        ("[pool.b]\napp = \"b\"\nenv = [\"=x\"]\n", "site.toml:3: env = \"=x\": must be NAME=VALUE"),
        ("[pool.b]\napp = \"b\"\nenv = { A = [] }\n", "site.toml:3: env = \"[]\": must have a string for each name"),
        ("[pool.b]\napp = \n", "site.toml:2:"),
        ("[pool.b]\napp = \"b\"\napp = \"c\"\n", "site.toml:3:1: not valid TOML: duplicate key"),
        ("[pool.b]\n", "site.toml:1: pool `b` has no application: add a line such as app = \"module:callable\""),
        ("log-level = \"info\"\n", "no application given: add app = \"module:callable\" to the [pool.NAME] table of "),
    ];
    for (text, expected) in table {
        let result = in_file(text);
        assert_eq!(result.as_ref().map_err(Error::exit_code), Err(EX_CONFIG), "{text}");
        let full = result.as_ref().unwrap_err().to_string();
        let told = message(result);
        assert!(told.starts_with(expected) || full.starts_with(expected), "{told}\nis not\n{expected}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn text_without_quotes_is_told_how_it_is_written() {
    for (line, right) in [
        ("app = flaskapp", "app = \"flaskapp\""),
        ("app = blog.wsgi:app # ours", "app = \"blog.wsgi:app\""),
        ("listen = 127.0.0.1:9000", "listen = \"127.0.0.1:9000\""),
        ("venv = /srv/venv", "venv = \"/srv/venv\""),
    ] {
        let told = message(in_file(&format!("[pool.b]\n{line}\n")));
        assert!(told.starts_with("site.toml:2:") && told.ends_with(&format!("text needs quotes, as in {right}")), "{told}");
        assert_eq!(told.lines().count(), 1);
    }
    for text in ["[pool.b]\nthreads = 4\nthreads = 4\n", "[pool.b\n", "[pool.b]\napp = \n", "[pool.b]\napp = \"b\n"] {
        assert!(!message(in_file(text)).contains("needs quotes"), "{text}");
    }
}

#[test]
fn dots_are_taken_out_of_a_path_unless_a_link_is_before_them() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("site/deep")).unwrap();
    std::os::unix::fs::symlink("site/deep", root.join("link")).unwrap();
    for (typed, plain) in [
        ("site/../venv", "venv"),
        ("site/deep/../../venv", "venv"),
        ("link/../venv", "link/../venv"),
        ("missing/../venv", "missing/../venv"),
    ] {
        assert_eq!(absolute(&root, typed.as_ref()), Ok(root.join(plain)), "{typed}");
    }
    assert_eq!(absolute(&root, "/../x".as_ref()), Ok(PathBuf::from("/../x")));
}

#[test]
fn a_file_that_cannot_be_read_or_is_no_text_is_told() {
    let error = Config::load(&Layer::new(), &|_| None, Some(Path::new("/nonexistent/site.toml"))).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration file /nonexistent/site.toml");
    assert_eq!(error.exit_code(), EX_CONFIG);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"# ok\n# \xff\n").unwrap();
    let error = Config::load(&Layer::new(), &|_| None, Some(file.path())).unwrap_err();
    assert!(error.to_string().ends_with(":2:3: not valid TOML: not UTF-8 text"), "{error}");
}

#[test]
fn a_bad_value_names_its_flag_or_variable_and_has_the_right_exit_code() {
    let error = load(flags(&[("app", "b"), ("threads", "many")]), &[], None).unwrap_err();
    assert_eq!(
        (error.exit_code(), error.to_string().as_str()),
        (64, "--threads \"many\": must be a whole number from 1 to 1024")
    );
    let error = load(flags(&[("app", "b")]), &[("PYFCGID_IDLE_TIMEOUT", "soon")], None).unwrap_err();
    assert!(error.to_string().starts_with("environment variable PYFCGID_IDLE_TIMEOUT=\"soon\": must be a duration"));
    assert_eq!(error.exit_code(), 78);
    let error = load(Layer::new(), &[], None).unwrap_err();
    assert_eq!(error.exit_code(), 64);
    assert!(error.to_string().contains("pyfcgid serve blog:app"));
}

#[test]
fn what_the_command_line_and_the_environment_say_is_for_every_pool() {
    let file = "log-level = \"warn\"\n[pool.shop]\napp = \"shop\"\nlisten = \":1\"\nthreads = 2\n\
                [pool.blog]\napp = \"blog\"\nlisten = \":2\"\nmax-queue = 7\n";
    let environment = [("PYFCGID_THREADS", "5"), ("PYFCGID_LOG", "syslog")];
    let config = load(flags(&[("max-queue", "9"), ("log-level", "debug")]), &environment, Some(file)).unwrap();
    let seen: Vec<_> = config.pools.iter().map(|pool| (pool.name.as_str(), pool.threads, pool.max_queue)).collect();
    assert_eq!(seen, [("shop", 5, 9), ("blog", 5, 9)], "in the order of the file");
    assert_eq!((config.log_level, config.log.clone()), (LevelFilter::Debug, LogTarget::Syslog));
    assert_eq!((config.origin("log-level"), config.origin("log-facility")), (Origin::Flag, Origin::Default));
    assert!(matches!(config.pools[1].origin("listen"), Origin::File { line: 8, .. }));
}

#[test]
fn what_tells_pools_apart_is_not_said_for_all_of_them() {
    let two = "[pool.shop]\napp = \"shop\"\nlisten = \":1\"\n[pool.blog]\napp = \"blog\"\n";
    let told = |typed, environment: &[(&str, &str)]| {
        let error = load(flags(typed), environment, Some(two)).unwrap_err();
        (error.exit_code(), error.to_string())
    };
    let rest = "applies to one pool, but the file has 2 (shop, blog): set it there";
    assert_eq!(told(&[("app", "x")], &[]), (EX_USAGE, format!("application \"x\": {rest}")));
    assert_eq!(told(&[("listen", ":3")], &[]), (EX_USAGE, format!("--listen \":3\": {rest}")));
    let variable = [("PYFCGID_LISTEN", ":3")];
    assert_eq!(told(&[], &variable), (EX_CONFIG, format!("environment variable PYFCGID_LISTEN=\":3\": {rest}")));
    let one = "[pool.shop]\napp = \"shop\"\nlisten = \":1\"\n";
    let named = pool(load(flags(&[("app", "x"), ("listen", ":3")]), &[], Some(one)));
    assert_eq!((named.name.as_str(), named.app.to_string().as_str()), ("shop", "x"));
}

#[test]
fn two_pools_on_one_address_are_refused_naming_both() {
    let both = |first: &str, second: &str| {
        let pool = |name, listen: &str| format!("[pool.{name}]\napp = \"{name}\"\nlisten = {listen}\n");
        in_file(&(pool("shop", first) + &pool("blog", second)))
    };
    for (first, second, address) in [
        ("\":1\"", "[\":2\", \"*:1\"]", "*:1"),
        ("\":1\"", "\"127.0.0.1:1\"", "127.0.0.1:1"),
        ("\"[::1]:1\"", "\":1\"", "*:1"),
        ("\"unix:/run/a\"", "\"unix:/run/./a\"", "unix:/run/a"),
        ("\"fd:3\"", "\"fd:3\"", "fd:3"),
    ] {
        let error = both(first, second).unwrap_err();
        let (text, code) = (error.to_string(), error.exit_code());
        assert!(text.starts_with("pool `shop` (") && text.contains("site.toml:3) and pool `blog` ("), "{text}");
        assert!(text.ends_with(&format!("site.toml:6) both listen on {address}: give each its own `listen`")), "{text}");
        assert_eq!(code, EX_CONFIG);
    }
    for (first, second) in
        [("\":1\"", "\":2\""), ("\":0\"", "\":0\""), ("\"127.0.0.1:1\"", "\"[::1]:1\""), ("\"unix:/a\"", "\"unix:/b\"")]
    {
        assert!(both(first, second).is_ok(), "{first} {second}");
    }
    let error = in_file("control-socket = \"/run/c\"\n[pool.b]\napp = \"b\"\nlisten = \"/run/c\"\n").unwrap_err().to_string();
    assert!(error.contains("site.toml:1: control-socket = \"/run/c\": is already an address of pool `b` ("), "{error}");
    // Sockets that are handed over may come in the place of the default.
    let silent = in_file("[pool.shop]\napp = \"shop\"\n[pool.blog]\napp = \"blog\"\n").unwrap().check_addresses().unwrap_err();
    assert!(silent.to_string().starts_with("pool `shop` (default) and pool `blog` (default) both listen on 127.0.0.1:9000"));
}

#[test]
fn a_daemon_logs_to_syslog_unless_it_is_told_otherwise() {
    let log = |typed| load(flags(typed), &[], None).unwrap().log;
    assert_eq!(log(&[("app", "b"), ("daemonize", "true")]), LogTarget::Syslog);
    assert_eq!(log(&[("app", "b"), ("daemonize", "true"), ("log", "stderr")]), LogTarget::Stderr);
    assert_eq!(log(&[("app", "b"), ("daemonize", "false")]), LogTarget::Stderr);
}

#[test]
fn files_of_the_process_start_from_the_file_and_the_control_socket_stands_beside_the_pid_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, below) = (directory.path().join("site.toml"), |name: &str| directory.path().join(name));
    let pools = "[pool.b]\napp = \"b\"\n";
    fs::write(&path, format!("pid-file = \"p.pid\"\nlog = \"file:l\"\naccess-log = \"file:a\"\n{pools}")).unwrap();
    let config = Config::load(&Layer::new(), &|_| None, Some(&path)).unwrap();
    assert_eq!((config.pid_file, config.control_socket), (Some(below("p.pid")), Some(below("p.pid.control"))));
    assert_eq!((config.log, config.access_log), (LogTarget::File(below("l")), Some(LogTarget::File(below("a")))));
    let typed = flags(&[("control-socket", "/run/c"), ("access-log", "off")]);
    let config = Config::load(&typed, &|_| None, Some(&path)).unwrap();
    assert_eq!((config.control_socket, config.access_log), (Some(PathBuf::from("/run/c")), None));
}

#[test]
fn the_control_socket_is_found_whatever_else_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.toml");
    let found = |text: &str, environment: &[(&str, &str)]| {
        fs::write(&path, text).unwrap();
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let files = supervisor_files(&variable, Some(&path)).map_err(|error| error.to_string())?;
        Ok::<_, String>(files.map(|files| files.control_socket))
    };
    let expected = Ok(Some(directory.path().join("p.control")));
    for broken in [
        "",
        "frobnicate = 1\nlog-level = 7\n",
        "include = \"missing.toml\"\n",
        "[pool.b]\nthreads = many\n",
        "[pool.b\napp = \"\n[pool.b]]\n",
        "[pool.b]\n[pool.b]\n\u{1}",
    ] {
        assert_eq!(found(&format!("pid-file = \"p\"\n{broken}"), &[("PYFCGID_THREADS", "many")]), expected, "{broken}");
    }
    for broken in ["log = \n", "log = stderr\n", "log = \"a\n", "]\n"] {
        assert_eq!(found(&format!("{broken}pid-file = \"p\"\n"), &[]), expected, "{broken}");
    }
    let swallowed = "log\npid-file = \"p\"\n";
    assert!(found(swallowed, &[]).unwrap_err().contains("site.toml:1:"), "the mistake hides it: {:?}", found(swallowed, &[]));
    assert_eq!(found(swallowed, &[("PYFCGID_CONTROL_SOCKET", "/run/c")]), Ok(Some("/run/c".into())));
    assert_eq!(found("pid-file = \"p\"\n", &[("PYFCGID_CONTROL_SOCKET", "/run/c")]), Ok(Some("/run/c".into())));
    assert_eq!(found("control-socket = \"/c\"\n", &[("PYFCGID_PID_FILE", "/run/p")]), Ok(Some("/c".into())));
    assert_eq!(found("[pool.b]\npid-file = \"p\"\n", &[]), Ok(None));
    assert!(
        found("pid-file = [1]\n", &[]).unwrap_err().ends_with("site.toml:1: pid-file = \"[1]\": must be one value, not a list")
    );
    let error = supervisor_files(&|_| None, Some(Path::new("/nonexistent/site.toml"))).unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().contains("cannot read")), (EX_CONFIG, true));
}

#[test]
fn a_file_that_includes_others_may_have_no_pool_yet() {
    let directory = tempfile::tempdir().unwrap();
    let (main, path) = (directory.path().join("site.toml"), directory.path().display());
    fs::write(&main, "log-level = \"debug\"\n\ninclude = [\"pools.d/*.toml\", \"more/*\"]\n").unwrap();
    let load = |flags: Layer| Config::load(&flags, &|_| None, Some(&main));
    let config = load(Layer::new()).unwrap();
    assert!(config.pools.is_empty());
    let told = format!(
        "no pool configured: {path}/site.toml:3 includes pools.d/*.toml, more/*, and no file there has a pool (the directory \
         {path}/pools.d does not exist); write one with `pyfcgid new NAME -c {path}/site.toml`, then run `pyfcgid reload -c \
         {path}/site.toml`"
    );
    assert_eq!((config.without_pool(), config.warnings([]).remove(0).text), (Some(told.clone()), told));
    // What is shown has no pool either.
    let shown = directory.path().join("shown.toml");
    fs::write(&shown, config.to_string()).unwrap();
    let again = Config::load(&Layer::new(), &|_| None, Some(&shown)).unwrap();
    assert_eq!((again.pools.len(), again.log_level), (0, config.log_level), "{config}");
    fs::create_dir(directory.path().join("pools.d")).unwrap();
    fs::write(directory.path().join("pools.d/a.toml"), "[pool.a]\napp = \"a\"\n").unwrap();
    let config = load(Layer::new()).unwrap();
    assert_eq!((config.pools.len(), config.without_pool()), (1, None));
    assert_eq!(Config::load(&Layer::new(), &|_| None, Some(&shown)).unwrap().pools.len(), 1, "the same files are included");
}

#[test]
fn an_application_on_the_command_line_is_the_pool_of_a_file_that_has_none() {
    let directory = tempfile::tempdir().unwrap();
    let main = directory.path().join("site.toml");
    fs::write(&main, "include = \"pools.d/*\"\n").unwrap();
    let config = Config::load(&flags(&[("app", "shop")]), &|_| None, Some(&main)).unwrap();
    assert_eq!(config.pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>(), ["shop"]);
    assert_eq!(config.without_pool(), None);
    fs::write(&main, "include = []\n").unwrap();
    let error = Config::load(&Layer::new(), &|_| None, Some(&main)).unwrap_err().to_string();
    assert!(error.starts_with("no application given"), "{error}");
}
