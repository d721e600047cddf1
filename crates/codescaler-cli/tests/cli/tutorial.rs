//! The pages for new users: what stands there as a command works as it stands.

use std::{env, fs, path::Path, process::Command};

use crate::folder;

/// The blocks of a page that are marked to be run.
fn commands(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```sh run\n").skip(1);
    let blocks = blocks.map(|rest| rest.split_once("```\n").expect("the block ends").0);
    blocks.collect()
}

#[test]
fn pages_work_as_they_stand() {
    let folder = folder("tutorial");
    let binary = Path::new(env!("CARGO_BIN_EXE_codescaler")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), env::var("PATH").unwrap());
    // Each goes on with the files of the ones before.
    for page in ["tutorial.md", "howto-trainer.md", "howto-researcher.md"] {
        let commands = commands(page);
        assert!(commands.contains("codescaler"), "{page} has commands");
        let mut shell = Command::new("sh");
        shell.args(["-eu", "-c", &commands]).current_dir(&folder).env("PATH", &path);
        let done = shell.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{page}: {said}");
    }
    for made in ["mine/report.html", "mine/selections.jsonl", "train.parquet", "rules/report.html"]
    {
        assert!(folder.join(made).exists(), "{made}");
    }
}
