//! Tells the binary which commit it was built from, for provenance.

use std::{fs, path::Path};

fn main() {
    let git = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.git");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", git.join("HEAD").display());
    let commit = commit(&git).unwrap_or_else(|| "unknown commit".to_owned());
    println!("cargo::rustc-env=CODESCALER_COMMIT={commit}");
}

/// The commit that `HEAD` points to: itself, a loose reference or a packed one.
fn commit(git: &Path) -> Option<String> {
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else {
        return Some(head.trim().to_owned());
    };
    println!("cargo::rerun-if-changed={}", git.join(reference).display());
    if let Ok(loose) = fs::read_to_string(git.join(reference)) {
        return Some(loose.trim().to_owned());
    }
    let packed = fs::read_to_string(git.join("packed-refs")).ok()?;
    let line = packed.lines().find(|line| line.ends_with(reference))?;
    line.split(' ').next().map(str::to_owned)
}
