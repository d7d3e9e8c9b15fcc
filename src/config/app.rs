use std::fmt;
use std::path::{Path, PathBuf};

use super::ValueError;

/// The application as it was named: where its code is and which callable of it to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// What to import.
    pub source: AppSource,
    /// The callable's name within it, dotted for an attribute of an attribute; `None` leaves the choice to the default names.
    pub callable: Option<String>,
    /// Whether the callable makes the application instead of being it.
    pub factory: bool,
}

/// What to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppSource {
    /// A module by its dotted name, searched on `sys.path`.
    Module(String),
    /// A file of Python code, whatever its name.
    File(PathBuf),
}

impl App {
    /// Parses `module`, `module:callable`, `module:factory()` or `path/to/file.py[:callable]`. A file is what ends in `.py` or
    /// has a slash.
    ///
    /// # Errors
    /// When a part is missing, or a module or callable is not a dotted Python name.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let (source, callable) = match text.rsplit_once(':') {
            Some((source, callable)) if !callable.contains('/') => (source, Some(callable)),
            _ => (text, None),
        };
        let source = AppSource::parse(source)?;
        let Some(callable) = callable else {
            return Ok(Self { source, callable: None, factory: false });
        };
        let (name, factory) = match callable.strip_suffix("()") {
            Some(name) => (name, true),
            None => (callable, false),
        };
        if !is_dotted_name(name) {
            return Err(ValueError::new("must name a callable behind the colon, as in module:app or module:create_app()"));
        }
        Ok(Self { source, callable: Some(name.to_owned()), factory })
    }

    /// The name a pool gets from its app: the module's, or the file's without its extension.
    pub fn pool_name(&self) -> String {
        match &self.source {
            AppSource::Module(name) => name.clone(),
            AppSource::File(path) => path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
        }
    }

    /// The same with a relative file taken from `base`.
    pub(super) fn below(self, base: &Path) -> Result<Self, ValueError> {
        let source = match self.source {
            AppSource::File(path) => AppSource::File(super::absolute(base, &path)?),
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
        if text.contains('\0') {
            return Err(ValueError::new("must not contain NUL"));
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

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            AppSource::Module(name) => f.write_str(name)?,
            AppSource::File(path) => path.display().fmt(f)?,
        }
        match &self.callable {
            Some(callable) => write!(f, ":{callable}{}", if self.factory { "()" } else { "" }),
            None => Ok(()),
        }
    }
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
            let app = App { source, callable: callable.map(str::to_owned), factory };
            assert_eq!(App::parse(text), Ok(app.clone()), "{text}");
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
