use std::fs;

use super::super::tests::forget_origins;
use super::*;

fn flags(typed: &[(&'static str, &str)]) -> Layer {
    typed.iter().map(|(key, text)| (*key, vec![item(text)])).collect()
}

fn pool(name: &str, typed: &[(&'static str, &str)]) -> NewPool {
    NewPool::for_web_server(name, &flags(typed), Some("nginx")).unwrap()
}

/// What a configuration is that includes this text.
fn read(text: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("pools.d")).unwrap();
    fs::write(directory.path().join("site.toml"), "include = \"pools.d/*.toml\"\n").unwrap();
    fs::write(directory.path().join("pools.d/new.toml"), text).unwrap();
    Config::load(&Layer::new(), &|_| None, Some(&directory.path().join("site.toml"))).unwrap()
}

/// The keys that it sets.
fn set(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.split_once(" = ")?.0)).collect()
}

#[test]
fn what_is_not_typed_is_proposed_by_the_name_and_the_machine() {
    let text = pool("shop", &[]).text();
    for line in [
        "\n[pool.shop]\n",
        "\napp = \"/srv/shop/wsgi.py\"\n",
        "\nchdir = \"/srv/shop\"\n",
        "\n# venv = \"/srv/shop/venv\"\n",
        "\nuser = \"nginx\"\n",
        "\nlisten = [\"unix:/run/pyfcgid/shop.sock\"]\nsocket-group = \"nginx\"\n",
        "\nprocesses = 2\nthreads = 4\n",
        "\n# env-file = \"/etc/pyfcgid/shop.env\"  # secrets, one VARIABLE=VALUE",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
}

#[test]
fn without_root_nothing_is_proposed_that_only_root_can_do() {
    let text = NewPool::for_web_server("shop", &Layer::new(), None).unwrap().text();
    for line in ["\n# user = \"www-data\"\n", "\nlisten = [\"127.0.0.1:9000\"]\n# socket-group = \"www-data\"\n"] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    assert_eq!(read(&text).pools.len(), 1);
}

#[test]
fn what_is_not_there_yet_is_named() {
    let here = tempfile::tempdir().unwrap();
    let (app, directory) = (here.path().join("wsgi.py"), here.path().display().to_string());
    let typed = [("app", app.to_str().unwrap()), ("chdir", &directory), ("user", "nobody-of-this-name")];
    assert_eq!(pool("shop", &typed).missing(), [format!("app {}", app.display()), "user nobody-of-this-name".to_owned()]);
    fs::write(&app, "").unwrap();
    assert_eq!(pool("shop", &[typed[0], typed[1], ("user", "root")]).missing(), Vec::<String>::new());
}

#[test]
fn the_file_is_read_as_the_pool_that_was_meant() {
    let typed = [
        ("app", "shop.wsgi:create_app(\"a\\\\b\")"),
        ("chdir", "/srv/x \"y\""),
        ("venv", "/srv/v"),
        ("user", "ada"),
        ("listen", "127.0.0.1:9001"),
        ("socket-group", "33"),
        ("processes", "2..8"),
        ("threads", "16"),
    ];
    assert_eq!(typed.map(|(key, _)| key), NewPool::KEYS);
    for (name, typed) in [("shop", &typed[..]), ("a.b-c_9", &[])] {
        let new = pool(name, typed);
        let [mut found] = read(&new.text()).pools.try_into().unwrap();
        let mut meant = new.pool.clone();
        [&mut found, &mut meant].into_iter().for_each(forget_origins);
        assert_eq!(found, meant, "{}", new.text());
    }
}

/// Each line that is a comment, and no prose, is one that may be set.
#[test]
fn what_is_proposed_in_comments_is_right() {
    let text = pool("shop", &[]).text();
    let is_toml = |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let uncommented: String =
        text.lines().map(|line| line.strip_prefix("# ").filter(is_toml).unwrap_or(line).to_owned() + "\n").collect();
    assert!(set(&uncommented).len() > set(&text).len() + 4, "{uncommented}");
    let [pool] = read(&uncommented).pools.try_into().unwrap();
    assert_eq!((pool.max_body_size, pool.env.len()), (20 << 20, 1));
}

#[test]
fn a_relative_application_is_that_of_the_current_directory_and_runs_there() {
    let here = std::env::current_dir().unwrap();
    let pool = pool("shop", &[("app", "deep/wsgi.py:make()")]).pool;
    assert_eq!(pool.chdir, Some(here.join("deep")));
    assert_eq!(pool.app.source, AppSource::File(here.join("deep/wsgi.py")));
    let typed = NewPool::new("shop", &flags(&[("app", "wsgi.py"), ("chdir", "/srv/x")])).unwrap().pool;
    assert_eq!(typed.app.source, AppSource::File("/srv/x/wsgi.py".into()));
}

#[test]
fn a_value_that_is_none_is_told_as_it_was_typed() {
    let error = NewPool::new("shop", &flags(&[("threads", "many")])).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.exit_code()),
        ("--threads \"many\": must be a whole number from 1 to 1024", 64)
    );
}

#[test]
fn only_what_may_be_a_pools_and_a_files_name_is_one() {
    for name in ["shop", "a.b", "9", "A-b_c", &"x".repeat(64)] {
        assert_eq!(NewPool::check_name(name), Ok(()), "{name}");
    }
    for name in ["", "a b", "a/b", "../x", "ä", "a\n", &"x".repeat(65)] {
        let reason = NewPool::check_name(name).unwrap_err().to_string();
        assert_eq!(reason, "use up to 64 letters, digits, `-`, `_` and `.`", "{name}");
    }
    for name in [".", "..", ".hidden"] {
        assert!(NewPool::check_name(name).unwrap_err().to_string().contains("would be hidden"), "{name}");
    }
    for name in ["-", "-x", "--help"] {
        assert!(NewPool::check_name(name).unwrap_err().to_string().contains("for an option"), "{name}");
    }
}

#[test]
fn its_place_is_where_the_configuration_looks_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let main = directory.path().join("[site].toml");
    let place = |include: &str| {
        fs::write(&main, format!("include = {include}\n")).unwrap();
        pool("shop", &[]).place(&main).map_err(|error| error.to_string())
    };
    let below = |path: &str| Ok(directory.path().join(path));
    assert_eq!(place("\"pools.d/*.toml\""), below("pools.d/shop.toml"));
    assert_eq!(place("\"s*\""), below("shop.toml"));
    assert_eq!(place("[\"*/x.toml\", \"a/*.conf\", \"*/*.toml\", \"b/sho?.toml\"]"), below("b/shop.toml"));
    assert_eq!(place("\"/srv/pools/*\""), Ok(PathBuf::from("/srv/pools/shop.toml")));
    for include in ["\"pools.d/*.conf\"", "\"*/*.toml\"", "[]"] {
        let error = place(include).unwrap_err();
        assert!(error.contains("[site].toml does not include a file named shop.toml: add include = "), "{error}");
    }
}

#[test]
fn a_pool_that_is_there_gets_no_second_file() {
    let directory = tempfile::tempdir().unwrap();
    let main = directory.path().join("site.toml");
    fs::write(&main, "include = \"*.toml\"\n").unwrap();
    fs::write(directory.path().join("other.toml"), "\n[pool.shop]\napp = \"shop\"\n").unwrap();
    let error = pool("shop", &[]).place(&main).unwrap_err();
    assert!(error.to_string().ends_with("other.toml:2: pool `shop` already exists: change that one, or choose another name"));
    assert_eq!(error.exit_code(), 78);
}
