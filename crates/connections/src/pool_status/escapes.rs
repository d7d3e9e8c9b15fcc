//! How what an application or a browser has made up is written so that it is nothing but text in each form.

use shared::sys::terminal;

/// One line for people and parsers of lines: nothing in it commands a terminal or begins another line.
pub(super) fn line(text: &str) -> String {
    terminal::escaped(text).replace('\n', "\\n")
}

/// Text of HTML, in an attribute, too.
pub(super) fn html(text: &str) -> String {
    let escapes = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];
    escapes.into_iter().fold(line(text), |text, (c, escape)| text.replace(c, escape))
}

/// A string of JSON, with its quotes.
pub(super) fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 2);
    text.chars().for_each(|c| terminal::escape_json(c, &mut escaped));
    format!("\"{escaped}\"")
}

/// The value of a label, without its quotes.
pub(super) fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENEMY: &str = "/a\n\x1b[2J\"<b>&'\\\t\u{202e}ß";

    #[test]
    fn each_form_has_nothing_but_text() {
        assert_eq!(line(ENEMY), "/a\\n\\u{1b}[2J\"<b>&'\\\t\\u{202e}ß");
        assert_eq!(html(ENEMY), "/a\\n\\u{1b}[2J&quot;&lt;b&gt;&amp;&#39;\\\t\\u{202e}ß");
        assert_eq!(json(ENEMY), r#""/a\u000a\u001b[2J\"<b>&'\\\u0009\u202eß""#);
        assert_eq!(label("a\\b\"c\n"), r#"a\\b\"c\n"#);
    }
}
