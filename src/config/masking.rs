//! What of the settings is not for every eye: `check` prints them where others may read, as in the log of a deployment.

use super::Kind;

/// How a value is shown.
pub(super) type Show = fn(Kind, String) -> String;

/// As it is.
pub(super) fn plainly(_: Kind, value: String) -> String {
    value
}

/// Without what is secret: the value of a variable whose name says so, and passwords in addresses.
pub(super) fn masked(kind: Kind, value: String) -> String {
    match value.split_once('=') {
        Some((name, secret)) if kind == Kind::Pairs && is_secret(name) && !secret.is_empty() => format!("{name}={MASK}"),
        _ => without_passwords(&value),
    }
}

/// Whether the value of the variable `name` is likely a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
    PARTS.iter().any(|part| name.contains(part)) || name != DIRECTORY && words.any(|word| WORDS.contains(&word))
}

/// The text with a mask for each password, as in `scheme://user:password@host`. It ends at the last @ before a space: a password that
/// is not encoded as it should be may have anything else in it.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (address, rest) = part.split_at(part.find(char::is_whitespace).unwrap_or(part.len()));
        let found = address.rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?, host)));
        let masked = match found {
            Some(((user, password), host)) if !user.contains(['/', '?', '#']) && !password.is_empty() => {
                format!("{user}:{MASK}@{host}")
            }
            _ => address.to_owned(),
        };
        shown.extend(["://", &masked, rest]);
    }
    shown
}

/// What is shown instead.
pub(super) const MASK: &str = "***";
/// What the name of a secret has in it.
const PARTS: [&str; 8] = ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "CREDENTIAL", "PRIVATE", "DATABASE_URL"];
/// What counts only between what is no letter: a MONKEY is no KEY.
const WORDS: [&str; 8] = ["KEY", "KEYS", "APIKEY", "ACCESSKEY", "AUTHKEY", "DSN", "PASS", "PWD"];
/// It ends like a password, and every shell has it.
const DIRECTORY: &str = "PWD";

#[cfg(test)]
mod tests;
