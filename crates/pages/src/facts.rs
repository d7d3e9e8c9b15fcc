//! What pages say beside options and commands. Signals and exit codes stand in the tables of docs/operating.md, and are taken from there.

const OPERATING: &str = include_str!("../../../docs/operating.md");

/// The rows of docs/operating.md below this heading, of two columns each.
pub fn table(heading: &str) -> Vec<(String, String)> {
    let rows = OPERATING.lines().skip_while(|line| *line != heading).skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let (first, second) = line.trim_matches(['|', ' ']).split_once(" | ")?;
        Some((first.to_owned(), second.to_owned()))
    };
    rows.filter_map(row).collect()
}

/// Signals to the supervisor, and what happens.
pub const SIGNALS: &str = "| Signal to the supervisor | What happens |";
/// Exit codes, and what they mean.
pub const EXIT_CODES: &str = "| Exit code | Means |";

/// One sentence for the whole of it.
pub const ABOUT: &str = "runs Python WSGI applications behind nginx and Apache, over FastCGI";

/// What there is to know before anything else, in paragraphs.
pub const DESCRIPTION: [&str; 3] = [
    "pyfcgid is a FastCGI server for Python applications. A web server (nginx, Apache, HAProxy and others) passes each request \
     to it, and it runs the application in that application's own Python, CPython 3.9 or newer.",
    "One daemon serves any number of pools. A pool is an application with listening sockets, processes, threads, a user and limits of \
     its own. A supervisor, which never runs Python, starts the processes of all pools, replaces those that end, and writes the logs. A reload \
     loses no request and closes no connection.",
    "Without `-c`, every command that needs the configuration reads the file that PYFCGID_CONFIG names, else \
     /etc/pyfcgid/pyfcgid.toml. Only `pyfcgid serve` and `pyfcgid check` with an application on the command line read none.",
];

/// What stands in the configuration file, in paragraphs.
pub const FILE: [&str; 4] = [
    "The configuration file of pyfcgid is TOML. At its top, before the first line with a `[`, are the options of the whole \
     daemon; each pool has a table `[pool.NAME]` with its own. A NAME has up to 64 letters, digits, `-`, `_` and `.`, and \
     appears in logs, in `pyfcgid status` and in ps(1).",
    "An unknown key or a bad value makes a start or a reload fail, with a message that names the line and says what to do; a \
     failed reload changes nothing. `pyfcgid check` shows what is wrong, and prints every option with its value and where that \
     comes from.",
    "Each key is also an option of `pyfcgid serve` and `pyfcgid check` (`--max-queue 100`) and an environment variable \
     (`PYFCGID_MAX_QUEUE=100`). The command line takes precedence over the environment, the environment over the file, and the \
     file over the default. What is set on the command line or in the environment applies to every pool; with several pools, \
     the application and `listen` can only be set in the file.",
    "Relative paths are relative to the directory of the file that has them; a relative file of the application and \
     `python-path` are relative to `chdir`, if that is set.",
];

/// The key that is no option, in paragraphs.
pub const INCLUDE: [&str; 2] = [
    "A file or a pattern such as `pools.d/*.toml`, or a list of them, relative to the file: these files are read, too. It goes \
     at the top.",
    "An included file has `[pool.NAME]` tables only. Files are read in the order of their names; a pattern that matches none \
     is fine, and `*` does not match hidden files. A configuration that includes others may have no pool yet: pyfcgid then \
     runs, serves nothing, and says so.",
];

/// How values are written: the kind, and how.
pub const VALUES: [(&str, &str); 7] = [
    ("number", "Digits: `threads = 4`."),
    ("size", "Bytes, or a number followed by `K`, `M` or `G`, powers of 1024: `max-body-size = \"20M\"`."),
    ("time", "Seconds, or numbers followed by `ms`, `s`, `m`, `h` or `d`: `idle-timeout = \"1h30m\"`."),
    ("octal digits", "Permissions as for chmod(1), in quotes: `socket-mode = \"0660\"`."),
    ("true or false", "Without quotes: `daemonize = true`. `yes`, `no`, `on` and `off` in quotes are accepted, too."),
    ("text, path", "In quotes: `user = \"www-data\"`. In single quotes a backslash is a backslash."),
    ("list", "In brackets: `pass-env = [\"DATABASE_URL\", \"AWS_*\"]`. A single value needs none."),
];

/// A complete file.
pub const EXAMPLE: &str = r#"pid-file = "/run/pyfcgid/pyfcgid.pid"
log = "syslog"
access-log = "file:/var/log/pyfcgid/access.log"
include = "pools.d/*.toml"

[pool.shop]
app = "shop.wsgi"                  # the module shop.wsgi, and its callable `application`
chdir = "/srv/shop"
venv = "/srv/shop/venv"
user = "shop"
listen = ["unix:/run/pyfcgid/shop.sock"]
socket-group = "www-data"          # the web server's
processes = "2..8"
threads = 4
max-requests = 10000
max-requests-jitter = 1000
max-body-size = "20M"
idle-timeout = "10m"

[pool.shop.env]
DJANGO_SETTINGS_MODULE = "shop.settings.production"

[pool.wiki]
app = "/srv/wiki/wiki.py:create_app()"
user = "wiki"
listen = "127.0.0.1:9001"
allowed-clients = "127.0.0.1"
"#;

/// What is typed, and what it does.
pub const EXAMPLES: [(&str, &str); 8] = [
    ("pyfcgid serve shop:app --venv /srv/shop/venv", "Serve one application in the foreground, on 127.0.0.1:9000."),
    ("pyfcgid request '/search?q=x'", "Send it a request without a web server."),
    ("pyfcgid new shop --app /srv/shop/wsgi.py", "Write a file for a new pool."),
    ("pyfcgid check", "Show what is wrong with the configuration, or print it."),
    ("pyfcgid serve -D", "Serve all configured pools in the background; return when every pool is serving."),
    ("pyfcgid reload", "Reload settings and code without losing a request."),
    ("pyfcgid reload shop", "The same for one pool."),
    ("pyfcgid status --json", "Print the status of each pool, for programs."),
];

/// Environment variables that are no options.
pub const VARIABLES: [(&str, &str); 8] = [
    ("PYFCGID_CONFIG", "The configuration file, if `-c` is not given."),
    ("PYFCGID_OPTION", "An option, in upper case and with `_` instead of `-`; all of them are in pyfcgid.toml(5)."),
    ("VIRTUAL_ENV", "The virtual environment of pools that set neither `venv` nor `python`."),
    ("FCGI_WEB_SERVER_ADDRS", "Who may connect over TCP to pools that do not set `allowed-clients`."),
    ("PATH", "Where `python3` is searched for pools that name no Python."),
    ("TMPDIR", "Where request bodies that do not fit in memory are stored; default: /tmp."),
    ("LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES", "Listening sockets passed by systemd: see systemd.socket(5)."),
    ("NOTIFY_SOCKET, WATCHDOG_USEC", "How to notify systemd of the state of the service: see sd_notify(3)."),
];

/// Files, where a package puts them.
pub const FILES: [(&str, &str); 5] = [
    ("/etc/pyfcgid/pyfcgid.toml", "The configuration: see pyfcgid.toml(5)."),
    ("/etc/pyfcgid/pools.d/*.toml", "Pools, one file each, as `pyfcgid new` writes them."),
    ("/run/pyfcgid/", "Sockets of pools, the PID file, and the control socket."),
    ("/var/log/pyfcgid/", "Logs, if they go to files."),
    ("/etc/pyfcgid.toml", "The place of the configuration in 0.1. It is read if the first one does not exist: move it."),
];
