//! Reinforcement learning in miniature: rewards by tests and by a reward model, killed and resumed.

use std::{fs, path::Path};

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::{
    train::{PAIRS, POLICY, REWARD, check_kills, prepared, run},
    transcript,
};

/// Bare programs are what the pool's policy writes.
const RL: &str = "train rl --quiet --policy policy --problems problems.jsonl --extraction whole \
                  --prompts 2 --group 8 --completion-tokens-max 48 --rate 1e-3 --warmup-updates 1 \
                  --held-out problems.jsonl --held-out-samples 2 --checkpoint-every 0 --out rl";

fn lines(folder: &Path, out: &str) -> Vec<Json> {
    let text = fs::read_to_string(folder.join(out).join("steps.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A policy that writes any program of the pool learns to write those for the one problem.
#[test]
fn rewards_rise() {
    let folder = prepared("rl-rewards", &[&POLICY.replace("--epochs 30", "--epochs 200")]);
    let text = fs::read_to_string(folder.join("problems.jsonl")).unwrap();
    let first: Vec<&str> = text.split_inclusive('\n').take(2).collect();
    fs::write(folder.join("problems.jsonl"), first.concat()).unwrap();
    let rl = RL.replace("--rate 1e-3", "--rate 5e-4");
    for (out, options) in [("rl", ""), ("rl-2", "--estimator reinforce++ --updates 2")] {
        let options =
            format!("--reward fraction --seed 2 --steps 24 --held-out-every 24 {options}");
        run(&folder, &rl.replace("--out rl", &format!("{options} --out {out}")));
        let lines = lines(&folder, out);
        let reward = |line: &Json| line["reward"].as_f64().unwrap();
        let mean = |part: &[Json]| part.iter().map(reward).sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&lines[..6]), mean(&lines[18..]));
        assert!(last > first + 0.2, "{options}: {first} {last}");
        assert_eq!(lines[0]["held_out"]["k"], 2);
        assert!(folder.join(out).join("best/model.safetensors").exists());
        assert!(folder.join(out).join("report.html").exists());
    }
    // The policy that was written samples and runs as any other.
    run(
        &folder,
        "eval policy --quiet --policy rl --problems problems.jsonl --extraction whole --samples 2 \
         --completion-tokens-max 48 --out sampled",
    );
    assert!(folder.join("sampled/labels.jsonl").exists());
}

#[test]
fn a_killed_training_by_tests_resumes_to_the_same_bits() {
    let command = format!(
        "{RL} --reward execution --steps 7 --held-out-every 3 --updates 2 --batches-max 3 \
         --estimator dr-grpo --mean constant --overlong-tokens 8"
    );
    check_kills("rl-tests", &[POLICY], &command, "rl");
}

#[test]
fn a_killed_training_by_a_reward_model_resumes_to_the_same_bits() {
    let command = format!(
        "{RL} --reward hybrid --executed-share 0.5 --reward-model rm --steps 6 --held-out-every 2 \
         --estimator reinforce++ --lora-rank 2 --on-alarm stop"
    );
    check_kills("rl-hybrid", &[POLICY, PAIRS, REWARD], &command, "rl");
}

#[test]
fn bad_options_are_named() {
    let folder = prepared("rl-bad", &[POLICY]);
    let check = |options: &str, expected: Expect| {
        let command = format!("train rl --quiet --policy policy --out rl {options}");
        expected.assert_eq(&transcript(&folder, &command));
    };
    check(
        "--problems problems.jsonl --group 1",
        expect![[r#"
        codescaler: error: --steps, --prompts, --updates and --batches-max are at least 1, --group at least 2
        exit 2
    "#]],
    );
    check(
        "--problems problems.jsonl --updates 17",
        expect![[r#"
        codescaler: error: --updates splits the problems of a step: at most --prompts
        exit 2
    "#]],
    );
    check(
        "--problems problems.jsonl --temperature 0",
        expect![[r#"
        codescaler: error: --temperature is above zero, --top-p above zero and at most 1, --completion-tokens-max at least 1
        exit 2
    "#]],
    );
    check(
        "--problems problems.jsonl --on-alarm stop",
        expect![[r#"
        codescaler: error: --on-alarm needs --held-out: problems to watch on
        exit 2
    "#]],
    );
    check(
        "--problems problems.jsonl --reward-model nowhere",
        expect![[r#"
        codescaler: error: cannot open nowhere: No such file or directory (os error 2)
        exit 2
    "#]],
    );
    let text = fs::read_to_string(folder.join("problems.jsonl")).unwrap();
    let hidden = text.replace("\"visible\"", "\"unseen\"");
    fs::write(folder.join("hidden.jsonl"), hidden).unwrap();
    check(
        "--problems hidden.jsonl --reward execution",
        expect![[r#"
        codescaler: error: problem "add" has no visible tests to reward with (hidden ones are for measuring): leave it out, or use --reward hybrid or reward-model
        exit 2
    "#]],
    );
    fs::remove_file(folder.join("policy/generation_config.json")).unwrap();
    check(
        "--problems problems.jsonl --reward execution",
        expect![[r#"
        231680 parameters, 3 problems, 100 steps of 16 x 8 completions
        codescaler: error: policy: no eos_token_id in generation_config.json or config.json, so no completion would end: write {"eos_token_id": [...]} into its generation_config.json
        exit 2
    "#]],
    );
}
