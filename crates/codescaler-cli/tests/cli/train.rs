//! Training in miniature: tokenizer, policy, preferences, reward model, scores; killed and resumed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use codescaler_report::tensorboard::{events, scalars};
use expect_test::{Expect, expect};
use serde_json::{Value as Json, json};

use crate::{codescaler, folder, transcript, write_pool};

const TOKENIZER: &str = "train tokenizer --quiet --data . --vocab 270 --out tokenizer";
/// A policy of one block on the pool's programs.
pub(crate) const POLICY: &str = "train policy --quiet --base tokenizer --width 128 --layers 1 --data . \
                      --epochs 30 --tokens-per-step 256 --rate 3e-3 --checkpoint-every 0 --out policy";
/// Preferences of the pool.
pub(crate) const PAIRS: &str = "curate pairs --quiet --problems problems.jsonl --candidates candidates.jsonl \
                     --unaligned-share 0 --sources any --any-length --out pairs.jsonl";
/// A reward model on them.
pub(crate) const REWARD: &str = "train reward --quiet --base policy --problems problems.jsonl \
                      --preferences pairs.jsonl --epochs 8 --tokens-per-step 256 --rate 3e-3 \
                      --checkpoint-every 0 --out rm";

/// Runs a command that must succeed.
#[track_caller]
pub(crate) fn run(folder: &Path, command: &str) {
    let said = transcript(folder, command);
    assert_eq!(said.lines().last(), Some("exit 0"), "{said}");
}

/// A folder with a pool, a tokenizer and what `stages` make.
pub(crate) fn prepared(name: &str, stages: &[&str]) -> PathBuf {
    let folder = folder(name);
    write_pool(&folder, 12);
    run(&folder, TOKENIZER);
    for stage in stages {
        run(&folder, stage);
    }
    folder
}

fn losses(folder: &Path, of: &str) -> Vec<f64> {
    let text = fs::read_to_string(folder.join(of).join("steps.jsonl")).unwrap();
    let loss = |line: &str| serde_json::from_str::<Json>(line).unwrap()["loss"].as_f64().unwrap();
    text.lines().map(loss).collect()
}

#[test]
fn from_programs_to_a_reward_model_that_prefers_the_right_ones() {
    let folder = prepared("train-whole", &[POLICY, PAIRS, REWARD]);
    for of in ["policy", "rm"] {
        let losses = losses(&folder, of);
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!(last < 0.7 * first, "{of}: {losses:?}");
    }
    run(
        &folder,
        "score --quiet --reward-model rm --problems problems.jsonl --candidates candidates.jsonl \
         --out scores.jsonl",
    );
    let read = |name: &str| -> Vec<Json> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (scores, labels) = (read("scores.jsonl"), read("labels.jsonl"));
    let of = |right: bool| {
        let both = scores.iter().zip(&labels).filter(|(_, label)| label["passed"] == right);
        both.filter_map(|(score, _)| score["score"].as_f64()).collect::<Vec<f64>>()
    };
    let mean = |scores: Vec<f64>| scores.iter().sum::<f64>() / scores.len() as f64;
    assert!(mean(of(true)) > mean(of(false)) + 0.5);
}

/// Runs a training, kills it again and again after a step or a few, and compares with one that
/// nobody killed.
#[track_caller]
pub(crate) fn check_kills(name: &str, stages: &[&str], command: &str, out: &str) -> PathBuf {
    let whole = prepared(&format!("train-{name}-whole"), stages);
    run(&whole, command);
    let killed = prepared(&format!("train-{name}-killed"), stages);
    for lines in [0, 1, 4, 9] {
        let mut child = codescaler(&killed, command).stdout(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let log = killed.join(out).join("steps.jsonl");
        let stands = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
        while stands() < lines && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "no {lines} steps after a minute");
            thread::sleep(Duration::from_micros(200));
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    run(&killed, command);
    for file in ["model.safetensors", "steps.jsonl", "config.json", "tokenizer.json"] {
        let read = |folder: &Path| fs::read(folder.join(out).join(file)).unwrap();
        assert!(read(&killed) == read(&whole), "{file} differs");
    }
    assert!(!killed.join(out).join("checkpoint.safetensors").exists());
    whole
}

#[test]
fn a_killed_policy_resumes_to_the_same_bits() {
    check_kills("policy", &[], POLICY, "policy");
}

#[test]
fn a_policy_for_many_samples_learns_otherwise() {
    let folder = prepared("train-pass-at", &[]);
    let learn = |options: &str, out: &str| {
        run(&folder, &(POLICY.replace("--out policy", &format!("--out {out}")) + options));
        fs::read_to_string(folder.join(out).join("steps.jsonl")).unwrap()
    };
    let plain = learn("", "plain");
    assert_eq!(learn(" --pass-at 1 --confidence line", "one"), plain, "1 is cross-entropy");
    for confidence in ["answer", "line", "token-mean"] {
        let options = format!(" --pass-at 4096 --confidence {confidence}");
        assert_ne!(learn(&options, confidence), plain);
        let losses = losses(&folder, confidence);
        assert!(losses[losses.len() - 1] < 0.7 * losses[0], "{confidence}: {losses:?}");
    }
    let said = transcript(&folder, "train policy --base tokenizer --data . --pass-at 0 --out p");
    assert!(said.contains("invalid value '0' for '--pass-at <PASS_AT>'"), "{said}");
}

#[test]
fn a_killed_unit_scaled_policy_resumes_to_the_same_bits() {
    let command = POLICY.replace("--rate 3e-3", "--rate 0.5 --parametrization u-mup");
    check_kills("u-mup", &[], &command, "policy");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("train-u-mup-whole");
    let config = fs::read_to_string(folder.join("policy/config.json")).unwrap();
    assert!(config.contains("\"tie_word_embeddings\": false"), "{config}");
    check(
        &folder,
        "train policy --base policy --parametrization u-mup --data . --out p",
        &expect![[r#"
            codescaler: error: --parametrization says how a decoder from nothing starts, and --base has weights: leave it out
            exit 2
        "#]],
    );
}

/// Comments, layout and names change no bit of a score, and what is trained further reads so, too.
#[test]
fn a_reward_model_of_canonical_programs_reads_no_comments() {
    let canonical = format!("{REWARD} --programs canonical");
    let folder = prepared("train-canonical", &[POLICY, PAIRS, &canonical]);
    run(&folder, &REWARD.replace("--base policy", "--base rm").replace("--out rm", "--out again"));
    let problems = fs::read_to_string(folder.join("problems.jsonl")).unwrap();
    let problem: Json = serde_json::from_str(problems.lines().nth(1).unwrap()).unwrap();
    let programs = ["def f(n):\n    return n + 1\n", "def f( m ):\n  # Right.\n  return (m+1)\n"];
    let mut lines = vec![json!({"format": "codescaler/candidates", "version": 1})];
    lines.extend(programs.iter().enumerate().map(|(index, program)| {
        json!({"problem": problem["id"], "index": index, "program": program, "language": "python"})
    }));
    let lines: Vec<String> = lines.iter().map(Json::to_string).collect();
    fs::write(folder.join("two.jsonl"), lines.join("\n") + "\n").unwrap();
    for of in ["rm", "again"] {
        let config = fs::read_to_string(folder.join(of).join("config.json")).unwrap();
        assert!(config.contains("\"codescaler_programs\": \"canonical\""), "{config}");
        run(
            &folder,
            &format!(
                "score --quiet --reward-model {of} --problems problems.jsonl --candidates two.jsonl \
                 --out {of}.jsonl"
            ),
        );
        let text = fs::read_to_string(folder.join(format!("{of}.jsonl"))).unwrap();
        let scores = text.lines().skip(1).map(|line| {
            let score: Json = serde_json::from_str(line).unwrap();
            score["score"].as_f64().unwrap()
        });
        let scores: Vec<f64> = scores.collect();
        assert!(scores.len() == 2 && scores[0].to_bits() == scores[1].to_bits(), "{scores:?}");
    }
}

#[test]
fn a_killed_reward_model_resumes_to_the_same_bits() {
    check_kills("reward", &[POLICY, PAIRS], REWARD, "rm");
}

#[test]
fn killed_adapters_resume_to_the_same_bits() {
    let command = format!("{REWARD} --lora-rank 2 --every-token 0.5 --group 8");
    check_kills("adapters", &[POLICY, PAIRS], &command, "rm");
}

#[test]
fn an_event_file_has_each_step_once() {
    let folder = prepared("train-events", &[]);
    let steps = || -> Vec<u64> {
        let file = fs::read(folder.join("board/events.out.tfevents.codescaler")).unwrap();
        events(&file).into_iter().map(|(step, _)| step).collect()
    };
    let log = folder.join("policy/steps.jsonl");
    let n = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let command = POLICY.replace("--epochs 30", "--epochs 10") + " --tensorboard board";
    for lines in [3, 7] {
        let mut child = codescaler(&folder, &command).stdout(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while n() < lines && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "no {lines} steps after a minute");
            thread::sleep(Duration::from_micros(200));
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    // As a training leaves it that was killed behind its checkpoint, in the middle of an event.
    let path = folder.join("board/events.out.tfevents.codescaler");
    let mut file = fs::read(&path).unwrap();
    file.extend(scalars(0.0, 1_000_000, &[("loss".to_owned(), 0.0)]));
    file.extend([1, 2, 3]);
    fs::write(&path, file).unwrap();
    run(&folder, &command);
    let expected: Vec<u64> = (0..=n() as u64).collect();
    assert_eq!(steps(), expected, "the file's version, then every step");
    fs::remove_dir_all(folder.join("board")).unwrap();
    run(&folder, "report policy --tensorboard board");
    assert_eq!(steps(), expected);
}

#[track_caller]
fn check(folder: &Path, command: &str, expected: &Expect) {
    expected.assert_eq(&transcript(folder, command));
}

#[test]
fn bad_input_is_named() {
    let folder = prepared("train-bad", &[]);
    check(
        &folder,
        "train policy --base tokenizer --out p",
        &expect![[r#"
        codescaler: error: nothing to learn from: give --data, --corpus or --conversations
        exit 2
    "#]],
    );
    check(
        &folder,
        "train policy --base none --data . --out p",
        &expect![[r#"
        codescaler: error: --base has no usable tokenizer: cannot load none/tokenizer.json: no such file; a directory to load has config.json, model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that holds the chat template, chat_template.jinja
        exit 2
    "#]],
    );
    check(
        &folder,
        "train policy --base tokenizer --lora-rank 4 --data . --out p",
        &expect![[r#"
        codescaler: error: --lora-rank trains beside weights, and --base has none: leave it out
        exit 2
    "#]],
    );
    check(
        &folder,
        "train policy --base tokenizer --width 100 --data . --out p",
        &expect![[r#"
        codescaler: error: --width must be a multiple of 128, --layers at least 1
        exit 2
    "#]],
    );
    check(
        &folder,
        "train tokenizer --quiet --data . --vocab 90000 --out t",
        &expect![[r#"
        0 texts of code, 21 programs of 3 problems, 0 conversations; dropped as held out: 0 problems, 0 programs
        codescaler: error: --vocab does not fit: change it, or give more texts: the texts give 279 tokens, not the 90000 asked for
        exit 2
    "#]],
    );
    check(
        &folder,
        TOKENIZER,
        &expect![[r#"
        codescaler: error: tokenizer exists: delete it or name another output
        exit 2
    "#]],
    );
    fs::write(folder.join("corpus.jsonl"), "{\"code\":\"x = 1\"}\n{\"cod\":1}\n").unwrap();
    check(
        &folder,
        "train tokenizer --quiet --corpus corpus.jsonl --out t",
        &expect![[r#"
        codescaler: error: corpus.jsonl line 2: no text under code, text, content or sols
        exit 2
    "#]],
    );
}

#[test]
fn what_a_reward_model_lacks_is_named() {
    let folder = prepared("train-lacks", &[]);
    check(
        &folder,
        "train reward --out r",
        &expect![[r#"
        codescaler: error: --kind decoder needs --base: a directory with weights
        exit 2
    "#]],
    );
    check(
        &folder,
        "train reward --base tokenizer --problems problems.jsonl --preferences p.jsonl --out r",
        &expect![[r#"
            codescaler: error: tokenizer is no directory to start from: cannot load tokenizer/config.json: no such file; a directory to load has config.json, model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, tokenizer_config.json and, unless that holds the chat template, chat_template.jinja
            exit 2
        "#]],
    );
    check(
        &folder,
        "train reward --kind linear --out r",
        &expect![[r#"
        codescaler: error: --kind linear needs --data: a folder as import writes it
        exit 2
    "#]],
    );
    check(
        &folder,
        "train policy --quiet --base tokenizer --data . --out tokenizer",
        &expect![[r#"
        0 texts of code, 21 programs of 3 problems, 0 conversations; dropped as held out: 0 problems, 0 programs
        4496896 parameters, 345 tokens, 1 steps
        codescaler: error: tokenizer exists and is no training: name another output
        exit 2
    "#]],
    );
}
