//! One file's text as TOML: its values as layers, with the line of everything.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::text::{quote, quote_key};
use super::{File, FilePlace, Table};
use crate::config::layer::{Item, Layer, Origin, split_text};
use crate::config::nearest;
use crate::config::{Error, INCLUDE, Kind, SETTINGS, Scope, Setting, ValueError, advice};

/// One file's text, for positions in it.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// # Errors
    /// When it is not TOML, has a key that is not an option, or a value of a kind the option does not take.
    pub(super) fn parse(&self, role: FilePlace) -> Result<File, Error> {
        let document = DeTable::parse(self.text).map_err(|error| self.not_toml(&error))?;
        let mut parsed = File::default();
        for (key, value) in document.get_ref() {
            match key.get_ref().as_ref() {
                POOL => parsed.pools = self.tables(key, value)?,
                name if role == FilePlace::Included && is_for_the_top(name) => {
                    return Err(self.key_error("misplaced key", key, Some(value), NOT_INCLUDED_ADVICE.to_owned()));
                }
                INCLUDE => parsed.include = self.patterns(value)?,
                _ => self.parse_setting(Scope::Global, key, value, &mut parsed.settings)?,
            }
        }
        Ok(parsed)
    }

    /// The values of these settings at the top, whatever else is in the text; and the first mistake in its TOML.
    ///
    /// # Errors
    /// For a value of a kind the option does not take.
    pub(super) fn parse_leniently(&self, keys: &[&str]) -> Result<(Layer, Option<Error>), Error> {
        let (document, mistakes) = DeTable::parse_recoverable(self.text);
        let mut layer = Layer::new();
        for setting in SETTINGS.iter().filter(|setting| keys.contains(&setting.name)) {
            if let Some(value) = document.get_ref().get(setting.name) {
                layer.insert(setting.name, self.items(setting, value)?);
            }
        }
        Ok((layer, mistakes.first().map(|error| self.not_toml(error))))
    }

    fn not_toml(&self, error: &toml::de::Error) -> Error {
        self.syntax_error(error.span().map_or(0, |span| span.start), error.message().replace('\n', ", "))
    }

    fn tables(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Vec<Table>, Error> {
        let pools = value.get_ref().as_table().ok_or_else(|| self.pool_without_name(key, value))?;
        let mut tables: Vec<_> =
            pools.iter().map(|(key, value)| Ok((key.span().start, self.table(key, value)?))).collect::<Result<_, _>>()?;
        tables.sort_by_key(|(at, _)| *at);
        Ok(tables.into_iter().map(|(_, table)| table).collect())
    }

    fn table(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Table, Error> {
        let values = value.get_ref().as_table().ok_or_else(|| self.pool_without_name(key, value))?;
        let name = key.get_ref().as_ref();
        if !is_pool_name(name) {
            return Err(self.key_error("bad pool name", key, None, POOL_NAME_ADVICE.to_owned()));
        }
        let mut settings = Layer::new();
        for (key, value) in values {
            self.parse_setting(Scope::Pool, key, value, &mut settings)?;
        }
        let origin = Origin::File { path: self.path.to_owned(), line: self.line(key.span().start) };
        Ok(Table { name: Some(name.to_owned()), origin: Some(origin), settings })
    }

    fn patterns(&self, value: &Value<'_>) -> Result<Vec<Item>, Error> {
        let pattern = |value: &Value<'_>| match value.get_ref() {
            DeValue::String(text) => Ok(Item { text: text.to_string(), origin: self.origin(value) }),
            _ => Err(self.bad_value(INCLUDE, value, "must be a file, a pattern such as \"pools/*.toml\", or a list of them")),
        };
        match value.get_ref() {
            DeValue::Array(patterns) => patterns.iter().map(pattern).collect(),
            _ => Ok(vec![pattern(value)?]),
        }
    }

    fn parse_setting(&self, scope: Scope, key: &Key<'_>, value: &Value<'_>, layer: &mut Layer) -> Result<(), Error> {
        let unknown = || self.key_error("unknown key", key, Some(value), unknown_key_advice(key.get_ref(), value, scope));
        let setting = Setting::named(key.get_ref()).ok_or_else(unknown)?;
        if !setting.stands_in(scope) {
            return Err(self.key_error("misplaced key", key, Some(value), misplaced_key_advice(scope)));
        }
        layer.insert(setting.name, self.items(setting, value)?);
        Ok(())
    }

    fn items(&self, setting: &'static Setting, value: &Value<'_>) -> Result<Vec<Item>, Error> {
        let refuse = |reason| Err(self.bad_value(setting.name, value, reason));
        let item = |value: &Value<'_>, text: Option<String>, reason| match text {
            Some(text) => Ok(Item { text, origin: self.origin(value) }),
            None => Err(self.bad_value(setting.name, value, reason)),
        };
        match value.get_ref() {
            DeValue::Array(array) if setting.kind.is_list() && array.is_empty() && !setting.may_be_empty() => {
                refuse("must have at least one value")
            }
            DeValue::Array(array) if setting.kind.is_list() => {
                array.iter().map(|value| item(value, scalar(value.get_ref()), "must be a list of strings")).collect()
            }
            DeValue::Table(table) if setting.kind == Kind::Pairs => {
                let pair = |name: &str, value| scalar(value).map(|text| format!("{name}={text}"));
                let pairs = table.iter().map(|(name, value)| (value, pair(name.get_ref(), value.get_ref())));
                pairs.map(|(value, text)| item(value, text, "must have a string for each name")).collect()
            }
            DeValue::Array(_) => refuse("must be one value, not a list"),
            DeValue::Table(_) => refuse("must be a value, not a table"),
            other => match scalar(other) {
                Some(text) => Ok(split_text(setting, &text, &self.origin(value))),
                None => refuse("must be a string, a number, true or false"),
            },
        }
    }

    fn origin(&self, value: &Value<'_>) -> Origin {
        Origin::File { path: self.path.to_owned(), line: self.line(value.span().start) }
    }

    fn bad_value(&self, key: &'static str, value: &Value<'_>, reason: &str) -> Error {
        Item { text: self.excerpt(value), origin: self.origin(value) }.refused(key, ValueError::new(reason))
    }

    fn pool_without_name(&self, key: &Key<'_>, value: &Value<'_>) -> Error {
        let advice = "a pool needs a name: put its settings under a line such as [pool.blog]".to_owned();
        self.key_error("misplaced key", key, Some(value), advice)
    }

    fn key_error(&self, what: &'static str, key: &Key<'_>, value: Option<&Value<'_>>, advice: String) -> Error {
        Error::Key {
            path: self.path.to_owned(),
            line: self.line(key.span().start),
            what,
            key: key.get_ref().to_string(),
            value: value.filter(|value| !value.get_ref().is_table()).map(|value| self.excerpt(value)),
            advice,
        }
    }

    /// An error of the form of the text, `offset` bytes into it.
    pub(super) fn syntax_error(&self, offset: usize, message: String) -> Error {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let line = self.text.lines().nth(self.line(offset) - 1).unwrap_or_default();
        let message = match with_quotes(line) {
            Some(right) => format!("{message}; text needs quotes, as in {right}"),
            None => message + &self.first_header(line, self.line(offset)),
        };
        Error::Syntax { path: PathBuf::from(self.path), line: self.line(offset), column, message }
    }

    /// Where a table begins that begins again on this line.
    fn first_header(&self, line: &str, number: usize) -> String {
        let header = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
        let lines = self.text.lines().take(number - 1);
        let first = lines.enumerate().find(|(_, other)| line.starts_with('[') && header(other) == header(line));
        first.map_or_else(String::new, |(index, _)| format!("; the first is on line {}", index + 1))
    }

    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    /// The value as it stands in the file, cut to what fits a message.
    fn excerpt(&self, value: &Value<'_>) -> String {
        let typed = self.text.get(value.span()).unwrap_or_default();
        let line = typed.lines().next().unwrap_or_default();
        match line.char_indices().nth(MAX_EXCERPT_LEN) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None if line.len() < typed.len() => format!("{line} ..."),
            None => line.to_owned(),
        }
    }
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// A value that is one text. Numbers stay as typed, base included, since `0o660` means something to a mode.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(switch) => Some(switch.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// # Errors
/// What is allowed, for what is no name of a pool.
pub(in crate::config) fn check_pool_name(name: &str) -> Result<(), ValueError> {
    if is_pool_name(name) { Ok(()) } else { Err(ValueError::new(POOL_NAME_ADVICE)) }
}

fn is_pool_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_POOL_NAME_LEN).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether it is a key of the main file's top.
fn is_for_the_top(name: &str) -> bool {
    name == INCLUDE || Setting::named(name).is_some_and(|setting| setting.stands_in(Scope::Global))
}

fn misplaced_key_advice(right: Scope) -> String {
    match right {
        Scope::Global => "it belongs under a [pool.NAME] line".to_owned(),
        Scope::Pool => "it applies to the whole process: move it to the top of the file, before the first [ line".to_owned(),
    }
}

/// A table at the top is a pool whose table lacks `pool.`, or has it misspelt.
fn unknown_key_advice(key: &str, value: &Value<'_>, scope: Scope) -> String {
    match value.get_ref() {
        DeValue::Table(_) if scope == Scope::Global && nearest(key, [POOL]).is_some() => {
            "did you mean a line such as [pool.blog]?".to_owned()
        }
        DeValue::Table(_) if scope == Scope::Global => {
            let name = if is_pool_name(key) { quote_key(key) } else { "blog".to_owned() };
            format!("a pool's settings go under a line such as [pool.{name}]")
        }
        // Others have dots in their names.
        DeValue::Table(table) if table.len() == 1 => {
            let name = table.keys().map(|part| format!("{key}.{}", part.get_ref())).collect::<String>();
            advice::known_elsewhere(&name).unwrap_or_else(|| advice::unknown_key(key, scope))
        }
        _ if key == INCLUDE => "it belongs at the top of the file, before the first [ line".to_owned(),
        _ => advice::unknown_key(key, scope),
    }
}

/// `key = text`, where the text should have been quoted, as it is to be written.
fn with_quotes(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next().unwrap_or_default().trim();
    let is_text = !value.is_empty() && !value.contains(['"', '\'', '[', ']', '{', '}', '\\']);
    let is_value = || format!("x = {value}").parse::<toml::Table>().is_ok();
    (is_text && !is_value()).then(|| format!("{} = {}", key.trim(), quote(value)))
}

const POOL: &str = "pool";
const NOT_INCLUDED_ADVICE: &str = "an included file can only have [pool.NAME] tables: move it to the file that includes this \
                                   one";
const POOL_NAME_ADVICE: &str = "use up to 64 letters, digits, `-`, `_` and `.`";
const MAX_POOL_NAME_LEN: usize = 64;
const MAX_EXCERPT_LEN: usize = 60;
