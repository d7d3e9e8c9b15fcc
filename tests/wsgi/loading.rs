//! Finding, importing and refusing the application.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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

/// It takes 2 MB in every process.
#[test]
fn a_plain_application_costs_no_import_of_inspect() {
    let launch = Launch::serve("plain.py:application");
    let body = "start_response('200 OK', [])\n    return [str('inspect' in sys.modules).encode()]\n";
    let source = format!("import sys\ndef application(environ, start_response):\n    {body}");
    fs::write(launch.directory().join("plain.py"), source).unwrap();
    assert_eq!(launch.start().connect().request(&Params::get("/"), b"").expect_status(200).text(), "False");
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
fn what_is_no_callable_is_named_and_what_a_factory_returned() {
    for (code, name, message) in [
        ("app = 7", "app", "app is int, which is not callable"),
        ("app = None", "app", "app is None, which is not callable"),
        ("def make(*_): pass", "make(1)", "make(1) returned None, which is not callable"),
    ] {
        let launch = Launch::serve(format!("wrong:{name}"));
        fs::write(launch.directory().join("wrong.py"), format!("{code}\n")).unwrap();
        let finished = launch.run().expect_code(70);
        assert!(finished.stderr.contains(message), "no {message:?} in {}", finished.stderr);
    }
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

/// How the start fails in a directory with these files: one line without a traceback, which has to contain all of `expected`.
#[track_caller]
fn expect_one_line(name: &str, files: &[(&str, &str)], arguments: &[&str], expected: &[&str]) {
    let launch = Launch::serve(name).args(arguments);
    for (file, text) in files {
        let path = launch.directory().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let finished = launch.run().expect_code(70);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    let here = finished.directory().to_str().unwrap();
    for text in expected {
        assert!(finished.stderr.contains(&text.replace("HERE", here)), "no {text:?} in {}", finished.stderr);
    }
}

const APP: &str = "def app(environ, start_response):\n    pass\n";

#[test]
fn a_module_that_does_not_exist_is_told_with_where_it_was_looked_for() {
    expect_one_line(
        "no_such_module:application",
        &[],
        &["--python-path", "/srv"],
        &["there is no module no_such_module in /srv (python-path), HERE (the current directory) or Python 3", "--chdir"],
    );
    let directory = tempfile::tempdir().unwrap();
    let venv = virtualenv::create(directory.path());
    let venv = venv.to_str().unwrap();
    expect_one_line("no_such_module", &[], &["--venv", venv], &[&format!(" or the venv {venv}: correct the name")]);
}

#[test]
fn a_misspelt_module_is_told_which_may_have_been_meant() {
    expect_one_line("flaskap", &[("flaskapp.py", APP)], &[], &["there is no module flaskap in", "did you mean flaskapp?"]);
    let package = [("shop/__init__.py", ""), ("shop/wsgi.py", APP)];
    expect_one_line("shop.wsgy", &package, &[], &["no module wsgy in the package shop (HERE/shop): did you mean shop.wsgi?"]);
    expect_one_line("shop.other", &package, &[], &["no module other in the package shop (HERE/shop): it has wsgi"]);
    expect_one_line("flaskapp.app", &[("flaskapp.py", APP)], &[], &["flaskapp is not a package: did you mean flaskapp:app?"]);
}

#[test]
fn a_module_one_directory_below_is_found_for_the_message() {
    expect_one_line("shop", &[("src/shop.py", APP)], &[], &["it is in HERE/src: add that with --python-path or --chdir"]);
}

#[test]
fn a_module_that_imports_a_missing_one_has_its_traceback() {
    let launch = Launch::serve("shop");
    fs::write(launch.directory().join("shop.py"), "import no_such_module\n").unwrap();
    let finished = launch.run().expect_code(70);
    assert!(
        finished.stderr.contains("Traceback") && finished.stderr.contains("No module named 'no_such_module'"),
        "{finished:?}"
    );
}

#[test]
fn a_file_that_does_not_exist_is_told_with_one_that_does() {
    expect_one_line("/no/such/file.py", &[], &[], &["there is no file /no/such/file.py\n"]);
    expect_one_line("nofile.py", &[("other.py", APP)], &[], &["there is no file HERE/nofile.py\n"]);
    expect_one_line("shop/app", &[("shop/app.py", APP)], &[], &["no file HERE/shop/app: did you mean HERE/shop/app.py?"]);
    expect_one_line("ap.py", &[("app.py", APP)], &[], &["there is no file HERE/ap.py: did you mean HERE/app.py?"]);
    expect_one_line("wsgi.py", &[("shop/wsgi.py", APP)], &[], &["HERE/wsgi.py: did you mean HERE/shop/wsgi.py?"]);
    expect_one_line("./shop", &[("shop/app.py", APP)], &[], &["HERE/shop is a directory", "did you mean HERE/shop/app.py?"]);
}

#[test]
fn a_misspelt_callable_is_told_which_may_have_been_meant() {
    let app = [("shop.py", APP)];
    expect_one_line("shop:ap", &app, &[], &["cannot load the application shop:ap: it has no ap: did you mean app?"]);
    expect_one_line("shop:server", &app, &[], &["it has no server: did you mean app?"]);
    expect_one_line("shop:app.run", &app, &[], &["app.run cannot be resolved: there is no run"]);
    let others = "from os import getcwd, PathLike\nclass Site:\n    def __call__(self): pass\nserver = Site()\n";
    expect_one_line(
        "shop",
        &[("shop.py", others)],
        &[],
        &["neither 'application' nor 'app': name the callable", "it has Site, server\n"],
    );
    expect_one_line("shop", &[("shop.py", "x = 1\n")], &[], &["nor 'app', nor anything else that is callable"]);
}

#[test]
fn a_factory_or_a_django_project_is_told_how_it_is_named() {
    let factory = "def create_app():\n    pass\n";
    expect_one_line(
        "shop",
        &[("shop.py", factory)],
        &[],
        &["neither 'application' nor 'app': did you mean shop:create_app()?"],
    );
    let project = [("mysite/__init__.py", ""), ("mysite/wsgi.py", "application = print\n")];
    expect_one_line("mysite", &project, &[], &["neither 'application' nor 'app': did you mean mysite.wsgi?"]);
    expect_one_line("mysite:application", &project, &[], &["it has no application: did you mean mysite.wsgi?"]);
}

#[test]
fn the_summary_has_all_lines_of_an_exception() {
    let launch = Launch::serve("shop");
    fs::write(launch.directory().join("shop.py"), "raise ValueError('database\\n  is not set\\n')\n").unwrap();
    let finished = launch.run().expect_code(70);
    assert!(finished.stderr.ends_with("its import failed: ValueError: database is not set\n"), "{}", finished.stderr);
}

#[test]
fn an_application_that_cannot_be_called_is_named() {
    let finished = failure_of(&app("not_callable.py"), &[]).expect_code(70);
    assert!(finished.stderr.contains("application") && finished.stderr.contains("callable"), "{}", finished.stderr);
}

#[test]
fn whatever_takes_two_arguments_is_an_application() {
    for name in [
        "decorated",
        "adapted",
        "partial",
        "optional",
        "anything",
        "static",
        "of_class",
        "proxy",
        "ByNew",
        "ByMeta",
        "secretive",
    ] {
        assert_eq!(answer_of(&format!("callables:{name}")), "answered", "{name}");
    }
    assert_eq!(answer_of("callables:create_app_of()"), "answered");
    assert_eq!(answer_of("callables:Site()"), "answered");
}

#[test]
fn a_factory_without_parentheses_is_told_before_the_first_request() {
    for name in ["create_app", "create_app_of", "Site"] {
        let file = format!("{}:{name}", app("callables.py"));
        let told = format!(
            "cannot load the application {file}: {name}() does not take (environ, start_response): \
             if it makes the application, name it with parentheses: {file}()\n"
        );
        expect_one_line(&file, &[], &[], &[&told]);
        let checked = Launch::new("check").args([&file]).run().expect_code(70);
        assert!(checked.stderr.ends_with(&told), "{}", checked.stderr);
    }
    let default = [("shop.py", "def app(): pass\n")];
    expect_one_line("shop", &default, &[], &["app() does not take (environ", "parentheses: shop:app()\n"]);
}

#[test]
fn what_takes_other_arguments_is_no_application_and_no_factory() {
    for (name, what) in [
        ("of_three", "of_three()"),
        ("of_one", "of_one()"),
        ("asgi", "asgi()"),
        ("keyword", "keyword()"),
        ("make_three()", "what make_three() returned"),
    ] {
        let told = format!("{what} does not take (environ, start_response): a WSGI application is called with these two\n");
        expect_one_line(&format!("{}:{name}", app("callables.py")), &[], &[], &[&told]);
    }
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
fn greenlets_in_the_place_of_threads_are_refused_with_what_to_do() {
    let launch =
        |module: &str, patched: &str| Launch::serve(app("patches_threads.py")).env("MODULE", module).env("PATCHED", patched);
    for (module, patched, told) in [
        ("gevent.monkey", "threading", "gevent has replaced Python's threads with greenlets"),
        ("eventlet.patcher", "thread", "eventlet has replaced Python's threads with greenlets"),
    ] {
        let finished = launch(module, patched).run().expect_code(70);
        assert!(finished.stderr.contains(told) && finished.stderr.contains("(thread=False)"), "{}", finished.stderr);
        let server = launch(module, "socket").start();
        server.connect().request(&Params::get("/"), b"").expect_status(200);
    }
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
fn a_virtual_environment_whose_python_is_none_is_refused() {
    expect_refused("/bin/true", "exited before it loaded pyfcgid's module (exit code 0): is it really Python?");
}

/// What is left of a virtual environment when the system's Python was upgraded.
#[test]
fn a_virtual_environment_of_a_version_that_is_gone_is_refused() {
    expect_refused(
        "/usr/bin/python3.7-is-gone",
        "points to /usr/bin/python3.7-is-gone, which no longer exists: recreate the virtual environment",
    );
}

#[track_caller]
fn expect_refused(python: &str, told: &str) {
    let directory = tempfile::tempdir().unwrap();
    let venv = virtualenv::pretend(directory.path(), "3.7.16", Path::new(python));
    let finished = failure_of(&app("answers.py"), &["--venv", venv.to_str().unwrap()]);
    assert_eq!(finished.code(), 78, "{finished:?}");
    let expected = format!("the Python {0}/bin/python (venv, command line) {told}", venv.display());
    assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
}

#[test]
fn a_python_behind_more_links_than_the_system_follows_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let link = |number: usize| directory.path().join(format!("python{number}"));
    std::os::unix::fs::symlink("/bin/true", link(0)).unwrap();
    (1..41).for_each(|number| std::os::unix::fs::symlink(link(number - 1), link(number)).unwrap());
    let python = link(40).display().to_string();
    let finished = failure_of(&app("answers.py"), &["--python", &python]).expect_code(78);
    let told = format!("the Python {python} (python, command line) cannot be run: Too many levels of symbolic links");
    assert!(finished.stderr.contains(&told), "{}", finished.stderr);
}

#[test]
fn a_virtual_environment_that_does_not_exist_is_refused() {
    let finished = failure_of(&app("answers.py"), &["--venv", "/no/such/venv"]);
    assert!([70, 78].contains(&finished.code()), "{finished:?}");
    assert!(finished.stderr.contains("/no/such/venv"), "{}", finished.stderr);
}

#[test]
fn a_virtual_environment_whose_python_may_not_be_looked_at_is_told_with_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let venv = virtualenv::create(directory.path());
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("python"), "").unwrap();
    fs::remove_file(venv.join("bin/python")).unwrap();
    std::os::unix::fs::symlink(home.join("python"), venv.join("bin/python")).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o000)).unwrap();
    let mut launch = Launch::serve(app("answers.py")).args(["--venv", venv.to_str().unwrap()]);
    if fs::read_dir(&home).is_ok() {
        // Root, whom permissions do not stop.
        launch = launch.under(["setpriv", "--bounding-set=-dac_override,-dac_read_search"]);
    }
    let finished = launch.run().expect_code(78);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(finished.stderr.contains(&format!("permission denied at {}: ", home.display())), "{}", finished.stderr);
}

/// A directory with these files, from which `name` is to be served.
#[track_caller]
fn launch_in(files: &[(&str, &str)], name: &str) -> Launch {
    let launch = Launch::serve(name);
    for (file, text) in files {
        let path = launch.directory().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    launch
}

/// What the application answers to `path`.
#[track_caller]
fn answer_to(launch: Launch, path: &str) -> String {
    launch.start().connect().request(&Params::get(path), b"").expect_status(200).text()
}

/// An application that answers with what `expression` is at the time of a request.
fn telling(imports: &str, expression: &str) -> String {
    let body = format!("    start_response('200 OK', [])\n    return [str({expression}).encode()]\n");
    format!("{imports}\ndef application(environ, start_response):\n{body}")
}

/// As of a Django project with Celery, whose inner package has a `celery.py`.
#[test]
fn modules_beside_an_app_file_stand_for_none_of_pythons() {
    let wsgi = telling("from shopsite.calendar import days", "days()");
    let files = [
        ("shopsite/__init__.py", ""),
        ("shopsite/calendar.py", "from calendar import monthrange\ndef days(): return monthrange(2028, 2)[1]\n"),
        ("shopsite/wsgi.py", &wsgi),
    ];
    assert_eq!(answer_to(launch_in(&files, "./shopsite/wsgi.py"), "/"), "29");
    assert_eq!(answer_to(launch_in(&files, "./shopsite/wsgi.py").args(["--chdir", "."]), "/"), "29");
}

#[test]
fn the_directory_of_an_app_file_is_searched_last_or_not_at_all() {
    let wsgi = telling(
        "import sys, os",
        "(len(sys.path) - 1 - sys.path.index(HERE)) if (HERE := os.path.dirname(__file__)) in sys.path else 'not at all'",
    );
    let files = [("site/wsgi.py", wsgi.as_str()), ("lib/other.py", "")];
    assert_eq!(answer_to(launch_in(&files, "site/wsgi.py"), "/"), "0");
    assert_eq!(answer_to(launch_in(&files, "../site/wsgi.py").args(["--chdir", "lib"]), "/"), "not at all");
    assert_eq!(answer_to(launch_in(&files, "site/wsgi.py").args(["--python-path", "lib"]), "/"), "not at all");
    // It is where it was put.
    assert_eq!(
        answer_to(launch_in(&files, "wsgi.py").args(["--chdir", "site"]), "/").parse::<u32>().map(|behind| behind > 0),
        Ok(true)
    );
}

#[test]
fn a_module_beside_an_app_file_that_is_not_searched_is_told_how_to_be() {
    let files = [("site/wsgi.py", "import beside\n"), ("site/beside.py", ""), ("lib/x.py", "")];
    let finished = launch_in(&files, "site/wsgi.py").args(["--python-path", "lib"]).run().expect_code(70);
    let told = format!(": it is in {}/site: add that with --python-path\n", finished.directory().display());
    assert!(finished.stderr.contains("No module named 'beside'") && finished.stderr.ends_with(&told), "{}", finished.stderr);
}

/// The form of mod_wsgi's and Flask's documentation.
#[test]
fn an_app_file_may_have_the_name_of_the_module_that_it_imports() {
    let shop = telling("", "'the module shop'");
    let files = [("shop.py", shop.as_str()), ("shop.wsgi", "from shop import application\n")];
    assert_eq!(answer_to(launch_in(&files, "./shop.wsgi"), "/"), "the module shop");
    let logging = telling("import logging.handlers", "logging.getLogger('x').name + logging.handlers.__name__");
    assert_eq!(answer_to(launch_in(&[("logging.wsgi", &logging)], "./logging.wsgi"), "/"), "xlogging.handlers");
    let calendar = telling("import calendar", "calendar.monthrange(2028, 2)[1]");
    assert_eq!(answer_to(launch_in(&[("site/calendar.py", &calendar)], "site/calendar.py"), "/"), "29");
}

#[test]
fn an_app_file_that_import_finds_is_that_module() {
    let imports = "import helper, sys\nloaded = globals().get('loaded', 0) + 1\nclass Item: pass\n";
    let shop = telling(imports, "(__name__, helper.shop is sys.modules[__name__], helper.shop.Item is Item)");
    let files = [("shop.py", shop.as_str()), ("helper.py", "import shop\n")];
    for name in ["./shop.py", "shop.py", "shop"] {
        assert_eq!(answer_to(launch_in(&files, name), "/"), "('shop', True, True)", "{name}");
    }
    let below = [("src/shop.py", shop.as_str()), ("src/helper.py", "import shop\n")];
    assert_eq!(answer_to(launch_in(&below, "src/shop.py"), "/"), "('shop', True, True)");
}

#[test]
fn an_app_file_of_any_name_is_a_module_like_others() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["my-site.wsgi", "shop.v2.py", "1st", "class.py", "größe.wsgi", "__init__.py", "json.py"] {
        let path = directory.path().join(file);
        fs::copy(app("module_of_any_name.py"), &path).unwrap();
        assert_eq!(answer_to(Launch::serve(&path).args(["--chdir", "/"]), "/"), "", "{file}");
    }
}

#[test]
fn the_bytecode_of_an_app_file_is_not_that_of_a_module_of_its_name() {
    let page = |what: &str| telling("", &format!("'{what}'"));
    let files = [("page.py", page("from page.py")), ("page.wsgi", page("of page.wsgi"))];
    let directory = tempfile::tempdir().unwrap();
    // Python looks at the size and the time.
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for (name, text) in &files {
        fs::write(directory.path().join(name), text).unwrap();
        fs::File::options().write(true).open(directory.path().join(name)).unwrap().set_modified(time).unwrap();
    }
    let chdir = directory.path().to_str().unwrap();
    let launch = |name: &str| Launch::serve(name).args(["--chdir", chdir]).env("PYTHONDONTWRITEBYTECODE", "");
    for _ in 0..2 {
        assert_eq!(answer_to(launch("page"), "/"), "from page.py");
        assert_eq!(answer_to(launch("./page.wsgi"), "/"), "of page.wsgi");
    }
    let cached = directory.path().join("__pycache__");
    assert_eq!(fs::read_dir(cached).unwrap().count(), 1);
}

#[test]
fn a_file_that_was_named_as_a_module_is_told_how_it_is_named() {
    let wsgi = [("other.wsgi", APP)];
    expect_one_line("other.wsgi", &wsgi, &[], &["there is no module other", "did you mean the file ./other.wsgi?\n"]);
    expect_one_line("other.wsgi:app", &wsgi, &[], &["did you mean the file ./other.wsgi, as in ./other.wsgi:app?\n"]);
    let beside_a_package = [("other.wsgi", APP), ("other/__init__.py", "")];
    expect_one_line("other.wsgi", &beside_a_package, &[], &["did you mean the file ./other.wsgi?\n"]);
    let beside_a_module = [("other.wsgi", APP), ("other.py", "")];
    expect_one_line("other.wsgi", &beside_a_module, &[], &["did you mean the file ./other.wsgi?\n"]);
    let in_chdir = [("site/other.wsgi", APP)];
    expect_one_line("other.wsgi", &in_chdir, &["--chdir", "site"], &["did you mean the file ./other.wsgi?\n"]);
}

#[test]
fn a_factory_takes_literal_arguments() {
    let factory = "def create_app(*arguments, **named):\n    def app(environ, start_response):\n        \
                   start_response('200 OK', [])\n        return [repr((arguments, named)).encode()]\n    return app\n";
    for (arguments, shown) in [
        ("'prod', debug=False", "(('prod',), {'debug': False})"),
        ("\"a:b\", {'c': [1, -2.5, None]}", "(('a:b', {'c': [1, -2.5, None]}), {})"),
        ("b'\\x00)(', names=('x', 'y'),", "((b'\\x00)(',), {'names': ('x', 'y')})"),
        (" ", "((), {})"),
    ] {
        for module in ["shop", "./shop.py"] {
            let launch = launch_in(&[("shop.py", factory)], &format!("{module}:create_app({arguments})"));
            assert_eq!(answer_to(launch, "/"), shown, "{arguments}");
        }
    }
    for (arguments, told) in [
        ("os.environ", "create_app() takes literals, such as \"text\", 5, True or [1, 2]: os.environ is not one\n"),
        ("1, key=open('x')", "takes literals, such as \"text\", 5, True or [1, 2]: open('x') is not one\n"),
        ("*[1, 2]", "takes literals, such as \"text\", 5, True or [1, 2]: *[1, 2] is not one\n"),
        ("**{'a': 1}", "takes literals, such as \"text\", 5, True or [1, 2]: **{'a': 1} is not one\n"),
        ("a=", "create_app() has arguments that are not valid Python: "),
        ("a=1, a=2", "create_app() is given a twice\n"),
        ("prod", "prod is not one: did you mean \"prod\"?\n"),
    ] {
        expect_one_line(&format!("shop:create_app({arguments})"), &[("shop.py", factory)], &[], &[told]);
    }
    let finished = launch_in(&[("shop.py", "def create_app():\n    pass\n")], "shop:create_app(1)").run().expect_code(70);
    assert!(finished.stderr.contains("create_app(1) failed: TypeError: create_app() takes 0"), "{}", finished.stderr);
}

/// Whatever it waits in: Python, or C code that keeps the GIL.
#[test]
fn an_import_that_does_not_end_says_where_it_hangs() {
    let waits = "import time\ndef connect():\n    time.sleep(600)\nconnect()\n";
    let hogs = "import re\ndef connect():\n    re.match(r'(a+)+$', 'a' * 60 + 'b')\nconnect()\n";
    for source in [waits, hogs] {
        for file in ["./shop.py", "shop"] {
            let launch = launch_in(&[("shop.py", source)], file).args(["--startup-timeout", "1s"]);
            let finished = launch.run().expect_code(70);
            expect_place(&finished);
        }
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("shop.py"), source).unwrap();
        let path = directory.path().join("shop.py");
        expect_place(&Launch::new("check").args([path.to_str().unwrap(), "--startup-timeout", "1s"]).run().expect_code(70));
    }
}

/// Fails unless the message about a late import has the line that it hangs in.
#[track_caller]
fn expect_place(finished: &Finished) {
    for text in ["did not end within startup-timeout (1 s)", "shop.py\", line 3 in connect", "shop.py\", line 4 in <module>"] {
        assert!(finished.stderr.contains(text), "no {text:?} in {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("importlib"), "more than is needed: {}", finished.stderr);
}

#[test]
fn a_factory_that_does_not_end_says_where_it_hangs() {
    let source = "import time\ndef connect():\n    time.sleep(600)\ndef create_app(): connect()\n";
    // Long enough for Python to get there on a busy machine.
    let launch = launch_in(&[("shop.py", source)], "shop:create_app()").args(["--startup-timeout", "3s"]);
    let finished = launch.run().expect_code(70);
    assert!(finished.stderr.contains("shop.py\", line 3 in connect"), "{}", finished.stderr);
}

#[test]
fn an_app_file_that_spawned_processes_cannot_import_says_so_once() {
    for (file, is_told) in [("my-site.wsgi", true), ("spawner.py", false)] {
        let launch = Launch::serve(format!("./{file}"));
        fs::copy(app("spawns.py"), launch.directory().join(file)).unwrap();
        let server = launch.start();
        for _ in 0..2 {
            let expected = if is_told { "1" } else { "0" };
            assert_eq!(
                server.connect().request(&Params::get("/"), b"").expect_status(200).text(),
                expected,
                "{}",
                server.log()
            );
        }
        let told = "my-site.wsgi cannot be imported by the processes that multiprocessing starts";
        let expected = usize::from(is_told);
        assert_eq!(server.log().matches(told).count(), expected, "{}", server.log());
    }
}

/// It looks beside the file that calls it, and above, unless it takes the program for an interactive one.
#[test]
fn a_dotenv_file_beside_the_application_is_found_without_being_named() {
    let app = telling(
        "import os, dotenv\ndotenv.load_dotenv()\nimport package.settings",
        "os.environ['GREETING'] + os.environ['BELOW']",
    );
    let files = [
        ("site/.env", "GREETING=\"good \"\nBELOW=unused"),
        ("site/app.py", &app),
        ("site/shop.wsgi", &app),
        ("site/package/settings.py", "import dotenv\ndotenv.load_dotenv(override=True)\n"),
        ("site/package/.env", "BELOW=day"),
        (".env", "GREETING=wrong"),
    ];
    for name in ["site/app.py", "site/shop.wsgi"] {
        let launch = launch_in(&files, name).args([OsStr::new("--venv"), virtualenv::of_the_tests().as_os_str()]);
        assert_eq!(answer_to(launch, "/"), "good day", "{name}");
    }
}
