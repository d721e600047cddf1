//! RM-Bench as published (arXiv:2410.16184): three styles of right answers against three of wrong.

use std::collections::BTreeMap;

use codescaler::{
    metric::{Estimate, LeftOut, Measured, Style, StyleMatrix, mean, mean_of_parts, style_matrix},
    score::Score,
};
use serde_json::{Value as Json, json};

use super::scorer::Scorer;
use crate::{
    eval::{as_json, shown},
    failure::Failure,
    groups::{Group, Groups},
    table::table,
    terminal::Terminal,
};

/// The domains that the published average is the mean of.
const DOMAINS: [&str; 4] = ["chat", "code", "math", "safety"];

type PartOf = fn(&StyleMatrix) -> f64;

/// What a domain's score is made of.
const PARTS: [(&str, PartOf); 4] = [
    ("hard", StyleMatrix::hard),
    ("normal", StyleMatrix::normal),
    ("easy", StyleMatrix::easy),
    ("average", StyleMatrix::average),
];

/// One prompt: its domain, and the places of its answers by style.
struct Prompt<'g, 'p> {
    group: &'g Group<'p>,
    domain: usize,
    right: [usize; 3],
    wrong: [usize; 3],
}

/// Shows the matrices and gives them as JSON.
pub(super) fn measure(
    terminal: Terminal,
    groups: &Groups<'_>,
    scorers: &[Scorer],
    seed: u64,
) -> Result<Json, Failure> {
    let prompts: Vec<Prompt<'_, '_>> = groups.list.iter().map(prompt).collect::<Result<_, _>>()?;
    let there: Vec<usize> =
        (0..DOMAINS.len()).filter(|&at| prompts.iter().any(|p| p.domain == at)).collect();
    let (mut rows, mut json) = (Vec::new(), json!({}));
    // The order of the answers is that of the benchmark: "first" would read the labels off it.
    for scorer in scorers.iter().filter(|scorer| !matches!(scorer, Scorer::First)) {
        let found: Vec<Result<StyleMatrix, LeftOut>> =
            prompts.iter().map(|prompt| matrix(prompt, scorer)).collect();
        for &domain in &there {
            let of_domain: Vec<_> = prompts
                .iter()
                .zip(&found)
                .filter(|(prompt, _)| prompt.domain == domain)
                .map(|(_, found)| *found)
                .collect();
            let name = DOMAINS[domain];
            let estimates = PARTS.map(|(_, part)| mean(&measured(&of_domain, part), seed));
            rows.push(row(name, scorer.name(), &estimates));
            json[name][scorer.name()] = parts_as_json(&estimates);
            let cells = cells(&of_domain, seed);
            json[name][scorer.name()]["matrix"] =
                json!(cells.each_ref().map(|r| r.each_ref().map(as_json)));
            if matches!(scorer, Scorer::RewardModel { .. }) {
                terminal.print(&show_matrix(name, scorer.name(), &cells));
            }
        }
        if there.len() == DOMAINS.len() {
            let estimates = PARTS.map(|(_, part)| {
                let values = prompts.iter().zip(measured(&found, part));
                let values: Vec<_> = values.map(|(prompt, value)| (prompt.domain, value)).collect();
                mean_of_parts(&values, DOMAINS.len(), seed)
            });
            rows.push(row("all four", scorer.name(), &estimates));
            json["overall"][scorer.name()] = parts_as_json(&estimates);
        }
    }
    let head = ["domain", "scorer", "prompts", "hard, %", "normal, %", "easy, %", "average, %"];
    terminal.print(&format!("\n{}", table(&head, &rows)));
    let missing: Vec<&str> =
        (0..DOMAINS.len()).filter(|at| !there.contains(at)).map(|at| DOMAINS[at]).collect();
    if !missing.is_empty() {
        terminal.print(&format!(
            "no overall average, which is the mean of four domains; missing: {}",
            missing.join(", ")
        ));
    }
    Ok(json)
}

fn prompt<'g, 'p>(group: &'g Group<'p>) -> Result<Prompt<'g, 'p>, Failure> {
    let refuse = |what: &str| {
        Failure::input(format!(
            "problem {:?} is none of RM-Bench: {what}; `codescaler import rm-bench` makes such problems",
            group.problem.id
        ))
    };
    let domain = group.problem.meta.extra.get("domain").and_then(Json::as_str).unwrap_or_default();
    let domain = DOMAINS
        .iter()
        .position(|known| domain == *known || domain.split('-').next() == Some(known))
        .ok_or_else(|| refuse("its meta.domain is none of chat, code, math, safety"))?;
    let mut places: BTreeMap<(bool, Style), usize> = BTreeMap::new();
    for (place, member) in group.members.iter().enumerate() {
        let (Some(label), Some(style)) = (member.label, member.style) else {
            return Err(refuse("an answer has no style"));
        };
        if places.insert((label, style), place).is_some() {
            return Err(refuse("two answers are alike in style and label"));
        }
    }
    let side = |label| {
        let [a, b, c] = Style::ALL.map(|style| places.get(&(label, style)).copied());
        Some([a?, b?, c?])
    };
    match (side(true), side(false)) {
        (Some(right), Some(wrong)) => Ok(Prompt { group, domain, right, wrong }),
        (_, _) => Err(refuse("it has not three right and three wrong answers")),
    }
}

fn matrix(prompt: &Prompt<'_, '_>, scorer: &Scorer) -> Result<StyleMatrix, LeftOut> {
    // Ties lose, as published; a draw by lot is all ties, and right half of the time.
    let tie = if matches!(scorer, Scorer::Random) { 0.5 } else { 0.0 };
    let score =
        |place: usize| -> Option<Score> { scorer.score(place, &prompt.group.members[place]) };
    style_matrix(prompt.right.map(score), prompt.wrong.map(score), tie)
}

fn measured(
    found: &[Result<StyleMatrix, LeftOut>],
    part: impl Fn(&StyleMatrix) -> f64,
) -> Vec<Measured> {
    found.iter().map(|matrix| matrix.as_ref().map(&part).map_err(|reason| *reason)).collect()
}

fn cells(found: &[Result<StyleMatrix, LeftOut>], seed: u64) -> [[Estimate; 3]; 3] {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| mean(&measured(found, |matrix| matrix.cells[i][j]), seed)))
}

fn row(domain: &str, scorer: &str, estimates: &[Estimate; 4]) -> Vec<String> {
    let start = [domain.to_owned(), scorer.to_owned(), estimates[0].n.to_string()];
    start.into_iter().chain(estimates.iter().map(shown)).collect()
}

fn parts_as_json(estimates: &[Estimate; 4]) -> Json {
    let named = PARTS.iter().zip(estimates);
    let named = named.map(|((name, _), estimate)| ((*name).to_owned(), as_json(estimate)));
    named.collect::<serde_json::Map<String, Json>>().into()
}

fn show_matrix(domain: &str, scorer: &str, cells: &[[Estimate; 3]; 3]) -> String {
    let row = |(style, cells): (Style, &[Estimate; 3])| {
        [style.name().to_owned()].into_iter().chain(cells.iter().map(shown)).collect()
    };
    let rows: Vec<Vec<String>> = Style::ALL.into_iter().zip(cells).map(row).collect();
    let head = ["right \\ wrong", "concise", "detailed", "markdown"];
    format!("\n{domain}, {scorer}: right answer above wrong one, %\n{}", table(&head, &rows))
}
