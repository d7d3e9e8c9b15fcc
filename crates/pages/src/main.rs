//! Writes what describes pyfcgid elsewhere: manual pages, completions, the schema of the configuration file, the reference,
//! and the page of messages.
//!
//! Everything that can be is taken from the tables of options and of codes and from the grammar of the command line, so that a
//! new option is in all of them by itself.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

mod commands;
mod completions;
mod facts;
mod manual;
mod messages;
mod options;
mod page;
mod reference;
mod schema;
#[cfg(test)]
mod tests;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let written = match arguments[..] {
        ["reference", file] => fs::write(file, reference::text()),
        ["messages", file] => fs::write(file, messages::text()),
        ["all", directory, date] => write(&all(date), Path::new(directory)),
        _ => Err(io::Error::other(USAGE)),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pyfcgid-pages: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every file: its path below the directory, and its text.
fn all(date: &str) -> Vec<(&'static str, String)> {
    let mut files = vec![
        ("man/pyfcgid.8", manual::of_program(date)),
        ("man/pyfcgid.toml.5", manual::of_file(date)),
        ("pyfcgid.schema.json", schema::text()),
    ];
    files.extend(completions::all());
    files
}

fn write(files: &[(&str, String)], directory: &Path) -> io::Result<()> {
    for (name, text) in files {
        let path: PathBuf = directory.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    Ok(())
}

const USAGE: &str = "usage: pyfcgid-pages all DIRECTORY DATE, or pyfcgid-pages reference FILE, or pyfcgid-pages messages FILE";
