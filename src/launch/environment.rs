//! The environment of a pool's processes: what a login of its user has, what the pool says, and of the supervisor's nothing but what is
//! asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use shared::sys::identity::{Entry, Identity};

use crate::config::{self, Config};

type Variables = BTreeMap<OsString, OsString>;

/// The variables of a process of this pool, in the directory that is its current one, with those of its `env-file`.
pub fn of(pool: &config::Pool, identity: &Identity, directory: Option<&Path>, of_file: Vec<(String, String)>) -> Variables {
    let outside = || std::env::vars_os();
    let mut variables: Variables = outside().filter(|(name, _)| is_passed(pool, name)).collect();
    match &identity.entry {
        Some(entry) => variables.extend(of_login(entry)),
        // It stays who it is.
        None => variables.extend(outside().filter(|(name, _)| LOGIN.iter().any(|login| name == login))),
    }
    if pool.clear_env {
        variables.entry("PATH".into()).or_insert_with(|| STANDARD_PATH.into());
    }
    if let Some(venv) = pool.interpreter.as_ref().and_then(|interpreter| interpreter.venv.as_deref()) {
        let path = variables.get(OsStr::new("PATH")).cloned().unwrap_or_else(|| STANDARD_PATH.into());
        let mut first = venv.join("bin").into_os_string();
        first.push(":");
        first.push(path);
        variables.extend([("VIRTUAL_ENV".into(), venv.into()), ("PATH".into(), first)]);
    }
    // A name that is not this directory's would be believed by whoever asks.
    variables.remove(OsStr::new("PWD"));
    variables.extend(directory.map(|directory| ("PWD".into(), directory.into())));
    variables.extend(of_file.into_iter().map(|(name, value)| (name.into(), value.into())));
    variables.extend(pool.env.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}

/// The names of the variables that no pool gets, though one might expect it, for the log.
pub fn left_out(config: &Config) -> Vec<String> {
    if config.pools.is_empty() {
        return Vec::new();
    }
    let is_missed = |name: &OsStr| {
        let is_usual = USUAL.iter().chain(&LOGIN).any(|usual| name == *usual) || name.as_bytes().starts_with(b"PYFCGID_");
        !is_usual && !config.pools.iter().any(|pool| is_passed(pool, name))
    };
    let names: BTreeSet<OsString> = std::env::vars_os().map(|(name, _)| name).filter(|name| is_missed(name)).collect();
    names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
}

fn is_passed(pool: &config::Pool, name: &OsStr) -> bool {
    let is_locale = name == "LANG" || name == "TZ" || name.as_bytes().starts_with(b"LC_");
    !pool.clear_env || is_locale || pool.pass_env.iter().any(|pattern| fits(pattern, name))
}

/// `AWS_*` is every name that begins so.
fn fits(pattern: &str, name: &OsStr) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.as_bytes().starts_with(beginning.as_bytes()),
        None => name == pattern,
    }
}

fn of_login(entry: &Entry) -> [(OsString, OsString); 4] {
    let text = |text: &CStr| OsStr::from_bytes(text.to_bytes()).to_owned();
    let values = [&entry.home, &entry.login, &entry.login, &entry.shell];
    std::array::from_fn(|index| (LOGIN[index].into(), text(values[index])))
}

const LOGIN: [&str; 4] = ["HOME", "USER", "LOGNAME", "SHELL"];
/// What a shell or a service manager has for itself, and nobody misses.
const USUAL: [&str; 20] = [
    "_",
    "PATH",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "TERM",
    "COLORTERM",
    "MAIL",
    "LS_COLORS",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "PS1",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "NOTIFY_SOCKET",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "LISTEN_PID",
    "PYTHONHASHSEED",
];
const STANDARD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_its_beginning() {
        for (pattern, name, expected) in [
            ("AWS_*", "AWS_REGION", true),
            ("AWS_*", "AWS", false),
            ("DATABASE_URL", "DATABASE_URL", true),
            ("DATABASE_URL", "DATABASE_URL2", false),
            ("*", "ANYTHING", true),
        ] {
            assert_eq!(fits(pattern, OsStr::new(name)), expected, "{pattern} {name}");
        }
    }
}
