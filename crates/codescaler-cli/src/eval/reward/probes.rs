//! Candidates made to probe a scorer: rewrites, bugs, programs for other problems.

use std::collections::BTreeSet;

use codescaler::{
    candidate::Relation,
    metric::{Judged, LeftOut, Pairs, pairs_where, pooled, sign_changes},
    score::Score,
};
use serde_json::{Value as Json, json};

use super::{figures::pooled_as_json, scorer::Scorer};
use crate::{
    eval::shown,
    groups::{Group, Groups, Member},
    table::table,
    terminal::Terminal,
};

/// Probes that are measured together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Rewrite(String),
    Bug(String),
    Unaligned,
}

impl Kind {
    fn of(relation: &Relation) -> Kind {
        match relation {
            Relation::Rewrite { how, .. } => Kind::Rewrite(how.clone()),
            Relation::Bug { how, .. } => Kind::Bug(how.clone()),
            Relation::Unaligned { .. } => Kind::Unaligned,
        }
    }

    fn name(&self) -> String {
        match self {
            Kind::Rewrite(how) => format!("rewrite: {how}"),
            Kind::Bug(how) => format!("bug: {how}"),
            Kind::Unaligned => "unaligned".to_owned(),
        }
    }

    fn question(&self) -> &'static str {
        match self {
            Kind::Rewrite(_) => "preference changed",
            Kind::Bug(_) => "original preferred",
            Kind::Unaligned => "right one preferred",
        }
    }
}

/// Shows what probes find and gives it as JSON; `None` without probes.
pub(super) fn measure(
    terminal: Terminal,
    groups: &Groups<'_>,
    scorers: &[Scorer],
    seed: u64,
) -> Option<Json> {
    let probes = groups.list.iter().flat_map(|group| &group.probes);
    let kinds: BTreeSet<Kind> =
        probes.filter_map(|probe| probe.relation.as_ref()).map(Kind::of).collect();
    let (mut rows, mut json) = (Vec::new(), json!({}));
    for kind in &kinds {
        // A probe has no place among the samples: "first" says nothing of it.
        for scorer in scorers.iter().filter(|scorer| !matches!(scorer, Scorer::First)) {
            let of_group = |group: &Group<'_>| found(group, kind, scorer);
            let all: Vec<Result<Pairs, LeftOut>> = groups.list.iter().map(of_group).collect();
            let pooled = pooled(&all, seed);
            rows.push(vec![
                kind.name(),
                scorer.name().to_owned(),
                kind.question().to_owned(),
                pooled.estimate.n.to_string(),
                pooled.pairs.to_string(),
                shown(&pooled.estimate),
            ]);
            json[kind.name()][scorer.name()] = pooled_as_json(&pooled);
        }
    }
    if kinds.is_empty() {
        return None;
    }
    let head = ["probe", "scorer", "share of pairs", "problems", "pairs", "%"];
    terminal.print(&format!("\nprobes\n{}", table(&head, &rows)));
    Some(json)
}

/// What the probes of a kind find in one group.
fn found(group: &Group<'_>, kind: &Kind, scorer: &Scorer) -> Result<Pairs, LeftOut> {
    let n_members = group.members.len();
    let of_kind = |probe: &&Member| probe.relation.as_ref().map(Kind::of).as_ref() == Some(kind);
    let probes: Vec<&Member> = group.probes.iter().filter(of_kind).collect();
    let all: Vec<&Member> = group.members.iter().chain(probes.iter().copied()).collect();
    let scores: Vec<Option<Score>> =
        all.iter().enumerate().map(|(place, member)| scorer.score(place, member)).collect();
    let counts: Vec<u32> = all.iter().map(|member| member.count.max(1)).collect();
    let original: Vec<Option<usize>> = all
        .iter()
        .map(|member| match member.relation {
            Some(Relation::Rewrite { of, .. } | Relation::Bug { of, .. }) => {
                group.members.iter().position(|member| member.index == of)
            }
            Some(Relation::Unaligned { .. }) | None => None,
        })
        .collect();
    // A rewrite is as right as its original; what does not solve the problem is wrong.
    let made_wrong = !matches!(kind, Kind::Rewrite(_));
    let label = |(place, member): (usize, &&Member)| {
        if place < n_members { member.label } else { made_wrong.then_some(false) }
    };
    let labels: Vec<Option<bool>> = all.iter().enumerate().map(label).collect();
    let judged = Judged::new(&labels).scored(&scores).counted(&counts);
    match kind {
        Kind::Rewrite(_) => sign_changes(&judged, &original),
        Kind::Bug(_) => pairs_where(&judged, |right, wrong| original[wrong] == Some(right)),
        Kind::Unaligned => pairs_where(&judged, |_, wrong| wrong >= n_members),
    }
}
