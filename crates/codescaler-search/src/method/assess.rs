//! MCTS-Judge (Wang et al., arXiv:2502.12468): a judge examines a program from several sides; which
//! side comes next is found by a tree search that is rewarded when the verdict of a whole line of
//! examination agrees with an execution, simulated by the judge or real.
//!
//! The authors published no code; perspectives, rollouts, depth, exploration and reward follow a
//! third party's. Left out is their mixing of the tree's choice with the judge's own opinion of what
//! to examine next, which costs an answer per step for a tenth of the weight.

use std::collections::BTreeMap;

use codescaler::seed::{Rng, derive};
use serde::{Deserialize, Serialize};

use super::pool::{Count, Outcome, Temperature, count, drafts, rows, sampling, verdicts};
use crate::{
    ask::{Ask, Asked, Cases, Digest, Sampling, all},
    prompt::Prompt,
    reply,
};

/// MCTS-Judge over samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assess {
    /// Samples to judge.
    pub n: Count,
    /// Lines of examination per sample.
    pub rounds: Count,
    /// Steps of a line.
    pub depth: u32,
    /// Ways on from each step.
    pub branch: u32,
    /// Weight of exploration.
    pub exploration: f64,
    /// Whether the execution is simulated by the judge; else the visible tests are run.
    pub trace: bool,
    /// Temperature of the samples.
    pub temperature: Temperature,
    /// Temperature of the judge.
    pub judge_temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
}

impl Default for Assess {
    fn default() -> Assess {
        Assess {
            n: count(4),
            rounds: count(4),
            depth: 5,
            branch: 3,
            exploration: 3.0,
            trace: true,
            temperature: Temperature::of(0.7),
            judge_temperature: Temperature::of(0.4),
            tokens_max: count(2048),
        }
    }
}

const PERSPECTIVES: [&str; 9] = [
    "whether it does everything that the problem asks for",
    "whether each condition, loop and recursion does what it is meant to",
    "the smallest inputs, empty ones, ties and repeated values",
    "whether what it prints or returns has the form that is asked for",
    "whether it covers every case of the problem",
    "what happens step by step on one of the problem's own examples",
    "whether it is fast enough, and uses little enough memory, for the largest inputs allowed",
    "whether functions of the language and its library do what it relies on",
    "where each value comes from and whether it is still what it should be when it is used",
];

impl Assess {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let candidates = drafts(ask, self.n.get(), sampling(self.temperature, self.tokens_max))?;
        let liked = all(candidates.iter().map(|slot| match slot {
            Some(program) => self.liked(ask, *program).map(Some),
            None => Ok(None),
        }))?;
        let most = liked.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        let ties: Vec<usize> = (0..liked.len()).filter(|&at| liked[at] == Some(most)).collect();
        let note = match ties.is_empty() {
            true => "abstained: no sample has a valid program".to_owned(),
            false => format!("the judge agrees in {:.0} % of its lines", most * 100.0),
        };
        Ok(Outcome::among(ask, candidates, ties).with_note(note))
    }

    /// The share of lines of examination that end in the verdict that the program is right.
    fn liked(&self, ask: &mut Ask<'_>, program: Digest) -> Asked<f64> {
        let sampling = sampling(self.judge_temperature, self.tokens_max);
        let truth = self.execution(ask, program, sampling)?;
        let mut tree: BTreeMap<Vec<usize>, Node> = BTreeMap::new();
        let mut agreed = 0_u32;
        for round in 0..self.rounds.get() {
            let seed = derive(ask.seed("assess"), &[&program.to_string(), &round.to_string()]);
            let (path, verdicts) = self.line(ask, program, &mut tree, &mut Rng::new(seed))?;
            let yes = verdicts.iter().filter(|verdict| **verdict == Some(true)).count();
            let no = verdicts.iter().filter(|verdict| **verdict == Some(false)).count();
            let verdict = yes > no;
            agreed += u32::from(verdict);
            let reward = if truth == Some(verdict) { 1.1 } else { 0.0 };
            for length in 0..=path.len() {
                let node = tree.entry(path[..length].to_vec()).or_default();
                node.visits += 1;
                node.reward += reward;
            }
        }
        // A real execution that fails outweighs opinions.
        Ok(match (self.trace, truth) {
            (false, Some(false)) => 0.0,
            (true | false, _) => f64::from(agreed) / f64::from(self.rounds.get()),
        })
    }

    /// Whether an execution says that the program is right.
    fn execution(
        &self,
        ask: &mut Ask<'_>,
        program: Digest,
        sampling: Sampling,
    ) -> Asked<Option<bool>> {
        if self.trace {
            let reply = ask.chat(&Prompt::Trace { program }, sampling, 0)?;
            return Ok(reply.and_then(|reply| reply::yes(&reply.text)));
        }
        let row = verdicts(&rows(ask, &[Some(program)], Cases::Visible)?).swap_remove(0);
        Ok((!row.is_empty()).then(|| row.iter().all(|cell| *cell == Some(true))))
    }

    /// One line of examination from the root on.
    fn line(
        &self,
        ask: &mut Ask<'_>,
        program: Digest,
        tree: &mut BTreeMap<Vec<usize>, Node>,
        rng: &mut Rng,
    ) -> Asked<(Vec<usize>, Vec<Option<bool>>)> {
        let sampling = sampling(self.judge_temperature, self.tokens_max);
        let (mut path, mut notes, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.depth.min(9) {
            let next = self.step(tree, &path, rng);
            let prompt =
                Prompt::Assess { program, perspective: PERSPECTIVES[next], notes: notes.clone() };
            let reply = ask.chat(&prompt, sampling, 0)?;
            path.push(next);
            verdicts.push(reply.as_ref().and_then(|reply| reply::yes(&reply.text)));
            notes.extend(reply.map(|reply| ask.keep(&reply.text)));
        }
        Ok((path, verdicts))
    }

    /// Which perspective comes next: a new one while there is room, else the one of the highest
    /// upper confidence bound, `Q/n + c √(ln N / n)`.
    fn step(&self, tree: &BTreeMap<Vec<usize>, Node>, path: &[usize], rng: &mut Rng) -> usize {
        let child = |perspective: usize| {
            let mut path = path.to_vec();
            path.push(perspective);
            tree.get(&path)
        };
        let free: Vec<usize> = (0..PERSPECTIVES.len()).filter(|at| !path.contains(at)).collect();
        let (seen, new): (Vec<usize>, Vec<usize>) =
            free.iter().partition(|&&at| child(at).is_some());
        if seen.len() < self.branch as usize && !new.is_empty() || seen.is_empty() {
            let from = if new.is_empty() { free } else { new };
            let at = rng.below(from.len() as u64);
            return from[usize::try_from(at).expect("it is below a length")];
        }
        let total = tree.get(path).map_or(1, |node| node.visits);
        let bound = |at: &usize| {
            let Some(node) = child(*at) else { return f64::INFINITY };
            let n = f64::from(node.visits);
            node.reward / n + self.exploration * (f64::from(total).ln() / n).sqrt()
        };
        seen.into_iter().max_by(|a, b| bound(a).total_cmp(&bound(b))).expect("some were seen")
    }
}

#[derive(Default)]
struct Node {
    visits: u32,
    reward: f64,
}
