//! What looks right but is not what was meant, and what other servers call things.

use std::ffi::OsString;

use super::spelling::nearest;
use super::{Config, SETTINGS, Scope};

/// What to say to an option, typed without dashes, that other servers have and this one can't have.
pub fn foreign_option(name: &str) -> Option<&'static str> {
    match name {
        "processes" | "workers" | "w" => Some(ONE_PROCESS),
        "daemonize" | "daemon" | "D" => Some(FOREGROUND),
        _ => None,
    }
}

/// What to do about a key that is no option.
pub(super) fn unknown_key(key: &str, scope: Scope) -> String {
    let typed = key.to_ascii_lowercase().replace('_', "-");
    if let Some(advice) = foreign_option(&typed) {
        return advice.replace("--", "");
    }
    let alias = ALIASES.iter().find(|(other, _)| *other == typed).map(|(_, name)| *name);
    if let Some(name) = alias.or_else(|| nearest(&typed, names())) {
        return format!("did you mean `{name}`?");
    }
    let known = SETTINGS.iter().filter(|setting| setting.scope == scope).map(|setting| setting.name);
    format!("the keys here are {}", known.collect::<Vec<_>>().join(", "))
}

impl Config {
    /// What lets the pool start but is probably a mistake, a line each: of the process's `variables`, names that are nearly one of an
    /// option, and directories of `python-path` that are not there. Other unknown variables are fine: container platforms make
    /// some up.
    pub fn warnings(&self, variables: impl IntoIterator<Item = OsString>) -> Vec<String> {
        let mut variables: Vec<String> = variables.into_iter().filter_map(|name| mistyped_variable(name.to_str()?)).collect();
        variables.sort_unstable();
        let missing = self.python_path.iter().filter(|path| !path.exists());
        let missing =
            missing.map(|path| format!("python-path ({}): {} does not exist", self.origin("python-path"), path.display()));
        variables.into_iter().chain(missing).collect()
    }
}

fn mistyped_variable(name: &str) -> Option<String> {
    let typed = name.strip_prefix("PYFCGID_")?;
    let typed = typed.to_ascii_lowercase().replace('_', "-");
    let meant = nearest(&typed, names().chain(["config"])).filter(|meant| *meant != typed)?;
    let meant = meant.to_ascii_uppercase().replace('-', "_");
    Some(format!("the environment variable {name} is ignored: did you mean PYFCGID_{meant}?"))
}

fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name)
}

const ONE_PROCESS: &str = "this version runs one process in the foreground; --threads sets its workers";
const FOREGROUND: &str =
    "this version runs one process in the foreground; leave the background to systemd or another supervisor";
/// What other servers call it.
const ALIASES: [(&str, &str); 10] = [
    ("bind", "listen"),
    ("socket", "listen"),
    ("fastcgi-socket", "listen"),
    ("chmod-socket", "socket-mode"),
    ("module", "app"),
    ("wsgi", "app"),
    ("wsgi-file", "app"),
    ("home", "venv"),
    ("virtualenv", "venv"),
    ("pythonpath", "python-path"),
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
        assert!(told("PYFCGID_MAX_BODYSIZE").is_some_and(|text| text.ends_with("PYFCGID_MAX_BODY_SIZE?")));
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
    fn a_python_path_that_is_not_there_is_told() {
        let config = Config { python_path: vec!["/nonexistent/lib".into(), "/".into()], ..Config::for_app("blog").unwrap() };
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
