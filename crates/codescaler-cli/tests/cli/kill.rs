//! Kill -9 at any moment, run the same command again: the files are those of an uninterrupted run.

use std::{
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::{codescaler, folder, transcript, write_pool};

const EXEC: &str = "exec --problems problems.jsonl --candidates candidates.jsonl --suite hidden \
                    --out x.jsonl --quiet --allow-weak-isolation";

/// Runs `exec`, kills it once `n_lines` stand in its output, and cuts `n_cut` bytes off the end as
/// a crash of the system could.
fn killed(folder: &Path, n_lines: usize, n_cut: u64) {
    let mut child = codescaler(folder, EXEC).stdout(Stdio::null()).spawn().unwrap();
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

#[test]
fn exec_resumes_to_the_same_bytes() {
    let whole = folder("kill-whole");
    write_pool(&whole, 40);
    assert_eq!(transcript(&whole, EXEC).lines().last(), Some("exit 0"));
    let expected = fs::read(whole.join("x.jsonl")).unwrap();

    let resumed = folder("kill-resumed");
    write_pool(&resumed, 40);
    for (n_lines, n_cut) in [(0, 0), (1, 3), (5, 0), (30, 7), (80, 200), (100, 1)] {
        killed(&resumed, n_lines, n_cut);
    }
    assert_eq!(transcript(&resumed, EXEC).lines().last(), Some("exit 0"));
    assert_eq!(fs::read(resumed.join("x.jsonl")).unwrap(), expected);
    assert!(!resumed.join("x.jsonl.part").exists());
}
