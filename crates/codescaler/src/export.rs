//! Our records → the result files of others: programs for their judges, verdicts and scores for
//! their tables. What can be read back, [`crate::import`] reads.

use serde_json::{Map, Value as Json, json};

use crate::{metric::Style, problem::Problem, score::Score};

/// A program for a judge of somebody else, with what ours found.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The program; empty where the answer holds none.
    pub program: &'a str,
    /// Whether it passes the benchmark's tests.
    pub passed: bool,
    /// Whether it passes EvalPlus's extended tests too.
    pub passed_extended: Option<bool>,
}

/// A line of a samples file of EvalPlus (its README, "LLM-generated code"; 0.3.1).
///
/// What the benchmark's judge puts before a program is put there: EvalPlus runs solutions as they
/// are.
pub fn evalplus_sample(problem: &Problem, program: &str) -> Json {
    json!({"task_id": task_id(problem), "solution": solution(problem, program)})
}

/// A results file of EvalPlus, as its `evaluate` writes it beside the samples and finds it again.
/// Inputs that fail are not listed, since our records do not hold them, and there is no `date`,
/// since no clock is read. `hash` says which problems were judged.
pub fn evalplus_results(problems: &[(&Problem, Vec<Judged<'_>>)], hash: &str) -> Json {
    let status = |passed: bool| if passed { "pass" } else { "fail" };
    let of = |(problem, judged): &(&Problem, Vec<Judged<'_>>)| {
        let id = task_id(problem);
        let one = |judged: &Judged<'_>| {
            json!({
                "task_id": id, "solution": solution(problem, judged.program),
                "base_status": status(judged.passed),
                "plus_status": judged.passed_extended.map(status),
                "base_fail_tests": [], "plus_fail_tests": [],
            })
        };
        (id.clone(), judged.iter().map(one).collect())
    };
    let eval: Map<String, Json> = problems.iter().map(of).collect();
    json!({"hash": hash, "eval": eval})
}

/// EvalPlus's name for a problem.
fn task_id(problem: &Problem) -> String {
    match problem.id.strip_prefix("mbpp/") {
        Some(number) => format!("Mbpp/{number}"),
        None => problem.id.clone(),
    }
}

fn solution(problem: &Problem, program: &str) -> String {
    format!("{}{program}", problem.prelude)
}

/// An element of the list that LiveCodeBench's custom evaluator reads.
pub fn livecodebench(problem: &Problem, programs: &[&str]) -> Json {
    json!({"question_id": problem.id, "code_list": programs})
}

/// An element of the list that LiveCodeBench's evaluation writes (`…_eval_all.json`, from which its
/// `compute_scores` reads): verdicts beside programs, and what its tables are divided by.
pub fn livecodebench_results(problem: &Problem, judged: &[Judged<'_>]) -> Json {
    let graded: Vec<bool> = judged.iter().map(|one| one.passed).collect();
    let n_right = graded.iter().filter(|&&right| right).count();
    let programs: Vec<&str> = judged.iter().map(|one| one.program).collect();
    let mut row = livecodebench(problem, &programs);
    row["question_title"] = json!(problem.meta.title);
    row["contest_date"] = json!(problem.meta.date.as_ref().map(|date| format!("{date}T00:00:00")));
    row["difficulty"] = json!(problem.meta.difficulty);
    row["graded_list"] = json!(graded);
    row["pass@1"] = json!(n_right as f64 / graded.len() as f64);
    row
}

/// The answers to a prompt of RM-Bench, right and wrong, in the order of [`Style::ALL`], with
/// their scores.
pub type Answers<'a> = [[(&'a str, Score); Style::ALL.len()]; 2];

/// An element of a results list of RM-Bench, as its `compute_accuracy` reads it: the dataset's
/// item with `score_chosen` and `score_rejected`.
pub fn rm_bench(problem: &Problem, [right, wrong]: &Answers<'_>) -> Json {
    let domain = problem.meta.extra.get("domain");
    let number = problem.id.rsplit('/').next().unwrap_or_default();
    let id = number.parse::<i64>().map_or_else(|_| json!(number), Json::from);
    let texts = |side: &[(&str, Score); 3]| json!(side.map(|(text, _)| text));
    let scores = |side: &[(&str, Score); 3]| json!(side.map(|(_, score)| score.get()));
    json!({
        "id": id, "prompt": problem.statement, "domain": domain,
        "chosen": texts(right), "rejected": texts(wrong),
        "score_chosen": scores(right), "score_rejected": scores(wrong),
    })
}
