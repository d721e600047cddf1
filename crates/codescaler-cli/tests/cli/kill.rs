//! Kill -9 at any moment, or fill the disk, and run the same command again: the files are those of
//! an uninterrupted run.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{codescaler, folder, transcript, write_pool};

const EXEC: &str = "exec --problems problems.jsonl --candidates candidates.jsonl --suite hidden \
                    --out x.jsonl --quiet --allow-weak-isolation";

/// Runs a command, kills it once `n_lines` stand in its output, and cuts `n_cut` bytes off the end
/// as a crash of the system could.
fn killed(folder: &Path, command: &str, (n_lines, n_cut): (usize, u64)) {
    let mut child = codescaler(folder, command).stdout(Stdio::null()).spawn().unwrap();
    let part = folder.join("x.jsonl.part");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let lines =
            fs::read(&part).map_or(0, |bytes| bytes.iter().filter(|&&b| b == b'\n').count());
        if lines >= n_lines || child.try_wait().unwrap().is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "no {n_lines} lines after a minute");
        thread::sleep(Duration::from_micros(200));
    }
    let _ = child.kill();
    child.wait().unwrap();
    if let Ok(file) = fs::OpenOptions::new().write(true).open(&part) {
        let bytes = file.metadata().unwrap().len();
        file.set_len(bytes.saturating_sub(n_cut)).unwrap();
    }
}

/// Runs a command on a pool at one go, and on another after every kind of death.
fn check(name: &str, command: &str, deaths: &[(usize, u64)]) {
    let whole = folder(&format!("kill-{name}-whole"));
    write_pool(&whole, 40);
    assert_eq!(transcript(&whole, command).lines().last(), Some("exit 0"));
    let expected = fs::read(whole.join("x.jsonl")).unwrap();

    let resumed = folder(&format!("kill-{name}-resumed"));
    write_pool(&resumed, 40);
    for &death in deaths {
        killed(&resumed, command, death);
    }
    assert_eq!(transcript(&resumed, command).lines().last(), Some("exit 0"));
    assert_eq!(fs::read(resumed.join("x.jsonl")).unwrap(), expected);
    assert!(!resumed.join("x.jsonl.part").exists());
}

/// No file can have more than 512 bytes, then 1024: as on a full disk, where something is freed.
#[test]
fn a_full_disk_loses_nothing() {
    const SCORE: &str = "score --scorer linear --problems problems.jsonl --candidates candidates.jsonl --out x.jsonl --quiet";
    let (whole, full) = (folder("disk-whole"), folder("disk-full"));
    write_pool(&whole, 40);
    write_pool(&full, 40);
    assert_eq!(transcript(&whole, SCORE).lines().last(), Some("exit 0"));
    for n_blocks in [1, 2] {
        let shell = format!("trap '' XFSZ; ulimit -f {n_blocks}; exec \"$0\" {SCORE}");
        let shell = ["-c", &shell, env!("CARGO_BIN_EXE_codescaler")];
        let output = Command::new("sh").args(shell).current_dir(&full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("cannot write x.jsonl"), "{said}");
        assert!(!full.join("x.jsonl").exists());
    }
    assert_eq!(transcript(&full, SCORE).lines().last(), Some("exit 0"));
    let read = |folder: &Path| fs::read(folder.join("x.jsonl")).unwrap();
    assert_eq!(read(&full), read(&whole));
}

#[test]
fn exec_resumes_to_the_same_bytes() {
    check("exec", EXEC, &[(0, 0), (1, 3), (5, 0), (30, 7), (80, 200), (100, 1)]);
}

#[test]
fn a_decoder_resumes_to_the_same_bytes() {
    let reward_model = crate::decoder::fixture("qwen3");
    let command = format!(
        "score --problems problems.jsonl --candidates candidates.jsonl --out x.jsonl --quiet \
         --reward-model {}",
        reward_model.display()
    );
    check("decoder", &command, &[(0, 0), (1, 3), (9, 0), (31, 7), (70, 900), (100, 1)]);
}
