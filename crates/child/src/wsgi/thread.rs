//! Python's threads by number, for which pyo3 has no names.

#![allow(unsafe_code)]

use std::ffi::c_long;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use shared::scoreboard::slot::ThreadNumbers;
use shared::sys::process;

/// Python's number of the thread that calls. `threading.get_ident` may have been replaced by the application, as gevent does.
pub(super) fn current() -> c_long {
    // SAFETY: it takes nothing, and may be called by any thread.
    unsafe { ffi::PyThread_get_thread_ident() }.cast_signed()
}

/// Both numbers of the thread that calls.
pub(super) fn numbers() -> ThreadNumbers {
    ThreadNumbers { python: u64::from_ne_bytes(current().to_ne_bytes()), system: process::thread_id() }
}

/// Has Python raise `exception` in another thread, between two bytecodes of what runs there.
pub(super) fn raise_in(exception: &Bound<'_, PyType>, thread: c_long) {
    // SAFETY: this thread is attached, as `exception` shows; Python takes a reference of its own, and looks the number up among
    // its threads.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread, exception.as_ptr()) };
}
