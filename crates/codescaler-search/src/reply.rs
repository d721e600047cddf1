//! What language models' answers say: inputs, tests, verdicts. Total functions: any text gives
//! something, if only nothing.

use codescaler::{
    inputs::Input,
    problem::{Entry, Test},
    value::Value,
};
use serde_json::Value as Json;

/// The inputs in an answer, without repetition, at most `max`; elements of another form are passed
/// over.
pub(crate) fn inputs(text: &str, entry: &Entry, max: usize) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for element in elements(text) {
        let input = match (entry, element) {
            (Entry::Stdio, Json::String(stdin)) => Input::Stdin(stdin),
            (Entry::Stdio, Json::Object(mut keys)) => match keys.remove("stdin") {
                Some(Json::String(stdin)) => Input::Stdin(stdin),
                Some(_) | None => continue,
            },
            (Entry::Function { .. } | Entry::Method { .. }, Json::Array(args)) => {
                match args.iter().map(Value::from_json).collect() {
                    Ok(args) => Input::Args(args),
                    Err(_) => continue,
                }
            }
            (Entry::Stdio | Entry::Function { .. } | Entry::Method { .. } | Entry::Script, _) => {
                continue;
            }
        };
        if inputs.len() == max {
            break;
        }
        if !inputs.contains(&input) {
            inputs.push(input);
        }
    }
    inputs
}

/// The tests in an answer, without repetition, at most `max`; elements of another form are passed
/// over.
pub fn tests(text: &str, entry: &Entry, max: usize) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for element in elements(text) {
        let Ok(test) = serde_json::from_value::<Test>(element) else { continue };
        let fits = match (&test, entry) {
            (Test::Stdio { .. }, Entry::Stdio) => true,
            (Test::Call { .. }, Entry::Function { .. } | Entry::Method { .. }) => true,
            (Test::Stdio { .. } | Test::Call { .. } | Test::Script { .. }, _) => false,
        };
        if fits && !tests.contains(&test) {
            tests.push(test);
        }
    }
    tests.truncate(max);
    tests
}

/// The texts in an answer, without repetition, at most `max`.
pub(crate) fn texts(text: &str, max: usize) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for element in elements(text) {
        if let Json::String(text) = element
            && !texts.contains(&text)
        {
            texts.push(text);
        }
    }
    texts.truncate(max);
    texts
}

/// The elements of the last JSON array in a text, whole or cut off in the middle.
fn elements(text: &str) -> Vec<Json> {
    let starts: Vec<usize> = text.match_indices('[').map(|(at, _)| at).collect();
    // The outermost array that reaches furthest: what follows it is no part of it.
    let mut best: Vec<Json> = Vec::new();
    let mut after = 0;
    for start in starts {
        if start < after {
            continue;
        }
        let (found, end) = array(&text[start..]);
        if !found.is_empty() {
            best = found;
            after = start + end;
        }
    }
    best
}

/// As many elements of the array that `text` begins with as can be read, and where they end.
fn array(text: &str) -> (Vec<Json>, usize) {
    let mut found = Vec::new();
    let mut at = 1;
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', '\r', '\t', ',']).len();
        let mut stream = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Json>();
        match stream.next() {
            Some(Ok(element)) => {
                at += stream.byte_offset();
                found.push(element);
            }
            // What is cut off has no other array after it.
            Some(Err(error)) if error.is_eof() => return (found, text.len()),
            Some(Err(_)) | None => return (found, at),
        }
    }
}

/// Which of two programs a judge prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preferred {
    /// The one that it sees first.
    First,
    /// The other.
    Second,
    /// Neither.
    Equal,
    /// It does not say.
    Unclear,
}

impl Preferred {
    /// The shortest answer that says so, in the words that judges are asked for.
    pub fn told(self) -> &'static str {
        match self {
            Preferred::First => "Answer: first",
            Preferred::Second => "Answer: second",
            Preferred::Equal => "Answer: equal",
            Preferred::Unclear => "",
        }
    }
}

/// What a judge of two programs says.
pub fn preferred(text: &str) -> Preferred {
    match answer(text).as_deref() {
        Some("first" | "1") => Preferred::First,
        Some("second" | "2") => Preferred::Second,
        Some("equal") => Preferred::Equal,
        Some(_) | None => Preferred::Unclear,
    }
}

/// Yes or no; `None` when it does not say.
pub(crate) fn yes(text: &str) -> Option<bool> {
    match &*answer(text)? {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The number that was chosen, counted from 0, of `n`; `None` when there is none, or another.
pub(crate) fn chosen(text: &str, n: usize) -> Option<usize> {
    answer(text)?.parse::<usize>().ok()?.checked_sub(1).filter(|&at| at < n)
}

/// The order of `n` programs, counted from 0, as the last line says it; those that it does not name
/// come last, in theirs.
pub(crate) fn ranked(text: &str, n: usize) -> Vec<usize> {
    let lower = text.to_lowercase();
    let line = lower.rsplit_once("answer:").map_or("", |(_, rest)| rest);
    let line = line.trim_start().lines().next().unwrap_or("");
    let mut order: Vec<usize> = Vec::new();
    for number in line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()) {
        let number: usize = number;
        if (1..=n).contains(&number) && !order.contains(&(number - 1)) {
            order.push(number - 1);
        }
    }
    let rest: Vec<usize> = (0..n).filter(|at| !order.contains(at)).collect();
    order.extend(rest);
    order
}

/// The word after the last `Answer:`, in small letters, without marks around it.
fn answer(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let (_, rest) = lower.rsplit_once("answer:")?;
    let word = rest.split_whitespace().find(|word| word.chars().any(char::is_alphanumeric))?;
    Some(word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
}

#[cfg(test)]
mod tests_of_replies {
    use expect_test::{Expect, expect};

    use super::*;

    fn call() -> Entry {
        Entry::Function { name: "f".to_owned() }
    }

    #[track_caller]
    fn check(entry: &Entry, text: &str, expected: &Expect) {
        let inputs = serde_json::to_string(&inputs(text, entry, 3)).unwrap();
        let tests = serde_json::to_string(&tests(text, entry, 3)).unwrap();
        expected.assert_eq(&format!("{inputs} {tests}"));
    }

    #[test]
    fn arrays_are_found() {
        check(&Entry::Stdio, "none", &expect!["[] []"]);
        check(
            &Entry::Stdio,
            "As in [1]:\n```json\n[\"1\\n\", \"2\", \"1\\n\", 7]\n```\n",
            &expect![[r#"[{"stdin":"1\n"},{"stdin":"2"}] []"#]],
        );
        check(
            &Entry::Stdio,
            "[{\"stdin\": \"1\", \"stdout\": \"2\"}, {\"stdin\": \"3\", \"std",
            &expect![[r#"[{"stdin":"1"}] [{"stdin":"1","stdout":"2"}]"#]],
        );
        check(
            &call(),
            "[[1, [2]], [3, [4]], [5, [6]], [7, []]]",
            &expect![[r#"[{"args":[1,[2]]},{"args":[3,[4]]},{"args":[5,[6]]}] []"#]],
        );
        check(
            &call(),
            "[{\"args\": [1], \"expected\": [2]}] and done [see above]",
            &expect![[r#"[] [{"args":[1],"expected":[2]}]"#]],
        );
        check(&call(), "[[1], \"x\", [[2]", &expect![[r#"[{"args":[1]}] []"#]]);
    }

    #[test]
    fn verdicts_are_found() {
        assert_eq!(preferred("Answer: first? No.\n**Answer: Second.**"), Preferred::Second);
        assert_eq!(preferred("Answer: equal"), Preferred::Equal);
        assert_eq!(preferred("the first"), Preferred::Unclear);
        assert_eq!(preferred("Answer: neither"), Preferred::Unclear);
        for said in [Preferred::First, Preferred::Second, Preferred::Equal, Preferred::Unclear] {
            assert_eq!(preferred(said.told()), said);
        }
        assert_eq!(yes("Answer:\n\nYES"), Some(true));
        assert_eq!(yes("Answer: no."), Some(false));
        assert_eq!(chosen("Answer: 2", 3), Some(1));
        assert_eq!(chosen("Answer: **3**", 3), Some(2));
        assert_eq!(chosen("Answer: 4", 3), None);
        assert_eq!(chosen("Answer: 0", 3), None);
        assert_eq!(ranked("Answer: 2 > 3 > 1", 3), [1, 2, 0]);
        assert_eq!(ranked("Answer: **[3] > [3] > 9**\n2", 3), [2, 0, 1]);
        assert_eq!(ranked("all alike", 2), [0, 1]);
    }
}
