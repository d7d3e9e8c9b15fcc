//! The site files of `nginx/` and `apache/`, used as they are but for the values that their comments tell people to change.

use std::fs;
use std::path::PathBuf;

/// The text of a shipped file, in the course of being adapted.
#[derive(Clone, Debug)]
pub(crate) struct Shipped {
    name: &'static str,
    text: String,
}

impl Shipped {
    /// `name` is relative to the top of the repository.
    #[track_caller]
    pub(crate) fn read(name: &'static str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name, text }
    }

    /// Whether a documented value is there outside the comments.
    pub(crate) fn uses(&self, documented: &str) -> bool {
        self.text.lines().filter(|line| !is_comment(line)).any(|line| line.contains(documented))
    }

    /// The addresses of back ends, as they stand in it.
    pub(crate) fn addresses(&self) -> Vec<&'static str> {
        ADDRESSES.into_iter().filter(|address| self.uses(address)).collect()
    }

    /// Replaces every occurrence of a documented value. It has to be there outside the comments, or the file has changed.
    #[track_caller]
    pub(crate) fn replace(mut self, documented: &str, actual: &str) -> Self {
        assert!(self.uses(documented), "{} no longer says {documented:?}", self.name);
        self.text = self.text.replace(documented, actual);
        self
    }

    /// With the part that is commented out from the line that begins so on: its lines have their mark right at the indent.
    #[track_caller]
    #[allow(dead_code, reason = "shared with other tests")]
    pub(crate) fn with_part(mut self, first: &str) -> Self {
        let marked = format!("    #{first}");
        let is_code = |line: &&str| line.starts_with("    #") && !line.starts_with("    # ") || line.starts_with("    #    ");
        let before = self.text.lines().position(|line| line.starts_with(&marked));
        let before = before.unwrap_or_else(|| panic!("{} no longer has {first:?}", self.name));
        let length = self.text.lines().skip(before).take_while(is_code).count();
        let part = before..before + length;
        let line = |(number, line): (usize, &str)| match part.contains(&number) {
            true => line.replacen('#', "", 1) + "\n",
            false => line.to_owned() + "\n",
        };
        self.text = self.text.lines().enumerate().map(line).collect();
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The options of `pyfcgid serve` that the file's opening comment gives, without application and address.
    #[track_caller]
    pub(crate) fn serve_options(&self) -> Vec<String> {
        let (_, command) = self.text.split_once("#     pyfcgid serve myproject.wsgi --listen ").unwrap_or_else(|| {
            panic!("{} does not say how to run the application", self.name);
        });
        let line = command.lines().next().unwrap_or_default();
        line.split_whitespace().skip(1).map(|word| word.trim_matches('\'').to_owned()).collect()
    }

    /// The Apache modules that the file's opening comment tells people to enable.
    #[track_caller]
    pub(crate) fn enabled_modules(&self) -> Vec<String> {
        let (_, command) = self.text.split_once("`a2enmod ").unwrap_or_else(|| panic!("{} names no modules", self.name));
        let (modules, _) = command.split_once(" &&").unwrap_or_else(|| panic!("{} has another command", self.name));
        modules.split_whitespace().map(str::to_owned).collect()
    }
}

/// As it stands in the files that use one Unix socket.
pub(crate) const SOCKET: &str = "/run/pyfcgid/example.sock";
/// All that stand in the files.
const ADDRESSES: [&str; 6] = [
    SOCKET,
    "/run/pyfcgid/example-1.sock",
    "/run/pyfcgid/example-2.sock",
    "127.0.0.1:9000",
    "127.0.0.1:9001",
    "127.0.0.1:9002",
];

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}
