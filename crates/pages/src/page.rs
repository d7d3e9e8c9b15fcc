//! A manual page as it grows. What is between backticks is bold.

use roff::{Inline, Roff, bold, italic, roman};

/// A page of the manual.
pub struct Page(Roff);

impl Page {
    /// An empty one.
    pub fn new(name: &str, section: &str, date: &str) -> Self {
        let mut roff = Roff::new();
        let source = format!("pyfcgid {}", env!("CARGO_PKG_VERSION"));
        roff.control("TH", [name.to_uppercase().as_str(), section, date, &source, "pyfcgid"]);
        Self(roff)
    }

    /// Begins a section.
    pub fn section(&mut self, heading: &str) -> &mut Self {
        self.0.control("SH", [heading]);
        self
    }

    /// Begins a part of a section.
    pub fn part(&mut self, heading: &str) -> &mut Self {
        self.0.control("SS", [heading]);
        self
    }

    /// The first paragraph of a section or a part.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.text(inlines(text));
        self
    }

    /// A further paragraph.
    pub fn paragraph(&mut self, text: &str) -> &mut Self {
        self.0.control("PP", []);
        self.text(text)
    }

    /// An entry of a list: what it is about, as it is typed, the name of its value, and what there is to say.
    pub fn item(&mut self, typed: &[String], value: Option<&str>, text: &str) -> &mut Self {
        self.0.control("TP", []);
        let mut term: Vec<Inline> = Vec::new();
        for (index, flag) in typed.iter().enumerate() {
            term.extend((index > 0).then(|| roman(", ")));
            term.push(bold(flag));
        }
        term.extend(value.filter(|_| !typed.is_empty()).map(|_| roman(" ")));
        term.extend(value.map(italic));
        self.0.text(term);
        self.text(text)
    }

    /// A further paragraph of an entry.
    pub fn more(&mut self, text: &str) -> &mut Self {
        self.0.control("IP", []);
        self.text(text)
    }

    /// Goes on in a line of its own.
    pub fn line_break(&mut self) -> &mut Self {
        self.0.control("br", []);
        self
    }

    /// Lines as they are.
    pub fn lines(&mut self, text: &str) -> &mut Self {
        self.0.control("PP", []).control("RS", ["4"]).control("EX", []);
        for line in text.lines() {
            // A line without anything would be one too many in some viewers.
            self.0.text([roman(if line.is_empty() { "\u{a0}" } else { line })]);
        }
        self.0.control("EE", []).control("RE", []);
        self
    }

    /// Paragraphs and, if they are indented, lines as they are, with an empty line between them.
    pub fn notes(&mut self, text: &str) -> &mut Self {
        for paragraph in text.split("\n\n") {
            match paragraph.split_once('\n') {
                Some((first, lines)) if lines.starts_with(' ') => self.paragraph(first).lines(lines),
                _ => self.paragraph(&paragraph.replace('\n', " ")),
            };
        }
        self
    }

    /// Its source.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { bold(part) } else { roman(part) }).collect()
}
