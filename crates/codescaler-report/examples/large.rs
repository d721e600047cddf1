//! A page of 10,000 candidates, many of them hostile: what `bench/report` opens in a browser.
//!
//! `cargo run -p codescaler-report --example large > large.html`

use std::io::Write as _;

use codescaler::{
    candidate::{Candidate, Source},
    execution::{Execution, Verdict},
    language::Language,
    metric::{Estimate, Interval},
    problem::{Entry as Called, Limits, Meta, Problem, Suite, Test, Tests},
    record::Extra,
    score::Score,
    selection::Selection,
};
use codescaler_report::{
    Axis, Block, Browser, Cell, Entry, Exchange, Figure, Found, Look, Place, Plot, Point, Report,
    Scale, Section, Series, Shown, Table, render,
};

const PROBLEMS: u32 = 250;
const CANDIDATES: u32 = 40;

/// Texts that would do harm where a text is taken for something else.
fn hostile(at: u32) -> String {
    match at % 8 {
        0 => "</script><script>window.hacked = 1</script>".to_owned(),
        1 => "<img src=x onerror=\"window.hacked = 1\">".to_owned(),
        2 => "\" onmouseover=\"window.hacked = 1\" '".to_owned(),
        3 => "# \u{202e}} \u{2066}if is_admin\u{2069} \u{200b}\0\u{1b}[31m".to_owned(),
        4 => format!("x = \"{}\"", "a".repeat(1 << 20)),
        5 => "/*".repeat(2_000) + &"\"\"\"".repeat(999),
        6 => "]]><!-- --!> <style>*{display:none}</style> &lt;/body&gt;".to_owned(),
        _ => "javascript:window.hacked=1 data:text/html,x".to_owned(),
    }
}

fn problem(at: u32) -> Problem {
    let id = match at {
        1 => "</script><b>&\"'/#%20".to_owned(),
        2 => "a\u{202e}b/c d".to_owned(),
        _ => format!("set/{at}"),
    };
    let visible = vec![Test::Script { code: format!("assert f({at}) == {at}  # </script>") }];
    Problem {
        id,
        statement: format!("Return the number {at}.\n\n{}", hostile(at)),
        starter: "def f(n):\n    ...\n".to_owned(),
        prelude: String::new(),
        language: Language::Python,
        entry: Called::Function { name: "f".to_owned() },
        tests: Tests { visible, hidden: Vec::new() },
        limits: Limits::default(),
        meta: Meta {
            difficulty: Some(["easy", "hard", "<i>odd</i>"][at as usize % 3].to_owned()),
            source: Some(["one", "two"][at as usize % 2].to_owned()),
            ..Meta::default()
        },
        extra: Extra::new(),
    }
}

/// Programs of ordinary length that have little in common.
fn candidate(problem: &Problem, at: u32, index: u32) -> Candidate {
    let number = |n: u32| (at * 2_654_435 + index * 40_503 + n * 69_069) ^ 0x5bd1;
    let lines: Vec<String> = (0..30)
        .map(|n| {
            format!("    v{} = (n * {} + {}) % {}", n, number(n), number(n + 7), number(n + 3))
        })
        .collect();
    let text = if index < 2 && at < 40 { hostile(at + index) } else { String::new() };
    let program = format!("def f(n):\n{}\n    return n\n{text}\n", lines.join("\n"));
    Candidate {
        problem: problem.id.clone(),
        index,
        completion: Some(format!("Here it is.\n```python\n{program}```\nDone. {text}")),
        program: None,
        language: Language::Python,
        source: Source { name: format!("writer <{}>", index % 7), ..Source::default() },
        logprob_sum: None,
        tokens: Some(300),
        extra: Extra::new(),
    }
}

fn execution(candidate: &Candidate, passed: bool) -> Execution {
    Execution {
        problem: candidate.problem.clone(),
        index: candidate.index,
        suite: Suite::Visible,
        verdicts: vec![if passed { Verdict::Pass } else { Verdict::WrongAnswer }],
        fault: None,
        detail: (!passed).then(|| "expected </script>, got \u{202e}".to_owned()),
        outputs: vec![Some(passed.to_string())],
        protection: "L4".to_owned(),
        cpu_ms: None,
        extra: Extra::new(),
    }
}

fn sections() -> Vec<Section> {
    let estimate = |mean: f64| Estimate {
        interval: Some(Interval { mean, low: mean - 0.05, high: mean + 0.04 }),
        n: PROBLEMS as usize,
        ..Estimate::default()
    };
    let row = |name: String, mean: f64| {
        vec![Cell::text(name), Cell::Bar(estimate(mean)), Cell::Share(estimate(mean))]
    };
    let table = Table {
        caption: "Methods </table><script>window.hacked = 1</script>".to_owned(),
        head: vec!["method".to_owned(), String::new(), "right, %".to_owned()],
        rows: (0..8)
            .map(|at| row(hostile(at).chars().take(60).collect(), 0.1 * f64::from(at) + 0.1))
            .collect(),
    };
    let series = |at: u32| Series {
        name: hostile(at).chars().take(40).collect(),
        look: Look::Line,
        points: (0..7)
            .map(|x| {
                let y = 40.0 + 5.0 * f64::from(x) + 3.0 * f64::from(at);
                let spread = Some((y - 4.0, y + 4.0));
                Point { x: f64::from(1 << x), y, spread, label: String::new() }
            })
            .collect(),
    };
    let plot = Plot {
        title: "Best of N".to_owned(),
        x: Axis { name: "N".to_owned(), scale: Scale::Log2, range: None },
        y: Axis { name: "right, %".to_owned(), scale: Scale::Linear, range: None },
        series: [0, 1, 2, 3, 6, 7].map(series).to_vec(),
        has_diagonal: false,
    };
    vec![
        Section {
            id: "accuracy",
            title: "Accuracy".to_owned(),
            blocks: vec![Block::Table(table), Block::Plot(plot)],
        },
        Section {
            id: "missing",
            title: "What is not there".to_owned(),
            blocks: vec![Block::Missing {
                what: "scores".to_owned(),
                command: "codescaler score".to_owned(),
            }],
        },
    ]
}

/// A problem with its candidates, for the page.
fn entry<'a>(
    problem: &'a Problem,
    (candidates, executions): (&'a [Candidate], &'a [Execution]),
    selection: &'a Selection,
) -> Entry<'a> {
    let shown = candidates.iter().zip(executions).map(|(candidate, execution)| {
        let completion = candidate.completion.as_deref().unwrap_or_default();
        let start = completion.find("def").unwrap_or(0);
        let end = completion.rfind("```").unwrap_or(0);
        Shown {
            candidate,
            program: if candidate.index == 39 {
                Err("no program in the text </p>".to_owned())
            } else {
                Ok(Found { program: completion[start..end].to_owned(), range: Some(start..end) })
            },
            score: Score::try_from((candidate.index as f32 * 0.7).sin() * 3.0).ok(),
            right: (candidate.index != 38).then_some(candidate.index % 3 == 0),
            executions: vec![execution],
        }
    });
    Entry {
        problem,
        candidates: shown.collect(),
        selections: vec![selection],
        exchanges: vec![Exchange { about: "judge 0".to_owned(), text: hostile(0) }],
    }
}

fn main() -> std::io::Result<()> {
    let problems: Vec<Problem> = (0..PROBLEMS).map(problem).collect();
    let candidates: Vec<Vec<Candidate>> = (0..PROBLEMS)
        .map(|at| {
            (0..CANDIDATES).map(|index| candidate(&problems[at as usize], at, index)).collect()
        })
        .collect();
    let of = |list: &Vec<Candidate>| list.iter().map(|c| execution(c, c.index % 3 == 0)).collect();
    let executions: Vec<Vec<Execution>> = candidates.iter().map(of).collect();
    let selections: Vec<Selection> = problems
        .iter()
        .map(|problem| Selection {
            problem: problem.id.clone(),
            rule: "rule <script>".to_owned(),
            chosen: Some(3),
            ties: vec![3],
            note: "</td>".to_owned(),
            extra: Extra::new(),
        })
        .collect();
    let report = Report {
        title: "10,000 candidates </title><script>window.hacked = 1</script>".to_owned(),
        lead: vec!["A page that is made to be hard.".to_owned()],
        figures: vec![Figure { name: "problems".to_owned(), value: Cell::count(PROBLEMS) }],
        sections: sections(),
        browser: Some(Browser {
            problems: problems
                .iter()
                .zip(&candidates)
                .zip(&executions)
                .zip(&selections)
                .map(|(((problem, candidates), executions), selection)| {
                    entry(problem, (candidates, executions), selection)
                })
                .collect(),
        }),
        provenance: vec![("command <b>".to_owned(), "\" onclick=\"window.hacked = 1".to_owned())],
        place: Place::File,
    };
    std::io::stdout().lock().write_all(render(&report).as_bytes())
}
