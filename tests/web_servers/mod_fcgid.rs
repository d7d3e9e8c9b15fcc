//! What Apache's mod_fcgid needs to start pyfcgid itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shipped::Shipped;
use crate::web_server::{Place, permit};

/// The program, the application and the sockets, where the user that Apache becomes can reach them.
#[derive(Debug)]
pub(crate) struct Installed {
    place: Place,
}

impl Installed {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let module = Path::new("/usr/lib/apache2/modules/mod_fcgid.so");
        assert!(module.exists(), "{} is not there (Debian package: libapache2-mod-fcgid)", module.display());
        let place = Place::new();
        let program = place.path().join("pyfcgid");
        fs::copy(env!("CARGO_BIN_EXE_pyfcgid"), &program).expect("room for the program");
        permit(&program, 0o755);
        fs::create_dir(place.path().join("sockets")).expect("a directory");
        permit(&place.path().join("sockets"), 0o777);
        Self { place }
    }

    /// A copy of an application or another file.
    #[track_caller]
    pub(crate) fn copy(&self, file: &Path) -> PathBuf {
        let copy = self.place.path().join(file.file_name().expect("a file"));
        fs::copy(file, &copy).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        permit(&copy, 0o644);
        copy
    }

    /// A program without arguments that runs this one with some.
    #[track_caller]
    pub(crate) fn script(&self, arguments: &str) -> PathBuf {
        let command = format!("#!/bin/sh\nexec {} {arguments}\n", self.program().display());
        let script = self.place.write("authorizer", &command);
        permit(&script, 0o755);
        script
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.place.path().join("pyfcgid")
    }

    /// The site with its sockets here, and this variable in the environment of what it starts.
    #[track_caller]
    pub(crate) fn site(&self, file: Shipped, name: &str, value: &Path) -> Shipped {
        let sockets = self.place.path().join("sockets");
        let own = format!(
            "FcgidIPCDir \"{0}\"\nFcgidProcessTableFile \"{0}/table\"\nFcgidInitialEnv PYTHONDONTWRITEBYTECODE 1\nFcgidInitialEnv PYFCGID_PASS_ENV PYTHONDONTWRITEBYTECODE,{name}\n\
             FcgidInitialEnv {name} \"{1}\"\n<VirtualHost *:80>",
            sockets.display(),
            value.display()
        );
        file.replace("<VirtualHost *:80>", &own)
    }
}
