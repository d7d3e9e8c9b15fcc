//! Finding, importing and refusing the application.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::process::{Finished, wait_until};
use crate::support::{Launch, Params, Pyfcgid, app, virtualenv};

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps");

/// What an app answers that is named like this and found on the Python path.
#[track_caller]
fn answer_of(name: &str) -> String {
    let server = Pyfcgid::serve(name, &["--python-path", APPS]);
    server.connect().request(&Params::get("/"), b"").expect_status(200).text()
}

/// How the start fails; no socket is left behind.
#[track_caller]
fn failure_of(name: &str, arguments: &[&str]) -> Finished {
    let finished = Launch::serve(name).args(arguments).run();
    assert!(!finished.directory().join("s.sock").exists(), "a socket was left behind: {finished:?}");
    finished
}

#[test]
fn a_module_is_found_on_the_python_path() {
    assert_eq!(answer_of("answers"), "answered");
    assert_eq!(answer_of("answers:application"), "answered");
}

#[test]
fn a_file_is_loaded_by_its_path() {
    assert_eq!(answer_of(&app("answers.py")), "answered");
    assert_eq!(answer_of(&format!("{}:plain", app("many_callables.py"))), "plain");
}

#[test]
fn a_file_is_found_relative_to_the_working_directory() {
    let launch = Launch::serve("here/copy.py");
    fs::create_dir(launch.directory().join("here")).unwrap();
    fs::copy(app("answers.py"), launch.directory().join("here/copy.py")).unwrap();
    assert_eq!(launch.start().connect().request(&Params::get("/"), b"").expect_status(200).text(), "answered");
}

#[test]
fn a_file_can_import_what_lies_beside_it() {
    let server = Pyfcgid::serve(app("imports_its_sibling.py"), &[]);
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).text(), "from the sibling");
}

#[test]
fn a_package_is_imported_by_its_dotted_name() {
    let launch = Launch::serve("shop.site.wsgi");
    let package = launch.directory().join("lib/shop/site");
    fs::create_dir_all(&package).unwrap();
    fs::copy(app("answers.py"), package.join("wsgi.py")).unwrap();
    let server = launch.args(["--python-path", "lib"]).start();
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).text(), "answered");
}

#[test]
fn the_callable_may_be_anything_that_can_be_called() {
    assert_eq!(answer_of("many_callables:plain"), "plain");
    assert_eq!(answer_of("many_callables:instance"), "instance");
    assert_eq!(answer_of("many_callables:Class"), "class");
}

#[test]
fn the_callable_may_be_an_attribute_of_an_attribute() {
    assert_eq!(answer_of("many_callables:instance.method"), "method");
}

#[test]
fn a_factory_is_called_once_and_gives_the_app() {
    assert_eq!(answer_of("many_callables:factory()"), "factory");
    assert_eq!(answer_of(&format!("{}:factory()", app("many_callables.py"))), "factory");
}

#[test]
fn the_default_callable_is_application_then_app() {
    assert_eq!(answer_of("application_and_app"), "application");
    assert_eq!(answer_of("only_app"), "app");
}

#[test]
fn an_import_error_exits_with_70_and_the_traceback() {
    let finished = failure_of(&app("fails_to_import.py"), &[]).expect_code(70);
    for text in ["Traceback", "fails_to_import.py", "a_module_that_does_not_exist"] {
        assert!(finished.stderr.contains(text), "no {text:?} in {}", finished.stderr);
    }
}

#[test]
fn an_exception_at_import_exits_with_70_and_the_traceback() {
    let finished = failure_of(&app("raises_at_import.py"), &[]).expect_code(70);
    assert!(finished.stderr.contains("RuntimeError: the reason it can't start"), "{}", finished.stderr);
}

#[test]
fn sys_exit_at_import_is_a_failure() {
    failure_of(&app("exits_at_import.py"), &[]).expect_code(70);
}

#[test]
fn a_stop_during_the_import_leaves_no_socket() {
    let launch = Launch::serve(app("imports_slowly.py"));
    let started = launch.directory().join("started");
    let mut server = launch.env("STARTED", &started).start_unawaited();
    wait_until("the import to begin", || started.exists());
    server.signal("TERM");
    server.wait_for_exit(crate::support::peer::DEADLINE);
    assert!(!server.socket().exists(), "a socket was left behind");
}

#[test]
fn a_syntax_error_is_shown_with_its_file_and_line() {
    let finished = failure_of(&app("syntax_error.py"), &[]).expect_code(70);
    assert!(finished.stderr.contains("syntax_error.py") && finished.stderr.contains("line 3"), "{}", finished.stderr);
}

#[test]
fn a_factory_that_raises_is_a_failure() {
    let finished = failure_of(&format!("{}:failing_factory()", app("many_callables.py")), &[]).expect_code(70);
    assert!(finished.stderr.contains("the factory burnt down"), "{}", finished.stderr);
}

#[test]
fn a_module_that_does_not_exist_is_named() {
    let finished = failure_of("no_such_module:application", &[]).expect_code(70);
    assert!(finished.stderr.contains("no_such_module"), "{}", finished.stderr);
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let finished = failure_of("/no/such/file.py", &[]);
    assert!([70, 78].contains(&finished.code()), "{finished:?}");
    assert!(finished.stderr.contains("/no/such/file.py"), "{}", finished.stderr);
}

#[test]
fn an_application_that_cannot_be_called_is_named() {
    let finished = failure_of(&app("not_callable.py"), &[]).expect_code(70);
    assert!(finished.stderr.contains("application") && finished.stderr.contains("callable"), "{}", finished.stderr);
}

#[test]
fn a_module_without_an_application_is_told_what_was_looked_for() {
    let finished = failure_of(&app("no_application.py"), &[]).expect_code(70);
    assert!(finished.stderr.contains("application") && finished.stderr.contains("app"), "{}", finished.stderr);
    assert!(finished.stderr.contains("no_application"), "{}", finished.stderr);
}

#[test]
fn a_callable_that_does_not_exist_is_named() {
    let finished = failure_of(&format!("{}:misspelt", app("answers.py")), &[]).expect_code(70);
    assert!(finished.stderr.contains("misspelt"), "{}", finished.stderr);
}

#[test]
fn a_virtual_environment_is_honoured() {
    let directory = tempfile::tempdir().unwrap();
    let venv = virtualenv::create(directory.path());
    let source = fs::read_to_string(app("interpreter.py")).unwrap();
    virtualenv::install_module(&venv, "installed_in_the_venv", &source);
    let server = Pyfcgid::serve("installed_in_the_venv", &["--venv", venv.to_str().unwrap()]);
    let shown = server.connect().request(&Params::get("/"), b"").expect_status(200).json();
    assert_eq!(shown["prefix"].as_str(), venv.to_str());
    let executable = shown["executable"].as_str().unwrap();
    assert!(executable.starts_with(venv.join("bin").to_str().unwrap()), "{executable}");
}

#[test]
fn a_module_of_the_virtual_environment_is_not_there_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let venv = virtualenv::create(directory.path());
    virtualenv::install_module(&venv, "installed_in_the_venv", "application = print\n");
    failure_of("installed_in_the_venv", &[]).expect_code(70);
}

#[test]
fn a_virtual_environment_of_another_version_is_refused_naming_both() {
    expect_both_versions_named("/bin/true");
}

/// What is left of a virtual environment when the system's Python was upgraded.
#[test]
fn a_virtual_environment_of_a_version_that_is_gone_is_refused_naming_both() {
    expect_both_versions_named("/usr/bin/python3.7-is-gone");
}

#[track_caller]
fn expect_both_versions_named(python: &str) {
    let directory = tempfile::tempdir().unwrap();
    let venv = virtualenv::pretend(directory.path(), "3.7.16", Path::new(python));
    let finished = failure_of(&app("answers.py"), &["--venv", venv.to_str().unwrap()]);
    assert!([70, 78].contains(&finished.code()), "{finished:?}");
    let output = Command::new("python3").args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).output().unwrap();
    let ours = String::from_utf8(output.stdout).unwrap();
    assert!(finished.stderr.contains("3.7") && finished.stderr.contains(ours.trim()), "{}", finished.stderr);
}

#[test]
fn a_virtual_environment_that_does_not_exist_is_refused() {
    let finished = failure_of(&app("answers.py"), &["--venv", "/no/such/venv"]);
    assert!([70, 78].contains(&finished.code()), "{finished:?}");
    assert!(finished.stderr.contains("/no/such/venv"), "{}", finished.stderr);
}
