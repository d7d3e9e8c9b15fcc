//! What `packaging/install` puts in place, and takes away again: the list is `packaging/files`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A machine without anything, and what was built.
struct Machine {
    directory: TempDir,
    configuration: &'static str,
}

impl Machine {
    /// `configuration` is SYSCONFDIR.
    fn new(configuration: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in BUILT {
            let path = directory.path().join("built").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        Self { directory, configuration }
    }

    /// Runs the script; returns whether it succeeds, and what it says.
    fn run(&self, action: &str) -> (bool, String) {
        let built = self.directory.path().join("built");
        let output = Command::new(repository("packaging/install"))
            .arg(action)
            .env("PROGRAM", built.join("pyfcgid"))
            .env("PAGES", &built)
            .env("PREFIX", "/opt/p")
            .env("DESTDIR", self.directory.path().join("root"))
            .env("SYSCONFDIR", self.configuration)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    #[track_caller]
    fn expect(&self, action: &str) -> String {
        let (is_done, said) = self.run(action);
        assert!(is_done, "{said}");
        said
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// All files, without the directory of the machine.
    fn files(&self) -> Vec<String> {
        let root = self.directory.path().join("root");
        let mut files = Vec::new();
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => directories.push(entry.path()),
                    false => files.push(entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned()),
                }
            }
        }
        files.sort();
        files
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const BUILT: [&str; 7] = [
    "pyfcgid",
    "man/pyfcgid.8",
    "man/pyfcgid.toml.5",
    "completions/pyfcgid.bash",
    "completions/_pyfcgid",
    "completions/pyfcgid.fish",
    "pyfcgid.schema.json",
];

#[test]
fn installed_files_name_the_installed_program_and_the_machines_configuration() {
    let machine = Machine::new("/opt/etc");
    machine.expect("install");
    assert_eq!(machine.read("opt/p/bin/pyfcgid"), "pyfcgid");
    assert!(
        machine
            .read("opt/p/lib/systemd/system/pyfcgid.service")
            .contains("=/opt/p/bin/pyfcgid serve -c /opt/etc/pyfcgid/pyfcgid.toml")
    );
    let script = machine.read("opt/etc/init.d/pyfcgid");
    for line in ["DAEMON=/opt/p/bin/pyfcgid", "CONFIG=/opt/etc/pyfcgid/pyfcgid.toml", "UPGRADE=/opt/p/lib/pyfcgid/upgrade "] {
        assert!(script.contains(&format!("\n{line}")), "{line}");
    }
    for file in machine.files() {
        let is_ours = file.contains("/init/") || file.contains("/systemd/") || file.starts_with("opt/etc/");
        assert!(!is_ours || !machine.read(&file).contains("/usr/local/"), "{file}");
    }
    for program in ["opt/p/bin/pyfcgid", "opt/p/lib/pyfcgid/upgrade", "opt/etc/init.d/pyfcgid"] {
        assert_eq!(fs::metadata(machine.path(program)).unwrap().permissions().mode() & 0o777, 0o755, "{program}");
    }
}

#[test]
fn without_a_place_for_the_machines_configuration_everything_is_below_the_prefix() {
    let machine = Machine::new("");
    machine.expect("install");
    let files = machine.files();
    assert!(files.iter().all(|file| file.starts_with("opt/p/") && !file.contains("/systemd/")), "{files:?}");
    machine.expect("uninstall");
    assert_eq!(machine.files(), Vec::<String>::new());
}

#[test]
fn what_an_administrator_has_changed_stays() {
    let machine = Machine::new("/etc");
    machine.expect("install");
    let changed = "etc/pyfcgid/pyfcgid.toml";
    fs::write(machine.path(changed), "mine").unwrap();
    fs::write(machine.path("opt/p/lib/systemd/system/pyfcgid.service"), "old").unwrap();
    let said = machine.expect("install");
    assert!(said.contains("/etc/pyfcgid/pyfcgid.toml already exists"), "{said}");
    assert!(!said.contains("/etc/default/pyfcgid already exists"), "what is as it was is nothing to tell: {said}");
    assert_ne!(machine.read("opt/p/lib/systemd/system/pyfcgid.service"), "old");
    let said = machine.expect("uninstall");
    assert!(said.contains("/etc/pyfcgid/pyfcgid.toml has been changed"), "{said}");
    assert_eq!(machine.files(), [changed]);
    assert_eq!(machine.read(changed), "mine");
}

#[test]
fn nothing_is_installed_before_everything_is_built() {
    let machine = Machine::new("/etc");
    fs::remove_file(machine.directory.path().join("built/man/pyfcgid.8")).unwrap();
    let (is_done, said) = machine.run("install");
    assert!(!is_done && said.contains("man/pyfcgid.8 does not exist: run `make build pages` first"), "{said}");
    assert!(!machine.path("").exists());
}

/// A link, and in README.md the name of a file of this repository, too, leads to a file that is installed as well.
#[test]
fn documents_name_no_file_that_is_not_installed() {
    let machine = Machine::new("/etc");
    machine.expect("install");
    let documents = machine.path("opt/p/share/doc/pyfcgid");
    let mut count = 0;
    for document in machine.files().iter().filter(|file| file.ends_with(".md") && !file.ends_with("/CHANGELOG.md")) {
        let text = machine.read(document);
        let is_readme = document.ends_with("pyfcgid/README.md");
        let directory = machine.path(document).parent().unwrap().to_owned();
        for link in links(&text) {
            let is_of_source = !is_readme && OF_THE_SOURCE.iter().any(|file| link.starts_with(&format!("../{file}")));
            assert!(is_of_source || directory.join(link).exists(), "{document}: {link}");
            count += 1;
        }
        let named = text.split('`').filter(|name| is_readme && !name.is_empty() && repository(name).exists());
        named.for_each(|name| assert!(documents.join(name).exists(), "{document}: {name}"));
    }
    assert!(count > 100, "{count}");
}

/// The files that it has links to.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.starts_with("https://"))
}

/// What pages other than README.md say is in the source only.
const OF_THE_SOURCE: [&str; 4] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "benches", "tests"];
