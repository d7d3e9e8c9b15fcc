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
