//! Examples that a statement shows: sample inputs with their outputs.

use crate::{check::Check, problem::Test};

/// The stdin/stdout examples of a statement, in its order.
///
/// An example is a line that speaks of input (`Sample Input 1`, `### Input`, `Input:`), then its
/// text, then a line that speaks of output, then its text. A text is a fenced block, or the lines
/// up to the next empty one. Prose after such a line makes a wrong example only where an output
/// follows just as loosely; a heading without a text after it is passed over.
pub fn examples(statement: &str) -> Vec<Test> {
    let mut lines = statement.lines().peekable();
    let mut tests = Vec::new();
    let mut stdin = None;
    while let Some(line) = lines.next() {
        match heading(line) {
            Some(Heading::Input) => stdin = text(&mut lines),
            Some(Heading::Output) => {
                if let (Some(stdin), Some(stdout)) = (stdin.take(), text(&mut lines)) {
                    tests.push(Test::Stdio { stdin, stdout, check: Check::STDIO });
                }
            }
            None => {}
        }
    }
    tests
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Heading {
    Input,
    Output,
}

/// Whether a line announces an input or an output: one of the two words, with nothing around it
/// but marks, a number, and words like "sample".
fn heading(line: &str) -> Option<Heading> {
    let mut heading = None;
    for word in line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        match word.to_lowercase().as_str() {
            "input" if heading.is_none() => heading = Some(Heading::Input),
            "output" if heading.is_none() => heading = Some(Heading::Output),
            "sample" | "example" | "expected" => {}
            number if number.chars().all(|c| c.is_ascii_digit()) => {}
            _ => return None,
        }
    }
    heading
}

/// The text under a heading: a fenced block, or the lines up to an empty one.
fn text<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Option<String> {
    while lines.next_if(|line| line.trim().is_empty()).is_some() {}
    let fenced = lines.next_if(|line| line.trim_start().starts_with("```")).is_some();
    let mut text = String::new();
    let ends = |line: &str| {
        if fenced { line.trim_start().starts_with("```") } else { line.trim().is_empty() }
    };
    while let Some(line) = lines.next_if(|line| !ends(line) && (fenced || heading(line).is_none()))
    {
        text.push_str(line);
        text.push('\n');
    }
    if fenced {
        lines.next();
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statement: &str, expected: &[(&str, &str)]) {
        let found: Vec<(String, String)> = examples(statement)
            .into_iter()
            .filter_map(|test| match test {
                Test::Stdio { stdin, stdout, .. } => Some((stdin, stdout)),
                Test::Call { .. } | Test::Script { .. } => None,
            })
            .collect();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(stdin, stdout)| (stdin.as_str(), stdout.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn fenced_and_plain_examples_are_found() {
        check(
            "Add.\n\n## Input\n```\n1 2\n\n3\n```\n## Output\n```text\n6\n```\n",
            &[("1 2\n\n3\n", "6\n")],
        );
        check(
            "Sample Input 1\n\n4 3\n1 0\n\nSample Output 1\n\n8\n\nSo print 8.\n\nSample Input 2\n\n1\nSample Output 2\n2",
            &[("4 3\n1 0\n", "8\n"), ("1\n", "2\n")],
        );
    }

    #[test]
    fn prose_is_no_example() {
        check("The input is a number.\nThe output is another.", &[]);
        check("Input:\n\nOutput:\n", &[]);
        check("Output:\n3\n", &[]);
    }
}
