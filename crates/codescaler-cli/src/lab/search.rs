//! `codescaler lab search`: S* and its rivals on the laboratory's policies, which are also trained
//! to correct their programs, to write tests and to judge.

mod ways;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use codescaler::{execution::Execution, metric::Interval, selection::Selection};
use codescaler_report::Plot;
use serde_json::{Value as Json, json};

use self::ways::{Bound, PROMPTS, SAMPLES, WAYS, Way};
use super::findings::{crossed, lines, mean, page, plot, shown_interval, shown_seeds};
use crate::{
    failure::{Failure, Outcome},
    files::{read_all, write_whole},
    table::{percent, table},
    terminal::Terminal,
    workshop::{Workshop, read_json},
};

/// Show what searches at test time are worth, S* among them, in miniature and whole.
///
/// Works in the folder of a `lab run`, whose problems, tokenizer and reward model it uses. For each
/// size it pre-trains a policy as that experiment did, samples it on problems of its own, and trains
/// it on corrections of its own failures (statement, program, what the visible tests say, and a right
/// program), on writing tests, and on judging pairs of its own programs by what they give. Then every
/// method searches for programs for the held-out problems with that policy: several seeds, the same
/// samples wherever two methods ask the same.
///
/// Ends with a table, how well the policy judges, a page and a picture. Stopped at any time, it goes
/// on.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler lab run --out lab --seeds 1 --arms execution
  codescaler lab search --lab lab --shapes 128x2,128x4")]
pub(crate) struct Options {
    /// The folder of a `lab run`.
    #[arg(long)]
    lab: PathBuf,
    /// Sizes of policies, WIDTHxLAYERS.
    #[arg(long, value_delimiter = ',', default_value = "128x2,128x4")]
    shapes: Vec<Shape>,
    /// Seeds of the samples.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Problems to learn correcting, testing and judging from.
    #[arg(long, default_value_t = 4_000)]
    practice: u64,
    /// The most operations of a problem, as in the `lab run`.
    #[arg(long, default_value_t = 2)]
    difficulty_max: u32,
}

/// The size of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    width: u64,
    layers: u64,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        let parts = text.split_once('x').and_then(|(width, layers)| {
            Some(Shape { width: width.parse().ok()?, layers: layers.parse().ok()? })
        });
        parts.ok_or_else(|| "write WIDTHxLAYERS, such as 128x4".to_owned())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.layers)
    }
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if !options.lab.join("reward-model/model.safetensors").exists() {
        return Err(Failure::input(format!(
            "{0} holds no laboratory with a reward model: first `codescaler lab run --out {0}`",
            options.lab.display()
        )));
    }
    let workshop = Workshop::open(terminal, &options.lab)?;
    let search = Search { workshop, options };
    search.prepare()?;
    for &shape in &options.shapes {
        search.policy(shape)?;
        for seed in 1..=options.seeds {
            for way in &WAYS {
                search.solve(shape, seed, way)?;
            }
        }
        search.judge(shape)?;
    }
    search.report(terminal)
}

struct Search<'a> {
    workshop: Workshop,
    options: &'a Options,
}

impl Search<'_> {
    /// Prompts, problems to practise on, and how tests are written.
    fn prepare(&self) -> Result<(), Failure> {
        let Options { practice, difficulty_max, .. } = self.options;
        let folder = self.workshop.path("search/prompts");
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::fault(error, "cannot make the folder"))?;
        let plan = json!({
            "verb": "lab search", "practice": practice, "difficulty_max": difficulty_max,
            "prompts": PROMPTS,
        });
        self.workshop.plan("search/plan.json", &plan)?;
        for (name, text) in PROMPTS {
            write_whole(&folder.join(format!("{name}.txt")), text.as_bytes())?;
        }
        self.workshop.command(
            "search/practice/problems.jsonl",
            &format!(
                "lab problems --first 3000000000 --count {practice} --difficulty-max \
                 {difficulty_max} --out @search/practice"
            ),
        )?;
        self.workshop.command(
            "search/tests.jsonl",
            "curate tests --problems @search/practice/problems.jsonl --prompts @search/prompts \
             --count 4 --out @search/tests.jsonl",
        )
    }

    /// A policy that can write, correct, test and judge.
    fn policy(&self, shape: Shape) -> Result<(), Failure> {
        let Shape { width, layers } = shape;
        let plan = read_json(&self.workshop.path("plan.json"))?;
        let is_there = plan["width"] == width && plan["layers"] == layers;
        let first = if is_there { "policy".to_owned() } else { format!("search/{shape}/first") };
        self.workshop.command(
            &format!("{first}/model.safetensors"),
            &format!(
                "train policy --completions --base @tokenizer --data @demonstrations --width {width} \
                 --layers {layers} --epochs 1 --rate 3e-3 --tokens-per-step 4096 --out @{first}"
            ),
        )?;
        let sampled = format!("search/{shape}/sampled");
        self.workshop.command(
            &format!("{sampled}/labels.jsonl"),
            &format!(
                "eval policy --policy @{first} --problems @search/practice/problems.jsonl --samples \
                 12 --completion-tokens-max 160 --out @{sampled}"
            ),
        )?;
        let repairs = format!("search/{shape}/repairs.jsonl");
        self.workshop.command(
            &repairs,
            &format!(
                "curate repairs --problems @search/practice/problems.jsonl --candidates \
                 @{sampled}/candidates.jsonl --prompts @search/prompts --out @{repairs}"
            ),
        )?;
        let duels = format!("search/{shape}/duels.jsonl");
        self.workshop.command(
            &duels,
            &format!(
                "curate duels --problems @search/practice/problems.jsonl --candidates \
                 @{sampled}/candidates.jsonl --prompts @search/prompts --inputs 2 --out @{duels}"
            ),
        )?;
        self.workshop.command(
            &format!("search/{shape}/policy/model.safetensors"),
            &format!(
                "train policy --completions --base @{first} --data @tested --conversations @{repairs} \
                 --conversations @search/tests.jsonl --conversations @{duels} --epochs 2 --rate 1e-3 \
                 --tokens-per-step 4096 --out @search/{shape}/policy"
            ),
        )
    }

    /// How well the policy judges: pairs of its own programs for held-out problems.
    fn judge(&self, shape: Shape) -> Result<(), Failure> {
        let sampled = format!("search/{shape}/1/reward-model");
        let duels = format!("search/{shape}/judged/duels.jsonl");
        self.workshop.command(
            &duels,
            &format!(
                "curate duels --problems @held-out/problems.jsonl --candidates \
                 @{sampled}/candidates.jsonl --executions @{sampled}/hidden.jsonl --prompts \
                 @search/prompts --inputs 2 --both-orders --out @{duels}"
            ),
        )?;
        let found = format!("search/{shape}/judged/judge.json");
        self.workshop.command(
            &found,
            &format!(
                "eval judge --policy @search/{shape}/policy --duels @{duels} \
                 --completion-tokens-max 160 --out @{found}"
            ),
        )
    }

    /// Where a search's results are.
    fn folder(shape: Shape, seed: u64, way: &Way) -> String {
        format!("search/{shape}/{seed}/{}", way.name)
    }

    fn solve(&self, shape: Shape, seed: u64, way: &Way) -> Result<(), Failure> {
        let folder = Search::folder(shape, seed, way);
        let bound = match way.bound {
            Bound::Method => String::new(),
            Bound::Samples => format!("--samples-max {SAMPLES}"),
            Bound::Programs => format!("--programs-max {SAMPLES}"),
        };
        self.workshop.command(
            &format!("{folder}/selections.jsonl"),
            &format!(
                "solve --problems @held-out/problems.jsonl --language-model @search/{shape}/policy \
                 --prompts @search/prompts --reward-model @reward-model --method \
                 {};temperature=0.7;tokens_max=160 {bound} --seed {seed} --answers \
                 @search/{shape}/{seed}/answers.jsonl --out @{folder}",
                way.method
            ),
        )?;
        self.workshop.command(
            &format!("{folder}/hidden.jsonl"),
            &format!(
                "exec --problems @held-out/problems.jsonl --candidates @{folder}/candidates.jsonl \
                 --suite hidden --out @{folder}/hidden.jsonl"
            ),
        )
    }

    fn report(&self, terminal: Terminal) -> Result<Outcome, Failure> {
        let mut rows = Vec::new();
        for &shape in &self.options.shapes {
            rows.extend(self.rows(shape)?);
        }
        let shown: Vec<Vec<String>> = rows.iter().map(Row::shown).collect();
        terminal.print(&table(&HEAD, &shown));
        let comparisons = comparisons(&rows);
        let (mut judges, mut words) = (BTreeMap::new(), comparisons.clone());
        for &shape in &self.options.shapes {
            let (found, told) = self.judged(shape)?;
            judges.insert(shape.to_string(), found);
            words.push(told);
        }
        for line in &words {
            terminal.print(line);
        }
        let found: Vec<Json> = rows.iter().map(Row::json).collect();
        let summary = json!({
            "seeds": self.options.seeds, "rows": found, "comparisons": comparisons,
            "judges": judges,
        });
        let results = self.workshop.path("search/results.json");
        write_whole(&results, format!("{summary:#}\n").as_bytes())?;
        let plot = drawn(&rows);
        write_whole(&self.workshop.path("search/claim-search.svg"), plot.svg().as_bytes())?;
        let title = "Searching at test time, in miniature";
        let page = page(title, &HEAD, shown, vec![plot], words);
        write_whole(&self.workshop.path("search/report.html"), page.as_bytes())?;
        terminal.print(&format!(
            "page and picture written to {}",
            self.workshop.path("search").display()
        ));
        Ok(Outcome::done(json!({"verb": "lab search", "lab": self.options.lab, "rows": found})))
    }

    /// How well a policy judges, as figures and in words.
    fn judged(&self, shape: Shape) -> Result<(Json, String), Failure> {
        let path = self.workshop.path(&format!("search/{shape}/judged/judge.json"));
        let found = read_json(&path)?;
        let of = |key: &str| {
            let part = |part: &str| found[key][part].as_f64().map_or("–".to_owned(), percent);
            format!("{} [{}, {}]", part("mean"), part("low"), part("high"))
        };
        let told = format!(
            "{shape} as judge of held-out pairs: prefers the right program {}, names the same place \
             in both orders {}, gives no verdict {}",
            of("right"),
            of("by_place"),
            of("unclear")
        );
        Ok((found, told))
    }

    /// What a policy came to: one sample, every way, and what no choice could beat.
    fn rows(&self, shape: Shape) -> Result<Vec<Row>, Failure> {
        let mut found: BTreeMap<&str, Row> = BTreeMap::new();
        let parameters = parameters(&self.workshop.path(&format!("search/{shape}/policy")))?;
        for seed in 1..=self.options.seeds {
            for way in &WAYS {
                let folder = self.workshop.path(&Search::folder(shape, seed, way));
                let read = Searched::read(&folder)?;
                let mut add = |name, what, right, costs: [f64; 3]| {
                    let row = found.entry(name).or_insert_with(|| Row {
                        shape,
                        parameters,
                        name,
                        what,
                        right: Vec::new(),
                        costs: Vec::new(),
                    });
                    row.right.push(right);
                    row.costs.push(costs);
                };
                if way.name == "reward-model" {
                    let one = read.costs.map(|cost| cost / f64::from(SAMPLES));
                    add("zero-shot", "one sample", read.first, [one[0], one[1], 0.0]);
                    add("oracle", "whether any of the 16 is right", read.any, read.costs);
                } else if way.name == "sstar-16" {
                    let what = "whether any result of S*'s sixteen chains is right";
                    add("oracle-sstar-16", what, read.any, read.costs);
                }
                add(way.name, way.what, read.chosen, read.costs);
            }
        }
        let names = ["zero-shot"].into_iter().chain(WAYS.iter().map(|way| way.name));
        let names = names.chain(["oracle", "oracle-sstar-16"]);
        Ok(names.filter_map(|name| found.remove(name)).collect())
    }
}

/// What one search came to, problem by problem.
struct Searched {
    /// The share of right ones among those it holds equally good.
    chosen: Vec<f64>,
    /// The share of right ones among all.
    first: Vec<f64>,
    /// 1 where any is right.
    any: Vec<f64>,
    /// Samples, tokens written and executions of a problem, the mean.
    costs: [f64; 3],
}

impl Searched {
    fn read(folder: &Path) -> Result<Searched, Failure> {
        let selections: Vec<Selection> = read_all(&folder.join("selections.jsonl"))?;
        let executions: Vec<Execution> = read_all(&folder.join("hidden.jsonl"))?;
        let mut right: BTreeMap<&str, BTreeMap<u32, f64>> = BTreeMap::new();
        for execution in &executions {
            let passed = f64::from(u8::from(execution.passed() == Some(true)));
            right.entry(&execution.problem).or_default().insert(execution.index, passed);
        }
        let mut searched =
            Searched { chosen: Vec::new(), first: Vec::new(), any: Vec::new(), costs: [0.0; 3] };
        for selection in &selections {
            let Some(own) = right.get(selection.problem.as_str()) else {
                return Err(Failure::input(format!(
                    "{}: no run of problem {:?}: remove hidden.jsonl and go on",
                    folder.display(),
                    selection.problem
                )));
            };
            let of = |at: &u32| own.get(at).copied().unwrap_or(0.0);
            searched.chosen.push(mean(selection.ties.iter().map(of)));
            searched.first.push(mean(own.values().copied()));
            searched.any.push(own.values().copied().fold(0.0, f64::max));
            let keys = ["samples", "tokens_out", "executions"];
            let cost = &selection.extra.get("cost").cloned().unwrap_or_default();
            for (sum, key) in searched.costs.iter_mut().zip(keys) {
                *sum += cost[key].as_f64().unwrap_or(0.0);
            }
        }
        let problems = selections.len().max(1) as f64;
        searched.costs.iter_mut().for_each(|sum| *sum /= problems);
        Ok(searched)
    }
}

/// A policy's number of parameters.
fn parameters(policy: &Path) -> Result<u64, Failure> {
    let plan = read_json(&policy.join("plan.json"))?;
    Ok(plan["parameters"].as_u64().unwrap_or(0))
}

/// A policy with a way to search.
struct Row {
    shape: Shape,
    parameters: u64,
    name: &'static str,
    what: &'static str,
    /// By seed and problem: the share of right ones among those chosen.
    right: Vec<Vec<f64>>,
    /// By seed: samples, tokens written, executions of a problem.
    costs: Vec<[f64; 3]>,
}

impl Row {
    fn accuracy(&self) -> Interval {
        crossed(&self.right, None)
    }

    fn cost(&self, which: usize) -> f64 {
        mean(self.costs.iter().map(|costs| costs[which]))
    }

    fn json(&self) -> Json {
        json!({
            "shape": self.shape.to_string(), "parameters": self.parameters, "name": self.name,
            "what": self.what, "right": self.accuracy(),
            "by_seed": self.right.iter().map(|of| mean(of.iter().copied())).collect::<Vec<_>>(),
            "samples": self.cost(0), "tokens_out": self.cost(1), "executions": self.cost(2),
        })
    }

    fn shown(&self) -> Vec<String> {
        vec![
            format!("{} ({:.2} M)", self.shape, self.parameters as f64 / 1e6),
            self.name.to_owned(),
            shown_interval(self.accuracy()),
            shown_seeds(&self.right),
            format!("{:.1}", self.cost(0)),
            format!("{:.0}", self.cost(1)),
            format!("{:.1}", self.cost(2)),
        ]
    }
}

const HEAD: [&str; 7] =
    ["policy", "way to search", "right", "by seed", "samples", "tokens", "executions"];

/// What decides: S* less the best choice at as many samples, and one judge less the other, for each
/// policy; and each smaller policy with S* less the next larger one without.
fn comparisons(rows: &[Row]) -> Vec<String> {
    let mut shapes: Vec<Shape> = rows.iter().map(|row| row.shape).collect();
    shapes.sort_by_key(|shape| (shape.width * shape.width * shape.layers, shape.width));
    shapes.dedup();
    let mut pairs = Vec::new();
    for &shape in &shapes {
        for (with, without) in [
            ("sstar", "reward-model-run"),
            ("sstar-judged", "sstar"),
            ("sstar-judged", "reward-model-run"),
            ("sstar-16", "reward-model-run-35"),
        ] {
            pairs.push(((shape, with), (shape, without)));
        }
    }
    for two in shapes.windows(2) {
        for without in ["zero-shot", "visible-tests", "reward-model-run"] {
            pairs.push(((two[0], "sstar"), (two[1], without)));
        }
    }
    let find = |(shape, name): (Shape, &str)| {
        rows.iter().find(|row| row.shape == shape && row.name == name)
    };
    let line = |(with, without): ((Shape, &str), (Shape, &str))| {
        let (one, other) = (find(with)?, find(without)?);
        let difference = shown_interval(crossed(&one.right, Some(&other.right)));
        let ((a, with), (b, without)) = (with, without);
        Some(format!("{a} {with} less {b} {without}: {difference}"))
    };
    pairs.into_iter().filter_map(line).collect()
}

/// Accuracy by the policy's size, a line for each way.
fn drawn(rows: &[Row]) -> Plot {
    const DRAWN: [&str; 7] = [
        "zero-shot",
        "visible-tests",
        "self-debug",
        "reward-model-run",
        "sstar",
        "sstar-judged",
        "oracle",
    ];
    let mut rows: Vec<&Row> = rows.iter().filter(|row| DRAWN.contains(&row.name)).collect();
    rows.sort_by_key(|row| row.parameters);
    let points = rows.iter().map(|row| (row.name, row.parameters as f64 / 1e6, row.accuracy()));
    let title = "Held-out problems solved, by the policy's size and the search";
    plot(title, ("million parameters", "right"), lines(points))
}
