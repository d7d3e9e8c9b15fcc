//! What a start warns of, a reload warns of, too.

use std::fs;

use crate::site::{Site, says, site};

const WARNING: &str = "does not exist\n";

fn toml(blog: &str, shop: &str) -> String {
    let user = if crate::site::is_root() { "user = \"root\"\nsocket-mode = \"0666\"\n" } else { "" };
    let pool =
        |name: &str, more: &str| format!("[pool.{name}]\napp = \"app.py\"\nlisten = \"unix:{name}.sock\"\n{user}{more}\n");
    format!("pid-file = \"site.pid\"\n{}{}", pool("blog", blog), pool("shop", shop))
}

fn missing(name: &str) -> String {
    format!("python-path = [\"{name}\"]\n")
}

#[test]
fn a_reload_says_what_a_start_says_and_one_of_a_pool_what_is_its_own() {
    let launch = site(&toml(&missing("one"), ""));
    fs::write(launch.directory().join("app.py"), says("x")).unwrap();
    let site = Site::start(launch);
    let said = |name: &str| {
        let line = |line: &&str| line.contains("PF") && line.contains(&format!("/{name} does not exist"));
        site.log().lines().filter(line).count()
    };
    assert_eq!(said("one"), 1, "{}", site.log());
    let reload = site.control("reload").expect_code(0);
    assert_eq!((reload.out.lines().count(), reload.err.lines().count()), (1, 1), "{reload:?}");
    assert!(reload.err.starts_with("pyfcgid: warning: python-path ") && reload.err.ends_with(WARNING), "{reload:?}");
    assert_eq!(said("one"), 2);

    fs::write(site.directory().join("site.toml"), toml(&missing("one"), &missing("two"))).unwrap();
    let reload = site.control("reload shop").expect_code(0);
    assert!(reload.err.lines().count() == 1 && reload.err.contains("/two does not"), "{reload:?}");
    assert_eq!((said("one"), said("two")), (2, 1));

    let reload = site.control("reload blog").expect_code(0);
    assert!(reload.err.lines().count() == 1 && reload.err.contains("/one does not"), "{reload:?}");

    fs::write(site.directory().join("app.py"), "raise RuntimeError").unwrap();
    assert!(!site.control("reload").expect_code(70).err.contains("warning"), "what does not serve is not warned of");
    fs::write(site.directory().join("app.py"), says("x")).unwrap();
    site.signal("USR2");
    site.wait_for_log("has taken over from the previous program");
    crate::support::process::wait_until("its reload", || said("two") == 2);
    assert_eq!((said("one"), said("two")), (4, 2), "once, and not at the begin of that program, too");

    fs::write(site.directory().join("site.toml"), toml("", "")).unwrap();
    assert_eq!(site.control("reload").expect_code(0).err, "");
    site.end();
}
