//! Compiles what runs outside this library's process: the native part of a zygote.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told by the environment what to do"
)]

use std::{env, path::PathBuf, process::Command};

fn main() {
    let source = "src/python/native.rs";
    println!("cargo::rerun-if-changed={source}");
    let variable = |name: &str| env::var(name).expect("cargo sets it for build scripts");
    let out = PathBuf::from(variable("OUT_DIR")).join("native.so");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args(["--edition=2024", "--crate-type=cdylib", "--crate-name=native", source])
        .args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols", "-Clink-arg=-nostdlib"])
        .args(["--target", &variable("TARGET"), "-o"])
        .arg(out);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let status = rustc.status().expect("the compiler that compiles this starts");
    assert!(status.success(), "{source} does not compile");
}
