//! Completions for shells.

use clap_complete::{Shell, generate};
use pyfcgid::cli;

/// For each shell: the path below the directory, by the name under which that shell looks for it, and the text.
pub fn all() -> Vec<(&'static str, String)> {
    let of = |shell: Shell| {
        let mut text = Vec::new();
        generate(shell, &mut cli::parser(), "pyfcgid", &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    vec![
        ("completions/pyfcgid.bash", of(Shell::Bash)),
        ("completions/_pyfcgid", of(Shell::Zsh)),
        ("completions/pyfcgid.fish", of(Shell::Fish)),
    ]
}
