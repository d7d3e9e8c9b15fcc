//! What a request brings along behind its variables.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Data, Error, Options};
use crate::config::Role;

/// What comes behind the variables.
pub(super) struct Input {
    /// The body, if there is one.
    pub(super) stdin: Option<Body>,
    /// The file that a filter transforms; an empty one if none was named.
    pub(super) data: Option<Body>,
}

impl Input {
    /// Opens all of it.
    pub(super) fn open(options: &Options) -> Result<Self, Error> {
        let data = match (&options.filtered, options.role) {
            (Some(path), _) => Some(Body::open_file(path)?),
            (None, Role::Filter) => Some(Body::from_bytes(Path::new("nothing"), Vec::new())),
            (None, _) => None,
        };
        Ok(Self { stdin: options.data.as_ref().map(Body::open).transpose()?, data })
    }
}

/// One stream of the request, of a known length.
pub(super) struct Body {
    /// How many bytes its variable announces.
    pub(super) length: u64,
    /// When the file was changed, in seconds since 1970, if it is one.
    pub(super) modified: Option<u64>,
    name: PathBuf,
    source: Box<dyn Read + Send>,
}

impl Body {
    /// Opens the file; what has no length of its own, such as a pipe, is read into memory first.
    pub(super) fn open(data: &Data) -> Result<Self, Error> {
        match data {
            Data::Bytes(bytes) => Ok(Self::from_bytes(Path::new("the command line"), bytes.clone())),
            Data::Stdin => Self::read_whole(Path::new("stdin"), &mut io::stdin().lock()),
            Data::File(path) => Self::open_file(path),
        }
    }

    /// Fills `content` as far as it goes; 0 is the end.
    pub(super) fn read(&mut self, content: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.source.read(content) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|error| Error::ReadBody(self.name.clone(), error)),
            }
        }
    }

    fn open_file(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::ReadBody(path.to_owned(), error);
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Self::read_whole(path, &mut file);
        }
        let length = metadata.len();
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|age| age.as_secs());
        Ok(Self { length, modified, name: path.to_owned(), source: Box::new(file.take(length)) })
    }

    fn read_whole(name: &Path, source: &mut impl Read) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|error| Error::ReadBody(name.to_owned(), error))?;
        Ok(Self::from_bytes(name, bytes))
    }

    fn from_bytes(name: &Path, bytes: Vec<u8>) -> Self {
        let length = bytes.len().try_into().unwrap_or(u64::MAX);
        Self { length, modified: None, name: name.to_owned(), source: Box::new(Cursor::new(bytes)) }
    }
}
