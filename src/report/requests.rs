//! What runs now, as a table.

use super::amount::length;
use super::page::{Look, Page, cut, one_line};
use super::{Requests, RunningRequest};

impl Requests {
    /// A line for each, or some if there are stacks.
    pub fn page(&self, look: Look) -> String {
        let has_stacks = self.requests.iter().any(|request| request.stack.is_some());
        let mut page = if has_stacks { self.write_stacks(look) } else { self.write_table(look) };
        if self.more > 0 {
            page.line(&format!("and {} more", self.more));
        }
        page.into_text()
    }

    fn write_table(&self, look: Look) -> Page {
        let mut page = Page::new(look);
        let rows: Vec<[String; COLUMNS]> = self.requests.iter().map(RunningRequest::cells).collect();
        if rows.is_empty() {
            page.line("no request is running");
        } else {
            table(&rows, [usize::MAX; COLUMNS], "  ").iter().for_each(|row| page.row(row.trim_end()));
        }
        page
    }
}

impl RunningRequest {
    /// What stands in each column; the longest text is the last.
    pub fn cells(&self) -> [String; COLUMNS] {
        let torn = if self.torn { " (torn)" } else { "" };
        let stopped = if self.stopped { " (stopped)" } else { "" };
        let cells = [
            self.id.clone(),
            length(self.age),
            format!("{}{stopped}{torn}", self.phase),
            self.pool.clone(),
            self.remote.clone(),
            self.method.clone(),
            self.shown_path(),
        ];
        cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { one_line(&cell) })
    }

    /// The path, with a mark where it is cut.
    pub(super) fn shown_path(&self) -> String {
        format!("{}{}", self.path, if self.cut { "..." } else { "" })
    }
}

/// Lines of equal columns under their heading, each as wide as its longest text but no wider than `widest`, with `gap` between them.
pub fn table(rows: &[[String; COLUMNS]], widest: [usize; COLUMNS], gap: &str) -> Vec<String> {
    let heading = HEADING.map(str::to_owned);
    let rows = || std::iter::once(&heading).chain(rows);
    let longest = |index: usize| rows().map(|cells| cells[index].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(|index| longest(index).min(widest[index]));
    let line = |cells: &[String; COLUMNS]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{:width$}", cut(cell, width)));
        padded.collect::<Vec<_>>().join(gap)
    };
    rows().map(line).collect()
}

/// Of a row.
pub const COLUMNS: usize = 7;
/// What stands above.
const HEADING: [&str; COLUMNS] = ["ID", "AGE", "PHASE", "POOL", "FROM", "METHOD", "PATH"];

#[cfg(test)]
mod tests {
    use super::super::SCHEMA;
    use super::*;

    fn running(id: &str, path: &str) -> RunningRequest {
        RunningRequest {
            id: id.to_owned(),
            age: 2.5,
            phase: "application".to_owned(),
            pool: "shop".to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            remote: "192.0.2.7".to_owned(),
            ..RunningRequest::default()
        }
    }

    #[test]
    fn there_is_a_line_for_each_with_what_came_from_outside_escaped() {
        let torn = RunningRequest { torn: true, stopped: true, cut: true, remote: String::new(), ..running("7-12", "/x") };
        let requests = Requests { schema: SCHEMA, requests: vec![running("4711-1", "/a\u{1b}[2J\n/b"), torn], more: 3 };
        let expected = "\
ID      AGE    PHASE                         POOL  FROM       METHOD  PATH
4711-1  2.5 s  application                   shop  192.0.2.7  GET     /a\\u{1b}[2J\\n/b
7-12    2.5 s  application (stopped) (torn)  shop  -          GET     /x...
and 3 more
";
        assert_eq!(requests.page(Look::default()), expected);
    }

    #[test]
    fn a_row_ends_where_the_terminal_does() {
        let requests = Requests { schema: SCHEMA, requests: vec![running("4711-1", &"/long".repeat(99))], more: 0 };
        let page = requests.page(Look { width: Some(60), colour: true });
        assert!(page.lines().all(|line| line.len() <= 60) && page.ends_with("...\n"), "{page}");
        assert_eq!(Requests::default().page(Look::default()), "no request is running\n");
    }
}
