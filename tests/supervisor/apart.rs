//! A process holds what is its own pool's and nothing else, and shows it to nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::site::{Site, is_root, site};
use crate::support::Launch;
use crate::support::process::{is_queue_process, wait_until};

/// Searches all that it can read of itself. What it looks for comes with each byte one greater, so that the search does not find itself.
const SEARCHES: &str = r#"
import ctypes, json, os, re, stat

LIBC = ctypes.CDLL(None, use_errno=True)
GREATER = bytes((number + 1) % 256 for number in range(256))
SIZE, LONGEST = 1 << 20, 1 << 8


class Part(ctypes.Structure):
    _fields_ = [("begin", ctypes.c_void_p), ("length", ctypes.c_size_t)]


BUFFER = ctypes.create_string_buffer(SIZE + LONGEST)


def read_by_call(begin, length):
    here, there = Part(ctypes.addressof(BUFFER), length), Part(begin, length)
    count = LIBC.process_vm_readv(os.getpid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    if count < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    return BUFFER.raw[:count]


def reader():
    try:
        memory = os.open("/proc/self/mem", os.O_RDONLY)
    except PermissionError:
        return read_by_call, "call"
    return lambda begin, length: os.pread(memory, length, begin), "file"


def memory(read):
    with open("/proc/self/maps") as file:
        lines = file.readlines()
    for line in lines:
        bounds = re.match("([0-9a-f]+)-([0-9a-f]+) r", line)
        if bounds and "[v" not in line:
            begin, end = (int(bound, 16) for bound in bounds.groups())
            for at in range(begin, end, SIZE):
                try:
                    yield read(at, min(SIZE + LONGEST, end - at))
                except OSError:
                    pass


def files():
    for number in range(256):
        try:
            if stat.S_ISREG(os.fstat(number).st_mode):
                yield os.pread(number, 1 << 26, 0)
        except OSError:
            pass
    for name in ("environ", "cmdline", "auxv", "mountinfo"):
        try:
            with open("/proc/self/" + name, "rb") as file:
                yield file.read()
        except PermissionError:
            pass


def search(wanted):
    read, how = reader()
    found, length = set(), 0
    for chunks in (memory(read), files()):
        for chunk in chunks:
            length += len(chunk)
            chunk = chunk.translate(GREATER)
            found.update(place for place, what in enumerate(wanted) if what in chunk)
    return {"found": sorted(found), "length": length, "how": how}


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(search([bytes.fromhex(text) for text in environ["QUERY_STRING"].split(",")])).encode()]
"#;

/// Tries to look into other processes.
const LOOKS: &str = r#"
import ctypes, json, os, subprocess, time

LIBC = ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH = 16, 17


PART = (ctypes.c_ulong * 2)(0, 1)


def call(name, *arguments):
    if LIBC[name](*map(ctypes.c_ulong, arguments)) == -1:
        raise OSError(ctypes.get_errno(), name)


def trace(process):
    call("ptrace", ATTACH, process, 0, 0)
    os.waitpid(process, 0x40000000)
    call("ptrace", DETACH, process, 0, 0)


def opens(name):
    return lambda process: open(f"/proc/{process}/{name}", "rb").close()


WAYS = {
    "mem": opens("mem"),
    "environ": opens("environ"),
    "maps": opens("maps"),
    "fd": lambda process: os.listdir(f"/proc/{process}/fd"),
    "cwd": lambda process: os.listdir(f"/proc/{process}/cwd/"),
    "call": lambda process: call("process_vm_readv", process, ctypes.addressof(PART), 1, ctypes.addressof(PART), 1, 0),
    "trace": trace,
}


def works(way, process):
    try:
        WAYS[way](process)
    except OSError as error:
        # Nothing is at that address, but it was looked for.
        return not isinstance(error, PermissionError)
    return True


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    with subprocess.Popen(["sleep", "100"]) as own:
        # It has begun when the rest of its exec is done.
        end = time.monotonic() + 10
        while not works("mem", own.pid) and time.monotonic() < end:
            time.sleep(0.01)
        processes = [own.pid, *map(int, environ["QUERY_STRING"].split(","))]
        shown = {process: [way for way in WAYS if works(way, process)] for process in processes}
        own.kill()
    return [json.dumps({"process": os.getpid(), "own": shown.pop(own.pid), "others": shown}).encode()]
"#;

/// Two pools with directories of their own, whose applications have these names.
fn two_pools(code: &str, [one, two]: [&str; 2], settings: [&str; 2]) -> Launch {
    let pool = |name: &str, settings: &str| {
        let files = format!("app = \"{name}.py\"\nchdir = \"{name}\"\nlisten = \"unix:{name}.sock\"\nsocket-mode = \"0666\"\n");
        format!("[pool.{name}]\n{files}{settings}")
    };
    let launch = site(&format!("# {COMMENT}\npid-file = \"site.pid\"\n{}{}", pool(one, settings[0]), pool(two, settings[1])));
    permit(launch.directory(), 0o755);
    for name in [one, two] {
        let directory = launch.directory().join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(format!("{name}.py")), code).unwrap();
    }
    launch
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn ask(site: &Site, pool: &str, target: &str) -> Value {
    let address = crate::support::peer::Address::Unix(site.directory().join(format!("{pool}.sock")));
    let mut peer = crate::support::Peer::connect(address);
    peer.last_request(&crate::support::Params::get(target), b"").expect_status(200).json()
}

fn expect_only_its_own(users: [&str; 2], how: &str) {
    let settings = |user: &str, of_env: &str| format!("{user}env = {{ OF_ENV = \"{of_env}\" }}\nenv-file = \"{of_env}.env\"\n");
    let [one, two] = [settings(users[0], ONES_ENV), settings(users[1], TWOS_ENV)];
    let launch = two_pools(SEARCHES, ["kiwi_app", TWOS_APP], [&one, &two]).env("PYFCGID_PASS_ENV", "").env("OUTSIDE", OUTSIDE);
    for (pool, value) in [(ONES_ENV, ONES_FILE), (TWOS_ENV, TWOS_FILE)] {
        // Read by root or by the user of the tests, who has the processes otherwise.
        let file = launch.directory().join(format!("{pool}.env"));
        fs::write(&file, format!("OF_FILE={value}\n")).unwrap();
        permit(&file, 0o640);
        if users[0] != users[1] {
            let user = if pool == ONES_ENV { 65534 } else { 1 };
            std::os::unix::fs::chown(&file, Some(user), None).unwrap();
        }
    }
    let site = Site::start(launch);
    for _ in 0..2 {
        let wanted = [ONES_ENV, ONES_FILE, TWOS_ENV, TWOS_FILE, TWOS_APP, COMMENT, OUTSIDE];
        let encoded = wanted.map(|text| text.bytes().map(|byte| format!("{:02x}", byte + 1)).collect::<String>());
        let found = ask(&site, "kiwi_app", &format!("/?{}", encoded.join(",")));
        assert_eq!(found["found"], serde_json::json!([0, 1]), "{found}: the places of what was found of {wanted:?}");
        assert!(found["length"].as_u64().unwrap() > 4 << 20, "{found}");
        assert_eq!(found["how"], how);
        site.control("reload").expect_code(0);
    }
    site.end();
}

#[test]
fn a_process_has_nothing_of_other_pools_of_the_configuration_or_of_the_supervisors_environment() {
    // Root may open its memory as a file, as nobody else may of a process that hides.
    expect_only_its_own([""; 2], if is_root() { "file" } else { "call" });
}

#[test]
fn a_process_of_another_user_has_nothing_of_other_pools_either() {
    if !is_root() {
        return eprintln!("skipped: only root can change users");
    }
    expect_only_its_own(["user = \"nobody\"\n", "user = \"daemon\"\n"], "call");
}

#[test]
fn a_process_cannot_look_into_those_of_another_pool_of_the_same_user() {
    let user = if is_root() { "user = \"nobody\"\n" } else { "" };
    let site = Site::start(two_pools(LOOKS, ["kiwi_app", TWOS_APP], [user; 2]));
    let looks_into = |processes: &[u32]| {
        let numbers = processes.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let shown = ask(&site, "kiwi_app", &format!("/?{numbers}"));
        assert_eq!(shown["own"], serde_json::json!(["mem", "environ", "maps", "fd", "cwd", "call", "trace"]), "{shown}");
        let own = shown["process"].to_string();
        let others = shown["others"].as_object().unwrap().iter().filter(|(process, _)| **process != own);
        others.filter(|(_, ways)| !ways.as_array().unwrap().is_empty()).count()
    };
    let mut others: Vec<u32> = site.children().into_iter().collect();
    assert_eq!(others.len(), 2);
    if is_root() {
        others.push(site.pid());
    }
    assert_eq!(looks_into(&others), 0);
    let queues = || -> Vec<u32> {
        let all = fs::read_to_string(format!("/proc/{0}/task/{0}/children", site.pid())).unwrap();
        all.split(' ').filter_map(|number| number.parse().ok()).filter(|id| is_queue_process(*id)).collect()
    };
    // They start beside the children, and hide before they listen to anybody.
    wait_until("two queue processes that hide", || queues().len() == 2 && looks_into(&queues()) == 0);
    site.end();
}

const COMMENT: &str = "quince-of-the-comment";
const ONES_ENV: &str = "papaya-of-ones-env";
const ONES_FILE: &str = "cherry-of-ones-file";
const TWOS_ENV: &str = "banana-of-twos-env";
const TWOS_FILE: &str = "orange-of-twos-file";
const TWOS_APP: &str = "mango_of_two";
const OUTSIDE: &str = "lychee-of-the-supervisor";
