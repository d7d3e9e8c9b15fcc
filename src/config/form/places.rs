//! What has a path: files, directories, applications, addresses and logs.

use std::path::{Path, PathBuf};

use super::super::{App, ListenAddress, LogTarget, Mount, Syntax, ValueError, absolute};
use super::words::plain;
use super::{Form, Text, one};

pub(in crate::config) fn file_path() -> impl Form<PathBuf> {
    let parse = |typed: Text<'_>| match typed.text.split_once(':') {
        Some((kind @ ("unix" | "file"), _)) => Err(ValueError::new(format!("must be a path alone, without {kind}:"))),
        _ => path(typed.text, typed.base, |text| !text.ends_with('/'), "must be the path of a file"),
    };
    one(parse, SHOW, Syntax::Text)
}

pub(in crate::config) fn directory_path() -> impl Form<PathBuf> {
    one(|typed| path(typed.text, typed.base, |_| true, A_DIRECTORY), SHOW, Syntax::Text)
}

/// A directory that Python searches for modules.
pub(in crate::config) fn module_path() -> impl Form<PathBuf> {
    one(|typed| path(typed.text, typed.python_base, |_| true, A_DIRECTORY), SHOW, Syntax::Text)
}

/// Python sees the path of its file.
pub(in crate::config) fn application() -> impl Form<App> {
    let parse = |typed: Text<'_>| App::parse(typed.text)?.placed(|path| absolute(typed.python_base, path));
    one(parse, App::to_string, Syntax::Text)
}

/// Where to listen.
pub(in crate::config) fn address() -> impl Form<ListenAddress> {
    one(|typed| ListenAddress::parse(typed.text)?.below(typed.base), ListenAddress::to_string, Syntax::Text)
}

/// Where a log goes.
pub(in crate::config) fn target() -> impl Form<LogTarget> {
    let syntax = Syntax::Pattern { pattern: "^(stderr|stdout|syslog|file:.*[^/])$", numbers: None };
    one(|typed| placed(LogTarget::parse(typed.text)?, typed.base), LogTarget::to_string, syntax)
}

/// Where an access log goes, if anywhere.
pub(in crate::config) fn target_or_off() -> impl Form<Option<LogTarget>> {
    let parse = |typed: Text<'_>| match typed.text {
        OFF | "none" => Ok(None),
        text => {
            let target =
                LogTarget::parse(text).map_err(|_| ValueError::new("must be off, stderr, stdout, syslog or file:PATH"))?;
            placed(target, typed.base).map(Some)
        }
    };
    let show = |target: &Option<LogTarget>| target.as_ref().map_or_else(|| OFF.to_owned(), ToString::to_string);
    one(parse, show, Syntax::Pattern { pattern: "^(off|none|stderr|stdout|syslog|file:.*[^/])$", numbers: None })
}

/// Where in the site's paths an application is.
pub(in crate::config) fn mount() -> impl Form<Mount> {
    plain(Mount::parse, Syntax::Pattern { pattern: "^(auto|(/.*)?)$", numbers: None })
}

fn placed(target: LogTarget, base: &Path) -> Result<LogTarget, ValueError> {
    match target {
        LogTarget::File(path) => absolute(base, &path).map(LogTarget::File),
        other => Ok(other),
    }
}

fn path(text: &str, base: &Path, is_right: fn(&str) -> bool, reason: &str) -> Result<PathBuf, ValueError> {
    if text.is_empty() || text.contains('\0') || !is_right(text) {
        return Err(ValueError::new(reason));
    }
    absolute(base, text.as_ref())
}

const SHOW: fn(&PathBuf) -> String = |path| path.display().to_string();
const A_DIRECTORY: &str = "must be the path of a directory";
/// What switches the access log off.
const OFF: &str = "off";
