//! The configuration file: TOML to layers, with the line of everything.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::{Item, Layer, Origin, split_text};
use super::spelling::nearest;
use super::{Error, Fallback, Kind, SETTINGS, Scope, Setting, ValueError, advice};

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    /// The name of its pool.
    pub(super) pool: Option<String>,
    /// The settings, those of the process and those of the pool.
    pub(super) settings: Layer,
}

/// Reads and parses a file.
///
/// # Errors
/// When it cannot be read, is not TOML, has a key that is not an option, or a value of a kind the option does not take.
pub(super) fn read(path: &Path) -> Result<File, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let source = Source { path, text: &String::from_utf8_lossy(&bytes) };
    match std::str::from_utf8(&bytes) {
        Ok(_) => source.parse(),
        Err(error) => Err(source.syntax_error(error.valid_up_to(), "not UTF-8 text".to_owned())),
    }
}

/// A line `key = value` that is read as these values again; `None` for an option that is not set.
pub(super) fn assignment(setting: &Setting, values: &[String]) -> Option<String> {
    let value = match (setting.kind, values) {
        (Kind::Switch, [value]) => value.clone(),
        (Kind::One, [value]) if is_plain_number(value) => value.clone(),
        (Kind::One, [value]) => quote(value),
        (Kind::List { .. } | Kind::Pairs, values) => {
            format!("[{}]", values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(", "))
        }
        _ => return None,
    };
    Some(format!("{} = {value}", setting.name))
}

/// A key as TOML wants it.
pub(super) fn quote_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { key.to_owned() } else { quote(key) }
}

/// One file's text, for positions in it.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn parse(&self) -> Result<File, Error> {
        let document = DeTable::parse(self.text).map_err(|error| {
            self.syntax_error(error.span().map_or(0, |span| span.start), error.message().replace('\n', ", "))
        })?;
        let mut file = File::default();
        for (key, value) in document.get_ref() {
            match value.get_ref() {
                DeValue::Table(pools) if key.get_ref() == POOL => self.parse_pools(pools, &mut file)?,
                _ if key.get_ref() == POOL => return Err(self.pool_without_name(key, value)),
                _ => self.parse_setting(Scope::Global, key, value, &mut file.settings)?,
            }
        }
        Ok(file)
    }

    fn parse_pools(&self, pools: &DeTable<'_>, file: &mut File) -> Result<(), Error> {
        for (key, value) in pools {
            let DeValue::Table(settings) = value.get_ref() else {
                return Err(self.pool_without_name(key, value));
            };
            let name = key.get_ref().as_ref();
            if !is_pool_name(name) {
                return Err(self.key_error("bad pool name", key, None, POOL_NAME_ADVICE.to_owned()));
            }
            if let Some(first) = file.pool.replace(name.to_owned()) {
                let advice = format!("this version serves one pool, and there is `{first}` already; use a file for each");
                return Err(self.key_error("second pool", key, None, advice));
            }
            for (key, value) in settings {
                self.parse_setting(Scope::Pool, key, value, &mut file.settings)?;
            }
        }
        Ok(())
    }

    fn parse_setting(&self, scope: Scope, key: &Key<'_>, value: &Value<'_>, layer: &mut Layer) -> Result<(), Error> {
        let setting = SETTINGS.iter().find(|setting| setting.name == key.get_ref().as_ref());
        let Some(setting) = setting else {
            return Err(self.key_error("unknown key", key, Some(value), unknown_key_advice(key.get_ref(), value, scope)));
        };
        if setting.scope != scope {
            return Err(self.key_error("misplaced key", key, Some(value), misplaced_key_advice(setting.scope)));
        }
        layer.insert(setting.name, self.items(setting, value)?);
        Ok(())
    }

    fn items(&self, setting: &'static Setting, value: &Value<'_>) -> Result<Vec<Item>, Error> {
        let refuse = |reason| Err(self.bad_value(setting, value, reason));
        match value.get_ref() {
            DeValue::Array(array) if setting.kind.is_list() && array.is_empty() && setting.default != Fallback::Nothing => {
                refuse("must have at least one value")
            }
            DeValue::Array(array) if setting.kind.is_list() => array
                .iter()
                .map(|value| match scalar(value.get_ref()) {
                    Some(text) => Ok(Item { text, origin: self.origin(value) }),
                    None => Err(self.bad_value(setting, value, "must be a list of strings")),
                })
                .collect(),
            DeValue::Table(table) if setting.kind == Kind::Pairs => table
                .iter()
                .map(|(name, value)| match scalar(value.get_ref()) {
                    Some(text) => Ok(Item { text: format!("{}={text}", name.get_ref()), origin: self.origin(value) }),
                    None => Err(self.bad_value(setting, value, "must have a string for each name")),
                })
                .collect(),
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

    fn bad_value(&self, setting: &'static Setting, value: &Value<'_>, reason: &str) -> Error {
        let (origin, value) = (self.origin(value), self.excerpt(value));
        Error::BadValue { origin, key: setting.name, value, reason: ValueError::new(reason) }
    }

    fn pool_without_name(&self, key: &Key<'_>, value: &Value<'_>) -> Error {
        let advice = "a pool has a name: write its settings under a line such as [pool.blog]".to_owned();
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

    fn syntax_error(&self, offset: usize, message: String) -> Error {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let line = self.text.lines().nth(self.line(offset) - 1).unwrap_or_default();
        let message = match with_quotes(line) {
            Some(right) => format!("{message}; text needs quotes, as in {right}"),
            None => message,
        };
        Error::Syntax { path: PathBuf::from(self.path), line: self.line(offset), column, message }
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

fn is_pool_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_POOL_NAME_LEN).contains(&name.len()) && name.bytes().all(allowed)
}

fn misplaced_key_advice(right: Scope) -> String {
    match right {
        Scope::Pool => "it belongs below a [pool.NAME] line".to_owned(),
        Scope::Global => "it is about the whole process: move it to the top of the file, before the first [ line".to_owned(),
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
            format!("a pool's settings stand below a line such as [pool.{name}]")
        }
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

fn is_plain_number(text: &str) -> bool {
    text.len() < 19
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || text.bytes().next().is_some_and(|b| b != b'0'))
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

const POOL: &str = "pool";
const POOL_NAME_ADVICE: &str = "use up to 64 letters, digits, `-`, `_` and `.`";
const MAX_POOL_NAME_LEN: usize = 64;
const MAX_EXCERPT_LEN: usize = 60;
