//! Behind real web servers: what a browser sees.

use std::thread;
use std::time::Duration;

use crate::doors::Door;
use crate::http::Ending;
use crate::pool::{Hang, Pool, WORKERS, expect_in_time, tests_at_once};

/// What each of eight browsers is to get.
fn check(door: Door, paths: &[&str; WORKERS], settings: &str) {
    let pool = Pool::start(&format!("graceful-timeout = \"10s\"\n{settings}"));
    let page = page_of_504(&pool);
    let mut front = door.before(&pool);
    for (path, seen) in paths.iter().zip(front.get_all(paths)) {
        println!("{:24} {path:28} {seen}", door.name());
        if path.starts_with("/beside/") {
            seen.expect_whole();
            continue;
        }
        expect_in_time(seen.took);
        if path.starts_with("/hang/streams") {
            assert_eq!((seen.status, seen.ending, &*seen.text), (200, Ending::Cut, "a piece"), "{path}");
            pool.expect_access(path, "200 request-timeout");
        } else {
            assert_eq!((seen.status, seen.ending), (504, Ending::Complete), "{path}: {seen:?}");
            assert_eq!(seen.text, page, "the page is ours, not the web server's");
            pool.expect_access(path, "504 request-timeout");
        }
    }
    // On connections that are kept, while an application still tries to write.
    for number in 0..30 {
        front.get(&format!("/beside/hello?{number}")).expect_whole();
        thread::sleep(Duration::from_millis(20));
    }
    if paths.contains(&"/hang/writes_late") {
        pool.wait_for_log("late: RequestTimeout RequestTimeout RequestTimeout");
    }
    pool.wait_for_children(1);
    front.together();
    front.expect_running();
    assert!(!pool.log().contains("panicked"), "{}", pool.log());
    drop(front);
    pool.end();
}

/// The page that pyfcgid itself gives.
fn page_of_504(pool: &Pool) -> String {
    let mut hang = Hang::begin(pool, "/hang/loops?directly");
    let (answer, _) = hang.answer();
    answer.expect_status(504).text()
}

const HANGS: [&str; WORKERS] = [
    "/beside/beside",
    "/hang/loops",
    "/hang/sleeps",
    "/hang/streams",
    "/hang/streams_with_length",
    "/hang/writes_late",
    "/beside/in_a_loop",
    "/beside/beside",
];

/// A response that breaks off ends its connection, and all others on it.
const WITHOUT_CUTS: [&str; WORKERS] = [
    "/beside/beside",
    "/hang/loops",
    "/hang/sleeps",
    "/hang/waits",
    "/hang/catches",
    "/hang/writes_late",
    "/beside/in_a_loop",
    "/beside/beside",
];

/// The GIL is kept when the others run.
const WITHOUT_GIL: [&str; WORKERS] = [
    "/beside/beside",
    "/beside/beside",
    "/beside/beside",
    "/beside/in_a_loop",
    "/beside/in_a_loop",
    "/beside/in_a_loop",
    "/beside/in_a_loop",
    "/hang/keeps_the_gil",
];
const KEEPS: &str = "env = { KEEPS = \"4\", BESIDE = \"4\" }\n";

macro_rules! fronts {
    ($($test:ident { $($name:ident: $front:ident, $paths:expr, $settings:expr;)* })*) => {
        $(
            $(
                fn $name() {
                    check(Door::$front, &$paths, $settings);
                }
            )*
            tests_at_once!($test: $($name),*);
        )*
    };
}

fronts! {
    browsers_get_504_and_see_what_breaks_off {
        behind_nginx: Nginx, HANGS, "";
        behind_nginx_keeping: NginxKeeping, HANGS, "";
        behind_apache: Apache, HANGS, "";
        behind_haproxy: HaProxy, HANGS, "";
        behind_haproxy_multiplexing: HaProxyMultiplexing, WITHOUT_CUTS, "";
    }
    browsers_get_504_while_the_gil_is_kept {
        kept_gil_behind_nginx: NginxKeeping, WITHOUT_GIL, KEEPS;
        kept_gil_behind_apache: Apache, WITHOUT_GIL, KEEPS;
        kept_gil_behind_haproxy: HaProxy, WITHOUT_GIL, KEEPS;
    }
}
