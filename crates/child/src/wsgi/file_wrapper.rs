//! `wsgi.file_wrapper`: a file-like object as a response. A real file goes out by sendfile(2).

use std::fs::File;
use std::os::fd::RawFd;

use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;

use shared::sys;

/// Iterates over a file-like object in blocks. Attributes it does not have are the file's.
#[pyclass(frozen, module = "pyfcgid")]
pub(super) struct FileWrapper {
    file: Py<PyAny>,
    block_size: isize,
}

/// A part of a real file: from `offset`, `length` bytes, to its end.
pub(super) struct FilePart {
    pub(super) file: File,
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl FileWrapper {
    /// The rest of the file from where it stands, if it is a real file opened for reading bytes. Only the very types of the `io`
    /// module count: a decompressing file has a descriptor as well, but of other bytes.
    pub(super) fn real_file(&self, py: Python<'_>) -> PyResult<Option<FilePart>> {
        let mut file = self.file.bind(py).clone();
        let io = py.import(intern!(py, "io"))?;
        let is_temporary = file.get_type().name()? == "_TemporaryFileWrapper";
        if is_temporary {
            file = file.getattr(intern!(py, "file"))?;
        }
        let kind = file.get_type();
        let is_file = kind.is(&io.getattr(intern!(py, "BufferedReader"))?) && {
            let raw = file.getattr(intern!(py, "raw"))?;
            raw.get_type().is(&io.getattr(intern!(py, "FileIO"))?)
        };
        if !is_file && !kind.is(&io.getattr(intern!(py, "FileIO"))?) {
            return Ok(None);
        }
        let number: RawFd = file.call_method0(intern!(py, "fileno"))?.extract()?;
        let Ok(offset) = file.call_method0(intern!(py, "tell")).and_then(|offset| offset.extract::<u64>()) else {
            return Ok(None);
        };
        let file = File::from(sys::fd::duplicate(number)?);
        let about = file.metadata()?;
        // Files of /proc say that they are empty.
        Ok((about.is_file() && about.len() > 0).then(|| FilePart { length: about.len().saturating_sub(offset), file, offset }))
    }
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, block_size = 8192, /))]
    fn new(filelike: Py<PyAny>, block_size: isize) -> Self {
        Self { file: filelike, block_size }
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let block = self.file.bind(py).call_method1(intern!(py, "read"), (self.block_size,))?;
        if block.is_truthy()? { Ok(block) } else { Err(PyStopIteration::new_err(())) }
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.file.bind(py).getattr(name)
    }
}
