//! `ulimit -f`: a file that is as large as it may be ends no process.

use std::fs;
use std::io::{Read, Seek, SeekFrom};

use crate::site::{Site, site};
use crate::support::process::wait_until;

const WRITES: &str = "\
import errno, os, signal, subprocess
def application(environ, start_response):
    start_response('200 OK', [])
    if environ['QUERY_STRING'] == 'defaults':
        out = subprocess.run(['grep', 'SigIgn', '/proc/self/status'], stdout=subprocess.PIPE).stdout
        return [b'%d' % (int(out.split()[1], 16) >> (signal.SIGXFSZ - 1) & 1)]
    try:
        with open('large', 'wb', 0) as file:
            while True: file.write(b'x' * 65536)
    except OSError as error:
        os.remove('large')
        return [errno.errorcode[error.errno].encode()]
";

#[test]
fn at_the_limit_a_write_fails_and_lines_are_counted_and_everybody_lives() {
    let launch =
        site("pid-file = \"site.pid\"\nlog = \"file:site.log\"\n[pool.web]\napp = \"app.py\"\nlisten = \"unix:s.sock\"\n");
    let log = launch.directory().join("site.log");
    fs::write(launch.directory().join("app.py"), WRITES).unwrap();
    // Room for pyfcgid's own module, and in the log for some lines: blocks have 512 or 1024 bytes.
    let limit = 64 << 20;
    fs::File::create(&log).unwrap().set_len(limit - 2768).unwrap();
    let limited = format!("ulimit -f {}; exec \"$@\"", limit / BLOCK);
    let site = Site::start_unawaited(launch.under(["sh", "-c", &limited, "sh"]));
    let read = || {
        // After it was renamed it is not there for a moment.
        let Ok(mut file) = fs::File::open(&log) else { return String::new() };
        let begin = file.metadata().unwrap().len().saturating_sub(4096);
        file.seek(SeekFrom::Start(begin)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    };
    wait_until("the start", || read().contains("]: PF0101 ready\n"));
    let children = site.children();
    assert_eq!(site.text("/"), "EFBIG");
    assert_eq!(site.text("/?defaults"), "0", "a subprocess has the default");
    wait_until("a full log", || {
        site.signal("USR1");
        fs::metadata(&log).unwrap().len() >= limit
    });
    assert_eq!(site.children(), children);
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    wait_until("what was lost", || {
        site.signal("USR1");
        read().contains("lost lines of the log: ") && read().contains("File too large")
    });
    assert_eq!(site.text("/"), "EFBIG");
    site.end();
}

/// Of dash and of bash in its place.
const BLOCK: u64 = 512;
