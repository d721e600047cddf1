use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use crate::decoder::{Decoder, Prefix};
use crate::error::{LoadError, LoadErrorKind, ScoreError};
use crate::kernel::{Isa, Precision};
use crate::network::HeadKind;
use crate::text::{Message, TextEncoder};

/// How a reward model is loaded and run. `Options::default()` is the best this machine has.
#[derive(Debug, Clone)]
pub struct Options {
    /// The instruction set; a weaker one can be forced for comparison.
    pub isa: Isa,
    /// How weights are kept.
    pub precision: Precision,
    /// Threads that share the work.
    pub threads: NonZeroUsize,
    /// The longest item, prompt included, in tokens. Longer ones are an error, never cut.
    pub tokens_max: usize,
    /// Tokens that are computed side by side: bounds the memory of a batch.
    pub tokens_per_batch: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            isa: Isa::detect(),
            precision: Precision::Bf16,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            tokens_max: 4096,
            tokens_per_batch: 4096,
        }
    }
}

/// A reward model: reads a problem and a program and gives one number, higher for better.
///
/// Scores are raw logits, comparable only within one problem. The same candidate gets the same
/// bits whatever stands beside it, with any number of threads.
pub struct RewardModel {
    decoder: Decoder,
    text: TextEncoder,
    tokens_max: usize,
    tokens_per_batch: usize,
}

/// What has been done of one group, in tokens; shared ones count once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tokens computed so far.
    pub tokens_done: usize,
    /// Tokens in all.
    pub tokens_total: usize,
}

/// Which kernels are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    /// The instruction set.
    pub isa: Isa,
    /// What weights are kept as.
    pub precision: Precision,
    /// Threads that share the work.
    pub threads: NonZeroUsize,
}

impl RewardModel {
    /// Loads a Hugging Face directory: `config.json`, safetensors, `tokenizer.json`,
    /// `tokenizer_config.json` and, where there is one, `chat_template.jinja`.
    ///
    /// # Errors
    /// When a file is missing or damaged, when a tensor is missing, left over, of a wrong shape
    /// or not finite, and when the head gives anything but one score.
    pub fn load(dir: &Path, options: &Options) -> Result<Self, LoadError> {
        assert!(options.isa.is_available(), "this processor has no {:?}", options.isa);
        let decoder = Decoder::load(dir, (options.isa, options.precision), options.threads)?;
        match decoder.head() {
            HeadKind::Score | HeadKind::ValueHead => (),
            HeadKind::LanguageModel => return Err(LoadError::at(dir, LoadErrorKind::NotAScorer)),
        }
        let text = TextEncoder::load(dir, decoder.config.vocab)?;
        let Options { tokens_max, tokens_per_batch, .. } = *options;
        Ok(Self { decoder, text, tokens_max, tokens_per_batch })
    }

    /// Scores the candidates of one problem: user says `prompt`, assistant says the bare program.
    ///
    /// What all items begin with is computed once. Scores come in the order of `candidates`.
    ///
    /// # Errors
    /// When an item is too long or makes no token, when the template refuses it, and when a score
    /// is not finite.
    pub fn score_group(
        &self,
        prompt: &str,
        candidates: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<f32>, ScoreError> {
        let items = candidates.iter().enumerate();
        let items = items.map(|(index, program)| self.encode(index, prompt, program));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let shared = common_prefix(&items);
        let total = shared + items.iter().map(|item| item.len() - shared).sum::<usize>();
        let mut done = 0;
        let mut report = |tokens: usize| {
            done += tokens;
            progress(Progress { tokens_done: done, tokens_total: total });
        };
        let prefix = (shared > 0).then(|| self.decoder.prefix(&items[0][..shared]));
        report(shared);
        let tails: Vec<&[u32]> = items.iter().map(|item| &item[shared..]).collect();
        let mut scores = Vec::with_capacity(tails.len());
        for batch in batches(&tails, self.tokens_per_batch) {
            scores.extend(self.score_batch(prefix.as_ref(), batch));
            report(batch.iter().map(|tail| tail.len()).sum());
        }
        match scores.iter().position(|score| !score.is_finite()) {
            None => Ok(scores),
            Some(index) => Err(ScoreError::NotFinite { index }),
        }
    }

    /// What scores are computed with.
    pub fn kernels(&self) -> Kernels {
        self.decoder.kernels()
    }

    /// The text that is scored, and its tokens.
    fn encode(&self, index: usize, prompt: &str, program: &str) -> Result<Vec<u32>, ScoreError> {
        let messages = [
            Message { role: "user", content: prompt },
            Message { role: "assistant", content: program },
        ];
        let tokens = self.text.encode(&self.text.render(&messages)?)?;
        let tokens_max = self.tokens_max.min(self.decoder.config.positions_max);
        match tokens.len() {
            0 => Err(ScoreError::Empty { index }),
            n if n > tokens_max => Err(ScoreError::TooLong { index, tokens: n, tokens_max }),
            _ => Ok(tokens),
        }
    }

    fn score_batch(&self, prefix: Option<&Prefix>, tails: &[&[u32]]) -> Vec<f32> {
        let outputs = self.decoder.forward(prefix, tails);
        outputs.into_iter().map(|output| output[0]).collect()
    }
}

/// How many tokens all items begin with, at least one short of each item: the last token is the
/// one that is scored. 0 for one item alone, which has nobody to share with.
fn common_prefix(items: &[Vec<u32>]) -> usize {
    let [first, others @ ..] = items else { return 0 };
    let common = |other: &Vec<u32>| {
        let same = first.iter().zip(other).take_while(|(a, b)| a == b).count();
        same.min(other.len() - 1)
    };
    let shortest = others.iter().map(common).min();
    shortest.map_or(0, |shortest| shortest.min(first.len() - 1))
}

/// Cuts into runs of at most `tokens_max` tokens, or of one item where that alone has more.
fn batches<'a, 'b>(mut items: &'a [&'b [u32]], tokens_max: usize) -> Vec<&'a [&'b [u32]]> {
    let mut batches = Vec::new();
    while !items.is_empty() {
        let mut tokens = 0;
        let fits = items.iter().take_while(|item| {
            tokens += item.len();
            tokens <= tokens_max
        });
        let (batch, rest) = items.split_at(fits.count().max(1));
        batches.push(batch);
        items = rest;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn dir(family: &str) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "fixtures", family].iter().collect()
    }

    #[track_caller]
    fn check_batches(lengths: &[usize], tokens_max: usize, expected: &[usize]) {
        let items: Vec<Vec<u32>> = lengths.iter().map(|&n| vec![0; n]).collect();
        let items: Vec<&[u32]> = items.iter().map(|item| &item[..]).collect();
        let found: Vec<usize> = batches(&items, tokens_max).iter().map(|b| b.len()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn batches_keep_the_budget() {
        check_batches(&[], 10, &[]);
        check_batches(&[4, 6, 1], 10, &[2, 1]);
        check_batches(&[40, 6, 1], 10, &[1, 2]);
    }

    #[test]
    fn a_prefix_leaves_every_item_a_token() {
        assert_eq!(common_prefix(&[vec![1, 2, 3], vec![1, 2, 4, 5]]), 2);
        assert_eq!(common_prefix(&[vec![1, 2], vec![1, 2, 4, 5]]), 1);
        assert_eq!(common_prefix(&[vec![1, 2, 3], vec![1, 2, 3]]), 2);
        assert_eq!(common_prefix(&[vec![1, 2, 3]]), 0);
        assert_eq!(common_prefix(&[]), 0);
    }

    #[test]
    fn one_candidate_alone_scores_as_in_the_group() {
        let programs = ["print(1)", "print(2)\n", "", "import sys\nprint(sys.stdin.read())"];
        for family in ["qwen2", "qwen3", "llama", "acecode"] {
            let small = Options { tokens_per_batch: 20, ..Options::default() };
            let large = Options { threads: NonZeroUsize::MIN, ..Options::default() };
            let small = RewardModel::load(&dir(family), &small).unwrap();
            let large = RewardModel::load(&dir(family), &large).unwrap();
            let mut seen = Vec::new();
            let scores = small.score_group("Add.", &programs, &mut |p| seen.push(p)).unwrap();
            for (program, score) in programs.iter().zip(scores) {
                let alone = large.score_group("Add.", &[program], &mut |_| ()).unwrap();
                assert_eq!(alone[0].to_bits(), score.to_bits(), "{family}");
            }
            assert_eq!(seen.last().unwrap().tokens_done, seen[0].tokens_total);
        }
    }

    #[track_caller]
    fn check_error<T, E: std::error::Error>(result: Result<T, E>, message: &str) {
        let error = result.err().expect("an error");
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        let text = format!("{error}{source}");
        let text = text.replace(dir("").to_str().unwrap(), "");
        assert_eq!(text, message);
    }

    #[test]
    fn unusable_input_is_named() {
        let load = |family| RewardModel::load(&dir(family), &Options::default());
        check_error(
            load("lm"),
            "cannot load lm: the head gives one number per token of the vocabulary, not one score",
        );
        check_error(load("none"), "cannot load none/config.json: not readable");
        let options = Options { tokens_max: 10, ..Options::default() };
        let strict = RewardModel::load(&dir("qwen3"), &options).unwrap();
        check_error(
            strict.score_group("Add.", &["print(input())"], &mut |_| ()),
            "candidate 0 makes 41 tokens, more than the 10 allowed; shorten it or raise the limit",
        );
    }
}
