//! `codescaler eval reward`: how well scores tell right programs from wrong ones.

use std::path::PathBuf;

use clap::Args;
use codescaler::{
    metric::{
        Estimate, Judged, LeftOut, Measured, Pairs, Pooled, Sources, best_of_k, matched_pairs,
        mean, paired_difference, pairs, pass_at_k, pooled,
    },
    score::Score,
};
use serde_json::{Value as Json, json};

use super::{PoolOptions, as_json, shown};
use crate::{
    failure::{Failure, Outcome},
    files::Problems,
    groups::{Group, Groups, Member},
    select::EvidenceOptions,
    table::table,
    terminal::Terminal,
};

/// How well scores tell right programs from wrong ones.
///
/// Shown beside the same figures for length, because length stands in for the author in pools of
/// many sources. The figure that says a scorer judges is the accuracy on matched pairs: a right
/// and a wrong program of one problem whose sources are right about equally often (within 5
/// points).
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval reward --problems lcb/problems.jsonl --candidates lcb/candidates.jsonl --json")]
pub(crate) struct Options {
    #[command(flatten)]
    evidence: EvidenceOptions,
    /// A linear reward model, used when there is no --scores.
    #[arg(long)]
    reward_model: Option<PathBuf>,
    #[command(flatten)]
    pool: PoolOptions,
}

/// One scorer's figures.
struct Row {
    name: &'static str,
    auc: Estimate,
    pairs: Pooled,
    matched: Pooled,
    best: Vec<(u64, Estimate, Estimate)>,
}

/// The sizes of pools that best-of-k is shown for.
const KS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let problems = Problems::read(&options.evidence.problems)?;
    let mut groups =
        options.evidence.read_scored(terminal, &problems, options.reward_model.as_deref())?;
    let pool = options.pool.apply(&mut groups, &options.evidence.candidates)?;
    let seed = options.pool.seed;
    let rows = [
        row("scorer", &groups, |member| member.score, seed),
        row("longest", &groups, |member| length(member, 1.0), seed),
        row("shortest", &groups, |member| length(member, -1.0), seed),
    ];
    terminal.print(&pool);
    terminal.print(&show(&rows));
    let coverage: Vec<(u64, Estimate)> = KS
        .into_iter()
        .map(|k| (k, mean(&per_group(&groups, |_| None, |judged, _| pass_at_k(judged, k)), seed)))
        .filter(|(_, estimate)| estimate.n > 0)
        .collect();
    terminal.print(&format!("\nbest of k, % right\n{}", show_curve(&rows, &coverage)));
    let scorers: serde_json::Map<String, Json> =
        rows.iter().map(|row| (row.name.to_owned(), summary(row))).collect();
    let coverage: serde_json::Map<String, Json> =
        coverage.iter().map(|(k, estimate)| (k.to_string(), as_json(estimate))).collect();
    Ok(Outcome::done(json!({
        "verb": "eval reward", "pool": pool, "scorers": scorers, "coverage": coverage,
    })))
}

fn length(member: &Member, sign: f32) -> Option<Score> {
    #[expect(clippy::cast_precision_loss, reason = "programs are shorter than 2^24 bytes")]
    member.program_bytes.and_then(|bytes| Score::try_from(sign * bytes as f32).ok())
}

/// Applies a metric to every group, under the scores that `score` gives.
fn per_group<T>(
    groups: &Groups<'_>,
    score: impl Fn(&Member) -> Option<Score>,
    metric: impl Fn(&Judged<'_>, &Group<'_>) -> T,
) -> Vec<T> {
    let of_group = |group: &Group<'_>| {
        let labels: Vec<_> = group.members.iter().map(|member| member.label).collect();
        let scores: Vec<_> = group.members.iter().map(&score).collect();
        let counts: Vec<_> = group.members.iter().map(|member| member.count.max(1)).collect();
        metric(&Judged::new(&labels).scored(&scores).counted(&counts), group)
    };
    groups.list.iter().map(of_group).collect()
}

fn row(
    name: &'static str,
    groups: &Groups<'_>,
    score: impl Fn(&Member) -> Option<Score> + Copy,
    seed: u64,
) -> Row {
    let mut rates = Sources::default();
    for member in groups.list.iter().flat_map(|group| &group.members) {
        if let Some(label) = member.label {
            rates.add(&member.source, label, member.count.max(1));
        }
    }
    let compared: Vec<Result<Pairs, LeftOut>> = per_group(groups, score, |judged, _| pairs(judged));
    let matched = per_group(groups, score, |judged, group| {
        let sources: Vec<&str> = group.members.iter().map(|m| m.source.as_str()).collect();
        matched_pairs(judged, &sources, &rates)
    });
    let auc: Vec<Measured> = compared.iter().map(|pairs| pairs.map(|p| p.accuracy())).collect();
    let best = KS
        .into_iter()
        .map(|k| {
            let best = per_group(groups, score, |judged, _| best_of_k(judged, k));
            let random = per_group(groups, score, |judged, _| pass_at_k(judged, 1));
            (k, mean(&best, seed), paired_difference(&best, &random, seed))
        })
        .filter(|(_, best, _)| best.n > 0)
        .collect();
    Row {
        name,
        auc: mean(&auc, seed),
        pairs: pooled(&compared, seed),
        matched: pooled(&matched, seed),
        best,
    }
}

fn show(rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.name.to_owned(),
                shown(&row.auc),
                shown(&row.pairs.estimate),
                row.pairs.pairs.to_string(),
                shown(&row.matched.estimate),
                row.matched.pairs.to_string(),
            ]
        })
        .collect();
    table(
        &["scorer", "AUC within problem, %", "all pairs, %", "pairs", "matched pairs, %", "pairs"],
        &cells,
    )
}

fn show_curve(rows: &[Row], coverage: &[(u64, Estimate)]) -> String {
    let names = rows.iter().map(|row| row.name);
    let head: Vec<&str> =
        ["k", "problems"].into_iter().chain(names).chain(["any (coverage)"]).collect();
    let cells: Vec<Vec<String>> = coverage
        .iter()
        .enumerate()
        .map(|(at, (k, any))| {
            let best =
                rows.iter().map(|row| row.best.get(at).map_or_else(String::new, |b| shown(&b.1)));
            [k.to_string(), any.n.to_string()].into_iter().chain(best).chain([shown(any)]).collect()
        })
        .collect();
    table(&head, &cells)
}

fn summary(row: &Row) -> Json {
    let pooled = |pooled: &Pooled| {
        let mut json = as_json(&pooled.estimate);
        json["pairs"] = json!(pooled.pairs);
        json["pairs_unscored"] = json!(pooled.pairs_unscored);
        json
    };
    let best: serde_json::Map<String, Json> = row
        .best
        .iter()
        .map(|(k, best, over_random)| {
            let mut json = as_json(best);
            json["over_random"] = as_json(over_random);
            (k.to_string(), json)
        })
        .collect();
    json!({
        "auc": as_json(&row.auc), "pairs": pooled(&row.pairs), "matched": pooled(&row.matched),
        "best_of": best,
    })
}
