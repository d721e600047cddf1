//! `cargo xtask tidy`: checks of the tree that no compiler makes.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod tidy;

use std::{path::Path, process::ExitCode};

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
        _ => {
            eprintln!("usage: cargo xtask tidy");
            ExitCode::from(2)
        }
    }
}
