//! Figures by parts: of problems, of pools by one source, of pairs by their rejected program.

use std::collections::{BTreeMap, BTreeSet};

use codescaler::metric::{pairs_where, pooled};
use serde_json::{Value as Json, json};

use super::{
    figures::{self, Context, Figures, Slice, pooled_as_json},
    scorer::Scorer,
};
use crate::{
    eval::{as_json, difference, shown},
    groups::{Group, Groups, Member},
    table::table,
    terminal::Terminal,
};

/// By what to tell parts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum By {
    /// The dataset's own word for a problem's difficulty.
    Difficulty,
    /// The dataset of a problem.
    Dataset,
    /// The language of a problem.
    Language,
    /// Programs by one source only, for sources with many mixed problems.
    Pool,
    /// Pairs, by the share of hidden tests that the rejected program passes.
    Rejected,
    /// Pairs, by who wrote the rejected program.
    Writer,
}

/// A source's own pools count when it has right and wrong programs on so many problems.
const POOL_PROBLEMS_MIN: usize = 20;

impl By {
    pub(super) fn name(self) -> &'static str {
        match self {
            By::Difficulty => "difficulty",
            By::Dataset => "dataset",
            By::Language => "language",
            By::Pool => "pool",
            By::Rejected => "rejected",
            By::Writer => "writer",
        }
    }

    fn title(self) -> &'static str {
        match self {
            By::Difficulty => "by difficulty",
            By::Dataset => "by dataset",
            By::Language => "by language",
            By::Pool => "pools of one source each",
            By::Rejected => "pairs by the share of hidden tests that the rejected program passes",
            By::Writer => "pairs by the source of the rejected program",
        }
    }
}

/// Shows the parts and gives them as JSON; `None` where there is nothing to tell apart.
pub(super) fn measure(
    terminal: Terminal,
    by: By,
    groups: &Groups<'_>,
    scorers: &[Scorer],
    context: &Context<'_>,
) -> Option<Json> {
    let stated = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "not stated".to_owned());
    let of_problems = |value: &dyn Fn(&Group<'_>) -> String| {
        let mut parts: BTreeMap<String, Slice<'_>> = BTreeMap::new();
        for group in &groups.list {
            let part = parts.entry(value(group)).or_insert(Slice { pools: Vec::new() });
            part.pools.push(figures::pool(&group.members));
        }
        if parts.len() > 1 { parts } else { BTreeMap::new() }
    };
    let parts = match by {
        By::Difficulty => of_problems(&|group| stated(&group.problem.meta.difficulty)),
        By::Dataset => of_problems(&|group| stated(&group.problem.meta.source)),
        By::Language => of_problems(&|group| group.problem.language.name().to_owned()),
        By::Pool => pools(groups),
        By::Rejected | By::Writer => BTreeMap::new(),
    };
    let (shown, json) = match by {
        By::Difficulty | By::Dataset | By::Language | By::Pool => {
            figures_of(parts, scorers, context)?
        }
        By::Rejected => rejected(groups, scorers, context.seed, bucket)?,
        By::Writer => rejected(groups, scorers, context.seed, |m| Some(m.source.clone()))?,
    };
    terminal.print(&format!("\n{}\n{shown}", by.title()));
    Some(json)
}

/// The figures of each part.
fn figures_of(
    parts: BTreeMap<String, Slice<'_>>,
    scorers: &[Scorer],
    context: &Context<'_>,
) -> Option<(String, Json)> {
    if parts.is_empty() {
        return None;
    }
    let measured: Vec<(String, Vec<Figures>)> = parts
        .into_iter()
        .map(|(value, slice)| (value, figures::all(&slice, scorers, context)))
        .collect();
    let (mut rows, mut json) = (Vec::new(), json!({}));
    for (value, all) in &measured {
        json[value] = figures::as_json_by_name(all);
        let random = all.iter().find(|figures| figures.name == Scorer::Random.name())?;
        for figures in all {
            let over = figures::between(figures, random, context.seed).best;
            json[value][&figures.name]["over_random"] = as_json(&over);
            rows.push(vec![
                value.clone(),
                figures.name.clone(),
                figures.auc.n.to_string(),
                shown(&figures.auc),
                shown(&figures.matched.estimate),
                shown(&figures.best),
                difference(&over),
            ]);
        }
    }
    let head = [
        "",
        "scorer",
        "problems",
        "AUC within problem, %",
        "matched pairs, %",
        "best of all, % right",
        "over random, points",
    ];
    Some((table(&head, &rows), json))
}

/// The programs of each source that is right and wrong on enough problems, as samples of its own.
fn pools<'g>(groups: &'g Groups<'_>) -> BTreeMap<String, Slice<'g>> {
    let mut parts: BTreeMap<&str, Slice<'g>> = BTreeMap::new();
    for group in &groups.list {
        let mut of: BTreeMap<&str, figures::Pool<'g>> = BTreeMap::new();
        for member in &group.members {
            for (writer, count) in &member.writers {
                of.entry(writer).or_default().push((member, (*count).max(1)));
            }
        }
        for (writer, pool) in of {
            let labels: BTreeSet<_> = pool.iter().map(|(member, _)| member.label).collect();
            if labels.len() > 1 && !writer.is_empty() {
                parts.entry(writer).or_insert(Slice { pools: Vec::new() }).pools.push(pool);
            }
        }
    }
    let enough = |(_, part): &(&str, Slice<'_>)| part.pools.len() >= POOL_PROBLEMS_MIN;
    parts.into_iter().filter(enough).map(|(name, part)| (name.to_owned(), part)).collect()
}

/// Near misses are harder than programs that fail everything.
fn bucket(member: &Member) -> Option<String> {
    let bucket = match member.rate? {
        0.0 => "0 %",
        rate if rate <= 0.5 => "0–50 %",
        rate if rate <= 0.9 => "50–90 %",
        _ => "90–100 %",
    };
    Some(bucket.to_owned())
}

/// Pairs by a fact of the rejected program.
fn rejected(
    groups: &Groups<'_>,
    scorers: &[Scorer],
    seed: u64,
    fact: impl Fn(&Member) -> Option<String>,
) -> Option<(String, Json)> {
    let wrong = groups.list.iter().flat_map(|group| &group.members);
    let values: BTreeSet<String> =
        wrong.filter(|member| member.label == Some(false)).filter_map(&fact).collect();
    if values.is_empty() {
        return None;
    }
    let slice = Slice::of(groups);
    let (mut rows, mut json) = (Vec::new(), json!({}));
    for value in values {
        for scorer in scorers {
            let of_value = slice.each(scorer, |judged, pool| {
                pairs_where(judged, |_, wrong| fact(pool[wrong].0).as_ref() == Some(&value))
            });
            let pooled = pooled(&of_value, seed);
            rows.push(vec![
                value.clone(),
                scorer.name().to_owned(),
                pooled.pairs.to_string(),
                shown(&pooled.estimate),
            ]);
            json[&value][scorer.name()] = pooled_as_json(&pooled);
        }
    }
    let head = ["", "scorer", "pairs", "right one preferred, %"];
    Some((table(&head, &rows), json))
}
