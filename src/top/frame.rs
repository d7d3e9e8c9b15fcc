//! What `pyfcgid top` looks like: lines for so many columns and rows. Everything that comes from outside is escaped here.

use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::{Line, Span};

use super::model::{Model, ORDERS, PoolRow};
use crate::report::amount::{counted, length, memory, span};
use crate::report::{COLUMNS, Mood, RunningRequest, cut, one_line, table};

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Columns.
    pub width: usize,
    /// Rows; without a limit if none.
    pub height: Option<usize>,
    /// Whether it shows more than ASCII.
    pub is_utf8: bool,
    /// Whether it is to have colours.
    pub colour: bool,
}

/// All lines, no more than there is room for.
pub fn draw(model: &Model, paper: Paper) -> Vec<Line<'static>> {
    let mut lines = vec![paper.line(&title(model), paper.bold())];
    lines.extend(model.notice().map(|notice| paper.line(&notice, paper.mood(Mood::Bad))));
    if model.is_helping {
        lines.extend(HELP.iter().map(|text| paper.line(text, Style::new())));
    } else {
        lines.extend(body(model, paper, paper.height.map(|height| height.saturating_sub(lines.len() + 1))));
    }
    if let Some(height) = paper.height {
        lines.resize(height.saturating_sub(1), Line::default());
        lines.extend((height > 0).then(|| paper.line(&footer(model), Style::new().add_modifier(Modifier::REVERSED))));
    }
    lines
}

fn title(model: &Model) -> String {
    let Some(status) = model.status() else {
        return "pyfcgid".to_owned();
    };
    let rate = model.pools().iter().fold(0.0, |sum, row| sum + row.rate);
    let (pools, running) = (counted(status.pools.len() as u64, "pool"), model.requests().0.len() as u64 + model.requests().1);
    let paused = if model.is_paused { "PAUSED  " } else { "" };
    format!(
        "{paused}pyfcgid {}  up {}  {pools}  {rate:.1} requests/s  {running} running  (last {:.1} s)",
        status.version,
        span(status.uptime),
        model.interval().as_secs_f64()
    )
}

fn footer(model: &Model) -> String {
    if model.is_helping {
        return "?, Esc leave this help  q quit".to_owned();
    }
    if model.is_typing {
        return format!("filter: {}_   Enter keeps it, Esc removes it", model.filter);
    }
    let filter = if model.filter.is_empty() { String::new() } else { format!(": {}", model.filter) };
    format!("q quit  s sort: {}  / filter{filter}  p pause  ? help", ORDERS[model.order].0)
}

/// The pools take at most half of the room if there are requests.
fn body(model: &Model, paper: Paper, room: Option<usize>) -> Vec<Line<'static>> {
    let (pools, (requests, more)) = (model.pools(), model.requests());
    let for_pools = room.map_or(usize::MAX, |room| if requests.is_empty() { room } else { (room / 2).max(2) });
    let mut lines = pool_lines(&pools, paper);
    if lines.len() > for_pools {
        let hidden = lines.len() + 1 - for_pools;
        lines.truncate(for_pools.saturating_sub(1));
        lines.push(paper.line(&format!("and {hidden} more pools"), Style::new()));
    }
    lines.push(Line::default());
    let skipped = model.skipped.min(requests.len().saturating_sub(1));
    lines.extend(request_lines(&requests[skipped..], paper));
    lines.extend((more > 0).then(|| paper.line(&format!("and {more} more"), Style::new())));
    lines.truncate(room.unwrap_or(usize::MAX));
    lines
}

fn pool_lines(pools: &[PoolRow<'_>], paper: Paper) -> Vec<Line<'static>> {
    let name = pools.iter().map(|row| row.pool.name.chars().count()).max().unwrap_or(0).clamp(4, 20);
    let columns = columns(name, paper.width);
    let heading: Vec<String> = columns.iter().map(|column| column.pad(column.title)).collect();
    let mut lines = vec![paper.line(&heading.join(" "), paper.bold())];
    for row in pools {
        let style = paper.mood(Mood::of(&row.pool.state));
        let cells = columns.iter().map(|column| {
            let text = column.pad(&paper.shown(&one_line(&(column.cell)(row, paper))));
            Span::styled(text + " ", if column.title == STATE { style } else { Style::new() })
        });
        lines.push(Line::from(cells.collect::<Vec<_>>()));
    }
    lines
}

/// A column of the pools' table.
#[derive(Clone, Copy)]
struct Column {
    title: &'static str,
    width: usize,
    /// Those with the highest go first where there is no room.
    rank: u8,
    is_number: bool,
    cell: fn(&PoolRow<'_>, Paper) -> String,
}

impl Column {
    fn pad(&self, text: &str) -> String {
        let (text, width) = (cut(text, self.width), self.width);
        if self.is_number { format!("{text:>width$}") } else { format!("{text:width$}") }
    }
}

fn columns(name: usize, width: usize) -> Vec<Column> {
    let column = |title, width, rank, cell| Column { title, width, rank, is_number: true, cell };
    let text = |title, width, rank, cell| Column { title, width, rank, is_number: false, cell };
    let mut columns = vec![
        text("POOL", name, 0, |row, _| row.pool.name.clone()),
        text(STATE, 9, 1, |row, _| row.pool.state.clone()),
        text("BUSY", BAR, 6, bar),
        column("WORKERS", 7, 0, |row, _| workers(row)),
        column("REQ/S", 7, 1, |row, _| format!("{:.1}", row.rate)),
        column("P50", 7, 7, |row, _| told(row.times.p50)),
        column("P95", 7, 3, |row, _| told(row.times.p95)),
        column("P99", 7, 5, |row, _| told(row.times.p99)),
        column("5XX/S", 6, 2, |row, _| format!("{:.1}", row.errors)),
        column("QUEUE", 5, 1, |row, _| row.pool.waiting.to_string()),
        column("MEMORY", 9, 4, |row, _| memory(row.pool.memory)),
    ];
    while columns.len() > 1 && columns.iter().map(|column| column.width + 1).sum::<usize>() > width + 1 {
        let worst = columns.iter().map(|column| column.rank).max().unwrap_or_default();
        let place = columns.iter().rposition(|column| column.rank == worst).unwrap_or_default();
        columns.remove(place);
    }
    columns
}

fn workers(row: &PoolRow<'_>) -> String {
    format!("{}/{}", row.pool.workers.busy, row.pool.workers.busy + row.pool.workers.idle)
}

fn told(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), length)
}

/// As full as the workers are busy.
fn bar(row: &PoolRow<'_>, paper: Paper) -> String {
    let (busy, all) = (row.pool.workers.busy, row.pool.workers.busy + row.pool.workers.idle);
    let full = if all == 0 { 0 } else { (BAR * busy).div_ceil(all).min(BAR) };
    let [full_part, rest] = if paper.is_utf8 { ["\u{2588}", "\u{2591}"] } else { ["#", "."] };
    full_part.repeat(full) + &rest.repeat(BAR - full)
}

fn request_lines(requests: &[&RunningRequest], paper: Paper) -> Vec<Line<'static>> {
    if requests.is_empty() {
        return vec![paper.line("no request is running", Style::new())];
    }
    let shown: Vec<_> = requests.iter().map(|request| request.cells().map(|cell| paper.shown(&cell))).collect();
    let styles = std::iter::once(paper.bold()).chain(std::iter::repeat(Style::new()));
    table(&shown, WIDEST, " ").iter().zip(styles).map(|(row, style)| paper.line(row, style)).collect()
}

impl Paper {
    fn line(self, text: &str, style: Style) -> Line<'static> {
        let text = cut(&self.shown(&one_line(text)), self.width);
        Line::from(Span::styled(text.trim_end().to_owned(), style))
    }

    /// What it can show of a text.
    fn shown(self, text: &str) -> String {
        let is_shown = |c: char| self.is_utf8 || c.is_ascii();
        text.chars().map(|c| if is_shown(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
    }

    fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn mood(self, mood: Mood) -> Style {
        let colour = match mood {
            Mood::Good => Color::Green,
            Mood::Passing => Color::Yellow,
            Mood::Bad => Color::Red,
        };
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}

const STATE: &str = "STATE";
/// Cells of the bar.
const BAR: usize = 10;
/// Of the columns of requests; the path gets what is left.
const WIDEST: [usize; COLUMNS] = [16, 8, 31, 12, 24, 8, usize::MAX];
const HELP: [&str; 13] = [
    "",
    "q, Ctrl-C   end",
    "s           sort pools by another column",
    "/           show only what contains the text that is typed",
    "p, space    pause",
    "arrows, PageUp, PageDown, Home, End",
    "            scroll through the running requests, the oldest first",
    "Ctrl-L      draw everything again",
    "Esc         leave this help, or remove the filter",
    "?, h        this help, and back",
    "",
    "Rates and times are those of the last interval. A process that a signal has",
    "stopped has no workers; 5XX/S are responses of the application and of pyfcgid.",
];

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::model::tests::sample;
    use super::*;

    fn model() -> Model {
        let (mut model, begin) = (Model::default(), Instant::now());
        model.take(Ok(sample(7, 100, [1000, 200])), begin);
        model.take(Ok(sample(7, 101, [1010, 204])), begin + Duration::from_secs(1));
        model
    }

    fn text(model: &Model, paper: Paper) -> Vec<String> {
        draw(model, paper).iter().map(|line| line.to_string().trim_end().to_owned()).collect()
    }

    const WIDE: Paper = Paper { width: 100, height: None, is_utf8: true, colour: false };

    #[test]
    fn pools_and_requests_stand_in_tables() {
        let lines = text(&model(), WIDE);
        let expected = "\
pyfcgid 1  up 1m 41s  2 pools  14.0 requests/s  4 running  (last 1.0 s)
POOL STATE     BUSY       WORKERS   REQ/S     P50     P95     P99  5XX/S QUEUE    MEMORY
blog serving   ███░░░░░░░     1/4    10.0  7.5 ms  10 ms   10 ms     5.0     0     0 KiB
shop serving   ███░░░░░░░     1/4     4.0  750 ms  975 ms  995 ms    2.0     0     0 KiB

ID  AGE    PHASE       POOL FROM METHOD PATH
7-1 0.0 ms application shop -    -      /old\\u{1b}[2J
7-2 0.0 ms application shop -    -      /größe
and 2 more";
        assert_eq!(lines.join("\n").split_whitespace().collect::<Vec<_>>(), expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn the_help_says_how_it_is_left_and_nothing_of_a_filter() {
        let mut model = model();
        (model.is_helping, model.filter) = (true, "shop".to_owned());
        let lines = text(&model, Paper { width: 80, height: Some(24), ..WIDE });
        assert!(lines.iter().any(|line| line.starts_with("Esc         leave this help")), "{lines:?}");
        assert_eq!(lines.last().unwrap(), "?, Esc leave this help  q quit");
        model.is_helping = false;
        let lines = text(&model, Paper { width: 80, height: Some(24), ..WIDE });
        assert!(lines.last().unwrap().starts_with("q quit  s sort: ") && lines.last().unwrap().contains("/ filter: shop"));
    }

    #[test]
    fn whatever_the_size_nothing_is_wider_or_higher_and_the_name_stays() {
        for (width, height) in (0..130).step_by(7).flat_map(|width| (0..30).map(move |height| (width, height))) {
            for is_helping in [false, true] {
                let mut model = model();
                model.is_helping = is_helping;
                let lines = draw(&model, Paper { width, height: Some(height), ..WIDE });
                assert_eq!(lines.len(), height, "{width}x{height}");
            }
        }
        let lines = text(&model(), Paper { width: 80, height: Some(24), ..WIDE });
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("blog serving ")), "{lines:?}");
        let narrow = text(&model(), Paper { width: 20, height: Some(10), ..WIDE });
        assert!(narrow.iter().any(|line| line.starts_with("blog ")), "{narrow:?}");
    }

    #[test]
    fn a_terminal_without_utf8_gets_ascii() {
        let text = text(&model(), Paper { is_utf8: false, ..WIDE }).join("\n");
        assert!(text.is_ascii() && text.contains("###.......") && text.contains("/gr\\u{f6}\\u{df}e"), "{text}");
    }

    #[test]
    fn many_pools_leave_room_for_requests() {
        let mut sample = sample(7, 1, [1, 1]);
        let pool = sample.status.pools[0].clone();
        sample.status.pools = vec![pool; 50];
        let mut model = Model::default();
        model.take(Ok(sample), Instant::now());
        let lines = text(&model, Paper { height: Some(24), ..WIDE });
        assert!(lines.iter().any(|line| line.starts_with("and 4") && line.ends_with("pools")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("/old")), "{lines:?}");
    }
}
