//! The real binary in temporary folders: what it says of bad input, and that killing it at any
//! moment loses nothing.

#![expect(clippy::disallowed_methods, reason = "these tests start our own binary")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod bench;
mod conversations;
mod curate;
mod decoder;
mod endpoints;
mod exchange;
mod kill;
mod lab;
mod laws;
mod report;
mod reward;
mod rl;
mod scaling;
mod serve;
mod shards;
mod solve;
mod train;
mod tutorial;
mod verbs;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// An empty folder of this test's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The binary, about to run in `folder`.
pub(crate) fn codescaler(folder: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_codescaler"));
    command.args(args.split_whitespace()).current_dir(folder);
    command
}

/// Runs the binary and shows its exit code, stdout and stderr.
pub(crate) fn transcript(folder: &Path, args: &str) -> String {
    let Output { status, stdout, stderr } = codescaler(folder, args).output().unwrap();
    let code = status.code().map_or_else(|| "killed".to_owned(), |code| code.to_string());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    format!("{}{}exit {code}\n", text(stdout), text(stderr))
}

/// Three problems with some right and some wrong programs each, and their labels.
pub(crate) fn write_pool(folder: &Path, candidates_per_problem: usize) {
    let mut problems = "{\"format\":\"codescaler/problems\",\"version\":1}\n".to_owned();
    let mut candidates = "{\"format\":\"codescaler/candidates\",\"version\":1}\n".to_owned();
    let mut labels = "{\"format\":\"codescaler/labels\",\"version\":1}\n".to_owned();
    for (id, operator) in [("add", "+"), ("mul", "*"), ("sub", "-")] {
        problems += &problem(id, operator);
        for index in 0..candidates_per_problem {
            let program = match index % 4 {
                0 => format!("def f(a, b):\n    return a {operator} b\n"),
                1 => format!("def f(a, b):\n    return b {operator} a  # {index}\n"),
                2 => format!("def f(a, b):\n    return a {operator} b {operator} {index}\n"),
                _ => "def f(a, b):\n    return a.\n".to_owned(),
            };
            let passed = index % 4 == 0 || (index % 4 == 1 && id != "sub");
            let program = serde_json::to_string(&program).unwrap();
            writeln!(
                candidates,
                "{{\"problem\":\"{id}\",\"index\":{index},\"program\":{program},\"language\":\"python\",\"source\":{{\"name\":\"s{}\"}}}}",
                index % 2
            )
            .unwrap();
            writeln!(
                labels,
                "{{\"problem\":\"{id}\",\"index\":{index},\"passed\":{passed},\"by\":\"hand\"}}"
            )
            .unwrap();
        }
    }
    fs::write(folder.join("problems.jsonl"), problems).unwrap();
    fs::write(folder.join("candidates.jsonl"), candidates).unwrap();
    fs::write(folder.join("labels.jsonl"), labels).unwrap();
}

fn problem(id: &str, operator: &str) -> String {
    let result = |a: i64, b: i64| match operator {
        "+" => a + b,
        "*" => a * b,
        _ => a - b,
    };
    let test = |a, b| format!("{{\"args\":[{a},{b}],\"expected\":{}}}", result(a, b));
    format!(
        "{{\"id\":\"{id}\",\"statement\":\"Return a {operator} b.\",\"language\":\"python\",\
         \"entry\":{{\"kind\":\"function\",\"name\":\"f\"}},\
         \"tests\":{{\"visible\":[{}],\"hidden\":[{},{}]}}}}\n",
        test(2, 3),
        test(5, 7),
        test(-1, 4)
    )
}
