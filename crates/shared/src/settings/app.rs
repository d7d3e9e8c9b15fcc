//! Which application: how it is named, and what that means.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ValueError;

/// The application as it was named: where its code is and which callable of it to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// What to import.
    pub source: AppSource,
    /// The callable's name within it, dotted for an attribute of an attribute; `None` leaves the choice to the default names.
    pub callable: Option<String>,
    /// Whether the callable makes the application instead of being it.
    pub factory: bool,
    /// What a factory is called with: Python's literals, as they stand between the parentheses. Not checked.
    pub arguments: String,
}

/// What to import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppSource {
    /// A module by its dotted name, searched on `sys.path`.
    Module(String),
    /// A file of Python code, whatever its name.
    File(#[serde(with = "any_path")] PathBuf),
}

impl App {
    /// Parses `module`, `module:callable`, `module:factory()`, `module:factory("literal", name=5)` or
    /// `path/to/file.py[:callable]`. A file is what ends in `.py` or has a slash.
    ///
    /// # Errors
    /// When a part is missing, or a module or callable is not a dotted Python name.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        if text.contains('\0') {
            return Err(ValueError::new("must not contain NUL"));
        }
        if let Some((source, name, arguments)) = split_call(text) {
            let (source, arguments) = (AppSource::parse(source)?, arguments.trim().to_owned());
            return Ok(Self { source, callable: Some(name.to_owned()), factory: true, arguments });
        }
        let (source, callable) = match text.rsplit_once(':') {
            Some((source, callable)) if !callable.contains('/') => (source, Some(callable)),
            _ => (text, None),
        };
        let source = AppSource::parse(source)?;
        match callable {
            Some(name) if !is_dotted_name(name) => Err(ValueError::new(
                "must name a callable after the colon, as in module:app, module:create_app() or module:create_app(\"prod\")",
            )),
            callable => Ok(Self { source, callable: callable.map(str::to_owned), factory: false, arguments: String::new() }),
        }
    }

    /// The name a pool gets from its app: the module's, or the file's without its extension.
    pub fn pool_name(&self) -> String {
        match &self.source {
            AppSource::Module(name) => name.clone(),
            AppSource::File(path) => path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
        }
    }

    /// The same with the path of its file, if it is one, as `place` has it.
    ///
    /// # Errors
    /// Those of `place`.
    pub fn placed(self, place: impl FnOnce(&Path) -> Result<PathBuf, ValueError>) -> Result<Self, ValueError> {
        let source = match self.source {
            AppSource::File(path) => AppSource::File(place(&path)?),
            module @ AppSource::Module(_) => module,
        };
        Ok(Self { source, ..self })
    }
}

impl AppSource {
    fn parse(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Err(ValueError::new("must name a module or a file, as in module:app or path/to/file.py"));
        }
        if text.ends_with('/') {
            return Err(ValueError::new("must name a file of Python code, not a directory"));
        }
        if text.contains('/') || text.ends_with(".py") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        if is_dotted_name(text) {
            return Ok(Self::Module(text.to_owned()));
        }
        Err(ValueError::new("must be a dotted module name; a file ends in .py or has a slash, as in ./my-site.wsgi"))
    }
}

/// A path that need not be UTF-8, which [`PathBuf`] itself insists on here.
mod any_path {
    use super::{Deserialize, OsString, Path, PathBuf, Serialize};

    pub fn serialize<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(serializer)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        OsString::deserialize(deserializer).map(PathBuf::from)
    }
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            AppSource::Module(name) => f.write_str(name)?,
            AppSource::File(path) => path.display().fmt(f)?,
        }
        match &self.callable {
            Some(callable) if self.factory => write!(f, ":{callable}({})", self.arguments),
            Some(callable) => write!(f, ":{callable}"),
            None => Ok(()),
        }
    }
}

/// `shop`, `create_app` and `"a:b"` of `shop:create_app("a:b")`. Of the colons it is the first behind which there is such a call.
fn split_call(text: &str) -> Option<(&str, &str, &str)> {
    let rest = text.strip_suffix(')')?;
    let calls = rest.match_indices(':').filter_map(|(colon, _)| {
        let (name, arguments) = rest[colon + 1..].split_once('(')?;
        Some((&text[..colon], name, arguments))
    });
    calls.into_iter().find(|(_, name, arguments)| is_dotted_name(name) && is_balanced(arguments))
}

/// Whether every bracket and quotation mark is closed, and no bracket that was not opened.
fn is_balanced(arguments: &str) -> bool {
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    for c in arguments.chars() {
        match (quote, c) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') if depth == 0 => return false,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, _) => {}
        }
    }
    depth == 0 && quote.is_none()
}

fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

/// Nearly Python's rule; what slips through is refused by the import.
fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic()) && chars.all(|c| c == '_' || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str) -> AppSource {
        AppSource::Module(name.to_owned())
    }

    #[test]
    fn every_form_of_app_is_understood_and_shown_again() {
        let file = |name: &str| AppSource::File(PathBuf::from(name));
        let table = [
            ("blog", module("blog"), None, false),
            ("blog.wsgi", module("blog.wsgi"), None, false),
            ("blog.wsgi:application", module("blog.wsgi"), Some("application"), false),
            ("blog:create_app()", module("blog"), Some("create_app"), true),
            ("blog:site.wsgi_app", module("blog"), Some("site.wsgi_app"), false),
            ("größe:_app", module("größe"), Some("_app"), false),
            ("wsgi.py", file("wsgi.py"), None, false),
            ("path/to/wsgi.py:app", file("path/to/wsgi.py"), Some("app"), false),
            ("/srv/a:b/site.wsgi", file("/srv/a:b/site.wsgi"), None, false),
            ("./my-site.py:make()", file("./my-site.py"), Some("make"), true),
        ];
        for (text, source, callable, factory) in table {
            let app = App { source, callable: callable.map(str::to_owned), factory, arguments: String::new() };
            assert_eq!(App::parse(text), Ok(app.clone()), "{text}");
            assert_eq!(app.to_string(), text);
        }
    }

    #[test]
    fn a_factory_has_what_stands_between_its_parentheses() {
        for (source, name, arguments) in [
            ("shop", "create_app", r#""prod", debug=False"#),
            ("shop", "create_app", r#""a:b(c", {"x:y": (1, ")")}"#),
            ("shop", "site.make", r"'it\'s', b'\\'"),
            ("/srv/a:b(c)/site.py", "make", "5"),
            ("/srv/a:b(/site.py", "make", "':x(1)'"),
        ] {
            let text = format!("{source}:{name}({arguments})");
            let app = App::parse(&text).unwrap();
            assert_eq!(app.source, AppSource::parse(source).unwrap(), "{text}");
            let parts = (app.callable.as_deref(), app.factory, app.arguments.as_str());
            assert_eq!(parts, (Some(name), true, arguments), "{text}");
            assert_eq!(app.to_string(), text);
        }
    }

    #[test]
    fn an_app_that_names_nothing_is_refused() {
        for text in [
            "",
            ":app",
            "blog:",
            "blog:()",
            "my-blog",
            "blog..wsgi",
            ".blog",
            "blog:a-b",
            "1blog",
            "blog app",
            "blog:app(",
            "blog:app()()",
            "blog:app(1)(2)",
            "blog:app('x)",
            "blog:app([1)",
            "blog:a-b(1)",
            "dir/",
        ] {
            assert!(App::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pool_is_named_after_its_app() {
        for (text, name) in [("blog.wsgi:app", "blog.wsgi"), ("/srv/shop/wsgi.py", "wsgi"), ("./shop.wsgi:app", "shop")] {
            assert_eq!(App::parse(text).unwrap().pool_name(), name);
        }
    }
}
