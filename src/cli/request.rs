//! `pyfcgid request`.

use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command as Parser};

use super::Exit;
use crate::client;

pub(super) fn parser() -> Parser {
    let value = |name: &'static str, value_name: &'static str, help: &'static str| {
        Arg::new(name).value_name(value_name).value_parser(OsStringValueParser::new()).help(help)
    };
    Parser::new("request")
        .about("Send one request as a web server would, and print the response: curl for FastCGI")
        .args_override_self(true)
        .after_help(REQUEST_NOTES)
        .arg(value("path", "PATH", "The path with its query, as in /search?q=x [default: /]"))
        .arg(
            value("connect", "ADDR", "Where the application listens: host:port, unix:/path or /path [default: 127.0.0.1:9000]")
                .long("connect"),
        )
        .arg(
            value("role", "ROLE", "The FastCGI role of the request: responder, authorizer or filter [default: responder]")
                .long("role"),
        )
        .arg(
            value("method", "METHOD", "The request method [default: GET, with -d POST]")
                .short('X')
                .long("method")
                .visible_alias("request"),
        )
        .arg(
            value("header", "K: V", "Send a header; `K:` omits one that is sent by default")
                .short('H')
                .long("header")
                .action(ArgAction::Append),
        )
        .arg(
            value("data", "DATA", "Send this body; @FILE sends a file unchanged, @- sends stdin")
                .short('d')
                .long("data")
                .allow_hyphen_values(true),
        )
        .arg(value("data-file", "FILE", "The file for a filter to transform").long("data-file"))
        .arg(
            value("param", "K=V", "Send this FCGI_PARAMS variable, in place of a default one of that name")
                .long("param")
                .action(ArgAction::Append),
        )
        .arg(Arg::new("include").short('i').long("include").action(ArgAction::SetTrue).help("Print the response headers, too"))
        .arg(
            Arg::new("fail")
                .short('f')
                .long("fail")
                .action(ArgAction::SetTrue)
                .help("Exit with 22 if the status is 400 or higher"),
        )
        .arg(
            value("max-time", "TIME", "Give up after this time, as in 500ms or 10s; 0 means never [default: 0]")
                .short('m')
                .long("max-time"),
        )
}

pub(super) fn parse(matches: &ArgMatches) -> Result<client::Options, Exit> {
    let one = |name: &str| matches.get_one::<OsString>(name).map(OsString::as_os_str);
    let many =
        |name: &str| matches.get_many::<OsString>(name).into_iter().flatten().map(OsString::as_os_str).collect::<Vec<_>>();
    let typed = client::Typed {
        connect: one("connect"),
        role: one("role"),
        method: one("method"),
        headers: many("header"),
        data: one("data"),
        data_file: one("data-file"),
        params: many("param"),
        max_time: one("max-time"),
        path: one("path"),
    };
    let mut options = typed.parse().map_err(|error| Exit::usage(&error.to_string()))?;
    options.include_head = matches.get_flag("include");
    options.fail = matches.get_flag("fail");
    Ok(options)
}

const REQUEST_NOTES: &str = "\
Exit codes, those of curl where it has one:
   6  unknown host
   7  cannot connect
   8  the response is not FastCGI or has no header block, or the request was refused
  18  the response was cut short
  22  the status is 400 or higher, with --fail
  23  cannot write the response
  26  cannot read the body
  28  timed out
  52  the connection was closed without a response
  56  the connection broke before a response
  64  usage error";
