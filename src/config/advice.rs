//! What looks right but is not what was meant, and what other servers call things.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use itertools::Itertools;

use super::nearest;
use super::setting::variable;
use super::{Config, INCLUDE, ListenAddress, LogTarget, Pool, SETTINGS, Scope};
use shared::logging::codes::{self, Code};
use shared::sys::file::{Last, Place};
use shared::sys::identity::user_id;

/// What to say to an option, typed without dashes, that other servers have under another name; `None` where it is unknown, or not
/// among those that there are in that place.
pub fn foreign_option(name: &str, is_there: impl Fn(&str) -> bool) -> Option<String> {
    let meant = alias(name).or_else(|| part_of_address(name)).filter(|meant| is_there(meant))?;
    Some(match meant {
        "app" => "the application needs no option, as in `pyfcgid serve blog:app`".to_owned(),
        "processes" => "use --processes, and --threads for the workers of each".to_owned(),
        "listen" => "use --listen, as in --listen 127.0.0.1:9000".to_owned(),
        meant => format!("use --{meant}"),
    })
}

/// What to do about a key that other servers have.
pub(super) fn known_elsewhere(key: &str) -> Option<String> {
    alias(key).map(|name| format!("did you mean `{name}`?"))
}

/// What to do about a key that is no option.
pub(super) fn unknown_key(key: &str, scope: Scope) -> String {
    let typed = key.to_ascii_lowercase().replace('_', "-");
    let include = (scope == Scope::Global).then_some(INCLUDE);
    let foreign = alias(&typed).or_else(|| part_of_address(&typed));
    if let Some(name) = foreign.or_else(|| nearest(&typed, names().chain(include))) {
        return format!("did you mean `{name}`?");
    }
    let known = SETTINGS.iter().filter(|setting| setting.stands_in(scope)).map(|setting| setting.name);
    format!("valid keys here are {}", known.chain(include).collect::<Vec<_>>().join(", "))
}

fn alias(typed: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(_, others)| others.contains(&typed)).map(|(name, _)| *name)
}

/// Others have options for what `listen` has in one. As variables, such names are made up by container platforms.
fn part_of_address(typed: &str) -> Option<&'static str> {
    ["port", "p", "host"].contains(&typed).then_some("listen")
}

/// What lets the pools start but is probably a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it means.
    pub code: Code,
    /// One line, which says what to do.
    pub text: String,
}

impl Config {
    /// What lets the pools start but is probably a mistake, a line each: of the process's `variables`, names that are nearly one of an
    /// option or that of other servers for it, and directories of `python-path` that are not there. Other unknown variables are fine:
    /// container platforms make some up.
    pub fn warnings(&self, variables: impl IntoIterator<Item = OsString>) -> Vec<Warning> {
        let mut variables: Vec<String> = variables.into_iter().filter_map(|name| mistyped_variable(name.to_str()?)).collect();
        variables.sort_unstable();
        let paths = self.pools.iter().flat_map(Pool::missing_paths);
        let open = self.pools.iter().filter_map(Pool::open_to_the_network);
        let kinds = [
            (codes::NO_POOL, self.without_pool().into_iter().collect()),
            (codes::VARIABLE_IGNORED, variables),
            (codes::PYTHON_PATH_MISSING, paths.collect()),
            (codes::ACCESS_LOG_WITHOUT_POOL, self.lines_of_no_pool().into_iter().collect()),
            (codes::OPEN_TO_THE_NETWORK, open.collect()),
            (codes::MEMORY_LIMIT_TOO_LOW, self.pools.iter().filter_map(Pool::short_of_memory).collect()),
            (codes::DAEMON_NOT_FOUND, self.lost_daemon().into_iter().collect()),
        ];
        with_codes(kinds)
    }

    /// One that no command finds.
    fn lost_daemon(&self) -> Option<String> {
        (self.daemonize && self.pid_file.is_none() && self.control_socket.is_none()).then(|| {
            "neither pid-file nor control-socket is set, so pyfcgid stop, reload and status do not find the daemon: set pid-file, \
             as in pid-file = \"/run/pyfcgid.pid\" (--pid-file /run/pyfcgid.pid)"
                .to_owned()
        })
    }

    /// Of lines of the access log that do not say it, nobody knows whose they are.
    fn lines_of_no_pool(&self) -> Option<String> {
        let format = &self.access_log_format;
        let is_told =
            ["detailed", "json"].contains(&format.as_str()) || ["$pool", "${pool}"].iter().any(|name| format.contains(name));
        let shared = self.pools.iter().filter_map(|pool| pool.access_log_in(self));
        let is_shared = shared.clone().any(|one| shared.clone().filter(|other| *other == one).count() > 1);
        (is_shared && !is_told).then(|| {
            let origin = self.origin("access-log-format");
            format!("access-log-format ({origin}) has no $pool: an application can write lines that look like another pool's")
        })
    }

    /// A line for each Unix socket that nobody but root can connect to if root makes it in the group `gid`, for each directory in
    /// which others could put something else in the place of what root makes, and for each user that several pools run as.
    pub fn warnings_for_root(&self, gid: u32) -> Vec<Warning> {
        let exposed = self.places().filter_map(|(what, path)| exposed_place(what, path)).unique();
        let sockets = self.pools.iter().flat_map(|pool| pool.sockets_of_root(gid));
        with_codes([
            (codes::SOCKET_FOR_ROOT_ALONE, sockets.collect()),
            (codes::PLACE_EXPOSED, exposed.collect()),
            (codes::USER_SHARED, self.shared_users()),
        ])
    }

    /// The kernel lets processes of one user signal each other, and read each other's files.
    fn shared_users(&self) -> Vec<String> {
        let mut pools_of: BTreeMap<u32, Vec<&Pool>> = BTreeMap::new();
        for pool in &self.pools {
            // A user that does not exist is told elsewhere.
            let uid = pool.user.as_deref().and_then(|user| user_id(user).ok());
            if let Some(uid) = uid.filter(|uid| *uid != ROOT) {
                pools_of.entry(uid).or_default().push(pool);
            }
        }
        pools_of.values().filter(|pools| pools.len() > 1).filter_map(|pools| shared_user(pools)).collect()
    }

    /// What root makes, and where.
    fn places(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let logs = [("log", Some(&self.log)), ("access-log", self.access_log.as_ref())];
        let of_pools =
            self.pools.iter().flat_map(|pool| [("log", Some(pool.log_in(self))), ("access-log", pool.access_log_in(self))]);
        let logs = logs.into_iter().chain(of_pools).filter_map(|(what, target)| match target? {
            LogTarget::File(path) => Some((what, path.as_path())),
            LogTarget::Stderr | LogTarget::Stdout | LogTarget::Syslog => None,
        });
        let files = [("pid-file", &self.pid_file), ("control-socket", &self.control_socket)];
        let files = files.into_iter().filter_map(|(what, path)| Some((what, path.as_deref()?)));
        let sockets = self.pools.iter().flat_map(Pool::unix_sockets).map(|path| ("listen", path));
        files.chain(logs).chain(sockets)
    }
}

impl Pool {
    fn sockets_of_root(&self, gid: u32) -> Vec<String> {
        let others = if gid == ROOT { 0o002 } else { 0o022 };
        if self.socket_owner.is_some() || self.socket_group.is_some() || self.socket_mode & others != 0 {
            return Vec::new();
        }
        self.unix_sockets()
            .filter(|path| self.socket_mode & 0o020 == 0 || !gives_its_group(path))
            .map(|path| self.only_root(path))
            .collect()
    }

    pub(super) fn unix_sockets(&self) -> impl Iterator<Item = &Path> {
        self.addresses().filter_map(ListenAddress::unix_path)
    }

    /// FastCGI trusts whoever connects.
    fn open_to_the_network(&self) -> Option<String> {
        let address = self.listen.iter().find(|address| address.is_beyond_this_machine())?;
        self.allowed_clients.is_none().then(|| {
            format!(
                "pool {}: anyone who can reach {address} can pose as the web server, and as any user: set allowed-clients to \
                 the web server's addresses (--allowed-clients 192.0.2.1), or to 0.0.0.0/0 and ::/0 if a firewall restricts \
                 access",
                self.name
            )
        })
    }

    fn only_root(&self, path: &Path) -> String {
        let (name, socket, mode) = (&self.name, path.display(), self.socket_mode);
        format!(
            "pool {name}: only root will be able to connect to unix:{socket}, which belongs to root and has mode {mode:04o}: \
             set socket-group to the web server's group, as in socket-group = \"www-data\" (--socket-group www-data), or \
             socket-mode"
        )
    }

    fn missing_paths(&self) -> Vec<String> {
        let missing = self.python_path.iter().filter(|path| !self.outside(path).exists());
        missing.map(|path| format!("python-path ({}): {} does not exist", self.origin("python-path"), path.display())).collect()
    }
}

fn with_codes<const N: usize>(kinds: [(Code, Vec<String>); N]) -> Vec<Warning> {
    let of_kind = |(code, texts): (Code, Vec<String>)| texts.into_iter().map(move |text| Warning { code, text });
    kinds.into_iter().flat_map(of_kind).collect()
}

fn shared_user(pools: &[&Pool]) -> Option<String> {
    let (last, others) = pools.split_last()?;
    let others = others.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ");
    Some(format!(
        "pools {others} and {} run as the same user, {}: an application of one can stop the processes of another and use its \
         files: give each pool its own user (user)",
        last.name,
        last.user.as_deref()?
    ))
}

fn exposed_place(what: &str, path: &Path) -> Option<String> {
    let place = Place::find(path, Last::Follow).ok()?;
    let directory = place.exposed()?.display();
    Some(format!(
        "{what} {}: users other than root can replace files in {directory}, and so those that root creates there: use a \
         directory that only root can write to, such as /run/pyfcgid or /var/log/pyfcgid",
        path.display()
    ))
}

/// Whether what is made there gets the group of the directory, and that is not root's.
fn gives_its_group(path: &Path) -> bool {
    let directory = path.parent().and_then(|directory| directory.metadata().ok());
    directory.is_some_and(|directory| directory.mode() & SET_GROUP_ID != 0 && directory.gid() != ROOT)
}

fn mistyped_variable(name: &str) -> Option<String> {
    let typed = name.strip_prefix("PYFCGID_")?;
    let typed = typed.to_ascii_lowercase().replace('_', "-");
    let meant = alias(&typed).or_else(|| nearest(&typed, names().chain(["config"]))).filter(|meant| *meant != typed)?;
    Some(format!("the environment variable {name} is ignored: did you mean {}?", variable(meant)))
}

fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name)
}

/// The number of root and of its group.
const ROOT: u32 = 0;
const SET_GROUP_ID: u32 = 0o2000;
/// An option, and what other servers call it, the short flags of Gunicorn and uWSGI included where they agree.
const ALIASES: [(&str, &[&str]); 34] = [
    ("access-log", &["access-logfile"]),
    ("access-log-format", &["access-logformat"]),
    ("allowed-clients", &["listen-allowed-clients"]),
    ("app", &["module", "wsgi", "wsgi-file"]),
    ("app-log", &["decorate-workers-output"]),
    ("chdir", &["working-directory"]),
    ("daemonize", &["daemon"]),
    ("env", &["raw-env"]),
    ("env-file", &["environment-file"]),
    ("graceful-timeout", &["worker-reload-mercy"]),
    ("group", &["g", "gid"]),
    ("listen", &["b", "bind", "fastcgi-socket", "socket"]),
    ("log", &["error-logfile", "logto"]),
    ("max-body-size", &["limit-post"]),
    ("max-connections", &["worker-connections"]),
    ("max-lifetime", &["max-worker-lifetime"]),
    ("max-requests", &["maximum-requests"]),
    ("max-rss", &["evil-reload-on-rss", "reload-on-as", "reload-on-rss"]),
    ("memory-limit", &["limit-as", "limitas", "virtual-memory-limit"]),
    ("nice", &["cpu-priority", "prio", "process-priority", "process.priority"]),
    ("no-new-privs", &["no-new-privileges"]),
    ("pid-file", &["pid", "pidfile"]),
    ("processes", &["max-children", "w", "workers"]),
    ("python-path", &["pythonpath"]),
    ("request-timeout", &["harakiri", "request-terminate-timeout", "timeout"]),
    ("rlimit-core", &["limitcore"]),
    ("rlimit-nofile", &["limitnofile", "max-fd", "max-fds", "rlimit-files"]),
    ("slow-request-timeout", &["request-slowlog-timeout"]),
    ("socket-group", &["listen-group"]),
    ("socket-mode", &["chmod-socket", "listen-mode"]),
    ("socket-owner", &["chown-socket", "listen-owner", "socket-user"]),
    ("syslog-facility", &["log-facility"]),
    ("user", &["u", "uid"]),
    ("venv", &["home", "virtualenv"]),
];

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn texts(warnings: Vec<Warning>) -> Vec<String> {
        warnings.into_iter().map(|warning| warning.text).collect()
    }

    #[test]
    fn a_nearly_right_variable_is_told_and_what_platforms_make_up_is_not() {
        let told = |name: &str| mistyped_variable(name);
        assert_eq!(
            told("PYFCGID_THREAD").as_deref(),
            Some("the environment variable PYFCGID_THREAD is ignored: did you mean PYFCGID_THREADS?")
        );
        for (typed, meant) in [("MAX_BODYSIZE", "MAX_BODY_SIZE"), ("ABROT", "ABORT"), ("WORKERS", "PROCESSES")] {
            let text = told(&format!("PYFCGID_{typed}")).unwrap_or_default();
            assert!(text.ends_with(&format!(": did you mean PYFCGID_{meant}?")), "{typed}: {text}");
        }
        for name in [
            "PYFCGID_THREADS",
            "PYFCGID_CONFIG",
            "PYFCGID_PORT",
            "PYFCGID_PORT_9000_TCP",
            "PYFCGID_PORT_9000_TCP_ADDR",
            "PYFCGID_SERVICE_HOST",
            "PYFCGID_SERVICE_PORT",
            "THREAD",
        ] {
            assert_eq!(told(name), None, "{name}");
        }
    }

    #[test]
    fn what_others_call_an_option_is_one_here() {
        for (name, other) in ALIASES.iter().flat_map(|(name, others)| others.iter().map(|other| (*name, *other))) {
            assert!(names().any(|known| known == name), "{other}: {name}");
            assert!(names().all(|known| known != other), "{other} is an option itself");
            let expected = if name == "app" { "the application needs no option".to_owned() } else { format!("use --{name}") };
            assert!(foreign_option(other, |_| true).is_some_and(|advice| advice.starts_with(&expected)), "{other}");
            assert_eq!(foreign_option(other, |there| there != name), None);
        }
        assert_eq!(foreign_option("threads", |_| true), None);
    }

    #[test]
    fn a_socket_that_only_root_could_use_is_told_with_what_to_set() {
        let mut config = Config::for_app("blog").unwrap();
        assert_eq!(texts(config.warnings_for_root(0)), Vec::<String>::new(), "TCP is for everybody");
        config.pools[0].listen = vec!["unix:/run/a.sock", "127.0.0.1:1", "unix:/run/b.sock"]
            .into_iter()
            .map(|text| ListenAddress::parse(text).unwrap())
            .collect();
        let warnings = texts(config.warnings_for_root(0));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        for text in ["pool blog: only root ", "unix:/run/a.sock", "mode 0660", "--socket-group www-data", "or socket-mode"] {
            assert!(warnings[0].contains(text), "{text}: {warnings:?}");
        }
        assert_eq!(config.warnings_for_root(33).len(), 0, "the group that it was started in");
        config.pools[0].socket_mode = 0o600;
        assert_eq!(config.warnings_for_root(33).len(), 2);
        for change in [
            |pool: &mut Pool| pool.socket_mode = 0o666,
            |pool: &mut Pool| pool.socket_group = Some("www-data".to_owned()),
            |pool: &mut Pool| pool.socket_owner = Some("www-data".to_owned()),
        ] {
            let mut config = config.clone();
            change(&mut config.pools[0]);
            assert_eq!(texts(config.warnings_for_root(0)), Vec::<String>::new());
        }
    }

    #[test]
    fn pools_that_share_a_user_are_told_in_one_line() {
        let mut config = Config::for_app("blog").unwrap();
        for (name, user) in [("wiki", "daemon"), ("shop", "1"), ("mail", "bin"), ("one", "root"), ("two", "0")] {
            let pool = Pool { name: name.to_owned(), user: Some(user.to_owned()), ..config.pools[0].clone() };
            config.pools.push(pool);
        }
        assert_eq!(
            texts(config.warnings_for_root(0)),
            [
                "pools wiki and shop run as the same user, 1: an application of one can stop the processes of another and use its \
              files: give each pool its own user (user)"
            ]
        );
        config.pools[0].user = Some("daemon".to_owned());
        assert!(texts(config.warnings_for_root(0))[0].starts_with("pools blog, wiki and shop run as the same user, 1: "));
        config.pools.truncate(2);
        config.pools[0].user = None;
        assert_eq!(texts(config.warnings_for_root(0)), Vec::<String>::new());
    }

    #[test]
    fn an_address_that_others_can_reach_is_told_unless_it_is_said_who_may_connect() {
        let mut config = Config::for_app("blog").unwrap();
        let mut warned = |address: &str| {
            config.pools[0].listen = vec![ListenAddress::parse(address).unwrap()];
            config.warnings([]).len()
        };
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/run/s", "fd:3"] {
            assert_eq!(warned(address), 0, "{address}");
        }
        for address in [":9000", "*:9000", "0.0.0.0:1", "[::]:1", "192.0.2.1:1", "app.example:1"] {
            assert_eq!(warned(address), 1, "{address}");
        }
        config.pools[0].allowed_clients = Some(Vec::new());
        assert_eq!(texts(config.warnings([])), Vec::<String>::new());
    }

    #[test]
    fn lines_of_the_access_log_say_whose_they_are_where_there_are_several_pools() {
        let mut config = Config::for_app("blog").unwrap();
        config.access_log = Some(LogTarget::Stderr);
        assert_eq!(config.warnings([]).len(), 0);
        config.pools.push(config.pools[0].clone());
        let warning = config.warnings([]).remove(0);
        assert!(warning.code == codes::ACCESS_LOG_WITHOUT_POOL && warning.text.contains("has no $pool"), "{warning:?}");
        for format in [&format!("{} ${{pool}}", config.access_log_format), "detailed", "json"] {
            format.clone_into(&mut config.access_log_format);
            assert_eq!(config.warnings([]).len(), 0);
        }
    }

    #[test]
    fn a_directory_that_gives_its_group_to_sockets_is_as_good_as_socket_group() {
        let directory = tempfile::tempdir().unwrap();
        let given = std::os::unix::fs::chown(directory.path(), None, Some(1));
        if given.is_err() {
            return eprintln!("skipped: only root can give a directory to any group");
        }
        let permit = |mode| std::fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        let mut config = Config::for_app("blog").unwrap();
        config.pools[0].listen = vec![ListenAddress::Unix(directory.path().join("sock"))];
        permit(0o755);
        assert_eq!(config.warnings_for_root(0).len(), 1);
        permit(0o2755);
        assert_eq!(config.warnings_for_root(0).len(), 0);
        config.pools[0].socket_mode = 0o600;
        assert_eq!(config.warnings_for_root(0).len(), 1);
    }

    #[test]
    fn a_daemon_that_no_command_finds_is_told() {
        let mut config = Config::for_app("blog").unwrap();
        config.daemonize = true;
        let warning = config.warnings([]).remove(0);
        assert_eq!(warning.code, codes::DAEMON_NOT_FOUND);
        assert!(warning.text.contains("pyfcgid stop") && warning.text.contains("--pid-file"), "{}", warning.text);
        for (pid_file, control_socket) in [(Some("a".into()), None), (None, Some("a".into()))] {
            (config.pid_file, config.control_socket) = (pid_file, control_socket);
            assert_eq!(config.warnings([]), []);
        }
    }

    #[test]
    fn a_python_path_inside_of_chroot_is_looked_for_there() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("lib")).unwrap();
        let mut config = Config::for_app("blog").unwrap();
        config.pools[0].python_path = vec!["/lib".into(), "/usr".into()];
        config.pools[0].chroot = Some(root.path().into());
        assert_eq!(texts(config.warnings([])), ["python-path (default): /usr does not exist"]);
    }

    #[test]
    fn a_python_path_that_is_not_there_is_told() {
        let mut config = Config::for_app("blog").unwrap();
        config.pools[0].python_path = vec!["/nonexistent/lib".into(), "/".into()];
        let warnings = texts(config.warnings([OsString::from("PYFCGID_LISTN"), OsString::from("PATH")]));
        assert_eq!(
            warnings,
            [
                "the environment variable PYFCGID_LISTN is ignored: did you mean PYFCGID_LISTEN?",
                "python-path (default): /nonexistent/lib does not exist"
            ]
        );
    }
}
