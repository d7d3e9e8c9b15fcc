//! Links the libpython of the Python that was found (PYO3_PYTHON, an active venv, python3), with its directory as an rpath so
//! that the binary runs as built.

fn main() {
    #[cfg(feature = "python")]
    python::link();
}

#[cfg(feature = "python")]
mod python {
    use std::path::Path;

    pub(crate) fn link() {
        println!("cargo:rerun-if-env-changed=PYO3_PYTHON");
        println!("cargo:rerun-if-env-changed=VIRTUAL_ENV");
        let config = pyo3_build_config::get();
        let executable = config.executable().unwrap_or("python3");
        let version = format!("{}.{}", config.version().major, config.version().minor);
        if !config.shared() || !has_library(config.lib_dir(), config.lib_name()) {
            println!("cargo::error=Python {version} ({executable}) has no shared library to link: {}", advice(&version));
            return;
        }
        println!("cargo:rustc-env=PYFCGID_PYTHON={executable}");
        println!("cargo:rustc-env=PYFCGID_PYTHON_VERSION={version}");
        pyo3_build_config::add_libpython_rpath_link_args();
    }

    fn has_library(directory: Option<&str>, name: Option<&str>) -> bool {
        match (directory, name) {
            (Some(directory), Some(name)) => Path::new(directory).join(format!("lib{name}.so")).exists(),
            _ => true,
        }
    }

    fn advice(version: &str) -> String {
        format!(
            "on Debian and Ubuntu install libpython{version}-dev; with pyenv build it with \
             PYTHON_CONFIGURE_OPTS=--enable-shared; or name another Python in PYO3_PYTHON"
        )
    }
}
