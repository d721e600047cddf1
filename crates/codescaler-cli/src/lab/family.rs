//! `codescaler lab family`: what other ways to train, and to choose what is trained on, are worth on
//! the laboratory's policies.

use std::path::PathBuf;

use clap::Args;
use codescaler::metric::Interval;
use codescaler_report::Plot;
use serde_json::{Value as Json, json};

use super::findings::{crossed, lines, mean, of_labels, page, plot, shown_interval, shown_seeds};
use crate::{
    failure::{Failure, Outcome},
    files::write_whole,
    table::{percent, table},
    terminal::Terminal,
    workshop::{Workshop, read_lines},
};

/// Show what further ways to train are worth, in miniature and whole.
///
/// Works in the folder of a `lab run` and a `lab search`, whose policies, problems and samples it
/// uses. Learning from answers: as they are, with a loss for many samples (DCO), only the shortest
/// right one of each problem (ConCuR), and right ones edit by edit (LintSeq). Learning from tests:
/// with improved programs (EvoScale), with tests that the policy writes (CURE), and with plans that
/// are stopped at budgets (AnytimeReasoner, MRT). Each beside what it changes, several seeds.
///
/// Ends with a table, a page and a picture. Stopped at any time, it goes on.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler lab run --out lab --seeds 1 --arms execution
  codescaler lab search --lab lab --shapes 128x4
  codescaler lab family --lab lab")]
pub(crate) struct Options {
    /// The folder of a `lab run` and a `lab search`.
    #[arg(long)]
    lab: PathBuf,
    /// Seeds of each training.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Steps of each training by reinforcement.
    #[arg(long, default_value_t = 120)]
    steps: u64,
    /// Only these ways to train, with those that they are compared with.
    #[arg(long, value_delimiter = ',')]
    ways: Vec<String>,
}

/// A way to train.
struct Way {
    /// Its name, in folders and tables.
    name: &'static str,
    /// What it is compared with; nothing for a policy that others start from.
    beside: Option<&'static str>,
    what: &'static str,
    /// What is trained, but for --seed and --out; nothing where the policy is there.
    command: &'static str,
    /// What its completions are measured with.
    options: &'static str,
    /// Whether it thinks, and is measured at every budget.
    thinks: bool,
}

const LEARN: &str = "train policy --completions --base @policy --epochs 2 --rate 5e-4 \
                     --tokens-per-step 4096";
const REINFORCE: &str = "train rl --reward execution --problems @tested/problems.jsonl --rate 2e-4 \
                         --completion-tokens-max 160 --steps STEPS";

/// Tokens of thinking at which policies are measured; the last is more than any plan has.
const BUDGETS: [usize; 5] = [0, 4, 8, 12, 32];

/// Every way, in the order of the table. `LEARN` and `REINFORCE` stand for the constants.
const WAYS: [Way; 15] = [
    Way::policy("policy", "the policy that errs on purpose", false),
    Way::answers("supervised", "policy", "four answers to each problem", "LEARN --data @tested"),
    Way::answers(
        "dco",
        "supervised",
        "the same, no surer than eight samples need",
        "LEARN --data @tested --pass-at 8",
    ),
    Way::answers(
        "concise",
        "supervised",
        "the policy's own shortest right answer",
        "LEARN --data @family/data/concise",
    ),
    Way {
        options: "--extraction edits",
        ..Way::answers(
            "edits",
            "concise",
            "the same programs, each as four sequences of edits",
            "LEARN --data @family/data/edits",
        )
    },
    Way::answers("execution", "policy", "tests", "REINFORCE --policy @policy"),
    Way::policy("family/improver", "a policy that learnt to correct its programs", false),
    Way::answers(
        "improver-execution",
        "family/improver",
        "tests, from that policy",
        "REINFORCE --policy @family/improver",
    ),
    Way::answers(
        "evoscale",
        "improver-execution",
        "the same, and four more programs with the best one in sight",
        "REINFORCE --policy @family/improver --improvements 4 --parents 1 --prompts-from @family/prompts",
    ),
    Way::answers(
        "coder",
        "policy",
        "tests, from a policy that learnt to write tests",
        "REINFORCE --policy @search/128x4/policy",
    ),
    Way::answers(
        "cure",
        "coder",
        "the same, and eight tests that tell right from wrong",
        "REINFORCE --policy @search/128x4/policy --tests 8 --prompts-from @search/prompts",
    ),
    Way::policy("family/thinker", "a policy that plans before it answers", true),
    Way::thinking("outcome", "family/thinker", "tests, of the answer after the whole plan", ""),
    Way::thinking(
        "anytime",
        "outcome",
        "tests, of four answers at each budget",
        "--budgets 0,4,8,12,32 --group 4 --prompts 8 --estimator dr-grpo",
    ),
    Way::thinking(
        "progress",
        "outcome",
        "the same, a part of the plan counts what it still brings",
        "--budgets 0,4,8,12,32 --group 4 --prompts 8 --estimator dr-grpo --credit progress",
    ),
];

impl Way {
    const fn policy(name: &'static str, what: &'static str, thinks: bool) -> Way {
        Way { name, beside: None, what, command: "", options: "", thinks }
    }

    const fn answers(
        name: &'static str,
        beside: &'static str,
        what: &'static str,
        command: &'static str,
    ) -> Way {
        Way { name, beside: Some(beside), what, command, options: "", thinks: false }
    }

    /// Reinforcement of the policy that plans.
    const fn thinking(
        name: &'static str,
        beside: &'static str,
        what: &'static str,
        command: &'static str,
    ) -> Way {
        Way { thinks: true, ..Way::answers(name, beside, what, command) }
    }

    fn named(name: &str) -> Option<&'static Way> {
        WAYS.iter().find(|way| way.name == name)
    }

    /// Where a seed's policy is.
    fn folder(&self, seed: u64) -> String {
        match self.beside {
            Some(_) => format!("family/{}-{seed}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// The budgets that it is measured at.
    fn budgets(&self) -> Vec<Option<usize>> {
        if self.thinks { BUDGETS.map(Some).to_vec() } else { vec![None] }
    }
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    for needed in ["tested/problems.jsonl", "sampled/labels.jsonl", "search/128x4/policy"] {
        if !options.lab.join(needed).exists() {
            return Err(Failure::input(format!(
                "{0} lacks {needed}: first `codescaler lab run --out {0}` and `codescaler lab search \
                 --lab {0}`",
                options.lab.display()
            )));
        }
    }
    if let Some(unknown) = options.ways.iter().find(|name| Way::named(name).is_none()) {
        let names: Vec<&str> = WAYS.iter().map(|way| way.name).collect();
        return Err(Failure::input(format!("no way {unknown:?}: there are {}", names.join(", "))));
    }
    let family = Family { workshop: Workshop::open(terminal, &options.lab)?, options };
    family.prepare()?;
    let ways = family.ways();
    let mut measured = Vec::new();
    for seed in 1..=options.seeds {
        for way in &ways {
            family.train(way, seed)?;
        }
    }
    for way in &ways {
        for budget in way.budgets() {
            measured.push(family.measure(way, budget)?);
        }
    }
    family.report(terminal, &measured)
}

struct Family<'a> {
    workshop: Workshop,
    options: &'a Options,
}

/// What a way came to, at a budget of thinking.
struct Measured {
    way: &'static Way,
    budget: Option<usize>,
    /// By seed and problem: the share of right programs.
    right: Vec<Vec<f64>>,
    /// The share of problems with a right program.
    covered: f64,
}

impl Family<'_> {
    /// Those asked for, and all that they are compared with, in the order of the table.
    fn ways(&self) -> Vec<&'static Way> {
        let mut names: Vec<&str> = self.options.ways.iter().map(String::as_str).collect();
        if names.is_empty() {
            return WAYS.iter().collect();
        }
        let mut at = 0;
        while at < names.len() {
            names.extend(Way::named(names[at]).and_then(|way| way.beside));
            at += 1;
        }
        WAYS.iter().filter(|way| names.contains(&way.name)).collect()
    }

    /// Data and policies that several ways share.
    fn prepare(&self) -> Result<(), Failure> {
        let prompts = self.workshop.path("family/prompts");
        std::fs::create_dir_all(&prompts)
            .map_err(|error| Failure::fault(error, "cannot make the folder"))?;
        let improve = include_str!("prompts/improve.txt");
        let plan = json!({"verb": "lab family", "steps": self.options.steps, "improve": improve});
        self.workshop.plan("family/plan.json", &plan)?;
        // What it is asked in training is asked in the lessons before.
        for name in ["improve.txt", "debug.txt"] {
            write_whole(&prompts.join(name), improve.as_bytes())?;
        }
        const OF_SAMPLES: &str =
            "--problems @tested/problems.jsonl --candidates @sampled/candidates.jsonl";
        let ways = self.ways();
        let is_asked = |name: &str| ways.iter().any(|way| way.name == name);
        if is_asked("concise") {
            self.workshop.command(
                "family/data/concise/candidates.jsonl",
                &format!("curate concise {OF_SAMPLES} --out @family/data/concise"),
            )?;
        }
        if is_asked("edits") {
            self.workshop.command(
                "family/data/edits/candidates.jsonl",
                "curate edits --problems @tested/problems.jsonl --candidates \
                 @family/data/concise/candidates.jsonl --labels @sampled/labels.jsonl --per-program 4 \
                 --out @family/data/edits",
            )?;
        }
        if is_asked("family/improver") {
            self.improver()?;
        }
        if is_asked("family/thinker") {
            self.thinker()?;
        }
        Ok(())
    }

    /// The policy of the `lab run`, on corrections of its own programs too.
    fn improver(&self) -> Result<(), Failure> {
        self.workshop.command(
            "family/data/improvements.jsonl",
            "curate repairs --problems @tested/problems.jsonl --candidates @sampled/candidates.jsonl \
             --prompts @family/prompts --out @family/data/improvements.jsonl",
        )?;
        self.workshop.command(
            "family/improver/model.safetensors",
            &format!(
                "{LEARN} --data @tested --conversations @family/data/improvements.jsonl --out \
                 @family/improver"
            ),
        )
    }

    /// The policy of the `lab run` once more, on answers that plan first.
    fn thinker(&self) -> Result<(), Failure> {
        self.workshop.command(
            "family/data/plans/problems.jsonl",
            "lab problems --count 80000 --demonstrations 1 --thinking --slip 0.35 --broken 0.08 \
             --blocks 0.05 --unfenced 0.02 --difficulty-max 2 --out @family/data/plans",
        )?;
        self.workshop.command(
            "family/thinker/model.safetensors",
            "train policy --completions --base @tokenizer --data @family/data/plans --width 128 \
             --layers 4 --epochs 1 --rate 3e-3 --tokens-per-step 4096 --out @family/thinker",
        )
    }

    fn train(&self, way: &Way, seed: u64) -> Result<(), Failure> {
        if way.beside.is_none() {
            return Ok(());
        }
        let command = match way.thinks {
            true => format!("REINFORCE --policy @family/thinker {}", way.command),
            false => way.command.to_owned(),
        };
        let command = command
            .replace("LEARN", LEARN)
            .replace("REINFORCE", REINFORCE)
            .replace("STEPS", &self.options.steps.to_string());
        let out = way.folder(seed);
        self.workshop.command(
            &format!("{out}/model.safetensors"),
            &format!("{command} --seed {seed} --out @{out}"),
        )
    }

    fn measure(&self, way: &'static Way, budget: Option<usize>) -> Result<Measured, Failure> {
        let mut measured = Measured { way, budget, right: Vec::new(), covered: 0.0 };
        let seeds = if way.beside.is_some() { self.options.seeds } else { 1 };
        for seed in 1..=seeds {
            let policy = way.folder(seed);
            let (options, name) = match budget {
                None => (way.options.to_owned(), String::new()),
                Some(n) => (format!("--thinking-tokens-max {n}"), format!("-{n}")),
            };
            let out = format!("family/held-out/{}-{seed}{name}", way.name.replace('/', "-"));
            self.workshop.command(
                &format!("{out}/labels.jsonl"),
                &format!(
                    "eval policy --policy @{policy} --problems @held-out/problems.jsonl --samples 8 \
                     --completion-tokens-max 160 {options} --out @{out}"
                ),
            )?;
            let (right, covered) = of_labels(&self.workshop.path(&out).join("labels.jsonl"))?;
            measured.right.push(right);
            measured.covered += covered / seeds as f64;
        }
        Ok(measured)
    }

    fn report(&self, terminal: Terminal, measured: &[Measured]) -> Result<Outcome, Failure> {
        let shown: Vec<Vec<String>> = measured.iter().map(|own| own.shown(measured)).collect();
        terminal.print(&table(&HEAD, &shown));
        let lines = self.on_the_way()?;
        for line in &lines {
            terminal.print(line);
        }
        let rows: Vec<Json> = measured.iter().map(|own| own.json(measured)).collect();
        let summary = json!({"seeds": self.options.seeds, "rows": rows, "on_the_way": lines});
        let out = self.workshop.path("family");
        write_whole(&out.join("results.json"), format!("{summary:#}\n").as_bytes())?;
        let plot = drawn(measured);
        if !plot.series.is_empty() {
            write_whole(&out.join("claim-thinking.svg"), plot.svg().as_bytes())?;
        }
        let title = "Further ways to train, in miniature";
        let page = page(title, &HEAD, shown, vec![plot], lines);
        write_whole(&out.join("report.html"), page.as_bytes())?;
        terminal.print(&format!("page and picture written to {}", out.display()));
        Ok(Outcome::done(json!({"verb": "lab family", "lab": self.options.lab, "rows": rows})))
    }

    /// What the trainings' logs say of what is not in the table: programs with others in sight, tests,
    /// and regret, over the first and the last twenty steps.
    fn on_the_way(&self) -> Result<Vec<String>, Failure> {
        const OF: [(&str, &str, &str); 5] = [
            ("evoscale", "reward", "programs from nothing"),
            ("evoscale", "improve_reward", "programs with others in sight"),
            ("cure", "test_reward", "worth of a test"),
            ("anytime", "regret", "regret of a plan, in tokens"),
            ("progress", "regret", "regret of a plan, in tokens"),
        ];
        let ways = self.ways();
        let mut lines = Vec::new();
        for (name, key, what) in OF {
            let Some(way) = ways.iter().find(|way| way.name == name) else { continue };
            let (mut first, mut last) = (Vec::new(), Vec::new());
            for seed in 1..=self.options.seeds {
                let log = self.workshop.path(&way.folder(seed)).join("steps.jsonl");
                let values: Vec<f64> =
                    read_lines(&log)?.iter().filter_map(|line| line[key].as_f64()).collect();
                let n = values.len().min(20);
                first.push(mean(values[..n].iter().copied()));
                last.push(mean(values[values.len() - n..].iter().copied()));
            }
            let of = |values: &[f64]| {
                values.iter().map(|value| format!("{value:.3}")).collect::<Vec<_>>().join(" ")
            };
            lines.push(format!("{name}, {what}: {} → {}", of(&first), of(&last)));
        }
        Ok(lines)
    }
}

const HEAD: [&str; 6] = ["way to train", "thinking", "pass@1", "pass@8", "difference", "by seed"];

impl Measured {
    fn pass(&self) -> Interval {
        crossed(&self.right, None)
    }

    /// Less what it is compared with, at the same budget.
    fn difference(&self, all: &[Measured]) -> Option<(&'static str, Interval)> {
        let name = self.way.beside?;
        let other = all.iter().find(|o| o.way.name == name && o.budget == self.budget)?;
        Some((name, crossed(&self.right, Some(&other.right))))
    }

    fn by_seed(&self) -> Vec<f64> {
        self.right.iter().map(|own| mean(own.iter().copied())).collect()
    }

    fn json(&self, all: &[Measured]) -> Json {
        let difference = self.difference(all);
        json!({
            "name": self.way.name, "what": self.way.what, "thinking_tokens_max": self.budget,
            "pass_1": self.pass(), "pass_8": self.covered, "by_seed": self.by_seed(),
            "beside": difference.map(|(name, _)| name),
            "difference": difference.map(|(_, interval)| interval),
        })
    }

    fn shown(&self, all: &[Measured]) -> Vec<String> {
        let difference = self.difference(all);
        vec![
            self.way.name.to_owned(),
            self.budget.map_or_else(String::new, |n| n.to_string()),
            shown_interval(self.pass()),
            percent(self.covered),
            difference.map_or_else(String::new, |(name, own)| {
                format!("{} to {name}", shown_interval(own))
            }),
            shown_seeds(&self.right),
        ]
    }
}

/// pass@1 by the budget of thinking, a line for each way.
fn drawn(measured: &[Measured]) -> Plot {
    let point = |own: &Measured| Some((own.way.name, own.budget? as f64, own.pass()));
    let title = "Held-out pass@1 by the tokens that a plan may have";
    plot(title, ("tokens of thinking", "pass@1"), lines(measured.iter().filter_map(point)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_compared_with_one_that_is_measured_alike() {
        for way in &WAYS {
            let Some(beside) = way.beside else { continue };
            let other = Way::named(beside).expect("it is there");
            assert_eq!(way.budgets(), other.budgets(), "{}", way.name);
            assert!(way.thinks || way.command.starts_with(['L', 'R']), "{}", way.name);
        }
    }
}
