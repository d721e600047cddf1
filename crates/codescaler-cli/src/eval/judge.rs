//! `eval judge`: how often a policy that judges prefers the right program.

use std::{
    collections::BTreeMap,
    io::BufRead as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use codescaler::metric::{self, Estimate};
use codescaler_nn::{Message, Precision};
use codescaler_search::{Preferred, preferred};
use serde::Deserialize;
use serde_json::json;

use super::{as_json, shown};
use crate::{
    failure::{Failure, Outcome},
    files::{open, write_whole},
    policy::{self, SamplingOptions},
    terminal::Terminal,
};

/// Ask a policy which of two programs is right, and measure how often it says so.
///
/// Answers are the likeliest ones, as searches ask of a judge. Pairs that stand in both orders in the
/// file also say how often the policy prefers a place: it names the same one in both.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler curate duels --problems held-out/problems.jsonl \\
      --candidates held-out/candidates.jsonl --both-orders --out held-out/duels.jsonl
  codescaler eval judge --policy judge --duels held-out/duels.jsonl")]
pub(crate) struct Options {
    /// The policy: a Hugging Face directory.
    #[arg(long)]
    policy: PathBuf,
    /// Conversations of `curate duels`.
    #[arg(long)]
    duels: PathBuf,
    /// The longest answer, in tokens.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    completion_tokens_max: u32,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A file to write the figures to, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One conversation about a pair.
#[derive(Deserialize)]
struct Duel {
    messages: Vec<Turn>,
    problem: String,
    right: u32,
    wrong: u32,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

/// Conversations asked about before the progress is shown.
const CHUNK: usize = 64;

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let duels = read(&options.duels)?;
    let policy = policy::open(&options.policy, Precision::Bf16)?;
    let sampling = SamplingOptions {
        temperature: 0.0,
        top_p: 1.0,
        top_k: None,
        completion_tokens_max: options.completion_tokens_max as usize,
    };
    let asked: Vec<(&str, Vec<Message<'_>>)> = duels.iter().map(Duel::asked).collect();
    let bar = terminal.progress("duels", duels.len() as u64, 0);
    let mut said = Vec::new();
    for chunk in asked.chunks(CHUNK) {
        for samples in policy::write_to(&policy, chunk, (1, &sampling), &[], 0)? {
            said.extend(samples.iter().map(|sample| preferred(&sample.text)));
        }
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();

    let right = duels.iter().zip(&said).map(|(duel, said)| (duel, *said == duel.answer()));
    let unclear = duels.iter().zip(&said).map(|(duel, said)| (duel, *said == Preferred::Unclear));
    let right = share(right, options.seed);
    let unclear = share(unclear, options.seed);
    let by_place = share(by_place(&duels, &said).into_iter(), options.seed);
    let lines = [
        ("prefers the right program", &right),
        ("of pairs in both orders, names the same place twice", &by_place),
        ("gives no verdict", &unclear),
    ];
    for (what, estimate) in lines {
        terminal.print(&format!("{:<22} {what}", shown(estimate)));
    }
    terminal.print(&format!("{} conversations about {} problems", duels.len(), right.n));
    let found = json!({
        "verb": "eval judge", "duels": duels.len(), "problems": right.n, "right": as_json(&right),
        "by_place": as_json(&by_place), "unclear": as_json(&unclear),
    });
    if let Some(out) = &options.out {
        write_whole(out, format!("{found:#}\n").as_bytes())?;
    }
    Ok(Outcome::done(found))
}

impl Duel {
    /// All but the answer.
    fn asked(&self) -> (&str, Vec<Message<'_>>) {
        let turns = self.messages.split_last().map_or(&[][..], |(_, asked)| asked);
        let turns = turns.iter().map(|Turn { role, content }| Message { role, content });
        (&self.problem, turns.collect())
    }

    /// The side of the right program.
    fn answer(&self) -> Preferred {
        self.messages.last().map_or(Preferred::Unclear, |turn| preferred(&turn.content))
    }
}

fn read(path: &Path) -> Result<Vec<Duel>, Failure> {
    let mut duels = Vec::new();
    for (number, line) in open(path)?.lines().enumerate() {
        let at = || format!("{} line {}", path.display(), number + 1);
        let line = line.with_context(at).map_err(Failure::Input)?;
        let duel: Duel = serde_json::from_str(&line).with_context(at).map_err(Failure::Input)?;
        if duel.messages.len() < 2 || duel.answer() == Preferred::Unclear {
            return Err(Failure::input(format!(
                "{}: it does not end with the answer of a judge, such as {:?}: give a file of \
                 `curate duels`",
                at(),
                Preferred::First.told()
            )));
        }
        duels.push(duel);
    }
    if duels.is_empty() {
        return Err(Failure::input(format!("{} holds no conversation", path.display())));
    }
    Ok(duels)
}

/// A conversation with what the policy said.
type Said<'a> = (&'a Duel, Preferred);

/// Of pairs that were asked about in both orders, whether the same place was preferred in both.
fn by_place<'a>(duels: &'a [Duel], said: &[Preferred]) -> Vec<(&'a Duel, bool)> {
    let mut pairs: BTreeMap<(&str, u32, u32), [Option<Said<'_>>; 2]> = BTreeMap::new();
    for (duel, said) in duels.iter().zip(said) {
        let order = usize::from(duel.answer() == Preferred::Second);
        let pair = pairs.entry((&duel.problem, duel.right, duel.wrong)).or_default();
        pair[order] = Some((duel, *said));
    }
    let both = pairs.into_values().filter_map(|[one, other]| one.zip(other));
    both.map(|((duel, one), (_, other))| {
        (duel, one == other && matches!(one, Preferred::First | Preferred::Second))
    })
    .collect()
}

/// How often something holds, each problem alike.
fn share<'a>(found: impl Iterator<Item = (&'a Duel, bool)>, seed: u64) -> Estimate {
    let mut problems: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (duel, holds) in found {
        let (n, sum) = problems.entry(&duel.problem).or_default();
        *n += 1.0;
        *sum += f64::from(u8::from(holds));
    }
    let shares: Vec<_> = problems.into_values().map(|(n, sum)| Ok(sum / n)).collect();
    metric::mean(&shares, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A conversation about a pair, whose right program stands there.
    fn duel(problem: &str, right: Preferred) -> Duel {
        let turn = |text: &str| Turn { role: String::new(), content: text.to_owned() };
        let messages = vec![turn("?"), turn(right.told())];
        Duel { messages, problem: problem.to_owned(), right: 0, wrong: 1 }
    }

    #[test]
    fn a_place_is_preferred_when_it_is_named_in_both_orders() {
        use Preferred::{Equal, First, Second, Unclear};
        for (said, expected) in [
            ([First, First], true),
            ([Second, Second], true),
            ([First, Second], false),
            ([Second, First], false),
            ([Equal, Equal], false),
            ([First, Unclear], false),
        ] {
            let duels = [duel("a", First), duel("a", Second)];
            let found: Vec<bool> = by_place(&duels, &said).iter().map(|(_, is)| *is).collect();
            assert_eq!(found, [expected], "{said:?}");
        }
        // One order alone says nothing.
        assert!(by_place(&[duel("a", First), duel("b", Second)], &[First, First]).is_empty());
    }

    #[test]
    fn problems_count_alike() {
        let (a, b) = (duel("a", Preferred::First), duel("b", Preferred::First));
        let found = [(&a, true), (&a, false), (&a, false), (&a, false), (&b, true)];
        let mean = share(found.into_iter(), 0).interval.unwrap().mean;
        assert!((mean - 0.625).abs() < 1e-9, "{mean}");
    }
}
