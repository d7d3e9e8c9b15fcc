//! What looks right but is not what was meant, and what other servers call things.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::setting::variable;
use super::spelling::nearest;
use super::{Config, INCLUDE, Pool, SETTINGS, Scope};

/// What to say to an option, typed without dashes, that other servers have under another name.
pub fn foreign_option(name: &str) -> Option<String> {
    let name = alias(name)?;
    let workers = if name == "processes" { ", and --threads sets the workers of each" } else { "" };
    Some(format!("here it is --{name}{workers}"))
}

/// What to do about a key that is no option.
pub(super) fn unknown_key(key: &str, scope: Scope) -> String {
    let typed = key.to_ascii_lowercase().replace('_', "-");
    let known = || SETTINGS.iter().filter(|setting| setting.scope() == scope).map(|setting| setting.name);
    let include = (scope == Scope::Global).then_some(INCLUDE);
    if let Some(name) = alias(&typed).or_else(|| nearest(&typed, names().chain(include))) {
        return format!("did you mean `{name}`?");
    }
    format!("the keys here are {}", known().chain(include).collect::<Vec<_>>().join(", "))
}

fn alias(typed: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(other, _)| *other == typed).map(|(_, name)| *name)
}

impl Config {
    /// What lets the pools start but is probably a mistake, a line each: of the process's `variables`, names that are nearly one of an
    /// option or that of other servers for it, and directories of `python-path` that are not there. Other unknown variables are fine:
    /// container platforms make some up.
    pub fn warnings(&self, variables: impl IntoIterator<Item = OsString>) -> Vec<String> {
        let mut variables: Vec<String> = variables.into_iter().filter_map(|name| mistyped_variable(name.to_str()?)).collect();
        variables.sort_unstable();
        variables.into_iter().chain(self.pools.iter().flat_map(Pool::missing_paths)).collect()
    }
}

impl Pool {
    fn missing_paths(&self) -> Vec<String> {
        let missing = self.python_path.iter().filter(|path| !self.outside(path).exists());
        missing.map(|path| format!("python-path ({}): {} does not exist", self.origin("python-path"), path.display())).collect()
    }

    /// The path as it is seen from outside of `chroot`.
    fn outside(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").unwrap_or(path);
        self.chroot.as_ref().map_or_else(|| path.to_owned(), |root| root.join(inside))
    }
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

/// What other servers call it, the short flags of Gunicorn and uWSGI included where they agree.
const ALIASES: [(&str, &str); 40] = [
    ("access-logfile", "access-log"),
    ("access-logformat", "access-log-format"),
    ("b", "listen"),
    ("bind", "listen"),
    ("chmod-socket", "socket-mode"),
    ("chown-socket", "socket-owner"),
    ("daemon", "daemonize"),
    ("error-logfile", "log"),
    ("fastcgi-socket", "listen"),
    ("g", "group"),
    ("gid", "group"),
    ("home", "venv"),
    ("limit-post", "max-body-size"),
    ("listen-group", "socket-group"),
    ("listen-mode", "socket-mode"),
    ("listen-owner", "socket-owner"),
    ("log-facility", "syslog-facility"),
    ("logto", "log"),
    ("max-children", "processes"),
    ("max-worker-lifetime", "max-lifetime"),
    ("maximum-requests", "max-requests"),
    ("module", "app"),
    ("no-new-privileges", "no-new-privs"),
    ("pid", "pid-file"),
    ("pidfile", "pid-file"),
    ("pythonpath", "python-path"),
    ("raw-env", "env"),
    ("reload-on-rss", "max-rss"),
    ("socket", "listen"),
    ("socket-user", "socket-owner"),
    ("u", "user"),
    ("uid", "user"),
    ("virtualenv", "venv"),
    ("w", "processes"),
    ("worker-connections", "max-connections"),
    ("worker-reload-mercy", "graceful-timeout"),
    ("workers", "processes"),
    ("working-directory", "chdir"),
    ("wsgi", "app"),
    ("wsgi-file", "app"),
];

#[cfg(test)]
mod tests {
    use super::*;

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
        for (other, name) in ALIASES {
            assert!(names().any(|known| known == name), "{other}: {name}");
            assert!(names().all(|known| known != other), "{other} is an option itself");
            assert!(foreign_option(other).is_some_and(|advice| advice.starts_with(&format!("here it is --{name}"))));
        }
        assert_eq!(foreign_option("threads"), None);
    }

    #[test]
    fn a_python_path_inside_of_chroot_is_looked_for_there() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("lib")).unwrap();
        let mut config = Config::for_app("blog").unwrap();
        config.pools[0].python_path = vec!["/lib".into(), "/usr".into()];
        config.pools[0].chroot = Some(root.path().into());
        assert_eq!(config.warnings([]), ["python-path (default): /usr does not exist"]);
    }

    #[test]
    fn a_python_path_that_is_not_there_is_told() {
        let mut config = Config::for_app("blog").unwrap();
        config.pools[0].python_path = vec!["/nonexistent/lib".into(), "/".into()];
        let warnings = config.warnings([OsString::from("PYFCGID_LISTN"), OsString::from("PATH")]);
        assert_eq!(
            warnings,
            [
                "the environment variable PYFCGID_LISTN is ignored: did you mean PYFCGID_LISTEN?",
                "python-path (default): /nonexistent/lib does not exist"
            ]
        );
    }
}
