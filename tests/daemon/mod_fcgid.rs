//! Apache's mod_fcgid, which starts pyfcgid itself, with the listening socket as descriptor 0.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::http::Request;
use crate::ports::reserve_port;
use crate::site::{is_root, kill};
use crate::support::process::children_of;
use crate::wait_until;
use crate::web_server::{Place, WebServer, find_program, permit};

const MODULES: &str = "/usr/lib/apache2/modules";

const APP: &str = "\
import json, os
def application(environ, start_response):
    body = environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps({
        'path': environ['SCRIPT_NAME'] + environ['PATH_INFO'], 'query': environ['QUERY_STRING'], 'length': len(body),
        'child': os.getpid(), 'supervisor': os.getppid(), 'greeting': os.environ.get('GREETING'), 'leaked': sorted(
            name for name in environ if name.startswith(('PYFCGID_', 'GREETING'))),
    }).encode()]
";

/// Apache with a site whose every path goes to the application.
struct Apache {
    server: WebServer,
    pid: u32,
}

impl Apache {
    fn start() -> Self {
        let module = Path::new(MODULES).join("mod_fcgid.so");
        assert!(module.exists(), "{} is not there (Debian package: libapache2-mod-fcgid)", module.display());
        let place = Place::new();
        let program = install(&place);
        permit(&place.write("app.py", APP), 0o644);
        // mod_fcgid makes sockets there as the user that Apache becomes.
        let sockets = place.path().join("sockets");
        fs::create_dir(&sockets).unwrap();
        permit(&sockets, 0o777);
        let port = reserve_port();
        let main = place.write("apache2.conf", &configuration(place.path(), &program, port));
        let arguments = ["-f".as_ref(), main.as_os_str(), "-DFOREGROUND".as_ref()].map(ToOwned::to_owned);
        let pid_file = place.path().join("pid");
        let server = WebServer::start(&find_program("apache2", "apache2"), arguments, place, port);
        wait_until("Apache's PID file", || fs::read_to_string(&pid_file).is_ok_and(|text| text.ends_with('\n')));
        let pid = fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        Self { server, pid }
    }

    #[track_caller]
    fn ask(&self, request: Request) -> serde_json::Value {
        request.send(self.server.port).expect(200).json()
    }

    fn process(&self, which: &str) -> u32 {
        u32::try_from(self.ask(Request::get("/"))[which].as_u64().unwrap()).unwrap()
    }
}

/// Where every user can reach it.
fn install(place: &Place) -> std::path::PathBuf {
    let program = place.path().join("pyfcgid");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_pyfcgid")).arg(&program).status().unwrap();
    assert!(copied.success());
    permit(&program, 0o755);
    program
}

fn configuration(directory: &Path, program: &Path, port: u16) -> String {
    let load = ["mpm_event", "authz_core", "authz_host", "env", "fcgid"];
    let load = load.map(|module| format!("LoadModule {module}_module {MODULES}/mod_{module}.so\n")).concat();
    let directory = directory.display();
    // Debian's Apache changes users only when root has started it.
    let user = if is_root() { format!("User {0}\nGroup #{1}\n", USER.0, USER.1) } else { String::new() };
    format!(
        "ServerRoot \"{directory}\"\nDefaultRuntimeDir \"{directory}\"\nPidFile \"{directory}/pid\"\nServerName localhost\n\
         ErrorLog \"{directory}/error.log\"\nLogLevel info\nListen 127.0.0.1:{port}\n{load}{user}\
         FcgidIPCDir \"{directory}/sockets\"\nFcgidProcessTableFile \"{directory}/sockets/table\"\nFcgidMaxProcessesPerClass 1\n\
         FcgidMaxRequestsPerProcess 0\nFcgidInitialEnv GREETING hello\nFcgidInitialEnv PYFCGID_THREADS 2\nFcgidInitialEnv PYTHONDONTWRITEBYTECODE 1\nFcgidInitialEnv PYFCGID_PASS_ENV GREETING,PYTHONDONTWRITEBYTECODE\n\
         FcgidMaxRequestLen 10000000\n<Directory />\n    Require all granted\n    Options +ExecCGI\n</Directory>\nDocumentRoot \"{directory}\"\n\
         <Location />\n    SetHandler fcgid-script\n    FcgidWrapper \"{program} serve {directory}/app.py\" virtual\n</Location>\n",
        program = program.display()
    )
}

const USER: (&str, &str) = ("www-data", "33");

#[test]
fn mod_fcgid_starts_it_and_its_pages_are_answered() {
    let apache = Apache::start();
    let first = apache.ask(Request::get("/a/b%20c?d=e"));
    assert_eq!((&first["path"], &first["query"]), (&"/a/b c".into(), &"d=e".into()), "{first}");
    assert_eq!((&first["greeting"], &first["leaked"]), (&"hello".into(), &serde_json::json!([])), "{first}");
    for number in 0..20 {
        let answer = apache.ask(Request::new("POST", format!("/{number}")).body(vec![b'x'; number * 1000]));
        assert_eq!((&answer["path"], &answer["length"]), (&format!("/{number}").into(), &(number * 1000).into()), "{answer}");
        // mod_fcgid lets one process have one request at a time, and keeps it.
        assert_eq!((&answer["supervisor"], &answer["child"]), (&first["supervisor"], &first["child"]), "{answer}");
    }
}

#[test]
fn a_graceful_restart_of_apache_ends_it_and_starts_another() {
    let apache = Apache::start();
    let supervisor = apache.process("supervisor");
    let old: BTreeSet<u32> = children_of(supervisor).into_iter().chain([supervisor]).collect();
    kill(apache.pid, "USR1");
    wait_until("the end of the old processes", || old.iter().all(|pid| !crate::site::is_alive(*pid)));
    let next = apache.process("supervisor");
    assert!(!old.contains(&next));
    assert_eq!(apache.process("supervisor"), next);
}

#[test]
fn the_end_of_apache_is_its_end() {
    let apache = Apache::start();
    let supervisor = apache.process("supervisor");
    let processes: BTreeSet<u32> = children_of(supervisor).into_iter().chain([supervisor]).collect();
    assert_eq!(processes.len(), 2, "{processes:?}");
    kill(apache.pid, "TERM");
    crate::site::wait_until_gone(&processes);
}
