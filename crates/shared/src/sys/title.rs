//! What ps(1) shows as a process's command line. It lies in memory of the process, which may write something else there.

use std::ffi::{CString, c_char};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::OnceLock;

use super::process::{self, ProcessId};

/// Where the command line lies, and how much room there is behind it.
#[derive(Clone, Copy, Debug)]
struct Place {
    first: usize,
    /// Of the command line.
    length: usize,
    /// With what lies behind it and is not used any more.
    room: usize,
}

/// Has the variables of the environment lie elsewhere, so that there is room for a title that is longer than the command line. Whoever
/// wants the arguments reads them before. To be called once, while there is one thread.
pub fn make_room() {
    PLACE.get_or_init(|| {
        let (place, [variables, end_of_variables]) = own()?;
        if variables != place.first + place.length || end_of_variables <= variables {
            return Some(place);
        }
        move_environment();
        Some(Place { room: end_of_variables - place.first, ..place })
    });
}

/// Has ps(1) show this, as far as there is room. Without /proc it shows what it did before.
pub fn set(title: &str) {
    let Some(place) = *PLACE.get_or_init(|| own().map(|(place, _)| place)) else { return };
    let Some(longest) = place.room.checked_sub(1) else { return };
    let title = &title.as_bytes()[..title.len().min(longest)];
    // SAFETY: so much of this process's stack is the command line, and the environment if that was moved; nobody reads either any more.
    unsafe {
        ptr::write_bytes(place.first as *mut u8, 0, place.length.max(title.len() + 1));
        ptr::copy_nonoverlapping(title.as_ptr(), place.first as *mut u8, title.len());
    }
}

fn move_environment() {
    let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok().map(CString::into_raw)
    };
    let pointers: Vec<*mut c_char> = std::env::vars_os().filter_map(variable).chain([ptr::null_mut()]).collect();
    // SAFETY: there is one thread. The strings and the list, which ends in a null pointer, stay for good.
    unsafe { environ = pointers.leak().as_mut_ptr() };
}

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// Where the command line lies in the memory of this process, and the bounds of the environment.
fn own() -> Option<(Place, [usize; 2])> {
    let stat = process::stat(ProcessId::current()).ok()?;
    // The name, in parentheses, may be anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let numbers: Vec<usize> =
        fields.split_whitespace().skip(ARG_START - 3).take(4).map_while(|number| number.parse().ok()).collect();
    let [first, end, variables, end_of_variables] = numbers.try_into().ok()?;
    let length = end.checked_sub(first).filter(|_| first > 0)?;
    is_command_line(first, length).then_some((Place { first, length, room: length }, [variables, end_of_variables]))
}

/// Whether the command line is what lies there. Under valgrind it is valgrind's own, and its environment behind it.
fn is_command_line(first: usize, length: usize) -> bool {
    // SAFETY: the kernel has said that this is this process's memory, and nobody writes there but `set`.
    let there = unsafe { std::slice::from_raw_parts(first as *const u8, length) };
    fs::read("/proc/self/cmdline").is_ok_and(|line| line == there)
}

/// Of proc_pid_stat(5), where the name is field 2.
const ARG_START: usize = 48;
static PLACE: OnceLock<Option<Place>> = OnceLock::new();
