//! Which selection rule wins under which kind of error? Simulated candidates and tests.
//!
//! ```text
//! cargo run --release -p codescaler --example selection_simulation > bench/selection_simulation/results.md
//! ```
//!
//! Sixteen candidates, M generated tests, and in some settings a few visible ones that are right.
//!
//! *Independent errors* (the assumption of B4, arXiv:2409.08692): a wrong candidate passes a right
//! test with probability `pass_right` and a wrong test with probability `pass_wrong`, a right one
//! passes exactly the right tests.
//!
//! *Shared bugs*: wrong candidates fall into `bugs` groups, the first the largest (Zipf); a group
//! answers an input rightly with probability `pass_right`; a wrong test expects what a group
//! answers with probability `aligned`, else what nobody answers.
//!
//! Each cell is the expected accuracy over ties in percent, with a 95 % bootstrap interval, over
//! tasks that have a right and a wrong candidate.

#![expect(clippy::print_stdout, reason = "the table is what it is run for")]

use codescaler::{
    evidence::{Evidence, Table},
    metric::{Interval, Judged, Measured, accuracy, mean},
    seed::{Rng, derive},
    select::{Rule, select},
};

const CANDIDATES: usize = 16;
const TASKS: usize = 1500;

#[derive(Clone, Copy)]
struct Setting {
    name: &'static str,
    /// Share of right candidates.
    right: f64,
    /// Share of right tests.
    valid: f64,
    pass_right: f64,
    errors: Errors,
    generated: usize,
    visible: usize,
}

#[derive(Clone, Copy)]
enum Errors {
    Independent { pass_wrong: f64 },
    SharedBugs { bugs: usize, aligned: f64 },
}

struct Task {
    labels: Vec<Option<bool>>,
    evidence: Evidence,
}

fn main() {
    println!(
        "# Simulated selection\n\nSee `crates/codescaler/examples/selection_simulation.rs`.\n"
    );
    let rules = [
        "random",
        "public_filter",
        "max_pass",
        "max_pass_consistency",
        "alphacode_clusters",
        "codet:a=0.5,b=1",
        "codet:a=1,b=1",
        "b4:axy=1000,b0=10000",
        "b4:axy=10,b0=10",
    ];
    println!("| setting | {} |", rules.join(" | "));
    println!("|---|{}", "---|".repeat(rules.len()));
    let rules = rules.map(|text| text.parse::<Rule>().expect("the rules above are ours"));
    for setting in settings() {
        let tasks = tasks(&setting);
        let cells = rules.each_ref().map(|rule| cell(rule, &tasks));
        println!("| {} | {} |", setting.name, cells.join(" | "));
    }
}

fn settings() -> Vec<Setting> {
    let independent = |name, right, valid, pass_right, pass_wrong| {
        let errors = Errors::Independent { pass_wrong };
        Setting { name, right, valid, pass_right, errors, generated: 16, visible: 0 }
    };
    let bugs = |bugs, aligned| Errors::SharedBugs { bugs, aligned };
    let mid = Setting {
        name: "shared bugs, 4 tests",
        right: 0.2,
        valid: 0.5,
        pass_right: 0.6,
        errors: bugs(4, 0.5),
        generated: 4,
        visible: 0,
    };
    let hard = Setting {
        name: "shared bugs, hard, 16 tests",
        right: 0.1,
        valid: 0.4,
        pass_right: 0.7,
        errors: bugs(3, 0.7),
        generated: 16,
        visible: 0,
    };
    let aligned = Setting {
        name: "shared bugs, tests share them, 64 tests",
        right: 0.15,
        valid: 0.4,
        pass_right: 0.6,
        errors: bugs(2, 0.9),
        generated: 64,
        visible: 0,
    };
    let weak = Setting {
        name: "… 16 tests, one weak visible",
        right: 0.15,
        valid: 0.5,
        pass_right: 0.8,
        errors: bugs(6, 0.6),
        generated: 16,
        visible: 1,
    };
    vec![
        independent("independent, easy", 0.3, 0.7, 0.4, 0.1),
        independent("independent, hard", 0.1, 0.3, 0.4, 0.2),
        independent("independent, tests mislead", 0.2, 0.2, 0.7, 0.3),
        mid,
        Setting { name: "… 16 tests", generated: 16, ..mid },
        Setting { name: "… 64 tests", generated: 64, ..mid },
        Setting { name: "… 16 tests, two visible", generated: 16, visible: 2, ..mid },
        hard,
        Setting { name: "… 64 tests", generated: 64, ..hard },
        Setting { name: "… 16 tests, two visible", visible: 2, ..hard },
        aligned,
        Setting { name: "… 16 tests, two visible", generated: 16, visible: 2, ..aligned },
        weak,
    ]
}

fn cell(rule: &Rule, tasks: &[Task]) -> String {
    if *rule == Rule::PublicFilter && tasks[0].evidence.visible.is_none() {
        return String::new();
    }
    let outputs = matches!(rule, Rule::AlphacodeClusters { .. });
    let measured: Vec<Measured> = tasks
        .iter()
        .map(|task| {
            let mut evidence = task.evidence.clone();
            // Only the rule about outputs sees them, so that no other can fall back on them.
            evidence.outputs = evidence.outputs.filter(|_| outputs);
            let choice = select(rule, &evidence, 0).expect("the evidence is complete");
            accuracy(&choice, &Judged::new(&task.labels))
        })
        .collect();
    let Interval { mean, low, high } = mean(&measured, 0).interval.expect("every task has labels");
    format!("{:.1} [{:.1}, {:.1}]", 100.0 * mean, 100.0 * low, 100.0 * high)
}

fn tasks(setting: &Setting) -> Vec<Task> {
    let mut rng = Rng::new(derive(1, &[setting.name, &setting.right.to_string()]));
    let mut tasks = Vec::with_capacity(TASKS);
    while tasks.len() < TASKS {
        let labels: Vec<bool> = (0..CANDIDATES).map(|_| chance(&mut rng, setting.right)).collect();
        if labels.contains(&true) && labels.contains(&false) {
            tasks.push(task(setting, &labels, &mut rng));
        }
    }
    tasks
}

fn task(setting: &Setting, labels: &[bool], rng: &mut Rng) -> Task {
    let (generated, visible) = match setting.errors {
        Errors::Independent { pass_wrong } => {
            let valid: Vec<bool> = draw(setting.generated, setting.valid, rng);
            let mut cell = |right: bool, valid: bool| match (right, valid) {
                (true, _) => valid,
                (false, true) => chance(rng, setting.pass_right),
                (false, false) => chance(rng, pass_wrong),
            };
            let row = |&right| valid.iter().map(|&valid| Some(cell(right, valid))).collect();
            (labels.iter().map(row).collect(), vec![vec![]; CANDIDATES])
        }
        Errors::SharedBugs { bugs, aligned } => shared_bugs(setting, labels, (bugs, aligned), rng),
    };
    let outputs = |row: &Vec<Option<bool>>| row.iter().map(|cell| cell.map(u64::from)).collect();
    Task {
        labels: labels.iter().copied().map(Some).collect(),
        evidence: Evidence {
            programs: vec![Some(1); CANDIDATES],
            outputs: Some(generated.iter().map(outputs).collect()),
            generated: Some(generated),
            visible: (setting.visible > 0).then_some(visible),
            ..Evidence::default()
        },
    }
}

fn shared_bugs(
    setting: &Setting,
    labels: &[bool],
    (bugs, aligned): (usize, f64),
    rng: &mut Rng,
) -> (Table<bool>, Table<bool>) {
    let bug_of: Vec<usize> = labels.iter().map(|_| zipf(bugs, rng)).collect();
    // Whether each group of wrong candidates answers each input rightly.
    let rightly = |n: usize, rng: &mut Rng| -> Vec<Vec<bool>> {
        (0..bugs).map(|_| draw(n, setting.pass_right, rng)).collect()
    };
    let (generated, visible) = (rightly(setting.generated, rng), rightly(setting.visible, rng));
    // What each test expects: `None` for the right answer, else the answer of a group, if any.
    let expects: Vec<Option<Option<usize>>> = (0..setting.generated)
        .map(|_| {
            let wrong = !chance(rng, setting.valid);
            wrong.then(|| chance(rng, aligned).then(|| zipf(bugs, rng)))
        })
        .collect();
    let passes = |candidate: usize, test: usize| match expects[test] {
        None => labels[candidate] || generated[bug_of[candidate]][test],
        Some(bug) => {
            let own = bug == Some(bug_of[candidate]);
            !labels[candidate] && own && !generated[bug_of[candidate]][test]
        }
    };
    let row =
        |candidate| (0..setting.generated).map(|test| Some(passes(candidate, test))).collect();
    let seen = |candidate: usize| {
        let rightly = &visible[bug_of[candidate]];
        rightly.iter().map(|&rightly| Some(labels[candidate] || rightly)).collect()
    };
    ((0..CANDIDATES).map(row).collect(), (0..CANDIDATES).map(seen).collect())
}

/// One of `bugs` groups, the i-th with a weight of 1 / i.
fn zipf(bugs: usize, rng: &mut Rng) -> usize {
    let weight = |bug: usize| 1.0 / (bug as f64 + 1.0);
    let mut at = uniform(rng) * (0..bugs).map(weight).sum::<f64>();
    let chosen = (0..bugs).find(|&bug| {
        at -= weight(bug);
        at < 0.0
    });
    chosen.unwrap_or(bugs - 1)
}

fn draw(n: usize, probability: f64, rng: &mut Rng) -> Vec<bool> {
    (0..n).map(|_| chance(rng, probability)).collect()
}

fn chance(rng: &mut Rng, probability: f64) -> bool {
    uniform(rng) < probability
}

/// Uniform on [0, 1): the upper 53 bits, which a double holds exactly.
fn uniform(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
