//! Symbolic links on the way to what a path names.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where an absolute path leads; `None` if there is a directory on the way that `may_pass` refuses, which is asked before a name in
/// it is looked at. `outside` says where in this process's file system a path is: links in another root directory are not followed
/// out of it.
pub fn followed(path: &Path, outside: impl Fn(&Path) -> PathBuf, may_pass: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let (mut walked, mut ahead, mut links) = (PathBuf::from("/"), path.to_owned(), 0);
    loop {
        let mut components = ahead.components();
        let Some(next) = components.next() else { return Some(walked) };
        let rest = components.as_path().to_owned();
        match next {
            Component::Normal(_) | Component::ParentDir if !may_pass(&walked) => return None,
            Component::Normal(name) => match fs::read_link(outside(&walked.join(name))) {
                Ok(target) if links < MAX_LINKS => {
                    links += 1;
                    ahead = target.join(rest);
                    continue;
                }
                _ => walked.push(name),
            },
            Component::ParentDir => drop(walked.pop()),
            Component::RootDir => walked = "/".into(),
            Component::CurDir | Component::Prefix(_) => {}
        }
        ahead = rest;
    }
}

/// As many as Linux follows.
const MAX_LINKS: usize = 40;
