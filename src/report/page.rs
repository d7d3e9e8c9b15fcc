//! Lines for a terminal or a pipe. Everything in them is escaped here.

use shared::sys::terminal;

/// How a page is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Columns, if it is a terminal that says how many it has.
    pub width: Option<usize>,
    /// Whether there are colours.
    pub colour: bool,
}

/// Lines that are being written.
#[derive(Clone, Debug)]
pub struct Page {
    look: Look,
    text: String,
}

/// How good a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Good,
    /// For the moment.
    Passing,
    /// Somebody should look.
    Bad,
}

impl Mood {
    /// That of the state of a pool or a child.
    pub fn of(state: &str) -> Self {
        match state {
            "serving" | "sleeping" => Self::Good,
            "failing" | "stopped" => Self::Bad,
            _ => Self::Passing,
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Good => "\u{1b}[32m",
            Self::Passing => "\u{1b}[33m",
            Self::Bad => "\u{1b}[31m",
        }
    }
}

impl Page {
    /// An empty one.
    pub fn new(look: Look) -> Self {
        Self { look, text: String::new() }
    }

    /// A line, folded between words if it is too long; what follows is indented.
    pub fn line(&mut self, text: &str) {
        for row in fold(&one_line(text), self.look.width) {
            self.push(&row);
        }
    }

    /// The same, with a state behind `before` that has a colour.
    pub fn state(&mut self, before: &str, state: &str, after: &str) {
        let (before, state) = (one_line(before), one_line(state));
        let mut rows = fold(&format!("{before}{state}{}", one_line(after)), self.look.width);
        if let Some(first) = rows.first_mut().filter(|first| self.look.colour && first.starts_with(&format!("{before}{state}")))
        {
            let rest = first.split_off(before.len() + state.len());
            *first = format!("{before}{}{state}{PLAIN}{rest}", Mood::of(&state).colour());
        }
        rows.iter().for_each(|row| self.push(row));
    }

    /// A line that is cut where the terminal ends.
    pub fn row(&mut self, text: &str) {
        let text = one_line(text);
        let row = self.look.width.map_or_else(|| text.clone(), |width| cut(&text, width));
        self.push(row.trim_end());
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, row: &str) {
        self.text.push_str(row);
        self.text.push('\n');
    }
}

/// Text that stays on its line and commands nothing.
pub fn one_line(text: &str) -> String {
    terminal::escaped(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// As much of a text as has room, with a mark where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(MARK.len()));
    kept.chain(MARK.chars().take(width)).collect()
}

fn fold(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width.map(|width| width.max(NARROWEST)) else {
        return vec![text.to_owned()];
    };
    let indent = text.len() - text.trim_start_matches(' ').len() + FURTHER;
    let (mut rows, mut row) = (Vec::new(), String::new());
    for word in text.split_inclusive(' ') {
        let is_full = row.chars().count() + word.trim_end().chars().count() > width;
        if is_full && !row.trim().is_empty() {
            rows.push(std::mem::replace(&mut row, " ".repeat(indent)).trim_end().to_owned());
        }
        row.push_str(word);
    }
    rows.push(row);
    rows
}

const PLAIN: &str = "\u{1b}[0m";
const MARK: &str = "...";
const NARROWEST: usize = 30;
const FURTHER: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(look: Look, write: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(look);
        write(&mut page);
        page.into_text()
    }

    #[test]
    fn a_long_line_is_folded_where_the_terminal_ends_and_nowhere_else() {
        let text = "  process 7: serving, 12 requests, 4 of 4 workers busy";
        let narrow = Look { width: Some(34), colour: false };
        assert_eq!(page(narrow, |page| page.line(text)), "  process 7: serving, 12 requests,\n      4 of 4 workers busy\n");
        assert_eq!(page(Look::default(), |page| page.line(text)), format!("{text}\n"));
        let long = "x".repeat(99);
        assert_eq!(page(narrow, |page| page.line(&long)), format!("{long}\n"));
    }

    #[test]
    fn a_state_has_a_colour_where_there_are_colours() {
        let coloured = Look { width: Some(80), colour: true };
        let write = |page: &mut Page| page.state("pool a: ", "failing", ", 1 child");
        assert_eq!(page(coloured, write), "pool a: \u{1b}[31mfailing\u{1b}[0m, 1 child\n");
        assert_eq!(page(Look { colour: false, ..coloured }, write), "pool a: failing, 1 child\n");
        assert_eq!([Mood::of("serving"), Mood::of("saturated"), Mood::of("stopped")], [Mood::Good, Mood::Passing, Mood::Bad]);
    }

    #[test]
    fn nothing_in_a_line_commands_the_terminal() {
        let text = page(Look::default(), |page| page.line("a\u{1b}[2J\nb\tc\u{9b}"));
        assert_eq!(text, "a\\u{1b}[2J\\nb\\tc\\u{9b}\n");
    }

    #[test]
    fn a_row_is_cut_and_that_is_seen() {
        assert_eq!([cut("größer", 6), cut("größere", 6), cut("abc", 2)], ["größer", "grö...", ".."]);
        assert_eq!(page(Look { width: Some(6), colour: false }, |page| page.row("a very long path")), "a v...\n");
    }
}
