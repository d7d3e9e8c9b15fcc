//! `pyfcgid new`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command as Parser};

use super::{Command, Exit, Surroundings, Typed, file_arg, flags, path, value_arg};
use crate::config::{NewPool, SETTINGS};

/// A file that is to be written for a new pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// The pool.
    pub pool: NewPool,
    /// Where its file is to be.
    pub target: Target,
}

/// Where the file of a new pool is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: it is printed.
    Stdout,
    /// There, whoever includes it.
    File(PathBuf),
    /// There, where a configuration includes it.
    Included {
        /// The pool's file.
        file: PathBuf,
        /// The configuration that was named for it, if it is not the default one.
        by: Option<PathBuf>,
    },
}

pub(super) fn parser() -> Parser {
    let parse = |name: &str| NewPool::check_name(name).map(|()| name.to_owned());
    let name = Arg::new(NAME).value_name("NAME").required(true).value_parser(parse);
    let output = path(OUTPUT, "Write to this file (- is stdout), whatever the configuration includes");
    let settings = SETTINGS.iter().filter(|setting| NewPool::KEYS.contains(&setting.name));
    Parser::new("new")
        .about("Write a commented configuration file for a new pool and print the next steps")
        .args_override_self(true)
        .after_help(NOTES)
        .arg(name.help("The name of the pool; its file is NAME.toml"))
        .arg(file_arg(""))
        .arg(output.short('o'))
        .args(
            settings
                .map(|setting| value_arg(setting).long(setting.name).help(setting.help).help_heading("Settings in the file")),
        )
}

pub(super) fn parse(matches: &ArgMatches, around: Surroundings<'_>) -> Result<Typed, Exit> {
    let name = matches.get_one::<String>(NAME).map(String::as_str).unwrap_or_default();
    let pool = NewPool::new(name, &flags(matches)?)?;
    let (target, remark) = match matches.get_one::<OsString>(OUTPUT) {
        Some(output) if output == "-" => (Target::Stdout, None),
        Some(output) => (Target::File(output.into()), None),
        None => {
            let absent = || {
                Exit::usage(&format!(
                    "where should the file go? Give the configuration with -c FILE, or --output FILE; {}",
                    around.files
                ))
            };
            let named = around.named(matches);
            let (path, remark) = around.chosen(named.clone()).ok_or_else(absent)?;
            (Target::Included { file: pool.place(&path)?, by: named }, remark)
        }
    };
    Ok(Typed { command: Command::New(Box::new(New { pool, target })), remark })
}

const NAME: &str = "name";
const OUTPUT: &str = "output";
const NOTES: &str = "\
The file is written where the configuration includes it: with include = \"pools.d/*.toml\", to pools.d next to it. An \
existing file is never overwritten. No questions are asked; options not given here get suggested values in the file.";
