//! What can be wrong with a pool's Python before it runs, and what to do.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::config::{self, Config, Interpreter};
use crate::start_error::StartError;
use shared::sys::file::obstacle;
use shared::sys::process;

/// Whether each pool has one.
pub fn validate(config: &Config) -> Result<(), StartError> {
    config.pools.iter().try_for_each(|pool| of(pool)?.fault(pool).map_or(Ok(()), |fault| Err(faulty(pool, &fault, None))))
}

/// The pool's.
pub fn of(pool: &config::Pool) -> Result<&Interpreter, StartError> {
    let advice = "no Python found: install python3, or name one with python = \"/usr/bin/python3\" (--python)";
    pool.interpreter.as_ref().ok_or_else(|| StartError::of_pool(pool, advice, None))
}

/// That this is wrong with it, and what the system says of it.
pub fn faulty(pool: &config::Pool, fault: &str, source: impl Into<Option<io::Error>>) -> StartError {
    of(pool).map_or_else(|error| error, |python| StartError::of_pool(pool, format!("the Python {python} {fault}"), source))
}

/// It could not be executed, as the pool's user and in its root directory.
pub fn not_executed(pool: &config::Pool, path: &Path, error: io::Error) -> StartError {
    let fault = match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "cannot be run, permission denied at {}: let the user that the pool runs as read and execute it, or name a Python that it can run",
            obstacle(path).as_deref().unwrap_or(path).display()
        ),
        ErrorKind::NotFound => match loader(path) {
            Some(loader) => {
                let advice = match pool.chroot {
                    Some(_) => "a root directory (chroot) must contain Python and all its libraries",
                    None => "install the package it belongs to, or name another Python",
                };
                format!("cannot be started because {} is missing: {advice}", loader.display())
            }
            None => "does not exist: install that Python, or name another one".to_owned(),
        },
        _ if process::is_no_program(&error) => "is not a program for this machine: name the Python program itself".to_owned(),
        _ => return faulty(pool, "cannot be run", error),
    };
    faulty(pool, &fault, None)
}

/// The program that loads this one's libraries, if it is named in it and not there.
fn loader(path: &Path) -> Option<PathBuf> {
    let mut beginning = vec![0; BEGINNING];
    let length = File::open(path).ok()?.read(&mut beginning).ok()?;
    let named = named_loader(beginning.get(..length)?)?;
    (!named.exists()).then_some(named)
}

/// That of a script, or that of a program in ELF for 64 bits, little-endian.
fn named_loader(bytes: &[u8]) -> Option<PathBuf> {
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let word = line.split(|byte| byte.is_ascii_whitespace()).find(|word| !word.is_empty())?;
        return Some(PathBuf::from(std::str::from_utf8(word).ok()?));
    }
    let number = |at: usize, length: usize| {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        usize::try_from(bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))).ok()
    };
    bytes.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    let (headers, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let header = |index: usize| headers.checked_add(index.checked_mul(size)?);
    let header = (0..count).filter_map(header).find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let (offset, length) = (number(header.checked_add(8)?, 8)?, number(header.checked_add(32)?, 8)?);
    let name = bytes.get(offset..offset.checked_add(length)?)?;
    Some(PathBuf::from(std::str::from_utf8(name).ok()?.trim_end_matches('\0')))
}

const PT_INTERP: usize = 3;
/// Headers and the loader's name are at the beginning.
const BEGINNING: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_of_a_program_is_read_and_of_garbage_is_none() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        let found = named_loader(&program[..BEGINNING]).unwrap();
        assert!(found.starts_with("/") && found.to_string_lossy().contains("ld"), "{found:?}");
        assert_eq!(named_loader(b"#! /usr/bin/env python3\n"), Some(PathBuf::from("/usr/bin/env")));
        for length in 0..200 {
            named_loader(&program[..length]);
        }
        assert_eq!(named_loader(b"#!"), None);
        assert_eq!(named_loader(b"hello"), None);
    }
}
