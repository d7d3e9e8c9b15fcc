use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A directory with these files.
fn site(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// The names of the pools of `site.toml` there, or the error without that directory.
fn pools(directory: &Path) -> Result<Vec<String>, String> {
    let file = File::read(&directory.join("site.toml"));
    let names = |file: File| file.pools.into_iter().filter_map(|table| table.name).collect();
    file.map(names).map_err(|error| error.to_string().replace(&format!("{}/", directory.display()), ""))
}

#[test]
fn included_files_come_behind_in_the_order_of_their_names() {
    let site = site(&[
        ("site.toml", "include = [\"pools/*.toml\", \"z.toml\", \"pools/a.toml\", \"none/*\"]\n[pool.own]\n"),
        ("pools/b.toml", "[pool.b]\n"),
        ("pools/a.toml", "[pool.y]\n[pool.x]\n"),
        ("pools/.hidden.toml", "["),
        ("pools/a.toml~", "["),
        ("pools/deep/c.toml", "["),
        ("pools/directory.toml/c", "["),
        ("z.toml", "[pool.z]\n"),
    ]);
    assert_eq!(pools(site.path()).unwrap(), ["own", "y", "x", "b", "z"]);
}

#[test]
fn a_file_that_a_pattern_finds_twice_or_in_itself_is_read_once() {
    let site = site(&[("site.toml", "include = \"*.toml\"\n[pool.own]\n"), ("a.toml", "[pool.a]\n")]);
    symlink("a.toml", site.path().join("b.toml")).unwrap();
    assert_eq!(pools(site.path()).unwrap(), ["own", "a"]);
}

#[test]
fn the_name_of_the_directory_is_no_pattern() {
    let outer = site(&[("[s]*/site.toml", "include = \"p?.toml\"\n"), ("[s]*/p1.toml", "[pool.a]\n"), ("s/p2.toml", "[")]);
    assert_eq!(pools(&outer.path().join("[s]*")).unwrap(), ["a"]);
    let include = format!("include = \"{}/s/*.toml\"\n", outer.path().display());
    fs::write(outer.path().join("site.toml"), include).unwrap();
    let error = pools(outer.path()).unwrap_err();
    assert!(error.starts_with("s/p2.toml:1:") && error.contains("not valid TOML"), "{error}");
}

#[test]
fn values_of_an_included_file_have_its_line_and_its_directory() {
    let site = site(&[("site.toml", "include = \"pools/*\"\n"), ("pools/a.toml", "\n[pool.a]\nvenv = \"venv\"\n")]);
    let file = File::read(&site.path().join("site.toml")).unwrap();
    let item = &file.pools[0].settings["venv"][0];
    assert_eq!(item.origin.base(), site.path().join("pools"));
    assert!(matches!(item.origin, Origin::File { line: 3, .. }));
    assert!(matches!(file.pools[0].origin, Some(Origin::File { line: 2, .. })));
}

#[test]
fn what_is_wrong_with_an_include_is_told() {
    let directory = |main: &str, included: &str| site(&[("site.toml", main), ("a.toml", included)]);
    let include = "\ninclude = \"a.toml\"\n";
    for (main, included, told) in [
        ("include = \"b.toml\"\n", "", "site.toml:1: include = \"b.toml\": no such file"),
        ("include = [\n\"a.toml\",\n\"[\"]\n", "", "site.toml:3: include = \"[\": is not a valid pattern: "),
        ("include = 1\n", "", "site.toml:1: include = \"1\": must be a file, a pattern such as "),
        ("include = [[]]\n", "", "site.toml:1: include = \"[]\": must be a file, a pattern such as "),
        ("[pool.a]\ninclude = \"a\"\n", "", "site.toml:2: unknown key `include` = \"a\": it belongs at the top of the file"),
        ("includes = \"a\"\n", "", "site.toml:1: unknown key `includes` = \"a\": did you mean `include`?"),
        (
            include,
            "log-level = 1\n",
            "a.toml:1: misplaced key `log-level` = 1: an included file can only have [pool.NAME] tables",
        ),
        (include, "include = \"b\"\n", "a.toml:1: misplaced key `include` = \"b\": an included file can only have"),
        (include, "threads = 1\n", "a.toml:1: misplaced key `threads` = 1: it belongs under a [pool.NAME] line"),
        (include, "[blog]\n", "a.toml:1: unknown key `blog`: a pool's settings go under a line such as [pool.blog]"),
        (include, "[pool.b", "a.toml:1:"),
    ] {
        let error = pools(directory(main, included).path()).unwrap_err();
        assert!(error.starts_with(told), "{error}\nis not\n{told}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn what_is_no_file_of_settings_is_not_waited_for_nor_read_to_its_end() {
    let site = site(&[("site.toml", "include = \"*.conf\"\n")]);
    let refused = |name: &str| {
        let error = File::read(&site.path().join("site.toml")).unwrap_err();
        fs::remove_file(site.path().join(name)).unwrap();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains(name), "{error}");
        cause
    };
    assert!(std::process::Command::new("mkfifo").arg(site.path().join("pipe.conf")).status().unwrap().success());
    assert_eq!(refused("pipe.conf"), "it is not a regular file");
    symlink("/dev/zero", site.path().join("zero.conf")).unwrap();
    assert_eq!(refused("zero.conf"), "it is not a regular file");
    fs::write(site.path().join("long.conf"), vec![b'#'; MOST_BYTES as usize + 1]).unwrap();
    assert_eq!(refused("long.conf"), "it has more than 4194304 bytes");
}

#[test]
fn a_pattern_that_finds_far_too_many_files_is_refused() {
    let site = site(&[("site.toml", "include = \"*.conf\"\n")]);
    (0..=include::MOST_FILES).for_each(|number| fs::write(site.path().join(format!("{number}.conf")), "").unwrap());
    assert_eq!(pools(site.path()).unwrap_err(), "site.toml:1: include = \"*.conf\": matches more than 4096 files");
}

#[test]
fn a_pool_that_is_defined_twice_is_told_with_both_places() {
    let main = "include = [\"a.toml\", \"b.toml\"]\n[pool.own]\n";
    let twice = site(&[("site.toml", main), ("a.toml", "[pool.a]\n"), ("b.toml", "[pool.b]\n[pool.own]\n")]);
    let error = pools(twice.path()).unwrap_err();
    assert_eq!(error, "b.toml:2: duplicate pool `own`, first defined at site.toml:2: give each its own name");
    let one_file = site(&[("site.toml", "[pool.a]\napp = \"a\"\n[pool.b]\n[pool.a]\napp = \"b\"\n")]);
    let error = pools(one_file.path()).unwrap_err();
    assert!(error.starts_with("site.toml:4:") && error.ends_with("; the first is on line 1"), "{error}");
}
