//! The format of the access log, and the values of a line.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::str::Lines;
use std::time::Duration;

use super::variable::{Variable, nearest};
use super::{Answered, json};
use crate::logging::timestamp::{Timestamp, encode_moment};

/// The form of a line: literal text and variables such as `$status` or `${status}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Of an object, the variables alone.
    pieces: Vec<Piece>,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    /// A JSON object.
    Object,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Slot),
}

/// Where a value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    name: String,
    variable: Variable,
    /// Whether it stands in quotes: else a space would end it.
    is_quoted: bool,
}

/// nginx's `combined` format.
pub const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
                            \"$http_user_agent\"";

/// The same, and how long it took, and why it was refused.
pub const DETAILED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
                            \"$http_user_agent\" $pool $request_time $queue_time $status_detail";

/// The members of an object, in order.
const MEMBERS: &str = "$time_iso8601$msec$pool$pid$worker$request_id$http_x_request_id$remote_addr$remote_port$remote_user\
                       $request_method$request_scheme$host$request_uri$server_port$server_protocol$http_referer\
                       $http_user_agent$http_x_forwarded_for$status$status_detail$body_bytes_sent$request_length\
                       $request_time$queue_time$cpu_time";

/// Formats that have names.
const NAMED: [(&str, &str, Form); 3] =
    [("combined", COMBINED, Form::Text), ("detailed", DETAILED, Form::Text), ("json", MEMBERS, Form::Object)];

impl Default for Format {
    /// [`COMBINED`].
    fn default() -> Self {
        Self::parse(COMBINED).unwrap_or(Self { pieces: Vec::new(), form: Form::Text }) // It parses, says a test.
    }
}

impl Format {
    /// Understands what the operator wrote: the name of a format, or one.
    ///
    /// # Errors
    /// When it names a variable that there is not, or could make several lines of one.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        if text.contains(char::is_control) {
            return Err(FormatError::Control);
        }
        let named = NAMED.iter().find(|(name, ..)| *name == text);
        let (text, form) = named.map_or((text, Form::Text), |(_, format, form)| (format, *form));
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once('$') {
            add_text(&mut pieces, literal);
            let (name, after) = split_name(after)?;
            let unknown = || FormatError::Unknown { name: name.to_owned(), nearest: nearest(name) };
            let variable = Variable::parse(name).ok_or_else(unknown)?;
            let before = text.get(..text.len() - after.len()).unwrap_or_default();
            let is_quoted = before.matches('"').count() % 2 == 1;
            pieces.push(Piece::Variable(Slot { name: name.to_owned(), variable, is_quoted }));
            rest = after;
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            return Err(FormatError::Constant);
        }
        add_text(&mut pieces, rest);
        Ok(Self { pieces, form })
    }

    /// Whether it has [`Answered::cpu_time`].
    pub fn tells_cpu_time(&self) -> bool {
        self.slots().any(|slot| slot.variable == Variable::CpuTime)
    }

    /// The values of a request that was answered at this time, in milliseconds since 1970, as whoever answered it knows them: a line
    /// `name=value` for each variable, escaped as nginx does it, or the name alone if there is no value. Where there is no room for
    /// all, the longest are cut.
    pub fn values(&self, answered: &Answered<'_>, time: u64) -> String {
        let mut values = String::with_capacity(512);
        let mut rest = self.slots().count();
        for Slot { name, variable, .. } in self.slots() {
            rest -= 1;
            if matches!(variable, Variable::Pool | Variable::Pid) {
                continue;
            }
            values.push_str(name);
            let end_of_name = values.len();
            values.push('=');
            let most = MAX_VALUES_LEN.saturating_sub(rest * USUAL_VALUE_LEN).max(values.len());
            match encode(variable, answered, time, &mut values) {
                Some(()) => cut(&mut values, most),
                None => values.truncate(end_of_name),
            }
            values.push('\n');
        }
        values
    }

    /// The line of a request, without a line feed. Pool and process are said by whoever writes the log. The values may be anything, since
    /// the application could have sent them itself: none ends the line, or the field that it is in.
    pub fn line(&self, pool: &str, process: u32, values: &str) -> String {
        let mut line = String::with_capacity(256);
        let mut values = Values::of(values);
        for piece in &self.pieces {
            match (piece, self.form) {
                (Piece::Text(text), _) => line.push_str(text),
                (Piece::Variable(slot), Form::Text) => slot.add(pool, process, &mut values, &mut line),
                (Piece::Variable(slot), Form::Object) => slot.add_member(pool, process, &mut values, &mut line),
            }
        }
        if self.form == Form::Object {
            line.push('}');
        }
        line
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pieces.iter().filter_map(|piece| if let Piece::Variable(slot) = piece { Some(slot) } else { None })
    }
}

/// The values of a line, by name.
struct Values<'a> {
    text: &'a str,
    next: Lines<'a>,
}

impl<'a> Values<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, next: text.lines() }
    }

    /// The value of this name, unless there is none. They are in this order, unless they come from a child that was started
    /// with another format.
    fn take(&mut self, name: &str) -> Option<&'a str> {
        let of_name = |line: &'a str| match line.split_once('=') {
            Some((found, value)) => (found == name).then_some(Some(value)),
            None => (line == name).then_some(None),
        };
        self.next.next().and_then(of_name).or_else(|| self.text.lines().find_map(of_name))?
    }
}

impl Slot {
    fn add(&self, pool: &str, process: u32, values: &mut Values<'_>, line: &mut String) {
        match self.variable {
            Variable::Pool => encode_value(pool.as_bytes(), line),
            Variable::Pid => line.push_str(&process.to_string()),
            _ => self.add_value(&self.take_from(values).unwrap_or("-".into()), line),
        }
    }

    fn add_member(&self, pool: &str, process: u32, values: &mut Values<'_>, line: &mut String) {
        json::add_name(&self.name, line);
        match self.variable {
            Variable::Pool => json::add_string(pool.as_bytes(), line),
            Variable::Pid => line.push_str(&process.to_string()),
            _ if self.variable.is_number() => json::add_number(values.take(&self.name), line),
            _ => json::add_escaped(self.take_from(values).as_deref(), line),
        }
    }

    /// Its value; that of a moment is in local time.
    fn take_from<'a>(&self, values: &mut Values<'a>) -> Option<Cow<'a, str>> {
        let value = values.take(&self.name)?;
        let encode = match self.variable {
            Variable::TimeIso8601 => Timestamp::encode_iso8601,
            Variable::TimeLocal => Timestamp::encode_common_log,
            _ => return Some(value.into()),
        };
        // A process of the program before this one may have sent a text.
        let Some(moment) = Timestamp::parse_moment(value) else { return Some(value.into()) };
        let mut text = String::new();
        encode(moment, &mut text);
        Some(text.into())
    }

    /// Adds a value that should be escaped already.
    fn add_value(&self, value: &str, line: &mut String) {
        // The request line has spaces also where it stands without quotes, as the operator can see.
        let ends_the_field =
            |byte| byte == b' ' && !self.is_quoted && !matches!(self.variable, Variable::Request | Variable::TimeLocal);
        encode_bytes(value.as_bytes(), ends_the_field, line);
    }
}

fn add_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// The name of a variable that begins here, and what follows.
fn split_name(text: &str) -> Result<(&str, &str), FormatError> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').ok_or(FormatError::NotClosed);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 { Err(FormatError::NoName) } else { Ok(text.split_at(end)) }
}

/// Adds the value, if there is one.
fn encode(variable: &Variable, answered: &Answered<'_>, time: u64, line: &mut String) -> Option<()> {
    let param = |name: &[u8]| (answered.param)(name).filter(|value| !value.is_empty());
    match variable {
        Variable::Param(name) => encode_value(param(name)?, line),
        Variable::Host => encode_value(param(b"HTTP_HOST").or(param(b"SERVER_NAME"))?, line),
        Variable::Request => encode_request(answered, line),
        Variable::RequestUri => encode_uri(answered, line)?,
        Variable::RequestId if answered.request_id.is_empty() => return None,
        Variable::RequestId => encode_value(answered.request_id.as_bytes(), line),
        Variable::Pool | Variable::Pid => return None,
        // The application may have set another zone in this process, so whoever writes the log says how local time is.
        Variable::TimeIso8601 | Variable::TimeLocal | Variable::Msec => encode_moment(time, line),
        Variable::BodyBytesSent => encode_text(format_args!("{}", answered.body_sent), line),
        Variable::RequestLength => encode_text(format_args!("{}", answered.request_length), line),
        Variable::RequestTime => encode_seconds(answered.time, line),
        Variable::QueueTime => encode_seconds(answered.queue_time?, line),
        Variable::CpuTime => {
            let time = answered.cpu_time?;
            encode_text(format_args!("{}.{:06}", time.as_secs(), time.subsec_micros()), line);
        }
        Variable::Worker => encode_text(format_args!("{}", answered.worker?), line),
        Variable::StatusDetail => line.push_str(answered.detail?),
        Variable::Status => encode_text(format_args!("{:03}", answered.status), line),
    }
    Some(())
}

fn encode_seconds(time: Duration, line: &mut String) {
    encode_text(format_args!("{}.{:03}", time.as_secs(), time.subsec_millis()), line);
}

fn encode_text(text: fmt::Arguments<'_>, line: &mut String) {
    let _ = line.write_fmt(text); // A string takes everything.
}

/// The request line as the browser sent it, or as it could have.
fn encode_request(answered: &Answered<'_>, line: &mut String) {
    encode_value((answered.param)(b"REQUEST_METHOD").unwrap_or(b"-"), line);
    line.push(' ');
    if encode_uri(answered, line).is_none() {
        line.push('-');
    }
    if let Some(protocol) = (answered.param)(b"SERVER_PROTOCOL") {
        line.push(' ');
        encode_value(protocol, line);
    }
}

/// The same of its address, if there is any.
fn encode_uri(answered: &Answered<'_>, line: &mut String) -> Option<()> {
    let param = |name: &[u8]| (answered.param)(name).filter(|value| !value.is_empty());
    if let Some(uri) = param(b"REQUEST_URI") {
        encode_value(uri, line);
        return Some(());
    }
    let (path, query) = ([param(b"SCRIPT_NAME"), param(b"PATH_INFO")], param(b"QUERY_STRING"));
    if path == [None, None] {
        query?;
        line.push('-');
    }
    path.into_iter().flatten().for_each(|path| encode_value(path, line));
    if let Some(query) = query {
        line.push('?');
        encode_value(query, line);
    }
    Some(())
}

/// Leaves so much of it, and no half of an escape. All of it is ASCII.
fn cut(values: &mut String, most: usize) {
    if values.len() > most {
        let last = most.saturating_sub(ESCAPE_LEN - 1);
        let half = values.get(last..most).and_then(|end| end.find('\\'));
        values.truncate(half.map_or(most, |at| last + at));
    }
}

/// Nothing in a value can end a line or a quoted field.
fn encode_value(value: &[u8], line: &mut String) {
    encode_bytes(value, |byte| byte == b'\\', line);
}

/// Escapes quotes, all that is not printable ASCII, and what is `special` beside.
fn encode_bytes(bytes: &[u8], special: impl Fn(u8) -> bool, line: &mut String) {
    for byte in bytes {
        match *byte {
            byte if matches!(byte, b'"' | 0..0x20 | 0x7f..) || special(byte) => {
                encode_text(format_args!("\\x{byte:02X}"), line);
            }
            byte => line.push(char::from(byte)),
        }
    }
}

/// Bytes of all values of a request: they cross to the supervisor in one message.
const MAX_VALUES_LEN: usize = 31 * 1024;
/// What each value has room for, however long those before it are.
const USUAL_VALUE_LEN: usize = 64;
/// `\xNN`.
const ESCAPE_LEN: usize = 4;

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There is no such variable.
    #[error("unknown variable ${name}{}", nearest.map(|name| format!(": did you mean ${name}?")).unwrap_or_default())]
    Unknown {
        /// What was written.
        name: String,
        /// The known one that was likely meant.
        nearest: Option<&'static str>,
    },
    /// Every line would be the same.
    #[error("a format without a variable: combined, detailed and json have names; else write variables, as in $status")]
    Constant,
    /// Nothing that could be a name follows.
    #[error("a `$` without a name: write $status or ${{status}}")]
    NoName,
    /// There is no closing brace.
    #[error("a `${{` without `}}`")]
    NotClosed,
    /// A line feed or another control character.
    #[error("a control character: a line of the access log is one line of text")]
    Control,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &[(&[u8], &[u8])] = &[
        (b"REMOTE_ADDR", b"192.0.2.7"),
        (b"REMOTE_USER", b""),
        (b"REQUEST_METHOD", b"GET"),
        (b"REQUEST_URI", b"/a\"b\\c\n\xc3\xa4?x=1"),
        (b"SERVER_PROTOCOL", b"HTTP/1.1"),
        (b"HTTP_HOST", b"example.org"),
        (b"HTTP_USER_AGENT", b"curl/8"),
    ];

    fn line_with(format: &str, params: &[(&[u8], &[u8])]) -> String {
        let param = |name: &[u8]| params.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let answered = Answered {
            param: &param,
            request_id: "12-3",
            status: 200,
            body_sent: 1234,
            request_length: 56,
            time: Duration::from_micros(1_002_999),
            queue_time: Some(Duration::from_millis(20)),
            worker: Some(3),
            cpu_time: Some(Duration::from_nanos(1_234_999)),
            detail: Some("aborted"),
        };
        let format = Format::parse(format).unwrap();
        format.line("blog", 4711, &format.values(&answered, TIME))
    }

    const TIME: u64 = 1_795_200_374_123;

    /// Local times are those of UTC there.
    fn local(golden: &str) -> String {
        let told = |encode: fn(Timestamp, &mut String)| {
            let mut text = String::new();
            encode(Timestamp::parse_moment("1795200374.123").unwrap(), &mut text);
            text
        };
        let golden = golden.replace("20/Nov/2026:18:46:14 +0000", &told(Timestamp::encode_common_log));
        golden.replace("2026-11-20T18:46:14+00:00", &told(Timestamp::encode_iso8601))
    }

    fn line(format: &str) -> String {
        line_with(format, PARAMS)
    }

    #[test]
    fn the_usual_format_is_nginx_s_combined() {
        let expected = "192.0.2.7 - - [20/Nov/2026:18:46:14 +0000] \"GET /a\\x22b\\x5Cc\\x0A\\xC3\\xA4?x=1 HTTP/1.1\" 200 1234 \"-\" \"curl/8\"";
        assert_eq!(line(COMBINED), local(expected));
        assert_eq!(Format::default(), Format::parse(COMBINED).unwrap());
    }

    #[test]
    fn every_variable_has_a_value() {
        assert_eq!(line("$pool $pid $request_id $status $request_time $request_length"), "blog 4711 12-3 200 1.002 56");
        assert_eq!(line("$queue_time $status_detail $worker $cpu_time"), "0.020 aborted 3 0.001234");
        assert_eq!(line("$time_iso8601 $msec $host"), local("2026-11-20T18:46:14+00:00 1795200374.123 example.org"));
        assert_eq!(line("${status}s ${http_user_agent}$pid."), "200s curl/84711.");
        assert_eq!(line("$query_string"), "-");
        for constant in ["", "common", "Combined"] {
            assert_eq!(Format::parse(constant), Err(FormatError::Constant), "{constant}");
        }
    }

    #[test]
    fn formats_have_names_and_the_detailed_one_begins_as_the_combined_one() {
        assert_eq!(Format::parse("combined"), Format::parse(COMBINED));
        assert_eq!(line("detailed"), format!("{} blog 1.002 0.020 aborted", line("combined")));
        assert_eq!(DETAILED.strip_prefix(COMBINED), Some(" $pool $request_time $queue_time $status_detail"));
    }

    #[test]
    fn a_request_uri_that_was_not_sent_is_made_of_what_was() {
        let params: &[(&[u8], &[u8])] = &[(b"SCRIPT_NAME", b"/app"), (b"PATH_INFO", b"/x"), (b"QUERY_STRING", b"a=1")];
        assert_eq!(line_with("$request|$request_uri|$host", params), "- /app/x?a=1|/app/x?a=1|-");
        assert_eq!(line_with("$request", &[]), "- -");
    }

    #[test]
    fn no_byte_of_a_value_can_leave_its_field() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let names: [&[u8]; 4] = [b"REQUEST_METHOD", b"REQUEST_URI", b"HTTP_HOST", b"REMOTE_USER"];
        let params = names.map(|name| (name, every_byte.as_slice()));
        let line = line_with("$request \"$host\" $remote_user $http_host", &params);
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        assert_eq!((line.matches('"').count(), line.matches("\\x0A").count(), line.matches("\\x22").count()), (2, 5, 5));
    }

    #[test]
    fn pool_and_process_are_never_what_the_values_say() {
        let format = Format::parse("$remote_addr $pool $pid \"$http_user_agent\" $pool[$pid]").unwrap();
        let lies = "pool=shop\npid=1\nremote_addr=192.0.2.1 shop 1\nhttp_user_agent=x\" shop[1]\x1b\r\u{2028}ä\n";
        let line = format.line("blog", 4711, lies);
        let expected = "192.0.2.1\\x20shop\\x201 blog 4711 \"x\\x22 shop[1]\\x1B\\x0D\\xE2\\x80\\xA8\\xC3\\xA4\" blog[4711]";
        assert_eq!(line, expected);
        assert_eq!(format.line("blog", 4711, "\0\n=\n"), "- blog 4711 \"-\" blog[4711]");
    }

    #[test]
    fn values_for_another_format_go_where_their_names_are() {
        let format = Format::parse("$status $host $status $request_uri").unwrap();
        assert_eq!(format.line("blog", 1, "host=a\nmsec=7\nstatus=200\n"), "200 a 200 -");
        let format = Format::parse("$time_local $time_iso8601").unwrap();
        assert_eq!(format.line("blog", 1, "time_local=1 May\ntime_iso8601=5\n"), "1 May 5");
    }

    #[test]
    fn long_values_leave_room_for_those_behind_them() {
        let long = vec![b'x'; 1 << 20];
        let params: &[(&[u8], &[u8])] = &[(b"REQUEST_URI", &long), (b"HTTP_HOST", &long)];
        let line = line_with("$request_uri $host $status", params);
        assert!(line.len() <= MAX_VALUES_LEN && line.ends_with(" 200"), "{}", line.len());
        assert!(line.split(' ').nth(1).unwrap().len() >= 32);
    }

    #[test]
    fn a_cut_goes_through_no_escape() {
        for most in 4..=8 {
            let mut values = "abcd\\x5Cefg".to_owned();
            cut(&mut values, most);
            assert_eq!(values, if most < 8 { "abcd" } else { "abcd\\x5C" }, "{most}");
        }
    }

    #[test]
    fn an_object_has_all_that_is_known_and_null_for_the_rest() {
        let known = [
            r#"{"time_iso8601":"2026-11-20T18:46:14+00:00","msec":1795200374.123,"pool":"blog","pid":4711,"#,
            r#""worker":3,"request_id":"12-3","http_x_request_id":null,"remote_addr":"192.0.2.7","remote_port":null,"remote_user":null,"#,
            r#""request_method":"GET","request_scheme":null,"host":"example.org","#,
            r#""request_uri":"/a\"b\\x5Cc\u000aä?x=1","server_port":null,"server_protocol":"HTTP/1.1","#,
            r#""http_referer":null,"http_user_agent":"curl/8","http_x_forwarded_for":null,"status":200,"#,
            r#""status_detail":"aborted","body_bytes_sent":1234,"request_length":56,"request_time":1.002,"#,
            r#""queue_time":0.020,"cpu_time":0.001234}"#,
        ];
        assert_eq!(line("json"), local(&known.concat()));
        assert_eq!(Format::parse("json").unwrap().slots().count(), MEMBERS.matches('$').count());
        let dash = line_with("json", &[(b"HTTP_REFERER", b"-")]);
        assert!(dash.contains("\"http_referer\":\"-\"") && dash.contains("\"request_uri\":null"), "{dash}");
    }

    #[test]
    fn an_object_is_one_whatever_bytes_a_request_or_an_application_sends() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let object =
            |params: &[(&[u8], &[u8])]| -> serde_json::Value { serde_json::from_str(&line_with("json", params)).unwrap() };
        let agent = object(&[(b"HTTP_USER_AGENT", &every_byte)])["http_user_agent"].as_str().unwrap().to_owned();
        assert!(agent.starts_with("\0\u{1}") && agent.contains("[\\x5C]") && agent.ends_with("\\xFE\\xFF"), "{agent}");
        for length in 0..8 {
            let long = object(&[(b"REQUEST_URI", &[&b"x".repeat(length), &every_byte.repeat(200)[..]].concat())]);
            assert_eq!((&long["status"], &long["server_protocol"]), (&200.into(), &serde_json::Value::Null));
        }
        let format = Format::parse("json").unwrap();
        let lies = [
            "pool=shop\npid=1\nstatus=200,\"pool\":\"shop\"\nhttp_user_agent=\"}\n{\u{1b}ä\u{fffd}\nrequest_uri=\\x\\\n",
            "",
            "\0\n=\n",
            "status\nstatus=\nstatus=1e9\nmsec=-1\ncpu_time=.\n",
        ];
        for values in lies {
            let text = format.line("blog", 4711, values);
            let object: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&object["pool"], &object["pid"]), (&"blog".into(), &4711.into()), "{text}");
            assert!(object["status"].is_null() && !text.contains(char::is_control), "{text}");
            assert_eq!(object.as_object().unwrap().len(), MEMBERS.matches('$').count());
        }
    }

    #[test]
    fn the_clock_of_a_thread_is_asked_only_where_it_is_told() {
        let tells = |text: &str| Format::parse(text).unwrap().tells_cpu_time();
        assert!(tells("$cpu_time") && tells("json"));
        assert!(!tells("combined") && !tells("detailed") && !tells("$worker $request_time"));
    }

    #[test]
    fn mistakes_are_told_with_what_was_meant() {
        let error = |text: &str| Format::parse(text).unwrap_err().to_string();
        assert_eq!(error("a $statsu b"), "unknown variable $statsu: did you mean $status?");
        assert_eq!(error("${remote_adr}"), "unknown variable $remote_adr: did you mean $remote_addr?");
        assert_eq!(error("$foo"), "unknown variable $foo");
        assert_eq!(error("100 $"), "a `$` without a name: write $status or ${status}");
        assert_eq!(error("$$status"), error("100 $"));
        assert_eq!(error("${status"), "a `${` without `}`");
        assert!(error("a\nb").contains("control character"));
        Format::parse("${}").unwrap_err();
        Format::parse("${$}").unwrap_err();
    }
}
