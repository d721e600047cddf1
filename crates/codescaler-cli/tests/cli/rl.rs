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
         --estimator dr-grpo --mean constant --overlong-tokens 8 --improvements 2 --tests 2"
    );
    check_kills("rl-tests", &[POLICY], &command, "rl");
}

/// Thoughts that are stopped at three places, with answers from each.
#[test]
fn a_killed_training_under_budgets_resumes_to_the_same_bits() {
    let budgets = "--budgets 0,3,6 --answers 2 --group 4";
    let rl = RL.replace("--group 8", budgets);
    let command = format!("{rl} --credit progress --reward fraction --steps 5 --held-out-every 3");
    let folder = check_kills("rl-budgets", &[POLICY], &command, "rl");
    for line in lines(&folder, "rl") {
        let number = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
        assert!(number("regret") >= 0.0 && number("think_length") <= 6.0, "{line}");
        assert!((0.0..=1.0).contains(&number("think_reward")), "{line}");
    }
    let anytime = rl.replace("--out rl", "--out rl-anytime");
    run(&folder, &format!("{anytime} --credit anytime --reward execution --steps 2"));
    run(
        &folder,
        "eval policy --quiet --policy rl-anytime --problems problems.jsonl --samples 2 \
         --thinking-tokens-max 4 --completion-tokens-max 48 --out sampled",
    );
    let written = fs::read_to_string(folder.join("sampled/candidates.jsonl")).unwrap();
    let completions = written.lines().skip(1).filter(|line| line.contains("<think>\\n"));
    assert_eq!(completions.count(), 6, "{written}");
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
#[expect(clippy::too_many_lines, reason = "a table of bad input is long")]
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
        "--problems problems.jsonl --tests 1",
        expect![[r#"
        codescaler: error: --improvements and --tests compare what is written to a problem: 0, or at least 2; --parents is at least 1
        exit 2
    "#]],
    );
    check(
        "--problems problems.jsonl --budgets 8,4",
        expect![[r#"
        codescaler: error: --budgets rise and end above 0, as in 0,8,16; --answers is at least 1
        exit 2
    "#]],
    );
    check(
        "--problems problems.jsonl --budgets 4,8 --credit progress",
        expect![[r#"
        codescaler: error: --credit progress compares with answering at once: let --budgets begin with 0
        exit 2
    "#]],
    );
    check(
        "--problems problems.jsonl --budgets 4,8 --tests 2",
        expect![[r#"
        codescaler: error: --budgets goes neither with --batches-max nor with --improvements or --tests
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
        "--problems problems.jsonl --held-out problems.jsonl --on-alarm refresh",
        expect![[r#"
            codescaler: error: --on-alarm refresh goes on training the reward model: give a Hugging Face directory as --reward-model
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

/// A reward model of preferences that are the wrong way round likes what is wrong: the alarm rings,
/// and what it learns from the policy's own programs turns it round.
#[test]
fn an_alarm_refreshes_the_reward_model() {
    let flipped = PAIRS.replace("--out pairs.jsonl", "--out right.jsonl");
    let folder =
        prepared("rl-refresh", &[&POLICY.replace("--epochs 30", "--epochs 200"), &flipped]);
    let pairs = fs::read_to_string(folder.join("right.jsonl")).unwrap();
    let pairs = pairs.replace("\"chosen\"", "\"C\"").replace("\"rejected\"", "\"chosen\"");
    fs::write(folder.join("pairs.jsonl"), pairs.replace("\"C\"", "\"rejected\"")).unwrap();
    run(&folder, &REWARD.replace("--epochs 8", "--epochs 30"));
    // Many copies of the problems, so that differences are no chance.
    let text = fs::read_to_string(folder.join("problems.jsonl")).unwrap();
    let (header, problems) = text.split_once('\n').unwrap();
    let copies: String = (0..6)
        .flat_map(|copy| {
            let id = format!("{{\"id\":\"{copy}-");
            problems.lines().map(move |line| line.replacen("{\"id\":\"", &id, 1) + "\n")
        })
        .collect();
    fs::write(folder.join("many.jsonl"), format!("{header}\n{copies}")).unwrap();
    let command = RL
        .replace(
            "--held-out problems.jsonl --held-out-samples 2",
            "--held-out many.jsonl --held-out-samples 8",
        )
        // Small steps, so that the reward rises whatever the last digits are.
        .replace("--prompts 2 --group 8", "--prompts 3 --group 8")
        .replace("--rate 1e-3", "--rate 3e-4")
        + " --reward-model rm --steps 12 --held-out-every 4 --on-alarm refresh --refreshes-max 1 \
           --refresh-samples 16 --refresh-epochs 12 --refresh-rate 3e-3 --allow-weak-isolation";
    run(&folder, &command);
    let lines = lines(&folder, "rl");
    let legs: Vec<u64> = lines.iter().map(|line| line["leg"].as_u64().unwrap()).collect();
    assert_eq!(legs, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(lines[4]["held_out"]["alarm"], true);
    // It goes on from the best measurement, and what it wrote there makes the score of what it writes
    // fall.
    let (best, after) = (&lines[0]["held_out"], &lines[5]["held_out"]);
    assert!((best["pass_1"].as_f64().unwrap() - after["pass_1"].as_f64().unwrap()).abs() < 0.1);
    assert!(after["reward"].as_f64() < best["reward"].as_f64(), "{best} {after}");
    let weights = fs::read(folder.join("rl/model.safetensors")).unwrap();
    assert_eq!(weights, fs::read(folder.join("rl/leg-2/model.safetensors")).unwrap());
    // Run again, everything is there.
    run(&folder, &command);
    assert_eq!(weights, fs::read(folder.join("rl/model.safetensors")).unwrap());
}
