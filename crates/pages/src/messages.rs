//! docs/messages.md: what every code of the log means.

use shared::logging::codes::{Entry, THEMES, Theme};

/// The whole page.
pub fn text() -> String {
    THEMES.iter().map(theme).fold(START.to_owned(), |text, theme| text + &theme)
}

fn theme(Theme { heading, entries }: &Theme) -> String {
    let rows: String = entries.iter().map(row).collect();
    format!("\n## {heading}\n\n| Code | Meaning | What to do |\n|---|---|---|\n{rows}")
}

fn row(entry: &Entry) -> String {
    let [meaning, remedy] = entry.meaning_and_remedy();
    format!("| `{}` | {meaning} | {remedy} |\n", entry.code)
}

const START: &str = "\
# Messages of the log

Every message that pyfcgid itself logs at level info, warn or error begins with a code:

```text
2026-11-20 18:46:14.123 +0000 [warn] shop[4711]: PF0407 max-connections (512) reached: new connections wait until one closes
```

A code never changes its meaning, so it is what to search for and what to set alarms on; the words behind it may change with any
version. It stands in the same place in files, in syslog and in the journal. What applications log or print has no code, nor have
messages at level debug. An application can write what looks like one: which process a line is from is said before it, except with
`app-log = \"plain\"`.

This page is generated from the program's own table of codes by `make reference`.
";
