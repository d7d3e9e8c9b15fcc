//! One source file, as far as its layer goes: the paths it names and the lines of code it has. No parser of Rust, only enough
//! of one to tell code from comments, text and tests.

/// A file of `src`.
pub struct Source {
    path: String,
    /// Without comments, the content of strings, and tests.
    code: String,
}

impl Source {
    /// `path` is relative to `src`.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), code: without_tests(&without_text(text)) }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// The module at the top of the crate that this file is part of.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn has_word(&self, word: &str) -> bool {
        tokens(&self.code).contains(&word)
    }

    /// Lines that are neither empty nor only a comment.
    pub fn code_lines(&self) -> usize {
        self.code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// Every path in the code, `use` trees taken apart, without a leading `::`. Names of one segment come from `use` only.
    pub fn paths(&self) -> Vec<String> {
        let tokens = tokens(&self.code);
        let (mut paths, mut at) = (Vec::new(), 0);
        while at < tokens.len() {
            if tokens[at] == "use" {
                at = take_use_tree(&tokens, at + 1, "", &mut paths);
            } else if is_name(tokens[at]) && tokens.get(at + 1) == Some(&"::") {
                at = take_path(&tokens, at, &mut paths);
            } else {
                at += 1;
            }
        }
        paths
    }

    /// The modules at the top of our crates that the file names.
    pub fn modules(&self) -> Vec<String> {
        self.paths().iter().filter_map(|path| self.top_module(path)).collect()
    }

    /// Public signatures that name `library`, or what is imported from it.
    pub fn public_signatures_with(&self, library: &str) -> Vec<String> {
        let mut names = vec![library.to_owned()];
        names.extend(self.imported_names(library));
        let signatures = self.signatures();
        let names_it = |signature: &String| tokens(signature).iter().any(|token| names.iter().any(|name| name == token));
        signatures.into_iter().filter(names_it).collect()
    }

    /// The names under which things of `library` are imported.
    fn imported_names(&self, library: &str) -> Vec<String> {
        let prefix = format!("{library}::");
        let mut names = Vec::new();
        for path in self.paths().iter().filter(|path| path.starts_with(&prefix)) {
            let last = path.rsplit("::").next().unwrap_or(path);
            names.push(last.rsplit(' ').next().unwrap_or(last).to_owned());
        }
        names
    }

    /// What others can see: `pub` items up to their body, public fields, and the heads of `impl` blocks.
    fn signatures(&self) -> Vec<String> {
        let mut signatures = Vec::new();
        for line_start in line_starts(&self.code) {
            let rest = self.code[line_start..].trim_start();
            let is_public = rest.starts_with("pub ") || rest.starts_with("impl ") || rest.starts_with("impl<");
            if is_public {
                let is_struct = ["pub struct ", "pub enum ", "pub trait "].iter().any(|item| rest.starts_with(item));
                let end =
                    if is_struct { body_end(rest) } else { rest.find(['{', ';', '=']).map(|end| end.max(type_end(rest))) };
                signatures.push(rest[..end.unwrap_or(rest.len())].to_owned());
            }
        }
        signatures
    }

    /// Where `crate::`, `self::`, `super::` and the names of our own crates lead, if that is out of the file's own module.
    fn top_module(&self, path: &str) -> Option<String> {
        let mut segments = path.split("::").map(|segment| segment.split(' ').next().unwrap_or(segment));
        let mut at: Vec<String> = match segments.next()? {
            "crate" | "pyfcgid" | "connections" | "shared" => Vec::new(),
            "self" => self.module_path(),
            "super" => parent(self.module_path()),
            _ => return None,
        };
        for segment in segments {
            match segment {
                "super" => at = parent(at),
                "self" | "*" => {}
                name => at.push(name.to_owned()),
            }
        }
        // A function or type of the crate's own root starts with a capital or does not exist; modules do not.
        at.into_iter().next()
    }

    /// `a/b.rs` and `a/b/mod.rs` are `a::b`; the crate's root is nothing.
    fn module_path(&self) -> Vec<String> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        if ["lib", "main"].contains(&path) { Vec::new() } else { segments }
    }
}

fn parent(mut path: Vec<String>) -> Vec<String> {
    path.pop();
    path
}

fn line_starts(code: &str) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(code.match_indices('\n').map(|(at, _)| at + 1))
}

/// The end of a type alias or a `use`, whose `=` and braces belong to it.
fn type_end(item: &str) -> usize {
    let takes_all = item.starts_with("pub type ") || item.starts_with("pub use ");
    if takes_all { item.find(';').unwrap_or(item.len()) } else { 0 }
}

/// The end of an item with a body that others see into.
fn body_end(item: &str) -> Option<usize> {
    let open = item.find(['{', ';'])?;
    if item[open..].starts_with(';') { Some(open) } else { Some(closing_brace(item, open)) }
}

/// Behind the brace that closes the one at `open`.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, character) in code[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

/// Names, `::`, and every other character that is no space.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|character: char| !is_of_name(character)).unwrap_or(rest.len());
        let length = match name {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            _ => name,
        };
        let (token, others) = rest.split_at(length);
        tokens.push(token);
        rest = others.trim_start();
    }
    tokens
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// A path outside `use`, from its first segment; returns where it ends.
fn take_path(tokens: &[&str], start: usize, paths: &mut Vec<String>) -> usize {
    let (mut path, mut at) = (tokens[start].to_owned(), start + 1);
    while tokens.get(at) == Some(&"::") && tokens.get(at + 1).is_some_and(|token| is_name(token)) {
        path = format!("{path}::{}", tokens[at + 1]);
        at += 2;
    }
    paths.push(path);
    at
}

/// One branch of a `use` tree below `prefix`; returns where it ends. A renamed one ends in ` new_name`.
fn take_use_tree(tokens: &[&str], start: usize, prefix: &str, paths: &mut Vec<String>) -> usize {
    let (mut path, mut at) = (prefix.to_owned(), start);
    while let Some(&token) = tokens.get(at) {
        match token {
            "::" => {}
            "{" => return take_group(tokens, at + 1, &path, paths),
            "as" => {
                path = format!("{path} {}", tokens.get(at + 1).unwrap_or(&"_"));
                at += 1;
            }
            "," | "}" | ";" => break,
            segment if path.is_empty() => path = segment.to_owned(),
            segment => path = format!("{path}::{segment}"),
        }
        at += 1;
    }
    paths.push(path);
    at
}

fn take_group(tokens: &[&str], start: usize, prefix: &str, paths: &mut Vec<String>) -> usize {
    let mut at = start;
    while at < tokens.len() && !["}", ";"].contains(&tokens[at]) {
        at = take_use_tree(tokens, at, prefix, paths);
        if tokens.get(at) == Some(&",") {
            at += 1;
        }
    }
    at + 1
}

/// The code without items under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(TEST_MARK) {
        kept.push_str(&rest[..at]);
        let item = &rest[at + TEST_MARK.len()..];
        let open = item.find(['{', ';']).unwrap_or(item.len());
        let end = if item[open..].starts_with(';') { open + 1 } else { closing_brace(item, open) };
        rest = &item[end..];
    }
    kept + rest
}

/// The text without comments and without what is between quotes. Newlines stay.
fn without_text(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let follows_name = code.ends_with(is_of_name);
        let skipped = text_at(rest, follows_name);
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(rest[..skipped].chars().filter(|character| *character == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// The length of the comment, string or character that starts here; 0 if none does.
fn text_at(rest: &str, follows_name: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let unprefixed = if follows_name { rest } else { rest.trim_start_matches(['b', 'c']) };
    let prefix = rest.len() - unprefixed.len();
    let raw = unprefixed.strip_prefix('r').filter(|_| !follows_name).map(|rest| rest.trim_start_matches('#'));
    match raw {
        Some(quoted) if quoted.starts_with('"') => {
            let hashes = unprefixed.len() - 1 - quoted.len();
            let close = format!("\"{}", "#".repeat(hashes));
            let content = prefix + 1 + hashes + 1;
            rest[content..].find(&close).map_or(rest.len(), |end| content + end + close.len())
        }
        _ if unprefixed.starts_with('"') => prefix + quoted(unprefixed, '"'),
        _ if is_character(unprefixed) => prefix + quoted(unprefixed, '\''),
        _ => 0,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// A character in quotes, and not the start of a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars();
    characters.next() == Some('\'') && (characters.next() == Some('\\') || characters.next() == Some('\''))
}

/// The length of what starts and ends in `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

const TEST_MARK: &str = "#[cfg(test)]";
