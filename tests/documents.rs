//! What README.md and the pages of docs/ say about options, commands and files is so.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use pyfcgid::cli;
use pyfcgid::config::{Config, DefaultFiles, Layer};
use tempfile::TempDir;

/// A page, and its file in the repository.
struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(repository().join(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// README.md, the pages of docs/, and the one about starting with the machine.
    fn all() -> Vec<Self> {
        let pages = fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut pages: Vec<_> = pages.map(|name| Path::new("docs").join(name)).filter(|path| is_page(path)).collect();
        pages.sort();
        ["README.md", "init/README.md"].map(PathBuf::from).into_iter().chain(pages).map(Self::read).collect()
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The text of every fenced block of one language.
    fn blocks(&self, language: &str) -> Vec<&str> {
        let opening = format!("\n```{language}\n");
        self.text.split(&opening).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
    }

    /// The lines outside of fenced blocks.
    fn prose(&self) -> Vec<&str> {
        let (mut lines, mut is_fenced) = (Vec::new(), false);
        for line in self.text.lines() {
            if line.starts_with("```") {
                is_fenced = !is_fenced;
            } else if !is_fenced {
                lines.push(line);
            }
        }
        lines
    }

    /// What stands between backticks in the text. It may go on in the next line.
    fn spans(&self) -> Vec<String> {
        let paragraphs = self.prose().join("\n");
        let spans = paragraphs.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
        spans.map(|span| span.replace('\n', " ")).collect()
    }

    /// The targets of links to files and headings.
    fn links(&self) -> Vec<String> {
        let text = self.prose().join("\n");
        let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        targets.filter(|target| !target.starts_with("https://")).map(str::to_owned).collect()
    }

    /// The anchors of its headings.
    fn anchors(&self) -> Vec<String> {
        let headings = self.prose().into_iter().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// Where a link leads to: the file, and the heading if it names one.
    fn target(&self, link: &str) -> (PathBuf, Option<String>) {
        let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading.to_owned())));
        let path = if file.is_empty() { self.path.clone() } else { self.path.parent().unwrap().join(file) };
        (path, heading)
    }

    /// The TOML blocks as files, under the names that its commands use: that in the first line, else the first pool's.
    fn configurations(&self) -> (TempDir, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for block in self.blocks("toml") {
            let pool = block.split("[pool.").nth(1).unwrap().split(']').next().unwrap();
            let named = block.lines().next().and_then(|line| line.strip_prefix("# ")).filter(|name| name.ends_with(".toml"));
            let name = named.map_or_else(|| format!("{pool}.toml"), str::to_owned);
            assert!(!names.contains(&name), "{}: two files are called {name}", self.name());
            fs::write(directory.path().join(&name), block).unwrap();
            names.push(name);
        }
        (directory, names)
    }

    /// Every command line that begins with pyfcgid and a command, in blocks and in the text.
    fn commands(&self) -> Vec<String> {
        let typed = self.blocks("console").into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
        let typed = typed.chain(self.blocks("sh").into_iter().flat_map(str::lines));
        let typed = typed.flat_map(|line| line.split(" && ")).map(|line| line.strip_prefix("sudo ").unwrap_or(line).to_owned());
        let mentioned = self.spans().into_iter().map(|span| match span.split(' ').count() {
            // The name of a command.
            2 => span + " --help",
            _ => span,
        });
        typed.chain(mentioned).filter(|line| line.starts_with("pyfcgid ")).collect()
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// As GitHub makes them.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c)).collect()
}

/// Splits a command line as a shell does, as far as the pages use one: quotes, comments, and where the output goes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#' | '>') if word.is_none() => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "an open quote: {line}");
    words.extend(word);
    words
}

/// The rest of the text after each of these words, which have to stand somewhere.
fn after<'a>(documents: &'a [Document], words: &str) -> Vec<&'a str> {
    let found: Vec<_> = documents.iter().flat_map(|document| document.text.split(words).skip(1)).collect();
    assert!(!found.is_empty(), "{words}");
    found
}

#[test]
fn every_configuration_file_loads() {
    let mut count = 0;
    for document in Document::all() {
        let (directory, names) = document.configurations();
        for name in &names {
            let loaded = Config::load(&Layer::new(), &|_| None, Some(&directory.path().join(name)));
            loaded.unwrap_or_else(|error| panic!("{}: {name}: {error}", document.name()));
        }
        count += names.len();
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn every_command_line_parses() {
    let mut count = 0;
    for document in Document::all() {
        let (directory, names) = document.configurations();
        // That of a machine on which pyfcgid is installed.
        let files = DefaultFiles { file: directory.path().join("machine.toml"), former: directory.path().join("none") };
        fs::write(&files.file, "pid-file = \"/run/pyfcgid/pyfcgid.pid\"\ninclude = \"pools.d/*.toml\"\n").unwrap();
        for line in document.commands() {
            let arguments = words(&line).into_iter().map(|word| match names.contains(&word) {
                true => directory.path().join(word).into_os_string(),
                false => OsString::from(word),
            });
            if let Err(exit) = cli::parse(arguments, cli::Surroundings { environment: &|_| None, files: &files }) {
                assert_eq!(exit.code, 0, "{}: {line}: {}", document.name(), exit.message);
            }
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn every_file_and_heading_that_is_linked_to_exists() {
    let (mut files, mut headings) = (0, 0);
    for document in Document::all() {
        for link in document.links() {
            let (path, heading) = document.target(&link);
            assert!(repository().join(&path).exists(), "{}: {link}", document.name());
            files += 1;
            if let Some(heading) = heading {
                let anchors = Document::read(path).anchors();
                assert!(anchors.contains(&heading), "{}: {link}: {anchors:?}", document.name());
                headings += 1;
            }
        }
    }
    assert!(files > 100 && headings > 20, "{files}, {headings}");
}

#[test]
fn every_page_is_in_the_readmes_index() {
    let documents = Document::all();
    let (readme, pages) = documents.split_first().unwrap();
    let links = readme.links();
    for page in pages {
        assert!(links.contains(&page.name()), "{}", page.name());
    }
}

#[test]
fn readme_is_short() {
    let length = Document::read("README.md".into()).text.len();
    assert!(length <= 10_240, "{length} bytes: what not everybody needs belongs in docs/");
}

#[test]
fn a_link_to_a_heading_is_made_of_its_words() {
    assert_eq!(anchor("Signals and exit codes"), "signals-and-exit-codes");
    assert_eq!(anchor("`max-queue`, and why"), "max-queue-and-why");
}

#[test]
fn the_version_that_rust_must_have_is_the_one_of_the_manifest() {
    let version = format!("{} or newer", env!("CARGO_PKG_RUST_VERSION"));
    for rest in after(&Document::all(), "[Rust](https://rustup.rs) ") {
        assert!(rest.replace('\n', " ").starts_with(&version), "{rest:.40}");
    }
}

#[test]
fn packages_have_the_version_of_the_manifest() {
    let documents = Document::all();
    let version = env!("CARGO_PKG_VERSION");
    let (series, _) = version.rsplit_once('.').unwrap();
    for (words, rest_of_name) in [
        ("pyfcgid_", format!("{version}_amd64.deb")),
        ("pyfcgid-", format!("{version}-py3-none-")),
        ("**Status: ", format!("{series}, ")),
    ] {
        for rest in after(&documents, words).into_iter().filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            assert!(rest.starts_with(&rest_of_name), "{words}{rest:.40}");
        }
    }
}
