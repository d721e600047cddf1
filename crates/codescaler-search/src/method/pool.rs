//! What methods have in common: samples, evidence about them, and a choice.

use std::{num::NonZeroU32, sync::Arc};

use codescaler::{
    evidence::{Evidence, Table},
    execution::Verdict,
    inputs::{self, Input, MutateOptions},
    seed::derive,
    select::{Choice, Need, Rule, select},
};
use serde::{Deserialize, Serialize};

use super::Slot;
use crate::{
    ask::{Ask, Asked, Cases, Cell, Digest, Reply, Sampling, all},
    prompt::Prompt,
    reply,
};

/// What a method chose, and from what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The programs to choose from, one per sample; `None` where a sample has no valid program.
    pub candidates: Vec<Slot>,
    /// The place of the chosen one; `None` when the method abstains, and a note says why.
    pub chosen: Option<usize>,
    /// Every candidate that is as good as the chosen one, which is among them; ascending.
    pub ties: Vec<usize>,
    /// Why it abstained or fell back; what is to be known of the choice.
    pub notes: Vec<String>,
    /// What the problem taught for others, for methods that find out.
    pub lessons: Vec<String>,
    /// How easy the problem looks, for methods that find out; higher is easier.
    pub ease: Option<f64>,
}

impl Outcome {
    /// The chosen program.
    pub fn program(&self) -> Slot {
        self.candidates[self.chosen?]
    }

    pub(super) fn of(candidates: Vec<Slot>, choice: &Choice) -> Outcome {
        let notes = choice.notes.iter().map(ToString::to_string).collect();
        Outcome {
            candidates,
            chosen: choice.chosen,
            ties: choice.ties.clone(),
            notes,
            ..Outcome::default()
        }
    }

    /// One of `ties`, which are equally good; which one depends on their texts, not on their order.
    pub(super) fn among(ask: &Ask<'_>, candidates: Vec<Slot>, ties: Vec<usize>) -> Outcome {
        let seed = ask.seed("ties");
        let draw =
            |&at: &usize| (derive(seed, &[&candidates[at].unwrap_or_default().to_string()]), at);
        let chosen = ties.iter().copied().min_by_key(draw);
        Outcome { candidates, chosen, ties, ..Outcome::default() }
    }

    pub(super) fn with_note(mut self, note: impl Into<String>) -> Outcome {
        self.notes.push(note.into());
        self
    }
}

/// A number of things, at least one.
pub(super) type Count = NonZeroU32;

/// `n`, which is not zero.
pub(super) const fn count(n: u32) -> Count {
    NonZeroU32::new(n).expect("a parameter's own value is not zero")
}

/// A temperature between 0 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Temperature {
    milli: u32,
}

impl Temperature {
    /// `temperature`, which is between 0 and 2.
    pub(super) fn of(temperature: f64) -> Temperature {
        Temperature::try_from(temperature).expect("a parameter's own value is within bounds")
    }
}

impl TryFrom<f64> for Temperature {
    type Error = &'static str;

    fn try_from(temperature: f64) -> Result<Temperature, &'static str> {
        if !(0.0..=2.0).contains(&temperature) {
            return Err("it is between 0 and 2");
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 2000"
        )]
        let milli = (temperature * 1000.0).round() as u32;
        Ok(Temperature { milli })
    }
}

impl From<Temperature> for f64 {
    fn from(temperature: Temperature) -> f64 {
        f64::from(temperature.milli) / 1000.0
    }
}

/// Temperatures that samples have in turn, written with `/` between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Temperatures(pub(super) Vec<Temperature>);

impl TryFrom<String> for Temperatures {
    type Error = String;

    fn try_from(text: String) -> Result<Temperatures, String> {
        let one = |part: &str| {
            let number =
                part.trim().parse::<f64>().map_err(|_| format!("{part:?} is no number"))?;
            Ok(Temperature::try_from(number)?)
        };
        let parts = text.split('/').filter(|part| !part.trim().is_empty());
        parts.map(one).collect::<Result<_, String>>().map(Temperatures)
    }
}

impl From<Temperatures> for String {
    fn from(temperatures: Temperatures) -> String {
        let all: Vec<String> = temperatures.0.iter().map(|&t| f64::from(t).to_string()).collect();
        all.join("/")
    }
}

/// How language models draw, as methods' parameters say it.
pub(super) fn sampling(temperature: Temperature, tokens_max: Count) -> Sampling {
    Sampling { temperature_milli: temperature.milli, tokens_max: tokens_max.get(), trim: None }
}

/// The program of a sample of `prompt`.
pub(super) fn sample(
    ask: &mut Ask<'_>,
    prompt: &Prompt,
    sampling: Sampling,
    index: u32,
) -> Asked<Slot> {
    let reply = ask.chat(prompt, sampling, index)?;
    Ok(reply.and_then(|reply| program_of(ask, &reply)))
}

pub(super) fn program_of(ask: &mut Ask<'_>, reply: &Reply) -> Slot {
    reply.program.as_ref().map(|program| ask.keep(program))
}

/// `n` answers from scratch; `None` for one that is not to be had.
pub(super) fn replies(
    ask: &mut Ask<'_>,
    n: u32,
    sampling: Sampling,
) -> Asked<Vec<Option<Arc<Reply>>>> {
    let prompt = Prompt::Draft { plan: None };
    all((0..n).map(|index| ask.chat(&prompt, sampling, index)))
}

/// `n` programs from scratch.
pub(super) fn drafts(ask: &mut Ask<'_>, n: u32, sampling: Sampling) -> Asked<Vec<Slot>> {
    let prompt = Prompt::Draft { plan: None };
    all((0..n).map(|index| sample(ask, &prompt, sampling, index)))
}

/// Where inputs without expected outputs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// From nowhere: there are none.
    None,
    /// The visible ones, changed ([`codescaler::inputs`]); no language model is asked.
    Mutated,
    /// A test writer.
    Written,
    /// Programs of a test writer, which print them.
    Programmed,
}

/// Programs that print inputs are tried one after the other, at most so many.
pub(super) const MAKERS_MAX: u32 = 3;

/// Inputs that a program printed, and how many programs before it printed none.
#[derive(Default)]
pub(super) struct Programmed {
    pub inputs: Vec<Input>,
    pub bad: u32,
}

/// What the first program prints that prints inputs.
pub(super) fn programmed(
    ask: &mut Ask<'_>,
    makers_max: u32,
    (count, sampling): (u32, Sampling),
) -> Asked<Programmed> {
    let mut made = Programmed::default();
    let entry = &ask.task().problem().entry;
    for index in 0..makers_max {
        let Some(reply) = ask.chat(&Prompt::Maker, sampling, index)? else { break };
        let printed = match program_of(ask, &reply) {
            Some(program) => match ask.run(program, Cases::Printed)? {
                Some(cells) => cells.first().filter(|cell| cell.verdict == Verdict::Pass).cloned(),
                // That is not the program's fault.
                None => continue,
            },
            None => None,
        };
        let shown = printed.map(|cell| cell.shown).unwrap_or_default();
        made.inputs = reply::inputs(&shown, entry, count as usize);
        if !made.inputs.is_empty() {
            break;
        }
        made.bad += 1;
    }
    Ok(made)
}

/// At most `count` inputs from `source`, kept; `None` where there are none.
pub(super) fn made_inputs(
    ask: &mut Ask<'_>,
    source: InputSource,
    count: u32,
    sampling: Sampling,
) -> Asked<Option<Digest>> {
    let problem = ask.task().problem();
    let made = match source {
        InputSource::None => Vec::new(),
        InputSource::Mutated => {
            let options = MutateOptions { inputs_max: count as usize, ..MutateOptions::default() };
            inputs::mutate(problem, &options, ask.seed("inputs"))
        }
        InputSource::Written => {
            let reply = ask.chat(&Prompt::Inputs { count }, sampling, 0)?;
            reply.map_or_else(Vec::new, |reply| {
                reply::inputs(&reply.text, &problem.entry, count as usize)
            })
        }
        InputSource::Programmed => programmed(ask, MAKERS_MAX, (count, sampling))?.inputs,
    };
    Ok((!made.is_empty()).then(|| ask.keep_inputs(made)))
}

/// What is to be found out about every candidate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub visible: bool,
    pub tests: Option<Digest>,
    pub inputs: Option<Digest>,
    pub scores: bool,
}

/// The rows of `cases` for all candidates; a candidate that cannot be run has an empty one.
pub(super) fn rows(
    ask: &mut Ask<'_>,
    candidates: &[Slot],
    cases: Cases,
) -> Asked<Vec<Vec<Option<Cell>>>> {
    let n_cases = match cases {
        Cases::Visible => ask.task().problem().tests.visible.len(),
        Cases::Printed => 1,
        Cases::Inputs(digest) => ask.n_inputs(digest),
        Cases::Tests(digest) => ask.n_tests(digest),
    };
    all(candidates.iter().map(|slot| {
        let Some(program) = slot else { return Ok(vec![None; n_cases]) };
        if n_cases == 0 {
            return Ok(Vec::new());
        }
        let cells = ask.run(*program, cases)?;
        Ok(match cells {
            Some(cells) => cells.iter().cloned().map(Some).collect(),
            None => vec![None; n_cases],
        })
    }))
}

pub(super) fn verdicts(rows: &[Vec<Option<Cell>>]) -> Table<bool> {
    let passed = |cell: &Option<Cell>| cell.as_ref().and_then(|cell| cell.verdict.passed());
    rows.iter().map(|row| row.iter().map(passed).collect()).collect()
}

pub(super) fn outputs(rows: &[Vec<Option<Cell>>]) -> Table<Digest> {
    let output = |cell: &Option<Cell>| cell.as_ref().and_then(|cell| cell.output);
    rows.iter().map(|row| row.iter().map(output).collect()).collect()
}

/// Gathers evidence about candidates; everything is asked for at once.
pub(super) fn evidence(ask: &mut Ask<'_>, candidates: &[Slot], wanted: Wanted) -> Asked<Evidence> {
    let visible = wanted.visible.then(|| rows(ask, candidates, Cases::Visible));
    let tests = wanted.tests.map(|tests| rows(ask, candidates, Cases::Tests(tests)));
    let inputs = wanted.inputs.map(|inputs| rows(ask, candidates, Cases::Inputs(inputs)));
    let scores = wanted.scores.then(|| {
        all(candidates.iter().map(|slot| match slot {
            Some(program) => ask.score(*program),
            None => Ok(None),
        }))
    });
    let programs =
        candidates.iter().map(|slot| slot.map(|program| ask.text(program).len())).collect();
    Ok(Evidence {
        programs,
        visible: visible.transpose()?.map(|rows| verdicts(&rows)),
        generated: tests.transpose()?.map(|rows| verdicts(&rows)),
        outputs: inputs.transpose()?.map(|rows| outputs(&rows)),
        scores: scores.transpose()?.into_iter().collect(),
        multiplicity: Vec::new(),
    })
}

/// What `rule` chooses; where the evidence that it needs could not be had, the samples that pass
/// the visible tests are all that is left to go by.
pub(super) fn decide(
    ask: &Ask<'_>,
    rule: &Rule,
    candidates: Vec<Slot>,
    evidence: &Evidence,
) -> Outcome {
    let seed = ask.seed("select");
    match select(rule, evidence, seed) {
        Ok(choice) => Outcome::of(candidates, &choice),
        Err(error) => {
            let fallback =
                if evidence.visible.is_some() { Rule::PublicFilter } else { Rule::Random };
            let choice = select(&fallback, evidence, seed)
                .expect("evidence is about all candidates, and the rule needs nothing else");
            Outcome::of(candidates, &choice).with_note(format!("{error}; chosen by {fallback}"))
        }
    }
}

/// The first `keep` programs in an order of places, each text once.
pub(super) fn best_texts(
    pool: &[Slot],
    order: impl IntoIterator<Item = usize>,
    keep: Count,
) -> Vec<Digest> {
    let mut texts = Vec::new();
    for program in order.into_iter().filter_map(|at| pool[at]) {
        if !texts.contains(&program) {
            texts.push(program);
        }
    }
    texts.truncate(keep.get() as usize);
    texts
}

/// The kinds of evidence that a rule goes by.
pub(super) fn scores_needed(rule: &Rule) -> bool {
    rule.needs().iter().any(|need| matches!(need, Need::Scorers(_)))
}

/// The candidates that pass the most visible tests, and whether they pass all; every candidate
/// where there are none.
pub(super) fn passing(visible: &Table<bool>, candidates: &[Slot]) -> (Vec<usize>, bool) {
    let passed = |at: usize| visible[at].iter().filter(|cell| **cell == Some(true)).count();
    let valid: Vec<usize> = (0..candidates.len()).filter(|&at| candidates[at].is_some()).collect();
    let most = valid.iter().map(|&at| passed(at)).max().unwrap_or(0);
    let n_tests = visible.first().map_or(0, Vec::len);
    (valid.into_iter().filter(|&at| passed(at) == most).collect(), most == n_tests)
}

/// Candidates by what they do on all inputs on which at least one gives an output: the largest
/// cluster first, then by first member. One that fails somewhere agrees with nobody.
pub(super) fn clusters(outputs: &Table<Digest>, members: &[usize]) -> Vec<Vec<usize>> {
    let rows: Table<Digest> = members.iter().map(|&at| outputs[at].clone()).collect();
    let valid = inputs::valid_inputs(&rows);
    let mut clusters: Vec<(Option<u64>, Vec<usize>)> = Vec::new();
    for (row, &at) in rows.iter().zip(members) {
        let cells: Vec<Option<Digest>> = valid.iter().map(|&column| row[column]).collect();
        let signature = inputs::signature(&cells);
        match clusters.iter_mut().find(|(found, _)| found.is_some() && *found == signature) {
            Some((_, cluster)) => cluster.push(at),
            None => clusters.push((signature, vec![at])),
        }
    }
    let mut clusters: Vec<Vec<usize>> = clusters.into_iter().map(|(_, cluster)| cluster).collect();
    clusters.sort_by_key(|cluster| (std::cmp::Reverse(cluster.len()), cluster[0]));
    clusters
}

/// Members by their text.
pub(super) fn by_text(candidates: &[Slot], members: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &at in members {
        match groups.iter_mut().find(|group| candidates[group[0]] == candidates[at]) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}
