//! Compiles what runs outside this library's process: the native part of a zygote, and the launcher.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told by the environment what to do"
)]

use std::{env, path::PathBuf, process::Command};

const SOURCES: [&str; 4] =
    ["src/native/fork.rs", "src/native/launcher.rs", "src/native/sys.rs", "src/native/zygote.rs"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    compile("src/native/zygote.rs", "zygote.so", &["--crate-type=cdylib", "-Clink-arg=-nostdlib"]);
    compile("src/native/launcher.rs", "launcher", &["--crate-type=bin"]);
}

fn compile(source: &str, output: &str, options: &[&str]) {
    let variable = |name: &str| env::var(name).expect("cargo sets it for build scripts");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args(["--edition=2024", "--target", &variable("TARGET"), source])
        .args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"])
        .args(options)
        .arg("-o")
        .arg(PathBuf::from(variable("OUT_DIR")).join(output));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let status = rustc.status().expect("the compiler that compiles this starts");
    assert!(status.success(), "{source} does not compile");
}
