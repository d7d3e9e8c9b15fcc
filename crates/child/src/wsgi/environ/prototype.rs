//! The environ of the request before, of which the next one is a copy with its differences.
//!
//! Most variables are the same from request to request. CPython copies a dict in one go, much faster than it can be filled.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::wsgi::latin1;

/// An environ without the objects that belong to one request alone.
pub(super) struct Prototype<'py> {
    environ: Bound<'py, PyDict>,
    entries: Vec<Entry<'py>>,
    /// The number of this request.
    serial: u64,
    /// How many entries this request has set.
    set: usize,
    /// How many are in the environ.
    held: usize,
}

/// A variable.
struct Entry<'py> {
    key: Bound<'py, PyString>,
    held: Held,
    /// The value, if that is `Known`.
    value: Vec<u8>,
    /// The last request that has set it.
    serial: u64,
}

/// What the environ has of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    Something,
    Known,
}

impl<'py> Prototype<'py> {
    /// An environ with nothing but what is in `base`.
    pub(super) fn new(base: &Bound<'py, PyDict>) -> PyResult<Self> {
        Ok(Self { environ: base.copy()?, entries: Vec::new(), serial: 0, set: 0, held: 0 })
    }

    /// The next variable, after those that were added before.
    pub(super) fn add(&mut self, key: Bound<'py, PyString>) {
        self.entries.push(Entry { key, held: Held::Nothing, value: Vec::new(), serial: 0 });
    }

    /// A request begins.
    pub(super) fn begin(&mut self) {
        self.serial += 1;
        self.set = 0;
    }

    /// Whether this request has set a variable.
    pub(super) fn has(&self, number: usize) -> bool {
        self.entries[number].serial == self.serial
    }

    /// Sets a variable of this request.
    #[inline]
    pub(super) fn set(&mut self, number: usize, bytes: &[u8]) -> PyResult<()> {
        let entry = &mut self.entries[number];
        self.set += usize::from(entry.serial != self.serial);
        entry.serial = self.serial;
        if entry.held == Held::Known && entry.value == bytes { Ok(()) } else { self.put_bytes(number, bytes) }
    }

    /// Appends to a variable that this request has set.
    pub(super) fn append(&mut self, number: usize, separator: &str, bytes: &[u8]) -> PyResult<()> {
        let before = self.environ.get_item(&self.entries[number].key)?;
        let before = before.map_or_else(|| Ok(String::new()), |before| before.extract::<String>())?;
        let joined = [&before, separator, &latin1::decode(bytes)].concat();
        self.put(number, &PyString::new(self.environ.py(), &joined), None)
    }

    #[inline(never)]
    fn put_bytes(&mut self, number: usize, bytes: &[u8]) -> PyResult<()> {
        let value = latin1::to_str(self.environ.py(), bytes);
        self.put(number, &value, Some(bytes).filter(|bytes| bytes.len() <= MAX_REMEMBERED))
    }

    fn put(&mut self, number: usize, value: &Bound<'py, PyString>, bytes: Option<&[u8]>) -> PyResult<()> {
        let entry = &mut self.entries[number];
        self.environ.set_item(&entry.key, value)?;
        self.held += usize::from(entry.held == Held::Nothing);
        entry.held = if bytes.is_some() { Held::Known } else { Held::Something };
        entry.value.clear();
        entry.value.extend_from_slice(bytes.unwrap_or_default());
        Ok(())
    }

    /// The environ of this request, which is the application's own.
    pub(super) fn finish(&mut self) -> PyResult<Bound<'py, PyDict>> {
        if self.set != self.held {
            self.remove_rest()?;
        }
        self.environ.copy()
    }

    /// Removes what only requests before had.
    fn remove_rest(&mut self) -> PyResult<()> {
        for entry in self.entries.iter_mut().filter(|entry| entry.held != Held::Nothing && entry.serial != self.serial) {
            self.environ.del_item(&entry.key)?;
            entry.held = Held::Nothing;
            self.held -= 1;
        }
        Ok(())
    }
}

/// Longer values are made anew each time.
const MAX_REMEMBERED: usize = 256;
