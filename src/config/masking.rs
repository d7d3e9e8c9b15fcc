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
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whether_its_value_is_secret() {
        for name in [
            "SECRET_KEY",
            "DJANGO_SECRET",
            "client-secret",
            "DB_PASSWORD",
            "PGPASSWORD",
            "MYSQL_PWD",
            "SMTP_PASS",
            "PASSWD",
            "GITHUB_TOKEN",
            "tokens",
            "API_KEY",
            "api.key",
            "KEY",
            "KEY2",
            "FERNET_KEYS",
            "STRIPE_APIKEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_CREDENTIALS",
            "SENTRY_DSN",
            "DATABASE_URL",
            "REPLICA_DATABASE_URL_2",
            "PRIVATE_PEM",
            "GPG_PASSPHRASE",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "MONKEY",
            "TURKEY_HOST",
            "KEYBOARD",
            "HOTKEYS",
            "PWD",
            "OLDPWD",
            "HANDSNAP",
            "COMPASS",
            "PASSENGERS",
            "BYPASS",
            "DJANGO_SETTINGS_MODULE",
            "DATABASE_HOST",
            "URL",
            "PATH",
            "LANG",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_masked_and_nothing_else() {
        for (text, shown) in [
            ("postgres://ada:s3cret@db/shop", "postgres://ada:***@db/shop"),
            ("redis://:s3cret@cache:6379/0", "redis://:***@cache:6379/0"),
            ("amqp://ada@site.org:s3cret@mq", "amqp://ada@site.org:***@mq"),
            ("mysql+pymysql://a:s/3?#:@cret@db", "mysql+pymysql://a:***@db"),
            ("redis://a:s3cret@h1,redis://b:s3cret@h2 x", "redis://a:***@h1,redis://b:***@h2 x"),
            ("shop:make(\"pg://a:s3cret@db\", 5)", "shop:make(\"pg://a:***@db\", 5)"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
        for text in [
            "",
            "://",
            "http://site.org:80/x",
            "http://site.org/a:b@c",
            "http://site.org?q=a:b@c",
            "ssh://git@host/x",
            "redis://ada:@cache",
            "ada:s3cret@db",
            "http://a:1 b@c",
        ] {
            assert_eq!(without_passwords(text), text);
        }
    }

    #[test]
    fn of_a_pair_the_name_counts_and_else_only_addresses() {
        let pair = |text: &str| masked(Kind::Pairs, text.to_owned());
        assert_eq!(pair("API_KEY=a=b"), "API_KEY=***");
        assert_eq!(pair("API_KEY="), "API_KEY=", "nothing is no secret, but probably a mistake");
        assert_eq!(pair("CACHE=redis://:s3cret@cache"), "CACHE=redis://:***@cache");
        assert_eq!(masked(Kind::One, "API_KEY=x".to_owned()), "API_KEY=x");
    }
}
