//! The analyses of `eval`: figures that a pool of known truth has, and what they refuse.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use crate::{codescaler, folder, transcript, write_pool};

const POOL: &str = "--problems problems.jsonl --candidates candidates.jsonl";

/// Three problems with eight programs each. Visible tests pass what is right, and program 6, which
/// is wrong; scores are right but for it.
fn judged(name: &str) -> PathBuf {
    let folder = folder(name);
    write_pool(&folder, 8);
    let mut scores = "{\"format\":\"codescaler/scores\",\"version\":1}\n".to_owned();
    for (id, index) in programs() {
        let score = if right(id, index) || index == 6 { 2.0 } else { -1.0 };
        writeln!(scores, "{{\"problem\":\"{id}\",\"index\":{index},\"score\":{score}}}").unwrap();
    }
    fs::write(folder.join("scores.jsonl"), scores).unwrap();
    write_visible(&folder, "visible.jsonl", |id, index| right(id, index) || index == 6);
    folder
}

fn programs() -> impl Iterator<Item = (&'static str, usize)> {
    ["add", "mul", "sub"].into_iter().flat_map(|id| (0..8).map(move |index| (id, index)))
}

fn right(id: &str, index: usize) -> bool {
    index.is_multiple_of(4) || (index % 4 == 1 && id != "sub")
}

fn write_visible(folder: &Path, name: &str, passes: impl Fn(&str, usize) -> bool) {
    let mut text = "{\"format\":\"codescaler/executions\",\"version\":1}\n".to_owned();
    for (id, index) in programs() {
        let verdict = if passes(id, index) { "pass" } else { "wrong_answer" };
        writeln!(
            text,
            "{{\"problem\":\"{id}\",\"index\":{index},\"suite\":\"visible\",\
             \"verdicts\":[\"{verdict}\"],\"protection\":\"L1\"}}"
        )
        .unwrap();
    }
    fs::write(folder.join(name), text).unwrap();
}

/// The summary of a verb that works.
#[track_caller]
fn summary(folder: &Path, args: &str) -> Json {
    let output = codescaler(folder, &format!("--json {args}")).output().unwrap();
    let (out, err) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{args}: {err}");
    let out = String::from_utf8(out).unwrap();
    serde_json::from_str(out.lines().last().unwrap()).unwrap()
}

/// The mean of an estimate in a summary.
#[track_caller]
fn check(summary: &Json, pointer: &str, expected: f64) {
    let found = summary.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {summary}"));
    let mean = found.pointer("/interval/mean").unwrap_or(found).as_f64();
    let near = mean.is_some_and(|mean| (mean - expected).abs() < 1e-9);
    assert!(near, "{pointer} is {found}, not {expected}");
}

#[track_caller]
fn refused(folder: &Path, args: &str, says: &str) {
    let found = transcript(folder, args);
    assert!(found.ends_with("exit 2\n") && found.contains(says), "{found}");
}

#[test]
fn verifiers_are_reported_on() {
    let folder = judged("laws-verifier");
    let args = format!(
        "eval verifier {POOL} --executions visible.jsonl --scores scores.jsonl --threshold 0.5 \
         --out report.json"
    );
    let found = summary(&folder, &args);
    for verifier in ["/verifiers/0", "/verifiers/1"] {
        check(&found, &format!("{verifier}/slices/all/true_positive_rate"), 1.0);
        check(&found, &format!("{verifier}/slices/all/true_negative_rate"), 11.0 / 14.0);
        check(&found, &format!("{verifier}/slices/all/precision"), 10.0 / 13.0);
        let gain = (2.0 * (0.8 - 0.5) + (2.0 / 3.0 - 0.25)) / 3.0;
        check(&found, &format!("{verifier}/slices/all/gain"), gain);
    }
    // Right and wrong pairs over all: ten right, eleven of fourteen wrong ones below, three tied.
    check(&found, "/recognition/0/auc", (11.0 + 1.5) / 14.0);
    let file: Json =
        serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(file["format"], "codescaler/analysis");
    assert_eq!(file["verifiers"], found["verifiers"]);

    let top =
        summary(&folder, &format!("eval verifier {POOL} --scores scores.jsonl --threshold top"));
    check(&top, "/verifiers/0/slices/all/true_negative_rate", 11.0 / 14.0);
    let by = summary(&folder, &format!("eval verifier {POOL} --weak-by hand"));
    check(&by, "/verifiers/0/slices/all/true_negative_rate", 1.0);
    refused(
        &folder,
        &format!("eval verifier {POOL} --threshold high"),
        "neither auto, top nor a score",
    );
    refused(
        &folder,
        &format!("eval verifier {POOL} --weak-by nobody"),
        "has no label by \"nobody\"",
    );
}

#[test]
fn resampling_ends_as_counted() {
    let folder = judged("laws-resampling");
    let args = format!(
        "eval resampling {POOL} --executions visible.jsonl --scores scores.jsonl --attempts-max 8"
    );
    let found = summary(&folder, &args);
    check(&found, "/measured/reached/0/right", (0.5 + 0.5 + 0.25) / 3.0);
    check(&found, "/measured/reached/0/wrong", 1.0 / 8.0);
    check(&found, "/measured/reached/7/right", (0.8 + 0.8 + 2.0 / 3.0) / 3.0);
    check(&found, "/measured/reached/7/abstained", 0.0);
    // Three accepted of eight are met within six.
    check(&found, "/measured/optima/0/attempts", 6.0);
    // Any of eight passes both kinds of tests; the best by score is tied with the wrong one.
    check(&found, "/false_positives/any of N (pass@N)/3/gap", 0.0);
    check(&found, "/false_positives/best by scores/3/automatic", 1.0);
    check(&found, "/false_positives/best by scores/3/gap", 1.0 - (0.8 + 0.8 + 2.0 / 3.0) / 3.0);
    let few = summary(&folder, &args.replace("--attempts-max 8", "--attempts-max 9"));
    assert_eq!(few["measured"]["reached"][0]["right"]["left_out"]["too_few"], 3);
    refused(&folder, &format!("eval resampling {POOL}"), "nothing accepts or rejects");
    refused(
        &folder,
        &format!("eval resampling {POOL} --executions visible.jsonl --costs=-1"),
        "-1 is no cost",
    );
}

#[test]
fn coverage_and_equal_compute() {
    let folder = judged("laws-coverage");
    let found = summary(&folder, &format!("eval coverage {POOL} --scores scores.jsonl --n-max 8"));
    check(&found, "/slices/all/coverage/0/1", (0.5 + 0.5 + 0.25) / 3.0);
    check(&found, "/slices/all/coverage/3/1", 1.0);
    check(&found, "/shares/0/all", (0.5 + 0.5 + 0.25) / 3.0);
    check(&found, "/base_policy/labels/flat", 0.0);
    check(&found, "/pass_until/at_limit", 0.0);
    refused(&folder, &format!("eval coverage {POOL} --gain-min 2"), "--gain-min is a share");

    let args = format!("eval compute {POOL} --scores scores.jsonl --budgets 1,8 --lambda 0");
    let found = summary(&folder, &args);
    let (one, best, any) = ("/curves/0/points/1", "/curves/1/points/1", "/curves/2/points/1");
    check(&found, &format!("{one}/estimate"), (0.5 + 0.5 + 0.25) / 3.0);
    check(&found, &format!("{best}/estimate"), (0.8 + 0.8 + 2.0 / 3.0) / 3.0);
    check(&found, &format!("{any}/estimate"), 1.0);
    refused(&folder, &format!("eval compute {POOL} --budgets 0,1"), "from 1 on");
    fs::write(folder.join("config.json"), "{\"hidden_size\": 64}").unwrap();
    refused(
        &folder,
        &format!("eval compute {POOL} --decoder config.json"),
        "has no number \"num_hidden_layers\"",
    );
}

/// What a verification says of every program, P(right).
fn write_verification(folder: &Path, name: &str, says: impl Fn(&str, usize) -> f64) {
    let mut text = "{\"format\":\"codescaler/scores\",\"version\":1}\n".to_owned();
    for (id, index) in programs() {
        let score = says(id, index);
        writeln!(text, "{{\"problem\":\"{id}\",\"index\":{index},\"score\":{score}}}").unwrap();
    }
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn generated_verifications_are_paid_for() {
    let folder = judged("laws-verifications");
    let sure = |right: bool| if right { 0.9 } else { 0.1 };
    // Each is taken in by another wrong program; their mean is taken in by none.
    write_verification(&folder, "one.jsonl", |id, index| sure(right(id, index) || index == 6));
    write_verification(&folder, "two.jsonl", |id, index| sure(right(id, index) || index == 7));
    let args = format!("eval compute {POOL} --scores scores.jsonl --budgets 8");
    let both = format!("{args} --verifications one.jsonl --verifications two.jsonl");
    // At λ = 0.5 a budget of eight pays for four samples with two verifications each: right unless
    // none of the four is.
    let found = summary(&folder, &format!("{both} --verification-lambda 0.5"));
    assert_eq!(found["splits"]["splits"][0]["samples"], 4.0);
    assert_eq!(found["splits"]["splits"][0]["verifications"], 2.0);
    let any = 1.0 - (1.0 / 70.0 + 1.0 / 70.0 + 15.0 / 70.0) / 3.0;
    check(&found, "/curves/1/points/0/estimate", any);
    // Where they cost nothing, all eight are judged, and a right one is found.
    let found = summary(&folder, &format!("{both} --verification-lambda 0"));
    check(&found, "/curves/1/points/0/estimate", 1.0);

    refused(
        &folder,
        &format!("{args} --verifications scores.jsonl"),
        "scores.jsonl: 2 for candidate 0 of \"add\" is no probability of being right",
    );
}

#[test]
fn sparse_attention_has_its_price() {
    let folder = judged("laws-kinetics");
    let config = "{\"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \
                  \"num_key_value_heads\": 2, \"intermediate_size\": 128, \"vocab_size\": 100}";
    fs::write(folder.join("config.json"), config).unwrap();
    let args = format!(
        "eval compute {POOL} --scores scores.jsonl --budgets 1,8 --decoder config.json \
         --prompt-tokens 10 --output-tokens 20"
    );
    let found = summary(&folder, &format!("{args} --attention-budget 15"));
    // Keys: 15 · 20, less half of the square of the five that the first tokens lack.
    let keys = 15.0 * 20.0 - 12.5;
    let read = |keys: f64| 562.5 * 4.0 * keys * 2.0 * 32.0 * 1e-12;
    check(&found, "/kinetics/costs/1/sparse/memory", read(8.0 * keys));
    check(&found, "/kinetics/costs/1/cost/memory", read(10.0 * 20.0 + 8.0 * 200.0));
    let all = summary(&folder, &format!("{args} --attention-budget 30 --attention-block 2"));
    // Choosing reads a key without its value, half as much, for each block of two.
    check(&all, "/kinetics/costs/0/sparse/memory", read(400.0 + 400.0 / 4.0));
    for (more, says) in [
        ("--attention-budget 0", "--attention-budget is a number of keys"),
        ("--attention-budget 8 --attention-block 9", "--attention-block is a number of keys"),
    ] {
        refused(&folder, &format!("{args} {more}"), says);
    }
}

/// A run of `solve`: who was chosen for each problem at what cost, and who is right.
fn write_run(folder: &Path, name: &str, tokens: u64, chosen: [u32; 2]) {
    let run = folder.join(name);
    fs::create_dir_all(&run).unwrap();
    let mut selections = "{\"format\":\"codescaler/selections\",\"version\":1}\n".to_owned();
    for (id, chosen) in ["a", "b"].iter().zip(chosen) {
        writeln!(
            selections,
            "{{\"problem\":\"{id}\",\"rule\":\"r\",\"chosen\":{chosen},\"ties\":[{chosen}],\
             \"cost\":{{\"tokens_out\":{tokens}}}}}"
        )
        .unwrap();
    }
    fs::write(run.join("selections.jsonl"), selections).unwrap();
    let mut labels = "{\"format\":\"codescaler/labels\",\"version\":1}\n".to_owned();
    for (id, index) in [("a", 0), ("a", 1), ("b", 0), ("b", 1)] {
        let passed = index == 1;
        writeln!(
            labels,
            "{{\"problem\":\"{id}\",\"index\":{index},\"passed\":{passed},\"by\":\"x\"}}"
        )
        .unwrap();
    }
    fs::write(run.join("labels.jsonl"), labels).unwrap();
}

#[test]
fn recorded_runs_are_compared_at_equal_cost() {
    let folder = folder("laws-runs");
    write_run(&folder, "n1", 100, [0, 0]);
    write_run(&folder, "n4", 400, [1, 0]);
    write_run(&folder, "rounds", 250, [1, 1]);
    let args = "eval runs --parallel n1 --parallel n4 --sequential rounds";
    let found = summary(&folder, args);
    // Half of the way from n1 to n4 is right a quarter of the time.
    check(&found, "/sequential_minus_parallel/0/difference", 0.75);
    check(&found, "/arise/parallel/arise", 0.5 * 0.25);
    check(&found, "/curves/0/points/1/estimate", 0.5);
    write_run(&folder, "dear", 900, [1, 1]);
    let found = summary(&folder, &args.replace("--sequential rounds", "--sequential dear"));
    assert_eq!(found["without_equal"][0], "dear");
    fs::remove_file(folder.join("n4/labels.jsonl")).unwrap();
    refused(&folder, args, "nothing says which programs of n4 are right");
}

#[test]
fn laws_are_fitted_to_tables() {
    let folder = folder("laws-fit");
    let mut text = "size,loss,prompt,seconds\n".to_owned();
    for power in 0..8_i32 {
        let size = 1e6 * 4_f64.powi(power);
        let loss = 1.5 + 40.0 * size.powf(-0.3);
        let prompt = 50.0 * f64::from(power * power) + 10.0;
        let seconds = 0.1 + 1e-3 * prompt + 0.02 * size.sqrt();
        writeln!(text, "{size},{loss},{prompt},{seconds}").unwrap();
    }
    fs::write(folder.join("points.csv"), text).unwrap();
    let args = "eval fit --points points.csv --law offset-power --x size --y loss --hold-out 2";
    let found = summary(&folder, &format!("{args} --at 1e12"));
    let at = 1.5 + 40.0 * 1e12_f64.powf(-0.3);
    assert!((found["at"][0]["y"].as_f64().unwrap() / at - 1.0).abs() < 1e-3, "{found}");
    assert_eq!(found["found"]["fitted"], 6);
    refused(&folder, &args.replace("--y loss", "--y accuracy"), "has no column \"accuracy\"");
    refused(&folder, &args.replace("--x size", "--x size,prompt"), "takes 1 columns of sizes");
    refused(&folder, &args.replace("--hold-out 2", "--hold-out 6"), "3 parameters");
    refused(&folder, &args.replace("offset-power", "task"), "pass rates between 0 and 1");
    refused(&folder, &format!("{args} --at big"), "--at \"big\" is not 1 numbers");
    let machine =
        "eval fit --points points.csv --law latency --x prompt,size --y seconds --hold-out 1";
    let found = summary(&folder, machine);
    assert_eq!(found["found"]["held_out"].as_array().unwrap().len(), 1);
    let few = machine.replace("--hold-out 1", "--hold-out 4");
    refused(&folder, &few, "4 times do not determine the five rates");
    fs::write(folder.join("bad.csv"), "size,loss\n1e6,3\n2e6,none\n").unwrap();
    refused(
        &folder,
        &args.replace("points.csv", "bad.csv"),
        "bad.csv, line 3: column \"loss\" is no number",
    );
}

#[test]
fn tests_and_sources_are_judged() {
    let folder = judged("laws-tests");
    write_visible(&folder, "again.jsonl", right);
    let args = format!("eval tests {POOL} --executions visible.jsonl");
    let found = summary(&folder, &args);
    check(&found, "/slices/all/valid", 1.0);
    check(&found, "/slices/all/suite_false_acceptance", 3.0 / 14.0);
    check(&found, "/slices/all/suite_false_rejection", 0.0);
    check(&found, "/slices/all/useful", 1.0);
    assert_eq!(found["slices"]["all"]["coverage"]["left_out"]["no_verdict"], 3);
    // Of two mutants the tests reject one.
    let mut mutants = "{\"format\":\"codescaler/candidates\",\"version\":1}\n".to_owned();
    let mut verdicts = "{\"format\":\"codescaler/executions\",\"version\":1}\n".to_owned();
    for (index, verdict) in [(100, "pass"), (101, "runtime_error")] {
        let of = format!("\"problem\":\"add\",\"index\":{index}");
        writeln!(mutants, "{{{of},\"program\":\"x = 1\",\"language\":\"python\"}}").unwrap();
        writeln!(verdicts, "{{{of},\"suite\":\"visible\",\"verdicts\":[\"{verdict}\"]}}").unwrap();
    }
    fs::write(folder.join("bugs.jsonl"), mutants).unwrap();
    refused(
        &folder,
        &format!("{args} --mutants bugs.jsonl"),
        "no program of bugs.jsonl has an execution",
    );
    fs::write(folder.join("bugs.visible.jsonl"), verdicts).unwrap();
    let with_mutants = format!("{args} --executions bugs.visible.jsonl --mutants bugs.jsonl");
    check(&summary(&folder, &with_mutants), "/slices/all/mutation_score", 0.5);
    let repeated = summary(&folder, &format!("{args} --executions again.jsonl"));
    check(&repeated, "/flaky/estimate", 3.0 / 24.0);

    refused(
        &folder,
        &format!("eval ranking {POOL}"),
        "fewer than two sources answered 20 problems",
    );
    // Of five programs, s0 wrote the even ones, most of them right; s1 the odd ones: as many right
    // as wrong, which is no answer, but both wrong for "sub".
    write_pool(&folder, 5);
    let found = summary(&folder, &format!("eval ranking {POOL} --problems-min 1"));
    let strength =
        |at: usize| found["sources"][at]["strength"]["interval"]["mean"].as_f64().unwrap();
    assert!(strength(0) > strength(1), "{found}");
    assert_eq!(found["sources"][1]["right"]["n"], 1);
}
