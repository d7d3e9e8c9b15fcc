//! `pyfcgid request`.

use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command as Parser};

use super::{Exit, flag, option, quantity};
use crate::client;

pub(super) fn parser() -> Parser {
    let path = Arg::new("path").value_name("PATH").value_parser(OsStringValueParser::new());
    let connect = "Where the application listens: host:port, unix:/path or /path [default: 127.0.0.1:9000]";
    let role = "The FastCGI role of the request: responder, authorizer or filter [default: responder]";
    let header = "Send a header; `K:` omits one that is sent by default";
    let data = "Send this body; @FILE sends a file unchanged, @- sends stdin";
    let param = "Send this FCGI_PARAMS variable, in place of a default one of that name";
    let max_time = "Give up after this time, as in 500ms or 10s; 0 means never [default: 0]";
    Parser::new("request")
        .about("Send one request as a web server would, and print the response: curl for FastCGI")
        .args_override_self(true)
        .after_help(REQUEST_NOTES)
        .arg(path.help("The path with its query, as in /search?q=x [default: /]"))
        .arg(option("connect", "ADDR", connect))
        .arg(option("role", "ROLE", role))
        .arg(option("method", "METHOD", "The request method [default: GET, with -d POST]").short('X').visible_alias("request"))
        .arg(option("header", "K: V", header).short('H').action(ArgAction::Append))
        .arg(option("data", "DATA", data).short('d').allow_hyphen_values(true))
        .arg(option("data-file", "FILE", "The file for a filter to transform"))
        .arg(option("param", "K=V", param).action(ArgAction::Append))
        .arg(flag("include", "Print the response headers, too").short('i'))
        .arg(flag("fail", "Exit with 22 if the status is 400 or higher").short('f'))
        .arg(quantity("max-time", "TIME", max_time).short('m'))
}

pub(super) fn parse(matches: &ArgMatches) -> Result<client::Options, Exit> {
    let typed = |name: &str| matches.get_many::<OsString>(name).into_iter().flatten().map(OsString::as_os_str).collect();
    let options = client::Options::parse(typed).map_err(|error| Exit::usage(&error.to_string()))?;
    Ok(client::Options { include_head: matches.get_flag("include"), fail: matches.get_flag("fail"), ..options })
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
