//! `cargo xtask tidy`: checks of the tree that no compiler makes.
//! `cargo xtask fixtures PYTHON`: the decoder's fixtures anew, in an environment with PyTorch.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod links;
mod tidy;

use std::{
    path::Path,
    process::{Command, ExitCode},
};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => match tidy::check(root) {
            Ok(complaints) if complaints.is_empty() => {
                println!("tidy: nothing to complain about");
                ExitCode::SUCCESS
            }
            Ok(complaints) => {
                for complaint in &complaints {
                    eprintln!("{complaint}");
                }
                eprintln!("tidy: {} complaints", complaints.len());
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("tidy: {error}");
                ExitCode::from(3)
            }
        },
        Some("fixtures") => match std::env::args().nth(2) {
            Some(python) => fixtures(root, &python),
            None => {
                eprintln!(
                    "fixtures: name the Python of an environment with bench/parity/requirements.txt"
                );
                ExitCode::from(2)
            }
        },
        _ => {
            eprintln!("usage: cargo xtask tidy | fixtures PYTHON");
            ExitCode::from(2)
        }
    }
}

/// Writes the tiny reward models again, with what the reference framework says about them.
#[expect(
    clippy::disallowed_methods,
    reason = "a script of this repository, not a program to judge"
)]
fn fixtures(root: &Path, python: &str) -> ExitCode {
    for script in ["make.py", "training.py", "policy_gradient.py"] {
        let script = root.join("crates/codescaler-nn/fixtures").join(script);
        match Command::new(python).arg(&script).status() {
            Ok(status) if status.success() => {}
            Ok(status) => {
                eprintln!("fixtures: {} ended with {status}", script.display());
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("fixtures: cannot run {python}: {error}");
                return ExitCode::from(3);
            }
        }
    }
    ExitCode::SUCCESS
}
