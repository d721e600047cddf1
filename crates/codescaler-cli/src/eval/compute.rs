//! `codescaler eval compute`: vote, verify or score, at equal compute.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use codescaler::{
    law::{
        Curve,
        compute::{Answer, Split, affordable, best_verified, exponents, self_consistency},
        kinetics::{Load, Shape, Sparse, Teraflops, cost, scoring_cost, sparse_cost},
    },
    metric::{Estimate, LeftOut, Measured, mean, paired_difference, pass_at_k_of},
    seed::derive,
};
use rayon::prelude::*;
use serde_json::{Value as Json, json};

use super::{analysis::AnalysisOptions, difference, shown};
use crate::{
    failure::{Failure, Outcome},
    files::Problems,
    groups::{Group, Groups},
    table::table,
    terminal::Terminal,
};

/// Self-consistency, generated verification and reward models at equal compute.
///
/// The unit is the cost of one sample. A reward model's reading of a program costs --lambda of it,
/// a generated verification --verification-lambda; a budget B pays for B / (1 + λ V) samples. Votes
/// are by behaviour: outputs in --executions of inputs, or of visible tests run to the end. With
/// --decoder (a Hugging Face config.json) the cost in eFLOPs (Kinetics) is told, and with --reader
/// that of scoring, from which λ follows. --attention-budget tells what the same samples cost under
/// sparse attention.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval compute --problems lcb/problems.jsonl --candidates lcb/candidates.jsonl \\
      --scores lcb/scores.jsonl --executions lcb/inputs.jsonl --lambda 0.2 \\
      --verifications judge1.jsonl --verifications judge2.jsonl --out compute.json")]
pub(crate) struct Options {
    #[command(flatten)]
    pool: AnalysisOptions,
    /// Budgets, in samples; problems with fewer samples than the largest are left out.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16])]
    budgets: Vec<u64>,
    /// What scoring a program costs, in samples.
    #[arg(long, default_value_t = 0.2)]
    lambda: f64,
    /// A file of scores from 0 to 1: what one generated verification of every candidate says, P(right);
    /// again for each repeat.
    #[arg(long)]
    verifications: Vec<PathBuf>,
    /// What a generated verification costs, in samples.
    #[arg(long, default_value_t = 1.0)]
    verification_lambda: f64,
    /// The config.json of the language model that samples: tells eFLOPs.
    #[arg(long)]
    decoder: Option<PathBuf>,
    /// The config.json of the decoder under the reward model.
    #[arg(long, requires = "decoder")]
    reader: Option<PathBuf>,
    /// Tokens of a prompt.
    #[arg(long, default_value_t = 500.0)]
    prompt_tokens: f64,
    /// Tokens of a sample.
    #[arg(long, default_value_t = 1000.0)]
    output_tokens: f64,
    /// Tokens of the program in a sample, which the reward model reads.
    #[arg(long, default_value_t = 300.0)]
    program_tokens: f64,
    /// Keys that a token attends to at most, where attention is sparse.
    #[arg(long, requires = "decoder")]
    attention_budget: Option<f64>,
    /// Keys of a block, where sparse attention chooses blocks: choosing costs a key for each of
    /// them. Without it choosing is free, and the cost is the least that is possible.
    #[arg(long, requires = "attention_budget")]
    attention_block: Option<f64>,
}

/// A method, and its cell for each budget; a budget that pays for no sample has none.
type Row = (String, Vec<Option<Cell>>);

/// One method with one budget.
struct Cell {
    samples: u64,
    verifications: usize,
    measured: Vec<Measured>,
    accuracy: Estimate,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    for (name, value) in
        [("lambda", options.lambda), ("verification-lambda", options.verification_lambda)]
    {
        if !(value.is_finite() && value >= 0.0) {
            return Err(Failure::input(format!("--{name} is a number from 0 on")));
        }
    }
    let mut budgets = options.budgets.clone();
    budgets.sort_unstable();
    if budgets.first().is_none_or(|least| *least == 0) {
        return Err(Failure::input("--budgets are numbers of samples from 1 on"));
    }
    let problems = Problems::read(&options.pool.evidence.problems)?;
    let (groups, described) =
        options.pool.read_with(terminal, &problems, &options.verifications)?;
    check_verifications(&groups, options)?;
    terminal.print(&described);
    let methods = methods(&groups, options, &budgets);
    terminal.print(&format!("\n{}", show(&methods, &budgets)));
    let differences = differences(&methods, options.pool.seed);
    if !differences.is_empty() {
        terminal.print(&format!("\n{}", show_differences(&differences, &budgets)));
    }
    let mut figures = json!({
        "pool": described, "lambda": options.lambda, "curves": curves(&methods, &budgets),
        "differences": differences.iter().map(|(name, of)| json!({"minus": name, "points": of}))
            .collect::<Vec<_>>(),
    });
    if let Some(split) = splits(&methods, &budgets) {
        figures["splits"] = split;
    }
    if let Some(decoder) = &options.decoder {
        figures["kinetics"] = kinetics(terminal, options, (decoder, &budgets))?;
    }
    options.pool.finish(terminal, "compute", figures)
}

/// Verifications say P(right): a mean of anything else, such as raw scores, would not be theirs.
fn check_verifications(groups: &Groups<'_>, options: &Options) -> Result<(), Failure> {
    let first = options.pool.scorers().len();
    for (at, path) in options.verifications.iter().enumerate() {
        let members = groups.list.iter().flat_map(|group| {
            group
                .members
                .iter()
                .map(|member| (&group.problem.id, member.index, member.scores[first + at]))
        });
        for (problem, index, score) in members {
            let Some(score) = score else { continue };
            if !(0.0..=1.0).contains(&score.get()) {
                return Err(Failure::input(format!(
                    "{}: {} for candidate {index} of {problem:?} is no probability of being right",
                    path.display(),
                    score.get()
                )));
            }
        }
    }
    Ok(())
}

/// The candidates of a problem with one column of scores, or the columns of all verifications.
fn answers(groups: &Groups<'_>, group: &Group<'_>, columns: std::ops::Range<usize>) -> Vec<Answer> {
    let outputs = groups.evidence(group).outputs;
    let behaviour = |at: usize| {
        let outputs = outputs.as_ref()?.get(at)?;
        let known = outputs.iter().any(Option::is_some);
        let bytes: Vec<u8> = outputs.iter().flat_map(|o| o.unwrap_or(0).to_le_bytes()).collect();
        known.then(|| codescaler::seed::digest(&bytes))
    };
    let answer = |(at, member): (usize, &crate::groups::Member)| {
        let score = |scorer: usize| member.scores[scorer].map(|score| f64::from(score.get()));
        let one = Answer {
            behaviour: behaviour(at),
            right: member.label == Some(true),
            verdicts: columns.clone().map(score).collect(),
        };
        std::iter::repeat_n(one, member.count.max(1) as usize)
    };
    group.members.iter().enumerate().flat_map(answer).collect()
}

/// Every method with every budget; a budget that pays for no sample has no cell.
fn methods(groups: &Groups<'_>, options: &Options, budgets: &[u64]) -> Vec<Row> {
    let seed = options.pool.seed;
    let largest = budgets.last().copied().unwrap_or(1);
    let scorers = options.pool.scorers();
    let pools = |columns: std::ops::Range<usize>| -> Vec<Vec<Answer>> {
        groups.list.iter().map(|group| answers(groups, group, columns.clone())).collect()
    };
    let each = |pools: &[Vec<Answer>], metric: &(dyn Fn(&[Answer], u64) -> Measured + Sync)| {
        let of = |(group, answers): (&Group<'_>, &Vec<Answer>)| {
            if (answers.len() as u64) < largest {
                return Err(LeftOut::TooFew);
            }
            metric(answers, derive(seed, &["compute", &group.problem.id]))
        };
        groups.list.par_iter().zip(pools).map(of).collect::<Vec<Measured>>()
    };
    let cell = |samples, verifications, measured: Vec<Measured>| {
        let accuracy = mean(&measured, seed);
        Some(Cell { samples, verifications, measured, accuracy })
    };
    let plain = pools(0..0);
    let mut methods = Vec::new();
    let random = each(&plain, &|answers, _| right(answers, 1));
    methods.push((
        "one sample".to_owned(),
        budgets.iter().map(|_| cell(1, 0, random.clone())).collect(),
    ));
    let votes = plain.iter().flatten().any(|answer| answer.behaviour.is_some());
    if votes {
        let of = |&budget: &u64| {
            cell(budget, 0, each(&plain, &|a, seed| self_consistency(a, budget, seed)))
        };
        methods.push(("self-consistency".to_owned(), budgets.iter().map(of).collect()));
    }
    let n_verifications = options.verifications.len();
    if n_verifications > 0 {
        let judged = pools(scorers.len()..scorers.len() + n_verifications);
        let of = |&budget: &u64| {
            let sizes = (0..).map(|power| 1_usize << power).take_while(|v| *v <= n_verifications);
            let split = |v: usize| {
                let samples = affordable(budget as f64, v as f64, options.verification_lambda);
                (samples > 0).then(|| {
                    cell(samples, v, each(&judged, &|a, seed| best_verified(a, samples, v, seed)))
                })?
            };
            let found = |cell: &Cell| cell.accuracy.interval.map_or(0.0, |interval| interval.mean);
            sizes.filter_map(split).max_by(|a, b| found(a).total_cmp(&found(b)))
        };
        methods.push(("generated verification".to_owned(), budgets.iter().map(of).collect()));
    }
    for (at, name) in scorers.iter().enumerate() {
        let scored = pools(at..at + 1);
        let of = |&budget: &u64| {
            let samples = affordable(budget as f64, 1.0, options.lambda);
            (samples > 0).then(|| {
                cell(samples, 1, each(&scored, &|a, seed| best_verified(a, samples, 1, seed)))
            })?
        };
        methods.push((name.clone(), budgets.iter().map(of).collect()));
    }
    let of = |&budget: &u64| cell(budget, 0, each(&plain, &|answers, _| right(answers, budget)));
    methods.push(("any (coverage)".to_owned(), budgets.iter().map(of).collect()));
    methods
}

fn right(answers: &[Answer], k: u64) -> Measured {
    let n_right = answers.iter().filter(|answer| answer.right).count() as u64;
    pass_at_k_of(answers.len() as u64, n_right, k)
}

fn show(methods: &[Row], budgets: &[u64]) -> String {
    let row = |(name, cells): &Row| {
        let cell = |cell: &Option<Cell>| {
            cell.as_ref().map_or_else(
                || "–".to_owned(),
                |cell| {
                    let times = if cell.verifications > 1 {
                        format!(" × {}", cell.verifications)
                    } else {
                        String::new()
                    };
                    format!("{} (S = {}{times})", shown(&cell.accuracy), cell.samples)
                },
            )
        };
        let known = cells.iter().flatten().next();
        let n = known.map_or(0, |cell| cell.accuracy.n).to_string();
        let left_out = known.map_or(0, |cell| cell.accuracy.n_left_out()).to_string();
        [name.clone(), n, left_out].into_iter().chain(cells.iter().map(cell)).collect()
    };
    let mut head: Vec<String> = ["right, %", "problems", "left out"].map(str::to_owned).to_vec();
    head.extend(budgets.iter().map(|budget| format!("budget {budget}")));
    table(
        &head.iter().map(String::as_str).collect::<Vec<_>>(),
        &methods.iter().map(row).collect::<Vec<_>>(),
    )
}

/// Scorers and verifications minus self-consistency, or minus one sample without it, by budget.
fn differences(methods: &[Row], seed: u64) -> Vec<(String, Vec<Option<Estimate>>)> {
    let base = methods.iter().find(|(name, _)| name == "self-consistency").or(methods.first());
    let Some((base_name, base)) = base else { return Vec::new() };
    let others = methods.iter().filter(|(name, _)| name != base_name && name != "one sample");
    let of = |(name, cells): &Row| {
        let pair = |(cell, base): (&Option<Cell>, &Option<Cell>)| {
            let (cell, base) = (cell.as_ref()?, base.as_ref()?);
            Some(paired_difference(&cell.measured, &base.measured, seed))
        };
        (format!("{name} minus {base_name}"), cells.iter().zip(base).map(pair).collect())
    };
    others.map(of).collect()
}

fn show_differences(differences: &[(String, Vec<Option<Estimate>>)], budgets: &[u64]) -> String {
    let row = |(name, of): &(String, Vec<Option<Estimate>>)| {
        let cell = |estimate: &Option<Estimate>| {
            estimate.as_ref().map_or_else(|| "–".to_owned(), difference)
        };
        [name.clone()].into_iter().chain(of.iter().map(cell)).collect()
    };
    let mut head = vec!["points".to_owned()];
    head.extend(budgets.iter().map(|budget| format!("budget {budget}")));
    table(
        &head.iter().map(String::as_str).collect::<Vec<_>>(),
        &differences.iter().map(row).collect::<Vec<_>>(),
    )
}

fn curves(methods: &[Row], budgets: &[u64]) -> Vec<Curve> {
    let of = |(name, cells): &Row| {
        let mut curve = Curve::new(name, "budget, samples", "P(right)");
        for (budget, cell) in budgets.iter().zip(cells) {
            if let Some(cell) = cell {
                curve.add(*budget as f64, cell.accuracy.clone());
            }
        }
        curve
    };
    methods.iter().map(of).collect()
}

/// How the best split of a budget between samples and verifications grows.
fn splits(methods: &[Row], budgets: &[u64]) -> Option<Json> {
    let (_, cells) = methods.iter().find(|(name, _)| name == "generated verification")?;
    let split = |(budget, cell): (&u64, &Option<Cell>)| {
        let cell = cell.as_ref()?;
        let (samples, verifications) = (cell.samples as f64, cell.verifications as f64);
        Some(Split { budget: *budget as f64, samples, verifications })
    };
    let splits: Vec<Split> = budgets.iter().zip(cells).filter_map(split).collect();
    Some(json!({"splits": splits, "exponents": exponents(&splits)}))
}

fn kinetics(
    terminal: Terminal,
    options: &Options,
    (decoder, budgets): (&Path, &[u64]),
) -> Result<Json, Failure> {
    let shape = read_shape(decoder)?;
    let reader = options.reader.as_deref().map(read_shape).transpose()?;
    let sparse = sparse(options)?;
    let load =
        |trials: f64| Load { trials, prompt: options.prompt_tokens, output: options.output_tokens };
    let scoring = |n: u64| {
        let programs = vec![options.program_tokens; usize::try_from(n).unwrap_or(0)];
        reader.map(|reader| scoring_cost(&reader, options.prompt_tokens, &programs).total())
    };
    let dense = |trials: f64| cost(&shape, &load(trials));
    terminal.print(&format!("\n{}", costs(&dense, &scoring, budgets)));
    if let Some(sparse) = &sparse {
        let few = |trials: f64| sparse_cost(&shape, &load(trials), sparse);
        let choosing = sparse.block.map_or_else(
            || "choosing them is free".to_owned(),
            |block| format!("chosen in blocks of {block}"),
        );
        let keys = sparse.budget;
        terminal.print(&format!("\nthe same with attention to {keys} keys at most, {choosing}:"));
        terminal.print(&costs(&few, &scoring, budgets));
    }
    let found = |&n: &u64| {
        let few = sparse.map(|sparse| sparse_cost(&shape, &load(n as f64), &sparse));
        json!({"samples": n, "cost": dense(n as f64), "sparse": few, "scoring": scoring(n)})
    };
    let found: Vec<Json> = budgets.iter().map(found).collect();
    Ok(json!({"decoder": shape, "reader": reader, "attention": sparse, "costs": found}))
}

fn sparse(options: &Options) -> Result<Option<Sparse>, Failure> {
    let Some(budget) = options.attention_budget else { return Ok(None) };
    let block = options.attention_block;
    if !(budget.is_finite() && budget >= 1.0) {
        return Err(Failure::input("--attention-budget is a number of keys from 1 on"));
    }
    if block.is_some_and(|block| !(1.0..=budget).contains(&block)) {
        return Err(Failure::input("--attention-block is a number of keys from 1 to the budget"));
    }
    Ok(Some(Sparse { budget, block }))
}

/// The table of what so many samples cost, and scoring them.
fn costs(
    of: &dyn Fn(f64) -> Teraflops,
    scoring: &dyn Fn(u64) -> Option<f64>,
    budgets: &[u64],
) -> String {
    let one = of(1.0).total();
    let row = |&n: &u64| {
        let (spent, scored) = (of(n as f64), scoring(n));
        let shown = |scored: Option<String>| scored.unwrap_or_else(|| "–".to_owned());
        vec![
            n.to_string(),
            format!("{:.1}", spent.compute),
            format!("{:.1}", spent.memory),
            format!("{:.1}", spent.total()),
            shown(scored.map(|scored| format!("{scored:.3}"))),
            shown(scored.map(|scored| format!("{:.4}", scored / n as f64 / one))),
        ]
    };
    let head = [
        "samples",
        "arithmetic, 10¹²",
        "reading keys, 10¹²",
        "eFLOPs, 10¹²",
        "scoring, 10¹²",
        "λ of scoring",
    ];
    table(&head, &budgets.iter().map(row).collect::<Vec<_>>())
}

/// The shape that a Hugging Face config.json describes; parameters are counted from it.
fn read_shape(path: &Path) -> Result<Shape, Failure> {
    let name = path.display();
    let text = std::fs::read(path)
        .with_context(|| format!("cannot read {name}"))
        .map_err(Failure::Input)?;
    let json: Json = serde_json::from_slice(&text)
        .with_context(|| format!("{name} is no JSON"))
        .map_err(Failure::Input)?;
    let get = |key: &str| {
        json.get(key).and_then(Json::as_f64).filter(|value| *value > 0.0).ok_or_else(|| {
            Failure::input(format!(
                "{name} has no number {key:?}: give the config.json of a decoder"
            ))
        })
    };
    let (layers, query_heads, hidden) =
        (get("num_hidden_layers")?, get("num_attention_heads")?, get("hidden_size")?);
    let key_heads = get("num_key_value_heads").unwrap_or(query_heads);
    let head_width = get("head_dim").unwrap_or(hidden / query_heads);
    let attention = hidden * head_width * (2.0 * query_heads + 2.0 * key_heads);
    let layer = attention + 3.0 * hidden * get("intermediate_size")?;
    let tied = json.get("tie_word_embeddings").and_then(Json::as_bool).unwrap_or(false);
    let embeddings = get("vocab_size")? * hidden * if tied { 1.0 } else { 2.0 };
    Ok(Shape {
        parameters: layers * layer + embeddings,
        layers,
        query_heads,
        key_heads,
        head_width,
    })
}
