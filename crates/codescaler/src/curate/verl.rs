//! Rows for reinforcement learning with verl: what a policy is asked, and what decides its reward.

use serde_json::{Value as Json, json};

use crate::{
    problem::{Entry, Problem, Test},
    prompt::reward_prompt,
};

/// The row of a problem, in the columns of verl's own data scripts ("Prepare Data for
/// Post-Training" in its documentation; read in `rl_dataset.py` of verl 0.9.1).
///
/// `prompt` are the messages of the conversation so far. `reward_model.ground_truth` is what
/// verl's scorers of code read: the tests as JSON in a text, in the form of APPS. They are the
/// visible ones: hidden tests reach no reward. `extra_info.problem` is what our adapter for verl
/// scores answers by.
pub fn row(problem: &Problem, prompt: Json, split: &str, index: usize) -> Json {
    let source = problem.meta.source.as_deref().unwrap_or("problems");
    json!({
        "data_source": format!("codescaler/{source}"),
        "prompt": prompt,
        "ability": "code",
        "reward_model": {"style": "rule", "ground_truth": tests(problem).to_string()},
        "extra_info": {
            "split": split, "index": index, "problem_id": problem.id,
            "language": problem.language.name(), "problem": reward_prompt(problem),
        },
    })
}

/// The visible tests: `inputs` and `outputs`, with `fn_name` where a function is called (an
/// argument per line, as JSON); or `assert_case`, where tests are code alone. A test with a value
/// that JSON cannot say is left out.
fn tests(problem: &Problem) -> Json {
    let visible = &problem.tests.visible;
    let said = |test: &Test| match test {
        Test::Stdio { stdin, stdout, .. } => Some((stdin.clone(), stdout.clone())),
        Test::Call { args, expected, .. } => {
            let lines: Option<Vec<String>> =
                args.iter().map(|arg| Some(arg.to_plain_json()?.to_string())).collect();
            Some((lines?.join("\n"), expected.to_plain_json()?.to_string()))
        }
        Test::Script { .. } => None,
    };
    let code = |test: &Test| match test {
        Test::Script { code } => Some(code.clone()),
        Test::Stdio { .. } | Test::Call { .. } => None,
    };
    let asserts: Vec<String> = visible.iter().filter_map(code).collect();
    if !asserts.is_empty() && asserts.len() == visible.len() {
        return json!({"assert_case": asserts});
    }
    let (inputs, outputs): (Vec<_>, Vec<_>) = visible.iter().filter_map(said).unzip();
    match &problem.entry {
        Entry::Function { name } | Entry::Method { name, .. } => {
            json!({"inputs": inputs, "outputs": outputs, "fn_name": name})
        }
        Entry::Stdio | Entry::Script => json!({"inputs": inputs, "outputs": outputs}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{language::Language, problem::Tests, value::Value};

    #[track_caller]
    fn check(entry: Entry, visible: &[Json], expected: &Json) {
        let test = |json: &Json| serde_json::from_value(json.clone()).unwrap();
        let hidden = vec![Test::Script { code: "assert secret".to_owned() }];
        let tests = Tests { visible: visible.iter().map(test).collect(), hidden };
        let asked = Problem::asked("p".to_owned(), "Add.".to_owned(), Language::Python);
        let row = row(&Problem { entry, tests, ..asked }, json!([]), "train", 0);
        assert!(!row.to_string().contains("secret"), "{row}");
        let truth = row["reward_model"]["ground_truth"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Json>(truth).unwrap(), *expected);
    }

    #[test]
    fn tests_as_the_scorers_of_verl_read_them() {
        let text = json!({"stdin": "1 2\n", "stdout": "3\n"});
        check(Entry::Stdio, &[text], &json!({"inputs": ["1 2\n"], "outputs": ["3\n"]}));
        let tuple = Value::Tuple(vec![Value::Int(1), Value::Str("a\n".to_owned())]).to_json();
        let calls = [
            json!({"args": [tuple, null], "expected": [1.5]}),
            json!({"args": [{"$set": [1]}], "expected": 0}),
        ];
        let function = || Entry::Function { name: "f".to_owned() };
        let inputs = json!(["[1,\"a\\n\"]\nnull"]);
        check(function(), &calls, &json!({"inputs": inputs, "outputs": ["[1.5]"], "fn_name": "f"}));
        let code = [json!({"code": "assert f() == {1}"})];
        check(function(), &code, &json!({"assert_case": ["assert f() == {1}"]}));
        check(Entry::Script, &[], &json!({"inputs": [], "outputs": []}));
    }
}
