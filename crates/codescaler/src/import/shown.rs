//! Which tests a statement shows.

use crate::problem::{Test, Tests};

/// A test is visible when its input stands in the statement as whole lines, with its output after
/// at most this many other lines (a heading, blank lines).
const LINES_BETWEEN_MAX: usize = 6;

/// Splits the tests of a source that does not split them.
pub(super) fn split(statement: &str, tests: Vec<Test>) -> Tests {
    let lines: Vec<&str> = statement.lines().map(str::trim).collect();
    let (visible, hidden) = tests.into_iter().partition(|test| match test {
        Test::Stdio { stdin, stdout, .. } => shows(&lines, stdin, stdout),
        Test::Call { .. } | Test::Script { .. } => false,
    });
    Tests { visible, hidden }
}

fn shows(lines: &[&str], stdin: &str, stdout: &str) -> bool {
    let wanted = |text: &str| -> Vec<String> {
        text.trim().lines().map(|line| line.trim().to_owned()).collect()
    };
    let (input, output) = (wanted(stdin), wanted(stdout));
    if input.is_empty() || output.is_empty() {
        return false;
    }
    (0..lines.len()).any(|at| {
        starts_with(&lines[at..], &input)
            && (0..=LINES_BETWEEN_MAX).any(|gap| {
                lines.get(at + input.len() + gap..).is_some_and(|rest| starts_with(rest, &output))
            })
    })
}

fn starts_with(lines: &[&str], wanted: &[String]) -> bool {
    lines.len() >= wanted.len() && lines.iter().zip(wanted).all(|(line, wanted)| line == wanted)
}
