//! Which part of the path is SCRIPT_NAME and which is PATH_INFO. Pure.
//!
//! Every web server sends the decoded path, but each puts it into the two variables in its own way, often without a thought of
//! WSGI. SCRIPT_NAME + PATH_INFO is the whole path in all of them; only how to split it is in question.

use std::borrow::Cow;

use shared::http;
use shared::settings::Mount;

/// What the web server says of the path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent<'a> {
    /// SCRIPT_NAME.
    pub script_name: &'a [u8],
    /// PATH_INFO; `None` when it was not sent at all.
    pub path_info: Option<&'a [u8]>,
    /// REQUEST_URI, not decoded.
    pub request_uri: &'a [u8],
    /// Whether Apache sent it, whose split follows the files in its document root.
    pub from_apache: bool,
}

/// What the application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// SCRIPT_NAME: the mount.
    pub script_name: Cow<'a, [u8]>,
    /// PATH_INFO: the rest, empty or starting with a slash.
    pub path_info: Cow<'a, [u8]>,
    /// Whether a split by Apache was undone because no mount is set.
    pub joined: bool,
}

/// Splits the path. `None` when it lies outside the mount, or PATH_INFO would not start with a slash.
pub fn split<'a>(mount: &'a Mount, sent: Sent<'a>) -> Option<Split<'a>> {
    let split = match mount {
        Mount::Prefix(mount) => split_at(mount.as_bytes(), whole(sent))?,
        Mount::Auto => split_as_sent(sent),
    };
    (split.path_info.is_empty() || split.path_info.starts_with(b"/")).then_some(split)
}

fn split_at<'a>(mount: &'a [u8], whole: Cow<'a, [u8]>) -> Option<Split<'a>> {
    let rest = whole.strip_prefix(mount)?;
    let on_a_border = rest.is_empty() || rest[0] == b'/';
    let path_info = Cow::Owned(rest.to_vec());
    on_a_border.then_some(Split { script_name: Cow::Borrowed(mount), path_info, joined: false })
}

fn split_as_sent(sent: Sent<'_>) -> Split<'_> {
    let as_it_is = |path_info| Split { script_name: Cow::Borrowed(b""), path_info, joined: false };
    match sent.path_info {
        None => as_it_is(Cow::Borrowed(sent.script_name)),
        Some(_) if is_sent_twice(sent) => as_it_is(Cow::Borrowed(sent.script_name)),
        Some(path_info) if sent.from_apache => {
            let joined = !sent.script_name.is_empty() && !path_info.is_empty();
            Split { joined, ..as_it_is(whole(sent)) }
        }
        Some(path_info) => split_where_sent(sent.script_name, path_info),
    }
}

/// The slash between the two belongs to PATH_INFO.
fn split_where_sent<'a>(script_name: &'a [u8], path_info: &'a [u8]) -> Split<'a> {
    let (script_name, path_info) = match script_name.strip_suffix(b"/") {
        Some(script_name) if path_info.is_empty() => (script_name, &b"/"[..]),
        Some(script_name) if path_info.starts_with(b"/") => (script_name, path_info),
        _ => (script_name, path_info),
    };
    Split { script_name: Cow::Borrowed(script_name), path_info: Cow::Borrowed(path_info), joined: false }
}

fn whole(sent: Sent<'_>) -> Cow<'_, [u8]> {
    match sent.path_info {
        None | Some(b"") => Cow::Borrowed(sent.script_name),
        Some(path_info) if sent.script_name.is_empty() || is_sent_twice(sent) => Cow::Borrowed(path_info),
        Some(path_info) => Cow::Owned([sent.script_name, path_info].concat()),
    }
}

/// An old recipe for flup adds `PATH_INFO $document_uri` to nginx's SCRIPT_NAME: both are then the whole path.
fn is_sent_twice(sent: Sent<'_>) -> bool {
    let script_name = sent.script_name;
    !script_name.is_empty() && sent.path_info == Some(script_name) && decoded_path(sent.request_uri) == script_name
}

/// The path of a REQUEST_URI, percent-decoded once.
fn decoded_path(uri: &[u8]) -> Vec<u8> {
    http::decode_path(uri.split(|byte| *byte == b'?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mount: &str, sent: (&str, Option<&str>, &str, bool), expected: Option<(&str, &str)>) {
        let mount = if mount == "auto" { Mount::Auto } else { Mount::Prefix(mount.to_owned()) };
        let (script_name, path_info, request_uri, from_apache) = sent;
        let found = split(
            &mount,
            Sent {
                script_name: script_name.as_bytes(),
                path_info: path_info.map(str::as_bytes),
                request_uri: request_uri.as_bytes(),
                from_apache,
            },
        );
        let found = found.map(|split| (split.script_name.into_owned(), split.path_info.into_owned()));
        let expected =
            expected.map(|(script_name, path_info)| (script_name.as_bytes().to_vec(), path_info.as_bytes().to_vec()));
        assert_eq!(found, expected, "{mount:?} {sent:?}");
    }

    #[test]
    fn without_a_mount_the_pair_is_taken_as_each_web_server_means_it() {
        // nginx with its own fastcgi_params, Apache ProxyPass, HAProxy.
        check("auto", ("/a b/c", None, "/a%20b/c?x=1", false), Some(("", "/a b/c")));
        check("auto", ("/", None, "/", true), Some(("", "/")));
        // nginx with fastcgi_split_path_info, Caddy, h2o, lighttpd.
        check("auto", ("/app", Some("/x"), "/app/x", false), Some(("/app", "/x")));
        check("auto", ("/app", Some(""), "/app", false), Some(("/app", "")));
        check("auto", ("", Some("/x"), "/x", false), Some(("", "/x")));
        // Apache SetHandler.
        check("auto", ("/a b", Some("/c"), "/a%20b/c", true), Some(("", "/a b/c")));
        // The old recipe.
        check("auto", ("/a b", Some("/a b"), "/a%20b?q", false), Some(("", "/a b")));
        // A slash at the end of SCRIPT_NAME.
        check("auto", ("/", Some(""), "/", false), Some(("", "/")));
        check("auto", ("/", Some("/x"), "/x", false), Some(("", "/x")));
        check("auto", ("/app/", Some(""), "/app/", false), Some(("/app", "/")));
        // The same text twice that is not the whole path.
        check("auto", ("/a", Some("/a"), "/a/a", false), Some(("/a", "/a")));
    }

    #[test]
    fn with_a_mount_the_whole_path_is_split_there() {
        for sent in [("/app/x", None), ("/app", Some("/x")), ("", Some("/app/x")), ("/app/x", Some(""))] {
            check("/app", (sent.0, sent.1, "/app/x", false), Some(("/app", "/x")));
            check("", (sent.0, sent.1, "/app/x", true), Some(("", "/app/x")));
        }
        check("/app", ("/app/x", Some("/app/x"), "/app/x", false), Some(("/app", "/x")));
        check("/app", ("/app", None, "/app", false), Some(("/app", "")));
        check("/app", ("/app/", None, "/app/", false), Some(("/app", "/")));
        check("", ("//a", None, "//a", false), Some(("", "//a")));
    }

    #[test]
    fn a_mount_ends_on_a_segment_border() {
        check("/app", ("/apple/x", None, "/apple/x", false), None);
        check("/app", ("/app", Some("le/x"), "/apple/x", false), None);
        check("auto", ("/app", Some("le/x"), "/apple/x", false), None);
        check("/app", ("/", None, "/", false), None);
    }

    #[test]
    fn a_path_is_decoded_once_for_comparison_only() {
        assert_eq!(decoded_path(b"/a%20b%2Fc%zz%4?x=%20"), b"/a b/c%zz%4");
        check("auto", ("/a%20b", None, "/a%2520b", false), Some(("", "/a%20b")));
    }
}
