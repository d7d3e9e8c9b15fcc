//! Builds `crates/child`, the Python module that the program has inside, by a cargo of its own: it is another kind of artefact, and
//! cargo has no stable way to depend on one. It takes no Python to build.
//!
//! With `PYFCGID_MODULE` naming a file, that one is taken: for builds by hand, and for those who package both apart.

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=PYFCGID_MODULE");
    if env::var_os("CARGO_FEATURE_MODULE").is_none() {
        return Ok(());
    }
    let module = match env::var_os("PYFCGID_MODULE") {
        Some(path) => {
            println!("cargo:rerun-if-changed={}", Path::new(&path).display());
            std::path::absolute(path)?
        }
        None if is_looked_at_only() => PathBuf::from("/dev/null"),
        None => build()?,
    };
    println!("cargo:rustc-env=PYFCGID_MODULE_FILE={}", module.display());
    Ok(())
}

/// By clippy, which keeps what it makes apart from other builds: nobody would ever run a module that was built for it.
fn is_looked_at_only() -> bool {
    let wrapper = env::var_os("RUSTC_WORKSPACE_WRAPPER").map(PathBuf::from);
    wrapper.is_some_and(|wrapper| wrapper.file_stem() == Some(OsStr::new("clippy-driver")))
}

fn build() -> Result<PathBuf, Box<dyn Error>> {
    for source in ["crates", "python", "Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={source}");
    }
    let directory = PathBuf::from(variable("OUT_DIR")?).join("module");
    let (profile, target) = (variable("PROFILE")?, variable("TARGET")?);
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.args(["build", "--locked", "--package", "pyfcgid-child", "--lib", "--features", "python"]);
    cargo.arg("--target").arg(&target).arg("--target-dir").arg(&directory);
    cargo.arg("--profile").arg(if profile == "release" { "release" } else { "dev" });
    // The tools that look at our code have nothing to do with this build, and any Python will do.
    for name in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        cargo.env_remove(name);
    }
    cargo.env("PYO3_NO_PYTHON", "1").env_remove("PYO3_PYTHON").env("CARGO_ENCODED_RUSTFLAGS", flags(&target));
    // It is copied into memory at every start of the program.
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo").env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("the Python module cannot be built: {cargo:?}: {status}").into());
    }
    let directory_of_profile = if profile == "release" { "release" } else { "debug" };
    Ok(directory.join(target).join(directory_of_profile).join("lib_pyfcgid.so"))
}

/// Those of the program. With musl a program is static unless it is told otherwise, and nothing can be loaded that is.
fn flags(target: &OsStr) -> OsString {
    let mut flags = env::var_os("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if target.to_string_lossy().ends_with("-musl") {
        flags.push(if flags.is_empty() { "" } else { "\x1f" });
        flags.push("-Ctarget-feature=-crt-static");
    }
    flags
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo has not set {name}"))
}
