//! S*: parallel chains that debug themselves on the visible tests, then selection by inputs that
//! separate what differs in behaviour (Li et al., arXiv:2502.14382).
//!
//! Deviations from the released code, each with its reason; `released=true` undoes the first three:
//!
//! - A chain gives its best round, not its last: a later round may break what worked.
//! - Programs are clustered by what they do on all inputs, and one program of each cluster is
//!   judged, as in the paper's text; the code judges all pairs of members, input by input. At most
//!   three answers are spent on a pair of clusters.
//! - A problem without visible tests is passed by all, where the code takes nobody to pass.
//! - The judge sees what both programs give, never what the test writer believes to be right: the
//!   code shows that belief as if it were known.
//! - When all programs behave alike, no judge is asked; a reward model as judge chooses among
//!   them, and among those that pass most where nobody passes everything.
//! - When no inputs can be had, clusters are single programs, and the judge reads code alone.
//! - With changed visible inputs (`inputs=mutated`) nobody is asked for inputs that separate a pair:
//!   the judge sees the first of the changed ones on which the two differ, or code alone where they
//!   differ on none.

use codescaler::{evidence::Table, score::Score};
use serde::{Deserialize, Serialize};

use super::{
    Slot,
    pool::{
        Count, InputSource, Outcome, Temperature, by_text, clusters, count, made_inputs, outputs,
        passing, program_of, rows, sampling, verdicts,
    },
};
use crate::{
    ask::{Ask, Asked, Cases, Digest, Sampling, all},
    prompt::Prompt,
    reply::{self, Preferred},
};

/// S*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SStar {
    /// Chains.
    pub n: Count,
    /// Programs of a chain, the first draft counted.
    pub rounds: Count,
    /// What a chain sees of its past.
    pub context: Context,
    /// Temperature of all samples but the judge's.
    pub temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
    /// Where the first inputs come from.
    pub inputs: InputSource,
    /// How many.
    pub inputs_max: u32,
    /// Inputs that are to separate a pair.
    pub separating: u32,
    /// Who compares.
    pub judge: Judge,
    /// Whether to do as the released code does.
    pub released: bool,
}

/// What a debugging prompt shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Every round.
    All,
    /// The last round.
    Last,
}

/// Who compares two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// A language model, which sees both programs and what they give on inputs made to separate
    /// them, in both orders.
    LanguageModel,
    /// A language model that reads both programs, in both orders.
    CodeOnly,
    /// The reward model: a vote of clusters in which each program counts as much as it is likely to
    /// be right, and in the cluster that wins the highest score.
    RewardModel,
    /// The largest cluster.
    Agreement,
    /// Nobody: any program that passes the visible tests.
    None,
}

impl Default for SStar {
    fn default() -> SStar {
        SStar {
            n: count(16),
            rounds: count(3),
            context: Context::All,
            temperature: Temperature::of(0.7),
            tokens_max: count(4096),
            inputs: InputSource::Written,
            inputs_max: 20,
            separating: 5,
            judge: Judge::LanguageModel,
            released: false,
        }
    }
}

impl SStar {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let candidates = all((0..self.n.get()).map(|chain| self.chain(ask, chain, sampling)))?;
        let visible = verdicts(&rows(ask, &candidates, Cases::Visible)?);
        let (best, pass) = passing(&visible, &candidates);
        if best.is_empty() {
            return Ok(Outcome { candidates, ..Outcome::default() }
                .with_note("abstained: no sample has a valid program"));
        }
        let unproven = visible.first().is_none_or(Vec::is_empty);
        if !pass || self.released && unproven {
            // Among those that fail, outputs say nothing of who is nearly right.
            let ties = match self.released {
                true => best[..1].to_vec(),
                false => liked(&self.scores(ask, &candidates, &best)?, best),
            };
            return Ok(Outcome::among(ask, candidates, ties)
                .with_note("unverified: no candidate passes every visible test"));
        }
        let is_one = best.iter().all(|&at| candidates[at] == candidates[best[0]]);
        if self.judge == Judge::None || is_one {
            return Ok(Outcome::among(ask, candidates, best));
        }
        let ran = match made_inputs(ask, self.inputs, self.inputs_max, sampling)? {
            Some(inputs) => {
                let outputs = outputs(&rows(ask, &candidates, Cases::Inputs(inputs))?);
                Some(Ran { inputs, outputs })
            }
            None => None,
        };
        self.compare(ask, candidates, &best, ran.as_ref())
    }

    /// One chain: a draft, then corrections until the visible tests pass.
    fn chain(&self, ask: &mut Ask<'_>, chain: u32, sampling: Sampling) -> Asked<Slot> {
        let mut rounds: Vec<(Digest, usize)> = Vec::new();
        let mut prompt = Prompt::Draft { plan: None };
        for _ in 0..self.rounds.get() {
            let reply = ask.chat(&prompt, sampling, chain)?;
            let Some(program) = reply.and_then(|reply| program_of(ask, &reply)) else {
                // The released code makes an empty answer the chain's result.
                if self.released {
                    return Ok(None);
                }
                break;
            };
            let verdicts = verdicts(&rows(ask, &[Some(program)], Cases::Visible)?);
            let passed = verdicts[0].iter().filter(|cell| **cell == Some(true)).count();
            rounds.push((program, passed));
            let is_known = verdicts[0].iter().any(Option::is_some);
            if passed == verdicts[0].len() && !(self.released && passed == 0) || !is_known {
                break;
            }
            let seen = match self.context {
                Context::All => &rounds[..],
                Context::Last => &rounds[rounds.len() - 1..],
            };
            prompt = Prompt::Debug { rounds: seen.iter().map(|(program, _)| *program).collect() };
        }
        let last = rounds.last().map(|(program, _)| *program);
        let best =
            rounds.iter().rev().max_by_key(|(_, passed)| *passed).map(|(program, _)| *program);
        Ok(if self.released { last } else { best })
    }

    /// The second stage.
    fn compare(
        &self,
        ask: &mut Ask<'_>,
        candidates: Vec<Slot>,
        best: &[usize],
        ran: Option<&Ran>,
    ) -> Asked<Outcome> {
        if self.released
            && self.judge == Judge::LanguageModel
            && let Some(ran) = ran
        {
            return self.compare_as_released(ask, candidates, best, ran);
        }
        let clusters = match ran {
            Some(ran) => clusters(&ran.outputs, best),
            None => by_text(&candidates, best),
        };
        let scores = self.scores(ask, &candidates, best)?;
        if let [only] = &clusters[..] {
            return Ok(Outcome::among(ask, candidates, liked(&scores, only.clone())));
        }
        let mut doubts = Doubts::default();
        let points: Vec<f64> = match self.judge {
            Judge::None => vec![0.0; clusters.len()],
            Judge::Agreement => clusters.iter().map(|cluster| cluster.len() as f64).collect(),
            Judge::RewardModel => {
                // A weighted vote: a program counts as much as it is likely to be right.
                let weight = |at: &usize| {
                    scores[*at].map_or(0.0, |score| 1.0 / (1.0 + f64::from(-score.get()).exp()))
                };
                clusters.iter().map(|cluster| cluster.iter().map(weight).sum()).collect()
            }
            Judge::LanguageModel | Judge::CodeOnly => {
                let judged: Vec<Digest> =
                    clusters.iter().filter_map(|cluster| candidates[cluster[0]]).collect();
                doubts.of(self.tournament(ask, &judged, ran)?, judged.len())
            }
        };
        let most = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let winners = clusters.iter().zip(&points).filter(|(_, points)| **points == most);
        // Of clusters with as many points, the largest: more samples agree on it.
        let mut winners: Vec<&Vec<usize>> = winners.map(|(cluster, _)| cluster).collect();
        let largest = winners.iter().map(|cluster| cluster.len()).max().unwrap_or(0);
        winners.retain(|cluster| cluster.len() == largest);
        let mut ties: Vec<usize> = winners.into_iter().flatten().copied().collect();
        ties.sort_unstable();
        Ok(doubts.told(Outcome::among(ask, candidates, liked(&scores, ties))))
    }

    /// The scores of `members`, where the reward model is the judge.
    fn scores(
        &self,
        ask: &mut Ask<'_>,
        candidates: &[Slot],
        members: &[usize],
    ) -> Asked<Vec<Option<Score>>> {
        let is_judge = self.judge == Judge::RewardModel;
        all(candidates.iter().enumerate().map(|(at, slot)| match slot {
            Some(program) if is_judge && members.contains(&at) => ask.score(*program),
            Some(_) | None => Ok(None),
        }))
    }

    /// What the judge says of every two programs.
    fn tournament(
        &self,
        ask: &mut Ask<'_>,
        programs: &[Digest],
        ran: Option<&Ran>,
    ) -> Asked<Vec<Duel>> {
        let n = programs.len();
        let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
        all(pairs.map(|(a, b)| {
            let said = self.duel(ask, [programs[a], programs[b]], ran)?;
            Ok(((a, b), said))
        }))
    }

    /// Two programs, judged in both orders.
    fn duel(
        &self,
        ask: &mut Ask<'_>,
        pair: [Digest; 2],
        ran: Option<&Ran>,
    ) -> Asked<[Option<Preferred>; 2]> {
        let inputs = match (self.judge, self.inputs) {
            (Judge::LanguageModel, InputSource::Mutated) => {
                ran.and_then(|ran| ask.separating(pair, ran.inputs, self.separating as usize))
            }
            (
                Judge::LanguageModel,
                InputSource::None | InputSource::Written | InputSource::Programmed,
            ) => self.written(ask, pair)?,
            (Judge::CodeOnly | Judge::RewardModel | Judge::Agreement | Judge::None, _) => None,
        };
        let [first, second] = pair;
        let sampling = sampling(self.temperature, self.tokens_max);
        let exact = Sampling { temperature_milli: 0, ..sampling };
        let verdicts = all([[first, second], [second, first]]
            .map(|pair| ask.chat(&Prompt::Judge { pair, inputs }, exact, 0)))?;
        let read = |at: usize| verdicts[at].as_ref().map(|reply| reply::preferred(&reply.text));
        Ok([read(0), read(1)])
    }

    /// Inputs that a test writer wrote to separate two programs, on which both were run.
    fn written(&self, ask: &mut Ask<'_>, pair: [Digest; 2]) -> Asked<Option<Digest>> {
        let entry = &ask.task().problem().entry;
        let sampling = sampling(self.temperature, self.tokens_max);
        let prompt = Prompt::Separate { pair, count: self.separating };
        let found = ask.chat(&prompt, sampling, 0)?.map_or_else(Vec::new, |reply| {
            reply::inputs(&reply.text, entry, self.separating as usize)
        });
        if found.is_empty() {
            return Ok(None);
        }
        let kept = ask.keep_inputs(found);
        all(pair.map(|program| ask.run(program, Cases::Inputs(kept))))?;
        Ok(Some(kept))
    }

    /// Input by input, all members against all: what the released code does.
    fn compare_as_released(
        &self,
        ask: &mut Ask<'_>,
        candidates: Vec<Slot>,
        best: &[usize],
        ran: &Ran,
    ) -> Asked<Outcome> {
        let outputs = &ran.outputs;
        let n_inputs = outputs.first().map_or(0, Vec::len);
        let mut score = vec![0_u32; candidates.len()];
        let mut doubts = Doubts::default();
        let groups: Vec<Vec<Vec<usize>>> =
            (0..n_inputs).map(|j| by_output(outputs, j, best)).collect();
        // Ask for every duel at once, before any is looked at.
        let wanted: Vec<Asked<Vec<_>>> =
            groups.iter().map(|groups| self.duels(ask, &candidates, (groups, ran))).collect();
        for (groups, duels) in groups.iter().zip(all(wanted)?) {
            let points = doubts.of(duels, groups.len());
            let most = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let winners: Vec<usize> = (0..groups.len()).filter(|&g| points[g] == most).collect();
            if let ([winner], true) = (&winners[..], groups.len() > 1) {
                for &member in &groups[*winner] {
                    score[member] += 1;
                }
            }
        }
        let most = best.iter().map(|&at| score[at]).max().unwrap_or(0);
        let first = best.iter().copied().find(|&at| score[at] == most);
        Ok(doubts.told(Outcome::among(ask, candidates, Vec::from_iter(first))))
    }

    /// The duels of all members of different groups, with the groups they count for.
    fn duels(
        &self,
        ask: &mut Ask<'_>,
        candidates: &[Slot],
        (groups, ran): (&[Vec<usize>], &Ran),
    ) -> Asked<Vec<Duel>> {
        let mut duels = Vec::new();
        for a in 0..groups.len() {
            for b in a + 1..groups.len() {
                for &x in &groups[a] {
                    for &y in &groups[b] {
                        if let (Some(x), Some(y)) = (candidates[x], candidates[y]) {
                            let said = self.duel(ask, [x, y], Some(ran));
                            duels.push(said.map(|said| ((a, b), said)));
                        }
                    }
                }
            }
        }
        all(duels)
    }
}

/// Inputs on which all candidates were run, and what they gave.
struct Ran {
    inputs: Digest,
    outputs: Table<Digest>,
}

/// The places of two sides, and what the judge said of them in both orders.
type Duel = ((usize, usize), [Option<Preferred>; 2]);

/// Of members that nothing else tells apart, those of the highest score.
fn liked(scores: &[Option<Score>], mut members: Vec<usize>) -> Vec<usize> {
    let most = members.iter().map(|&at| scores[at]).max().flatten();
    members.retain(|&at| scores[at] == most);
    members
}

/// Members by their output on one input; those without an output are left out.
fn by_output(outputs: &Table<Digest>, input: usize, members: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Digest, Vec<usize>)> = Vec::new();
    for &at in members {
        let Some(output) = outputs[at][input] else { continue };
        match groups.iter_mut().find(|(found, _)| *found == output) {
            Some((_, group)) => group.push(at),
            None => groups.push((output, vec![at])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// How often a judge was asked, and contradicted itself.
#[derive(Default)]
struct Doubts {
    pairs: u32,
    /// The same side was preferred in both orders.
    by_place: u32,
    /// At least one answer names no side.
    unreadable: u32,
}

impl Doubts {
    /// Points of each of `n` sides.
    fn of(&mut self, duels: Vec<Duel>, n: usize) -> Vec<f64> {
        let mut points = vec![0.0; n];
        for ((a, b), said) in duels {
            let [first, second] = self.points(said);
            points[a] += first;
            points[b] += second;
        }
        points
    }

    /// Points of a pair, given what the judge said of it in both orders.
    fn points(&mut self, said: [Option<Preferred>; 2]) -> [f64; 2] {
        self.pairs += 1;
        match said {
            [Some(Preferred::First), Some(Preferred::Second)] => [1.0, 0.0],
            [Some(Preferred::Second), Some(Preferred::First)] => [0.0, 1.0],
            [Some(Preferred::Equal), Some(Preferred::Equal)] => [0.5, 0.5],
            [Some(Preferred::Unclear), _] | [_, Some(Preferred::Unclear)] => {
                self.unreadable += 1;
                [0.0, 0.0]
            }
            [Some(Preferred::First), Some(Preferred::First)]
            | [Some(Preferred::Second), Some(Preferred::Second)] => {
                self.by_place += 1;
                [0.0, 0.0]
            }
            // It wavers, or was not asked.
            [Some(Preferred::Equal) | None, _] | [_, Some(Preferred::Equal) | None] => [0.0, 0.0],
        }
    }

    fn told(&self, outcome: Outcome) -> Outcome {
        let Doubts { pairs, by_place, unreadable } = *self;
        let outcome = match by_place {
            0 => outcome,
            n => outcome.with_note(format!(
                "the judge preferred the same place in both orders in {n} of {pairs} pairs"
            )),
        };
        match unreadable {
            0 => outcome,
            n => outcome.with_note(format!("the judge gave no verdict in {n} of {pairs} pairs")),
        }
    }
}
