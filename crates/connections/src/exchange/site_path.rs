//! The path of a request in the site, whichever way the web server splits it.

/// What a request asks for: SCRIPT_NAME and PATH_INFO, one after the other. No query.
#[derive(Clone, Copy, Debug)]
pub struct SitePath<'a> {
    script: &'a [u8],
    rest: &'a [u8],
}

impl<'a> SitePath<'a> {
    /// Of the request of these parameters.
    pub fn of(param: impl Fn(&[u8]) -> Option<&'a [u8]>) -> Self {
        Self { script: param(b"SCRIPT_NAME").unwrap_or_default(), rest: param(b"PATH_INFO").unwrap_or_default() }
    }

    /// Whether it is this one; SCRIPT_NAME alone may be it, too.
    pub fn is(self, path: &[u8]) -> bool {
        self.script == path || path.strip_prefix(self.script).is_some_and(|rest| rest == self.rest)
    }

    /// Whether it begins so.
    pub fn begins_with(self, start: &[u8]) -> bool {
        self.script.starts_with(start) || start.strip_prefix(self.script).is_some_and(|rest| self.rest.starts_with(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path<'a>(script: &'a str, rest: &'a str) -> SitePath<'a> {
        SitePath { script: script.as_bytes(), rest: rest.as_bytes() }
    }

    #[test]
    fn a_path_is_the_same_wherever_it_is_split() {
        for (script, rest) in [("", "/app/health"), ("/app", "/health"), ("/app/health", ""), ("/app/health", "/app/health")] {
            assert!(path(script, rest).is(b"/app/health"), "{script} {rest}");
            assert!(path(script, rest).begins_with(b"/app/"), "{script} {rest}");
        }
        for (script, rest) in [("", ""), ("", "/health"), ("/app", ""), ("/app", "/health/"), ("/app/healt", "y")] {
            assert!(!path(script, rest).is(b"/app/health"), "{script} {rest}");
        }
    }

    #[test]
    fn a_beginning_may_lie_in_both_parts() {
        assert!(path("/a", "pp/x").begins_with(b"/app/"));
        assert!(path("/app/", "").begins_with(b"/app/"));
        for (script, rest) in [("", ""), ("/app", ""), ("/app", "x/"), ("", "/applications/")] {
            assert!(!path(script, rest).begins_with(b"/app/"), "{script} {rest}");
        }
    }
}
