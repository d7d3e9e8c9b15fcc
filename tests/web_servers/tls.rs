//! A self-signed certificate, and a browser that accepts it.

use std::path::PathBuf;
use std::process::Command;

use crate::web_server::{Place, find_program};

/// A key and its certificate for `example.com`, in a directory of their own.
#[derive(Debug)]
pub(crate) struct Certificate(Place);

impl Certificate {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let certificate = Self(Place::new());
        let output = Command::new(find_program("openssl", "openssl"))
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=example.com", "-out"])
            .arg(certificate.path())
            .arg("-keyout")
            .arg(certificate.key_path())
            .output()
            .expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        certificate
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }
}

/// Fetches a page over HTTPS and returns its body, which must be JSON.
#[track_caller]
pub(crate) fn fetch_json(port: u16, target: &str) -> serde_json::Value {
    let output = Command::new(find_program("curl", "curl"))
        .args(["--silent", "--show-error", "--fail", "--insecure", "--max-time", "30", "--noproxy", "*"])
        .arg(format!("https://127.0.0.1:{port}{target}"))
        .output()
        .expect("curl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
