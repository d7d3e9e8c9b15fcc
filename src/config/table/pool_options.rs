//! A pool and its options: what is served, where, with which Python, as whom, and within which limits.

use std::path::PathBuf;
use std::time::Duration;

use log::Level;

use super::super::form::{
    Form, MOST_REQUESTS, account, address, application, body_size, clients, core_size, directory_path, distinct, excluded_path,
    file_path, groups, header_name, keyword, level, list, memory, mode, module_path, moment, mount, number, optional, or_zero,
    path_of_probes, processes, size, switch, target, target_or_off, time, timeouts, variable_pattern, variables,
};
use super::super::layer::Origins;
use super::super::reader::Reader;
use super::super::setting::{Fallback, Group, Kind, Setting};
use super::super::{
    App, AppLog, Error, ErrorsTo, Interpreter, ListenAddress, LogTarget, Mount, OnAbort, Origin, PathTimeout, Processes,
    RemoteUser, Role,
};
use shared::network::Network;

settings! {
    /// The settings of one pool, valid and complete.
    Pool, listed in POOL as of_pool and not of_process, read by (reader, name: String), has also {
        /// The pool's name: that of its table in the file, else its application's.
        pub name: String = name;
        /// The Python that it runs in, by what is named and what is there; `None` if there is none.
        pub interpreter: Option<Interpreter> = None;
        /// Where its log goes, if not where the others' do.
        pub log: Option<LogTarget> = reader.read_own("log", &target())?;
        /// Where its access log goes, if not where the others' do; nowhere if that is `None` again.
        pub access_log: Option<Option<LogTarget>> = reader.read_own("access-log", &target_or_off())?;
        pub(in crate::config) origins: Origins = reader.origins();
    }

    /// The application. Its file is absolute.
    app: App = application(), "app", Pool, One, "APP", Nothing,
        "The application: module, module:callable, module:factory() with literal arguments or path/to/file.py[:callable]; \
         without a callable, `application` is used, else `app`";
    /// Where to listen. Invariant: not empty, nothing twice, Unix paths absolute.
    listen: Vec<ListenAddress> = distinct(address()), "listen", Pool, ADDRESSES, "ADDR", Value("127.0.0.1:9000"),
        "Where to listen: host:port, [::1]:9000, :9000 (every address), unix:/path, /path or fd:N; can be repeated";
    /// How many processes it has.
    processes: Processes = processes(), "processes", Pool, One, "N", Value("1"),
        "Processes: a number up to 1024, auto for one per core, or 2..8 to grow under load and shrink again; 0..8 starts them \
         on demand";
    /// Workers of each process, 1 to 1024.
    threads: usize = number(1, 1024), "threads", Pool, One, "N", Value("4"),
        "Workers of each process, 1 to 1024: the requests that can run Python at once in it";
    /// Where in the site's paths the application is.
    mount: Mount = mount(), "mount", Pool, One, "PREFIX", Value("auto"),
        "The URL path where the site has the application, as in /app, or \"\" for the root; auto detects it";
    /// When REMOTE_USER reaches the application.
    remote_user: RemoteUser = keyword(), "remote-user", Pool, One, "WHEN", Value("authenticated"),
        "When REMOTE_USER is passed to the application: authenticated (only with AUTH_TYPE), always or never";
    /// Where `wsgi.errors` and tracebacks go.
    errors: ErrorsTo = keyword(), "errors", Pool, One, "WHERE", Value("log"),
        "Where wsgi.errors and tracebacks go: log, or peer for both the log and the web server's log";
    /// How what the application prints and writes to `wsgi.errors` is written to the log.
    app_log: AppLog = keyword(), "app-log", Pool, One, "HOW", Value("decorated"),
        "How the application's output (what it prints, and wsgi.errors) is logged: decorated with time, level, process and \
         request, or plain, unchanged, for lines of JSON";
    /// The level of what it writes to stdout.
    stdout_level: Level = level(), "stdout-level", Pool, One, "LEVEL", Value("info"),
        "The log level of what the application prints: error, warn, info, debug or trace";
    /// The level of what it writes to stderr.
    stderr_level: Level = level(), "stderr-level", Pool, One, "LEVEL", Value("warn"),
        "The log level of what the application writes to stderr, where Python's logging writes by default";
    /// Whether each request has an X-Request-ID, made here if it came without one.
    request_id: bool = switch(), "request-id", Pool, Switch, "BOOL", Value("false"),
        "Give each request that comes without an X-Request-ID header a new one, as HTTP_X_REQUEST_ID, 32 hexadecimal digits";
    /// What becomes of a running application when the web server gives its request up.
    abort: OnAbort = keyword(), "abort", Pool, One, "HOW", Value("continue"),
        "What happens to the application when the web server aborts its request: continue, or raise for pyfcgid.RequestAborted \
         in its thread";
    /// What the application may be asked to be. Invariant: not empty, none twice.
    roles: Vec<Role> = distinct(keyword()), "roles", Pool, LIST, "ROLE", Value("responder"),
        "The FastCGI roles that are accepted: responder, authorizer (its 200 lets a request in) or filter; comma-separated, or \
         repeated";
    /// The path of probes, which pyfcgid answers itself; none by default.
    ping_path: Option<String> = path_of_probes(), "ping-path", Pool, One, "PATH", Value("none"),
        "The path of health checks, as in /ping, which are answered \"pong\" without the application, even while every worker \
         is busy; or none";
    /// Paths whose requests are not in the access log, or how they begin, which ends in a slash.
    access_log_exclude: Vec<String> = list(excluded_path()), "access-log-exclude", Pool, LIST, "PATH", Nothing,
        "A path that the access log leaves out, as in /health, or with a slash at its end all paths below it, as in /static/; \
         responses with status 500 or above are logged all the same; comma-separated, or repeated";
    /// The path of the pool's status, which pyfcgid itself answers; none by default.
    status_path: Option<String> = path_of_probes(), "status-path", Pool, One, "PATH", Value("none"),
        "The path of the pool's status page, as in /status, which is answered without the application, even while every worker \
         is busy; ?full, ?json, ?html and ?openmetrics say how; or none";
    /// Where nothing but probes is answered. Invariant: nothing twice, nothing of `listen`, Unix paths absolute.
    status_listen: Vec<ListenAddress> = distinct(address()), "status-listen", Pool, ADDRESSES, "ADDR", Nothing,
        "Where else to listen, for status-path and ping-path alone, in any form of listen; status-path is then answered nowhere \
         else; can be repeated";
    /// The header of a response that makes the web server send a file instead of its body; `None` if it knows none.
    sendfile_header: Option<String> = header_name(), "sendfile-header", Pool, One, "NAME", Value("none"),
        "The response header that makes the web server send a file, such as X-Accel-Redirect: a response that has it is sent \
         without its body; or none";
    /// Connections that may wait to be accepted, 1 to 65,535.
    backlog: u32 = number(1, 65_535), "backlog", Sockets, One, "N", Value("1024"),
        "Connections that may wait to be accepted, 1 to 65535; the system may allow fewer";
    /// Permission bits of Unix sockets, at most 0o777.
    socket_mode: u32 = mode("0660", |mode| format!("{mode:04o}")), "socket-mode", Sockets, One, "MODE", Value("0660"),
        "Permissions of Unix sockets, in octal digits";
    /// The user that owns Unix sockets, by name or number; `None` leaves it to whom makes them.
    socket_owner: Option<String> = optional(account()), "socket-owner", Sockets, One, "USER", Nothing,
        "The user that owns Unix sockets, by name or number";
    /// The group of Unix sockets, by name or number; `None` leaves it to whom makes them.
    socket_group: Option<String> = optional(account()), "socket-group", Sockets, One, "GROUP", Nothing,
        "The group of Unix sockets, by name or number, such as the web server's";
    /// Connections open at once in a process, at least 1.
    max_connections: usize = number(1, 1_000_000), "max-connections", Sockets, One, "N", Value("10000"),
        "Maximum number of open connections in a process, 1 to 1000000";
    /// Who may connect over TCP; `None` is everybody.
    allowed_clients: Option<Vec<Network>> = clients(),
        "allowed-clients", Sockets, LIST, "ADDR", Variable("FCGI_WEB_SERVER_ADDRS"),
        "Who may connect over TCP: IP addresses or networks such as 10.0.0.0/8, comma-separated, or repeated; without it, \
         everyone who can reach the address";
    /// The Python program that is named.
    python: Option<PathBuf> = optional(file_path()), "python", Python, One, "FILE", Nothing,
        "The Python program that runs the application, CPython from 3.9 on [default: that of the venv, else python3]";
    /// The virtual environment's directory.
    venv: Option<PathBuf> = optional(directory_path()), "venv", Python, One, "DIR", Variable("VIRTUAL_ENV"),
        "The virtual environment whose packages the application uses";
    /// Directories before all others on `sys.path`.
    python_path: Vec<PathBuf> = list(module_path()), "python-path", Python, PATHS, "DIR", Nothing,
        "A directory to search for modules before all others; several separated by :, or repeated";
    /// The directory the application runs in; `None` leaves it where it is.
    chdir: Option<PathBuf> = optional(directory_path()), "chdir", Python, One, "DIR", Nothing,
        "The directory the application runs in; a relative APP file and python-path are relative to it";
    /// Whether the application gets no environment variables but those that a login has, and those that are named.
    clear_env: bool = switch(), "clear-env", Python, Switch, "BOOL", Value("true"),
        "Give the application only the environment variables of a login of its user, and those that pass-env and env name; \
         false passes on all of pyfcgid's own";
    /// The names of variables that it gets nevertheless; one that ends in `*` is the beginning of names.
    pass_env: Vec<String> = list(variable_pattern()), "pass-env", Python, LIST, "NAME", Nothing,
        "An environment variable of pyfcgid's own to pass on to the application, or AWS_* for all that begin so; can be \
         repeated";
    /// A file with further variables for it.
    env_file: Option<PathBuf> = optional(file_path()), "env-file", Python, One, "FILE", Nothing,
        "A file of environment variables for the application, one NAME=VALUE per line, as in systemd and dotenv; read by each \
         new process; only its owner and group may have access";
    /// Environment variables for the application. Invariant: no name twice, none empty.
    env: Vec<(String, String)> = variables(), "env", Python, Pairs, "NAME=VALUE", Nothing,
        "An environment variable for the application; can be repeated";
    /// Whether the callable makes the application. Invariant: as `app` has it.
    factory: bool = switch(), "factory", Python, Switch, "BOOL", Value("false"),
        "Call the callable to get the application; same as () after it";
    /// Bytes of FCGI_PARAMS of one request.
    max_params_size: usize = size(1 << 10, 64 << 20), "max-params-size", Limits, One, "SIZE", Value("128K"),
        "Maximum size of FCGI_PARAMS of one request, 1K to 64M";
    /// Pairs of FCGI_PARAMS of one request.
    max_params: usize = number(1, 1_000_000), "max-params", Limits, One, "N", Value("1000"),
        "Maximum number of FCGI_PARAMS pairs of one request, 1 to 1000000";
    /// Bytes of one request's body; `u64::MAX` is no limit.
    max_body_size: u64 = body_size(), "max-body-size", Limits, One, "SIZE", Value("1G"),
        "Maximum size of a request body; 0 means no limit";
    /// Bytes of a body kept in memory; more goes to a temporary file.
    body_memory: usize = size(0, 1 << 30), "body-memory", Limits, One, "SIZE", Value("128K"),
        "How much of a request body is kept in memory, up to 1G; more goes to a temporary file";
    /// Bytes of memory for all requests of a process that are not complete.
    uploads_memory: usize = size(1 << 20, 1 << 40), "uploads-memory", Limits, One, "SIZE", Value("64M"),
        "Memory of a process for incomplete requests, at least 1M; bodies beyond that go to temporary files";
    /// Requests that may wait for a worker of a process, at least 1.
    max_queue: usize = number(1, 1_000_000), "max-queue", Limits, One, "N", Value("1024"),
        "Maximum number of requests of the pool waiting for a worker, 1 to 1000000; the next one gets 503";
    /// Requests after which a process is replaced, at least 1; `None` is never.
    max_requests: Option<u64> = or_zero(number(0, MOST_REQUESTS)), "max-requests", Limits, One, "N", Value("0"),
        "Number of requests after which a process is replaced; 0 means never";
    /// At most so many requests are added to `max_requests` by chance. Invariant: less than `max_requests`, if that is set.
    max_requests_jitter: u64 = number(0, MOST_REQUESTS), "max-requests-jitter", Limits, One, "N", Value("0"),
        "Maximum random number to add to max-requests, so that processes are not all replaced at once";
    /// Bytes of resident memory above which a process is replaced; `None` is no limit.
    max_rss: Option<u64> = or_zero(memory()), "max-rss", Limits, One, "SIZE", Value("0"),
        "Memory (resident set) above which a process is replaced, at least 1M; 0 means no limit";
    /// Bytes of address space that a process may have; `None` is no limit.
    memory_limit: Option<u64> = or_zero(memory()), "memory-limit", Limits, One, "SIZE", Value("0"),
        "Memory (address space) of a process: an allocation beyond it fails, in Python with MemoryError; 0 means no limit";
    /// Descriptors that a process may have open. Invariant: enough for `max_connections`.
    rlimit_nofile: Option<u64> = optional(number(1, 1 << 30)), "rlimit-nofile", Limits, One, "N", Nothing,
        "Maximum number of open descriptors of a process (RLIMIT_NOFILE), at least 256 more than max-connections [default: what \
         max-connections takes, within the hard limit]";
    /// Bytes of a core dump, all of them at most; `None` leaves it as it is.
    rlimit_core: Option<u64> = optional(core_size()), "rlimit-core", Limits, One, "SIZE", Nothing,
        "Maximum size of a core dump of a process, or unlimited; 0 means none [default: none]";
    /// How willingly a process lets others have their turn first, -20 to 19; `None` leaves it as it is.
    nice: Option<i32> = optional(number(-20, 19)), "nice", Limits, One, "N", Nothing,
        "Priority of the pool's processes, from -20, the highest, to 19; less than pyfcgid's own requires root [default: \
         pyfcgid's own]";
    /// How long a process may take until it is ready. Invariant: not zero.
    startup_timeout: Duration = moment(), "startup-timeout", Time, One, "TIME", Value("60s"),
        "How long a process may take to import the application";
    /// How long a kept connection may have no request, and a process not be needed; `None` is for ever.
    idle_timeout: Option<Duration> = or_zero(time()), "idle-timeout", Time, One, "TIME", Value("1h"),
        "How long a kept-alive connection may have no request, and how long processes above the minimum may not be needed; 0 means \
         forever";
    /// How long a peer may send nothing inside a request or after connecting, or take nothing of an answer; `None` is for ever.
    socket_timeout: Option<Duration> = or_zero(time()), "socket-timeout", Time, One, "TIME", Value("60s"),
        "How long the web server may send nothing during a request or after connecting, or read nothing of a response; 0 means \
         forever";
    /// How long a request may wait for a worker; `None` is for ever.
    queue_timeout: Option<Duration> = or_zero(time()), "queue-timeout", Time, One, "TIME", Value("0"),
        "How long a request may wait for a worker, its upload not counted; one that has waited longer gets 503 and does not run; 0 \
         means forever";
    /// After how long a running request is named in the log with its stack; `None` is never.
    slow_request_timeout: Option<Duration> = or_zero(time()), "slow-request-timeout", Time, One, "TIME", Value("10s"),
        "How long a request may run before the log names it with its Python stack, once; 0 means never";
    /// How long a worker may take for a request; `None` is for ever.
    request_timeout: Option<Duration> = or_zero(time()), "request-timeout", Time, One, "TIME", Value("0"),
        "How long a worker may take for a request before it is answered 504 and pyfcgid.RequestTimeout is raised in its thread; 0 \
         means forever";
    /// The same for some paths, each with those below it if it ends in a slash: the longest that fits counts.
    timeouts: Vec<PathTimeout> = timeouts(), "timeouts", Time, Pairs, "PATH=TIME", Nothing,
        "Another request-timeout for one PATH, or for all that begin with PATH if it ends in a slash; can be repeated";
    /// How long the thread of a request beyond its time may take to end before its process is replaced; `None` is for ever.
    interrupt_timeout: Option<Duration> = or_zero(time()), "interrupt-timeout", Time, One, "TIME", Value("5s"),
        "How long a request may go on after request-timeout before its process is replaced; 0 means forever";
    /// How long no thread of a process may get Python's GIL while requests run before the log says so; `None` is for ever.
    deadlock_timeout: Option<Duration> = or_zero(time()), "deadlock-timeout", Time, One, "TIME", Value("60s"),
        "How long one thread of a process may keep Python's GIL while requests run before the log says so; 0 means forever";
    /// Whether such a process is killed.
    deadlock_kill: bool = switch(), "deadlock-kill", Time, Switch, "BOOL", Value("false"),
        "Kill and replace a process in which nobody gets the GIL for deadlock-timeout";
    /// How long running requests may go on after a stop, or in a process that is replaced.
    graceful_timeout: Duration = time(), "graceful-timeout", Time, One, "TIME", Value("30s"),
        "How long running requests may go on after a stop or in a process that is being replaced; 0 ends them at once";
    /// After how long a process is replaced; `None` is never.
    max_lifetime: Option<Duration> = or_zero(time()), "max-lifetime", Time, One, "TIME", Value("0"),
        "How long a process lives before it is replaced; 0 means never";
    /// The user the application runs as, by name or number; `None` is whoever starts pyfcgid.
    user: Option<String> = optional(account()), "user", Identity, One, "USER", Nothing,
        "The user the application runs as, by name or number, with its HOME, USER and LOGNAME; requires root";
    /// The group the application runs in, by name or number; `None` is that of the user.
    group: Option<String> = optional(account()), "group", Identity, One, "GROUP", Nothing,
        "The group the application runs as, by name or number; without it, the user's group";
    /// Further groups, by name or number, maybe none; `None` are those the user is in. Invariant: `None` without a user.
    supplementary_groups: Option<Vec<String>> = groups(), "supplementary-groups", Identity, LIST, "GROUP", Value("own"),
        "Supplementary groups, by name or number; own for the user's groups, none for none; can be repeated";
    /// Permission bits that files of the application do not get, at most 0o777.
    umask: u32 = mode("027", |mode| format!("{mode:03o}")), "umask", Identity, One, "MODE", Value("022"),
        "Permissions that files created by the application do not get, in octal digits";
    /// What becomes the root of the application's file system. The other paths are then inside it.
    chroot: Option<PathBuf> = optional(directory_path()), "chroot", Identity, One, "DIR", Nothing,
        "A directory that becomes the application's root directory; APP, venv, python-path and chdir are paths inside it";
    /// Whether the application is kept from gaining privileges, as by set-user-ID programs.
    no_new_privs: bool = switch(), "no-new-privs", Identity, Switch, "BOOL", Value("true"),
        "Keep the application and its subprocesses from gaining privileges; false if it runs sudo, sendmail or other \
         set-user-ID programs";
}
