//! From judged completions to what the trainer takes, in passes that fit into memory.

use codescaler_nn::{Aggregation, Completion, PolicyStep, Rollouts, Sample};
use serde_json::{Map, Value as Json, json};

use super::reward::Worth;

/// What a group was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Programs from nothing.
    Draft,
    /// Programs with earlier ones in sight.
    Improve,
    /// Tests.
    Test,
    /// Thoughts, before programs.
    Think,
}

impl Turn {
    /// Its name, in seeds and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Turn::Draft => "draft",
            Turn::Improve => "improve",
            Turn::Test => "test",
            Turn::Think => "think",
        }
    }
}

/// One problem's part of a step.
pub(super) struct Group {
    pub(super) turn: Turn,
    pub(super) prompt: Vec<u32>,
    pub(super) samples: Vec<Sample>,
    pub(super) worths: Vec<Worth>,
    /// Every token's advantage, where it does not come from the completion's reward.
    pub(super) by_token: Option<Vec<Vec<f32>>>,
    /// The mean regret of thoughts, in tokens.
    pub(super) regret: Option<f64>,
}

impl Group {
    /// Completions that nobody has judged yet.
    pub(super) fn new(turn: Turn, prompt: Vec<u32>, samples: Vec<Sample>) -> Group {
        Group { turn, prompt, samples, worths: Vec::new(), by_token: None, regret: None }
    }

    /// Rewards, and tokens.
    pub(super) fn rewards(&self) -> impl Iterator<Item = (Option<f32>, usize)> {
        let both = self.worths.iter().zip(&self.samples);
        both.map(|(worth, sample)| (worth.reward, sample.tokens.len()))
    }

    /// Whether all rewards that are known are equal: there is nothing to learn.
    pub(super) fn is_alike(&self) -> bool {
        let mut known = self.worths.iter().filter_map(|worth| worth.reward);
        let first = known.next();
        known.all(|reward| Some(reward) == first)
    }
}

/// A group with what is to be learnt of it.
pub(super) struct Lesson<'a> {
    group: &'a Group,
    /// One number per token, completion by completion.
    advantages: Vec<Vec<f32>>,
    weights: Vec<f32>,
    pub(super) old: Vec<Vec<f32>>,
    pub(super) reference: Vec<Vec<f32>>,
}

impl<'a> Lesson<'a> {
    /// A group, with the advantages of its completions by their rewards.
    pub(super) fn new(group: &'a Group, advantages: &[f32]) -> Lesson<'a> {
        let tokens = group.samples.iter().map(|sample| sample.tokens.len());
        let by_reward = || advantages.iter().zip(tokens).map(|(a, n)| vec![*a; n]).collect();
        let advantages = group.by_token.clone().unwrap_or_else(by_reward);
        let weights = vec![0.0; group.samples.len()];
        Lesson { group, advantages, weights, old: Vec::new(), reference: Vec::new() }
    }

    /// Tokens that go through the decoder.
    fn cost(&self) -> usize {
        let tokens = self.group.samples.iter().map(|sample| sample.tokens.len());
        self.group.prompt.len() + tokens.sum::<usize>()
    }

    fn completions(&self) -> Vec<Completion<'_>> {
        let of = |(index, sample): (usize, &'a Sample)| Completion {
            tokens: &sample.tokens,
            advantages: &self.advantages[index],
            weight: self.weights[index],
            old: self.old.get(index).map(Vec::as_slice),
            reference: self.reference.get(index).map(Vec::as_slice),
        };
        self.group.samples.iter().enumerate().map(of).collect()
    }
}

/// Lessons as the trainer takes them.
pub(super) fn with_rollouts<R>(
    lessons: &[Lesson<'_>],
    work: impl FnOnce(&[Rollouts<'_>]) -> R,
) -> R {
    let completions: Vec<Vec<Completion<'_>>> = lessons.iter().map(Lesson::completions).collect();
    let all: Vec<Rollouts<'_>> = lessons
        .iter()
        .zip(&completions)
        .map(|(lesson, completions)| Rollouts { prompt: &lesson.group.prompt, completions })
        .collect();
    work(&all)
}

/// Works on lessons one pass after the other, each of about `size` tokens.
pub(super) fn each_pass<'a>(
    lessons: &mut [Lesson<'a>],
    size: usize,
    mut work: impl FnMut(&mut [Lesson<'a>]),
) {
    let mut rest = lessons;
    while !rest.is_empty() {
        let (mut n, mut tokens) = (0, 0);
        while n < rest.len() && (n == 0 || tokens + rest[n].cost() <= size) {
            tokens += rest[n].cost();
            n += 1;
        }
        let (pass, after) = rest.split_at_mut(n);
        work(pass);
        rest = after;
    }
}

/// Splits lessons into `n` parts of nearly equal size, none of them empty.
pub(super) fn shares<'l, 'a>(
    lessons: &'l mut [Lesson<'a>],
    n: usize,
) -> impl Iterator<Item = &'l mut [Lesson<'a>]> {
    let size = lessons.len().div_ceil(n).max(1);
    lessons.chunks_mut(size)
}

/// Puts log-probabilities in their place.
pub(super) fn remember<'a>(
    lessons: &mut [Lesson<'a>],
    known: Vec<Vec<f32>>,
    place: impl for<'l> Fn(&'l mut Lesson<'a>) -> &'l mut Vec<Vec<f32>>,
) {
    let mut known = known.into_iter();
    for lesson in lessons {
        let n = lesson.group.samples.len();
        *place(lesson) = known.by_ref().take(n).collect();
    }
}

/// Weighs the tokens of an update; completions whose reward is not known weigh nothing.
pub(super) fn weigh(lessons: &mut [Lesson<'_>], aggregation: Aggregation) {
    let length = |(sample, worth): (&Sample, &Worth)| match worth.reward {
        Some(_) => sample.tokens.len(),
        None => 0,
    };
    let lengths: Vec<usize> = lessons
        .iter()
        .flat_map(|lesson| lesson.group.samples.iter().zip(&lesson.group.worths))
        .map(length)
        .collect();
    let mut weights = aggregation.weights(&lengths).into_iter();
    for lesson in lessons {
        lesson.weights = weights.by_ref().take(lesson.group.samples.len()).collect();
    }
}

/// What a step came to.
#[derive(Default)]
pub(super) struct Log {
    pub(super) norm: f64,
    loss: f64,
    entropy: f64,
    clipped: f64,
    kl: f64,
    /// Sum of distances between the sampler's log-probabilities and the trainer's.
    apart: f64,
    tokens: f64,
}

impl Log {
    pub(super) fn add(&mut self, lessons: &[Lesson<'_>], made: &PolicyStep) {
        let samples = || lessons.iter().flat_map(|lesson| &lesson.group.samples);
        let tokens = samples().map(|sample| sample.tokens.len()).sum::<usize>() as f64;
        self.loss += made.loss;
        self.entropy += made.entropy * tokens;
        self.clipped += made.clipped * tokens;
        self.kl += made.kl * tokens;
        let apart = |(sample, own): (&Sample, &Vec<f32>)| -> f64 {
            let pairs = sample.logprobs.iter().zip(own);
            pairs.map(|(a, b)| f64::from((a - b).abs())).sum()
        };
        self.apart += samples().zip(&made.logprobs).map(apart).sum::<f64>();
        self.tokens += tokens;
    }

    /// The log of a step. Samplers give log-probabilities at temperature 1, so that only there they
    /// can be compared with the trainer's.
    pub(super) fn line(
        &self,
        groups: &[Group],
        (updates, temperature): (usize, f32),
    ) -> Map<String, Json> {
        let of = |turn: Turn| {
            let own = groups.iter().filter(move |group| group.turn == turn);
            own.flat_map(|group| &group.worths)
        };
        let worths = || of(Turn::Draft);
        let mean = |values: &mut dyn Iterator<Item = f32>| {
            let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + f64::from(x), n + 1.0));
            (n > 0.0).then_some(sum / n)
        };
        let count = worths().count().max(1) as f64;
        let drafts = || groups.iter().filter(|group| group.turn == Turn::Draft);
        let samples = || drafts().flat_map(|group| &group.samples);
        let lengths = samples().map(|sample| sample.tokens.len()).sum::<usize>() as f64;
        let per_token = |sum: f64| sum / self.tokens.max(1.0);
        let share = |n: usize, of: f64| n as f64 / of;
        let line = json!({
            "loss": self.loss / updates as f64,
            "norm": self.norm / updates as f64,
            "reward": mean(&mut worths().filter_map(|worth| worth.reward)),
            "score": mean(&mut worths().filter_map(|worth| worth.score)),
            "valid": share(worths().filter(|worth| worth.is_valid).count(), count),
            "faults": worths().filter(|worth| worth.reward.is_none()).count(),
            "alike": share(drafts().filter(|g| g.is_alike()).count(), drafts().count().max(1) as f64),
            "length": lengths / count,
            "entropy": per_token(self.entropy),
            "clipped": per_token(self.clipped),
            "kl": per_token(self.kl),
            "apart": (temperature == 1.0).then(|| per_token(self.apart)),
        });
        let Json::Object(mut line) = line else { unreachable!("an object was written") };
        for (turn, reward, valid) in [
            (Turn::Improve, "improve_reward", "improve_valid"),
            (Turn::Test, "test_reward", "test_valid"),
            (Turn::Think, "think_reward", "think_whole"),
        ] {
            let n = of(turn).count();
            if n > 0 {
                let rewards = mean(&mut of(turn).filter_map(|worth| worth.reward));
                line.insert(reward.to_owned(), json!(rewards));
                let valid_ones = of(turn).filter(|worth| worth.is_valid).count();
                line.insert(valid.to_owned(), json!(share(valid_ones, n as f64)));
            }
        }
        let regrets: Vec<f64> = groups.iter().filter_map(|group| group.regret).collect();
        if !regrets.is_empty() {
            let thoughts = groups.iter().filter(|group| group.turn == Turn::Think);
            let thoughts = || thoughts.clone().flat_map(|group| &group.samples);
            let tokens = thoughts().map(|sample| sample.tokens.len()).sum::<usize>();
            line.insert("think_length".to_owned(), json!(share(tokens, thoughts().count() as f64)));
            let mean = regrets.iter().sum::<f64>() / regrets.len() as f64;
            line.insert("regret".to_owned(), json!(mean));
        }
        line
    }
}
