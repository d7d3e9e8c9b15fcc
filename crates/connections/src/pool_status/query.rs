//! Which form of the status is asked for.

/// The form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines of a name and a value.
    Text,
    /// JSON.
    Json,
    /// A page for people.
    Html,
    /// For Prometheus and the like.
    OpenMetrics,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The pool.
    Summary,
    /// Each child and running request, too.
    Full,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) form: Form,
    pub(super) extent: Extent,
}

impl Query {
    /// What a QUERY_STRING asks for, as PHP-FPM takes it: words with `&` between them, of which the first form counts. What is not known
    /// asks for nothing.
    pub(super) fn parse(query: &[u8]) -> Self {
        let words =
            || query.split(|byte| *byte == b'&').map(|word| word.split(|byte| *byte == b'=').next().unwrap_or_default());
        let form = words().find_map(|word| match word {
            b"json" => Some(Form::Json),
            b"html" => Some(Form::Html),
            b"openmetrics" => Some(Form::OpenMetrics),
            _ => None,
        });
        let extent = if words().any(|word| word == b"full") { Extent::Full } else { Extent::Summary };
        Self { form: form.unwrap_or(Form::Text), extent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_combined_as_php_fpm_does() {
        let parse = |query: &str| {
            let Query { form, extent } = Query::parse(query.as_bytes());
            (form, extent == Extent::Full)
        };
        for (query, wanted) in [
            ("", (Form::Text, false)),
            ("full", (Form::Text, true)),
            ("json&full", (Form::Json, true)),
            ("full&html", (Form::Html, true)),
            ("openmetrics", (Form::OpenMetrics, false)),
            ("json=1&html", (Form::Json, false)),
            ("xml", (Form::Text, false)),
            ("jsonp&fuller&&=", (Form::Text, false)),
        ] {
            assert_eq!(parse(query), wanted, "{query}");
        }
        assert_eq!(Query::parse(b"\xff\0&full").extent, Extent::Full);
    }
}
