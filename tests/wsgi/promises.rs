//! `docs/applications.md`, "What an application can rely on": each sentence of its lists has a test that shows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Launch, Params, Pyfcgid, app};

const PAGE: &str = include_str!("../../docs/applications.md");

/// The beginning of each sentence, and the tests that show it: the file's name, the module's and the function's.
#[rustfmt::skip]
const SHOWN: &[(&str, &[&str])] = &[
    ("The application is imported once", &["wsgi::promises::the_application_is_imported_once_in_the_main_thread_before_any_request"]),
    ("The variables of `env`", &["wsgi::promises::env_and_chdir_are_there_when_the_application_is_imported"]),
    ("A module is searched for", &["wsgi::promises::modules_are_found_in_python_path_then_in_the_current_directory"]),
    ("The directory of an APP file", &["wsgi::loading::the_directory_of_an_app_file_is_searched_last_or_not_at_all", "wsgi::loading::modules_beside_an_app_file_stand_for_none_of_pythons"]),
    ("An APP file is the module", &["wsgi::loading::an_app_file_that_import_finds_is_that_module", "wsgi::loading::an_app_file_may_have_the_name_of_the_module_that_it_imports"]),
    ("Otherwise it gets a private name", &["wsgi::promises::what_one_process_has_pickled_another_can_read"]),
    ("The first requests come all at once", &["wsgi::promises::the_first_requests_come_at_once"]),
    ("In a reload the old processes", &["supervisor::reloading::a_broken_deploy_is_told_with_its_traceback_the_old_code_serves_and_the_next_deploy_works"]),
    ("An import that does not end", &["wsgi::loading::an_import_that_does_not_end_says_where_it_hangs"]),
    ("A request runs in one thread", &["wsgi::promises::a_request_runs_in_one_thread_to_its_close"]),
    ("This is a thread of the module", &["wsgi::interpreter::worker_threads_are_real_python_threads_with_names"]),
    ("It serves one request after another", &["wsgi::interpreter::threading_local_survives_between_requests"]),
    ("A process runs as many requests", &["wsgi::interpreter::as_many_requests_run_at_once_as_there_are_threads"]),
    ("A thread that a request starts", &["wsgi::threads::a_thread_that_a_request_starts_is_no_daemon", "wsgi::threads::a_daemon_thread_is_not_waited_for"]),
    ("Threads of the application keep", &["wsgi::interpreter::threads_of_the_app_run_while_no_request_does"]),
    ("A stop, a reload and `max-requests`", &["wsgi::threads::a_stop_waits_for_the_threads_of_requests", "wsgi::threads::a_reload_waits_for_the_threads_of_requests", "wsgi::threads::max_requests_waits_for_the_threads_of_requests", "wsgi::threads::a_thread_that_is_not_done_within_graceful_timeout_is_named"]),
    ("Work that is still queued in an executor", &["wsgi::threads::a_pool_of_threads_of_a_request_finishes_its_work"]),
    ("Greenlets in place", &["wsgi::loading::greenlets_in_the_place_of_threads_are_refused_with_what_to_do"]),
    ("An application may fork", &["wsgi::forks::an_app_may_work_in_forked_processes", "wsgi::interpreter::subprocesses_of_the_app_inherit_no_file_descriptor"]),
    ("A forked process that returns", &["wsgi::forks::a_forked_process_that_comes_back_from_the_app_ends_and_answers_nothing"]),
    ("It has none of the listening sockets", &["wsgi::forks::a_forked_process_that_stays_does_not_keep_the_address"]),
    ("A subprocess inherits no descriptor", &["wsgi::interpreter::subprocesses_of_the_app_inherit_no_file_descriptor", "wsgi::interpreter::subprocesses_of_the_app_ignore_and_block_no_signal"]),
    ("`multiprocessing` works with fork", &["wsgi::threads::a_process_forked_from_a_request_by_multiprocessing_ends_as_it_would_elsewhere", "wsgi::loading::an_app_file_of_any_name_is_a_module_like_others"]),
    ("With spawn and forkserver", &["wsgi::loading::an_app_file_that_spawned_processes_cannot_import_says_so_once"]),
    ("During its import an application finds", &["wsgi::interpreter::an_import_may_take_handlers_away_and_put_them_back"]),
    ("A handler that is set during the import", &["wsgi::signals::a_handler_that_the_import_sets_runs_soon_while_no_request_does", "wsgi::signals::a_handler_runs_while_requests_do_and_others_are_answered_meanwhile", "wsgi::signals::a_handler_of_a_timer_runs_again_and_again"]),
    ("If a handler raises", &["wsgi::signals::a_handler_that_raises_is_in_the_log_with_its_traceback_and_harms_nothing", "wsgi::signals::a_handler_that_raises_at_any_time_keeps_nobody_from_a_graceful_stop"]),
    ("`faulthandler.register`", &["wsgi::signals::faulthandler_shows_the_threads_when_it_is_asked_to"]),
    ("A handler for TERM or QUIT", &["wsgi::signals::a_handler_for_the_signals_of_a_stop_is_told_not_to_be_called_and_the_stop_is_graceful"]),
    ("HUP, INT, USR1", &["wsgi::signals::signals_that_nobody_has_set_a_handler_for_do_nothing"]),
    ("With `signal.set_wakeup_fd`", &["wsgi::signals::an_application_that_has_a_wakeup_descriptor_of_its_own_is_served_with_a_warning"]),
    ("A stop also reaches an application", &["wsgi::interpreter::an_app_that_ignores_signals_at_import_is_stopped_all_the_same"]),
    ("A request cannot set a handler", &["wsgi::interpreter::a_request_cannot_set_a_signal_handler"]),
    ("A TERM sent to a process", &["wsgi::interpreter::a_forked_child_that_is_terminated_does_not_stop_the_server"]),
    ("Standard input is empty", &["wsgi::promises::standard_input_is_empty"]),
    ("What one call of `print`", &["wsgi::logging::what_is_printed_in_one_call_is_one_record_with_the_number_of_its_request", "wsgi::logging::a_traceback_of_the_application_is_one_record_however_it_is_printed"]),
    ("A traceback is one message", &["wsgi::logging::a_traceback_of_the_application_is_one_record_however_it_is_printed", "wsgi::logging::the_traceback_of_a_thread_is_one_record"]),
    ("Threads that print at the same time", &["wsgi::logging::threads_that_print_at_once_do_not_get_into_each_others_lines"]),
    ("An unfinished line", &["wsgi::logging::the_beginning_of_a_line_is_said_when_its_request_ends", "wsgi::logging::the_beginning_of_a_line_is_said_when_the_import_ends", "wsgi::logging::a_thread_of_no_request_has_no_number_and_says_the_rest_at_its_end", "supervisor::output::what_was_printed_without_a_line_end_is_a_line_of_its_own_when_the_request_or_the_child_ends"]),
    ("What subprocesses and libraries", &["supervisor::output::every_way_of_writing_ends_in_the_log_with_pool_and_process"]),
    ("`wsgi.input` is a file", &["wsgi::streams::wsgi_input_has_what_bytesio_has_for_reading", "wsgi::streams::a_body_can_be_read_twice"]),
    ("`wsgi.errors` and `sys.stdout.buffer`", &["wsgi::streams::wsgi_errors_has_what_a_text_file_has", "wsgi::streams::standard_output_has_what_a_binary_file_has"]),
    ("A body of any size", &["wsgi::input::a_large_body_leaves_no_temporary_file_and_no_descriptor_behind"]),
    ("Text that UTF-8 cannot encode", &["wsgi::logging::what_is_no_utf_8_is_escaped_alike_wherever_it_is_written", "wsgi::logging::a_traceback_with_a_lone_surrogate_stands_in_the_log_whole"]),
    ("Nothing of the process's environment", &["wsgi::environ::the_os_environment_is_kept_out_of_environ"]),
    ("`os.environ` has the variables", &["supervisor::variables::an_application_has_the_variables_of_a_login_and_its_locale_and_no_others", "supervisor::variables::what_pass_env_names_gets_through_and_with_clear_env_false_all_does", "supervisor::variables::an_env_file_is_stronger_than_all_but_env"]),
    ("No `PYTHON` variable", &["supervisor::variables::what_the_supervisor_says_to_python_does_not_reach_a_pools_python_but_what_env_says_does"]),
    ("With `clear-env = false` all", &["supervisor::variables::a_command_in_front_instruments_the_application_where_clear_env_is_false"]),
    ("A process has nothing of another pool", &["supervisor::apart::a_process_has_nothing_of_other_pools_of_the_configuration_or_of_the_supervisors_environment", "supervisor::apart::a_process_cannot_look_into_those_of_another_pool_of_the_same_user"]),
    ("`sys.argv` is the application", &["wsgi::interpreter::sys_argv_is_the_app", "wsgi::interpreter::the_app_is_not_imported_as_main"]),
    ("In a virtual environment", &["wsgi::loading::a_virtual_environment_is_honoured"]),
    ("A running request is answered", &["wsgi::interpreter::a_running_request_is_finished_before_the_stop"]),
    ("`atexit` handlers run", &["wsgi::interpreter::atexit_runs_at_term", "wsgi::threads::a_stop_waits_for_the_threads_of_requests"]),
    ("They have 0.2 s more", &["wsgi::interpreter::a_hanging_atexit_handler_does_not_hold_up_the_stop"]),
    ("They do not run if", &["requests::stopping::a_request_that_never_ends_holds_up_the_stop_for_graceful_timeout_at_most", "wsgi::threads::a_thread_that_is_not_done_within_graceful_timeout_is_named"]),
    ("Buffered data of open files", &["wsgi::interpreter::files_that_the_app_never_closed_are_written_at_term"]),
];

/// The sentences of the lists in the section that promises, each on one line.
fn sentences() -> Vec<String> {
    let (mut items, mut is_item): (Vec<String>, bool) = (Vec::new(), false);
    for line in PAGE.lines().skip_while(|line| *line != "## What an application can rely on") {
        match (line.strip_prefix("- "), items.last_mut()) {
            (Some(text), _) => items.push(text.to_owned()),
            (None, Some(item)) if is_item && line.starts_with("  ") => *item += &format!(" {}", line.trim()),
            _ => {
                is_item = false;
                continue;
            }
        }
        is_item = true;
    }
    items.iter().flat_map(|item| item.split_inclusive(". ")).map(|sentence| sentence.trim().to_owned()).collect()
}

#[test]
fn every_sentence_has_a_test_and_every_test_a_sentence() {
    let sentences = sentences();
    assert!(sentences.len() >= 40, "{sentences:#?}");
    for sentence in &sentences {
        let shown = SHOWN.iter().filter(|(beginning, _)| sentence.starts_with(beginning)).count();
        assert_eq!(shown, 1, "no test, or more than one row, for: {sentence}");
        assert!(sentence.ends_with('.'), "{sentence}");
    }
    for (beginning, tests) in SHOWN {
        assert!(sentences.iter().any(|sentence| sentence.starts_with(beginning)), "no sentence begins with: {beginning}");
        assert!(!tests.is_empty(), "{beginning}");
    }
    assert_eq!(sentences.iter().collect::<BTreeSet<_>>().len(), SHOWN.len());
}

#[test]
fn every_test_that_is_named_exists() {
    for test in SHOWN.iter().flat_map(|(_, tests)| *tests) {
        let parts: Vec<&str> = test.split("::").collect();
        let [binary, module, function] = parts[..] else { panic!("{test}") };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(binary).join(format!("{module}.rs"));
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(source.contains(&format!("#[test]\nfn {function}() {{")), "there is no {test}");
        let root = fs::read_to_string(path.parent().unwrap().with_extension("rs")).unwrap();
        assert!(root.contains(&format!("mod {module};")), "{test} is not run");
    }
}

#[test]
fn the_application_is_imported_once_in_the_main_thread_before_any_request() {
    let server = Pyfcgid::serve(app("promises.py"), &["--threads", "2"]);
    for number in 1..=3 {
        let shown = server.connect().request(&Params::get("/"), b"").expect_status(200).json();
        assert_eq!((&shown["thread"], &shown["count"]), (&json!(true), &json!(1)));
        assert_eq!(shown["requests"].as_array().unwrap().len(), number, "{shown}");
    }
}

#[test]
fn env_and_chdir_are_there_when_the_application_is_imported() {
    let server = Pyfcgid::serve(app("promises.py"), &["--env", "VALUE=from env", "--chdir", "/usr"]);
    let shown = server.connect().request(&Params::get("/"), b"").expect_status(200).json();
    assert_eq!((&shown["value"], &shown["directory"]), (&json!("from env"), &json!("/usr")));
}

#[test]
fn standard_input_is_empty() {
    let server = Pyfcgid::serve(app("promises.py"), &[]);
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).json()["stdin"], "");
}

/// With the same text in all three, but for where it is.
#[test]
fn modules_are_found_in_python_path_then_in_the_current_directory() {
    let answer = |places: &[&str]| {
        let launch = Launch::serve("colorsys").args(["--python-path", "lib"]);
        fs::create_dir(launch.directory().join("lib")).unwrap();
        for place in places {
            let body = format!("start_response('200 OK', [])\n    return [b'from {place}']\n");
            let source = format!("def application(environ, start_response):\n    {body}");
            fs::write(launch.directory().join(place).join("colorsys.py"), source).unwrap();
        }
        launch.start().connect().request(&Params::get("/"), b"").expect_status(200).text()
    };
    // Python has a module of this name.
    assert_eq!(answer(&["."]), "from .");
    assert_eq!(answer(&[".", "lib"]), "from lib");
}

#[test]
fn what_one_process_has_pickled_another_can_read() {
    let launch = Launch::serve("./my-site.wsgi");
    let source = "import os, pickle\nclass Item: pass\ndef application(environ, start_response):\n    \
                  if not os.path.exists('kept'):\n        pickle.dump(Item(), open('kept', 'wb'))\n    \
                  start_response('200 OK', [])\n    return [type(pickle.load(open('kept', 'rb'))).__name__.encode()]\n";
    fs::write(launch.directory().join("my-site.wsgi"), source).unwrap();
    let server = launch.start();
    let old = server.child_pid();
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).text(), "Item");
    server.signal("HUP");
    server.wait_for_log("]: PF0302 reloaded\n");
    assert_eq!(server.connect().request(&Params::get("/"), b"").expect_status(200).text(), "Item");
    assert!(server.children().iter().any(|child| *child != old), "{}", server.log());
}

#[test]
fn the_first_requests_come_at_once() {
    let server = Pyfcgid::serve(app("promises.py"), &["--threads", "4"]);
    let mut peers: Vec<_> = (0..4).map(|_| server.connect()).collect();
    peers.iter_mut().for_each(|peer| peer.send_request(1, true, &Params::get("/meet"), b""));
    let places: BTreeSet<String> = peers.iter_mut().map(|peer| peer.answer(1).expect_status(200).text()).collect();
    assert_eq!(places.len(), 4, "{places:?}");
}

#[test]
fn a_request_runs_in_one_thread_to_its_close() {
    let server = Pyfcgid::serve(app("promises.py"), &["--threads", "4"]);
    for _ in 0..3 {
        assert_eq!(server.connect().request(&Params::get("/steps"), b"").expect_status(200).text(), "piece".repeat(5));
    }
    let log = server.wait_for_log_that("three ends", |log| log.matches("steps in").count() == 3);
    assert_eq!(log.matches("steps in 1 thread of 9").count(), 3, "{log}");
}
