use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::thread;

use crate::config::Programs;
use crate::decoder::Decoder;
use crate::directory::Directory;
use crate::error::{GroupError, LoadError, LoadErrorKind, ScoreError};
use crate::item::{Item, TooLong, Verbatim, common_prefix};
use crate::kernel::{Isa, Precision};
use crate::network::HeadKind;
use crate::text::TextEncoder;

/// How a reward model is loaded and run. `Options::default()` is the best this machine has.
#[derive(Debug, Clone)]
pub struct Options {
    /// The instruction set; a weaker one can be forced for comparison.
    pub isa: Isa,
    /// How weights are kept.
    pub precision: Precision,
    /// Threads that share the work.
    pub threads: NonZeroUsize,
    /// The longest item, prompt included, in tokens; at most the positions that the weights were
    /// trained for. What happens to longer ones, [`TooLong`] says.
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

/// What has been done of one group.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Tokens computed so far; shared ones count once.
    pub tokens_done: usize,
    /// Tokens in all.
    pub tokens_total: usize,
    /// Scores that this step made known, each with its candidate.
    pub ready: &'a [(usize, f32)],
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
    pub fn load<'a>(dir: impl Into<Directory<'a>>, options: &Options) -> Result<Self, LoadError> {
        let dir = dir.into();
        assert!(options.isa.is_available(), "this processor has no {:?}", options.isa);
        let decoder = Decoder::load(dir, (options.isa, options.precision), options.threads)?;
        match decoder.head() {
            HeadKind::Score | HeadKind::ValueHead => (),
            HeadKind::LanguageModel => return Err(dir.fail("", LoadErrorKind::NotAScorer)),
        }
        let text = TextEncoder::load(dir, decoder.config.vocab)?;
        let tokens_max = options.tokens_max.min(decoder.config.positions_max);
        let tokens_per_batch = options.tokens_per_batch;
        Ok(Self { decoder, text, tokens_max, tokens_per_batch })
    }

    /// Scores the candidates of one problem: user says `prompt`, assistant says the bare program.
    /// Scores come in the order of `candidates`; nothing is trimmed.
    ///
    /// # Errors
    /// When a program is empty, when an item is too long or refused by the template or the
    /// tokenizer, and when a score is not finite.
    pub fn score_group(
        &self,
        prompt: &str,
        candidates: &[&str],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<f32>, GroupError> {
        let items = candidates.iter().enumerate().map(|(index, program)| {
            let item = self.item(prompt, program, TooLong::Error);
            item.map_err(|source| GroupError { index, source })
        });
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let mut scores = vec![0.0; items.len()];
        self.score_items(&items.iter().collect::<Vec<_>>(), &mut |step| {
            for &(index, score) in step.ready {
                scores[index] = score;
            }
            progress(step);
            ControlFlow::Continue(())
        })?;
        Ok(scores)
    }

    /// Scores the items of one problem, in order; each score is handed out with the batch it was
    /// computed in, and a break stops the work there.
    ///
    /// What all items begin with is computed once, and so are equal items. Items whose problem
    /// was trimmed share among themselves, so that they cost the others nothing.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn score_items(
        &self,
        items: &[&Item],
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), GroupError> {
        self.score_groups(groups(items), progress)
    }

    /// As [`RewardModel::score_items`], every item computed in whole: the same scores, later. For
    /// comparison.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn score_items_apart(
        &self,
        items: &[&Item],
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), GroupError> {
        let apart = items.iter().enumerate().map(|(at, item)| Distinct { item, places: vec![at] });
        self.score_groups([(0, apart.collect()), (0, Vec::new())], progress)
    }

    /// How many tokens [`RewardModel::score_items`] computes: shared ones count once.
    pub fn tokens_computed(&self, items: &[&Item]) -> usize {
        groups(items).iter().map(tokens_of).sum()
    }

    /// Numbers in the layers' matrices: how many multiplications each token costs there.
    pub fn weights_per_token(&self) -> u64 {
        self.decoder.config.layer_weights()
    }

    fn score_groups(
        &self,
        groups: [(usize, Vec<Distinct<'_>>); 2],
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), GroupError> {
        let (mut tokens_done, tokens_total) = (0, groups.iter().map(tokens_of).sum());
        for (shared, group) in groups {
            let prefix =
                (shared > 0).then(|| self.decoder.prefix(&group[0].item.tokens()[..shared]));
            tokens_done += shared;
            let mut group = &group[..];
            while !group.is_empty() {
                let n =
                    batch_len(group.iter().map(|d| d.tail(shared).len()), self.tokens_per_batch);
                let (batch, rest) = group.split_at(n);
                let tails: Vec<&[u32]> = batch.iter().map(|d| d.tail(shared)).collect();
                let outputs = self.decoder.forward(prefix.as_ref(), &tails);
                let mut ready = Vec::new();
                for (output, distinct) in outputs.iter().zip(batch) {
                    if !output[0].is_finite() {
                        let index = distinct.places[0];
                        return Err(GroupError { index, source: ScoreError::NotFinite });
                    }
                    ready.extend(distinct.places.iter().map(|&index| (index, output[0])));
                }
                tokens_done += tails.iter().map(|tail| tail.len()).sum::<usize>();
                let step = Progress { tokens_done, tokens_total, ready: &ready };
                if progress(step).is_break() {
                    return Ok(());
                }
                group = rest;
            }
        }
        Ok(())
    }

    /// What scores are computed with.
    pub fn kernels(&self) -> Kernels {
        self.decoder.kernels()
    }

    /// How programs are to be written for it.
    pub fn programs(&self) -> Programs {
        self.decoder.config.programs
    }

    /// The longest item, in tokens.
    pub fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    /// Prompt and program as one item, trimmed as `too_long` says.
    ///
    /// # Errors
    /// When the program is empty, when the item is too long and may not be trimmed (or not that
    /// much), and when the template or the tokenizer refuses it.
    pub fn item(&self, prompt: &str, program: &str, too_long: TooLong) -> Result<Item, ScoreError> {
        Item::new(&self.text, (prompt, program), self.tokens_max, too_long)
    }

    /// Something that is scored as it stands, as one item.
    ///
    /// # Errors
    /// When it is empty or too long, and when the template or the tokenizer refuses it.
    pub fn verbatim(&self, verbatim: &Verbatim<'_>) -> Result<Item, ScoreError> {
        Item::verbatim(&self.text, verbatim, self.tokens_max)
    }
}

/// An item and the places in its group where it stands.
struct Distinct<'a> {
    item: &'a Item,
    places: Vec<usize>,
}

impl<'a> Distinct<'a> {
    fn tail(&self, shared: usize) -> &'a [u32] {
        &self.item.tokens()[shared..]
    }
}

/// Equal items once, in the order of their first places.
fn distinct<'a>(items: &[&'a Item]) -> Vec<Distinct<'a>> {
    let mut found: Vec<Distinct<'_>> = Vec::with_capacity(items.len());
    let mut known = BTreeMap::new();
    for (index, &item) in items.iter().enumerate() {
        match known.entry(item.tokens()) {
            Entry::Occupied(at) => {
                let at: usize = *at.get();
                found[at].places.push(index);
            }
            Entry::Vacant(vacant) => {
                vacant.insert(found.len());
                found.push(Distinct { item, places: vec![index] });
            }
        }
    }
    found
}

/// Items that share their beginning, and how much of it: those with the whole problem, and those
/// whose problem was trimmed.
fn groups<'a>(items: &[&'a Item]) -> [(usize, Vec<Distinct<'a>>); 2] {
    let (whole, trimmed) = distinct(items).into_iter().partition(|d| d.item.shares());
    let groups: [Vec<Distinct<'_>>; 2] = [whole, trimmed];
    groups.map(|group| {
        let all: Vec<&[u32]> = group.iter().map(|d| d.tail(0)).collect();
        // The last token is the one that is scored.
        (common_prefix(&all, 1), group)
    })
}

/// Tokens to compute for a group.
fn tokens_of((shared, group): &(usize, Vec<Distinct<'_>>)) -> usize {
    shared + group.iter().map(|d| d.item.tokens().len() - shared).sum::<usize>()
}

/// How many of the first items have at most `tokens_max` tokens together; 1 where that alone has
/// more.
fn batch_len(lengths: impl Iterator<Item = usize>, tokens_max: usize) -> usize {
    let mut tokens = 0;
    let fits = lengths.take_while(|length| {
        tokens += length;
        tokens <= tokens_max
    });
    fits.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Message;
    use std::path::PathBuf;

    fn dir(family: &str) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "fixtures", family].iter().collect()
    }

    fn item(tokens: &[u32]) -> Item {
        Item::of_tokens(tokens.to_vec())
    }

    #[test]
    fn batches_keep_the_budget() {
        let check = |lengths: &[usize], expected| {
            assert_eq!(batch_len(lengths.iter().copied(), 10), expected);
        };
        check(&[4, 6, 1], 2);
        check(&[40, 6, 1], 1);
        check(&[6, 1], 2);
    }

    #[test]
    fn equal_items_are_one_and_keep_the_order_of_their_first_places() {
        let items = [item(&[7, 1]), item(&[2, 1]), item(&[7, 1]), item(&[1])];
        let items: Vec<&Item> = items.iter().collect();
        let places: Vec<_> = distinct(&items).into_iter().map(|d| d.places).collect();
        assert_eq!(places, [vec![0, 2], vec![1], vec![3]]);
    }

    #[test]
    fn a_directory_in_memory_is_the_one_on_disk() {
        macro_rules! held {
            ($($name:literal),*) => {
                &[$(($name, include_bytes!(concat!("../fixtures/qwen2/", $name)))),*]
            };
        }
        let files: &[(&str, &[u8])] = held![
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja"
        ];
        let scores = |directory: Directory<'_>| {
            let reward_model = RewardModel::load(directory, &Options::default()).unwrap();
            let mut identity = Vec::new();
            crate::identify(directory, &mut |bytes| identity.extend_from_slice(bytes)).unwrap();
            let scores = reward_model.score_group("Add.", &["print(1)", "print(2)"], &mut |_| ());
            (scores.unwrap(), identity)
        };
        let disk = dir("qwen2");
        let memory = Directory::Memory { name: "box", files };
        assert!(scores(memory) == scores((&disk).into()));
        let without = Directory::Memory { name: "box", files: &files[1..] };
        let error = RewardModel::load(without, &Options::default()).err().unwrap();
        assert_eq!(error.path, std::path::Path::new("box/config.json"));
    }

    #[test]
    fn one_candidate_alone_scores_as_in_the_group() {
        let programs =
            ["print(1)", "print(2)\n", "x", "import sys\nprint(sys.stdin.read())", "print(1)"];
        for family in ["qwen2", "qwen3", "llama", "acecode"] {
            let small = Options { tokens_per_batch: 20, ..Options::default() };
            let large = Options { threads: NonZeroUsize::MIN, ..Options::default() };
            let small = RewardModel::load(&dir(family), &small).unwrap();
            let large = RewardModel::load(&dir(family), &large).unwrap();
            let (mut ready, mut last) = (0, (0, 1));
            let mut see = |step: Progress<'_>| {
                ready += step.ready.len();
                last = (step.tokens_done, step.tokens_total);
            };
            let scores = small.score_group("Add.", &programs, &mut see).unwrap();
            for (program, score) in programs.iter().zip(scores) {
                let alone = large.score_group("Add.", &[program], &mut |_| ()).unwrap();
                assert_eq!(alone[0].to_bits(), score.to_bits(), "{family}");
            }
            assert_eq!((ready, last.0), (programs.len(), last.1));
        }
    }

    #[test]
    fn a_break_stops_and_a_trimmed_item_scores_as_alone() {
        let options = Options { tokens_max: 600, tokens_per_batch: 1, ..Options::default() };
        let reward_model = RewardModel::load(&dir("qwen3"), &options).unwrap();
        let prompt: String = (0..50).map(|i| format!("line {i}\n")).collect();
        let long = "x += 1\n".repeat(50);
        let items: Vec<Item> = ["print(1)", &long, "print(2)", &long[7..]]
            .iter()
            .map(|program| reward_model.item(&prompt, program, TooLong::TrimProblem).unwrap())
            .collect();
        let shares: Vec<bool> = items.iter().map(Item::shares).collect();
        assert_eq!(shares, [true, false, true, false]);
        let run = |items: &[&Item], stop_after: usize| {
            let mut seen = Vec::new();
            let result = reward_model.score_items(items, &mut |step| {
                seen.extend(step.ready.iter().map(|&(index, score)| (index, score.to_bits())));
                if seen.len() < stop_after {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            result.unwrap();
            seen
        };
        let all: Vec<&Item> = items.iter().collect();
        let together = run(&all, usize::MAX);
        let order: Vec<usize> = together.iter().map(|&(index, _)| index).collect();
        assert_eq!(order, [0, 2, 1, 3]);
        for (index, score) in &together {
            assert_eq!(run(&[all[*index]], usize::MAX), [(0, *score)]);
        }
        assert_eq!(run(&all, 2), together[..2]);
    }

    #[test]
    fn a_text_as_it_stands_is_the_item_that_it_is_the_text_of() {
        let reward_model = RewardModel::load(&dir("qwen3"), &Options::default()).unwrap();
        let item = reward_model.item("Add.", "print(1)", TooLong::Error).unwrap();
        let turns = vec![("user", "Add."), ("assistant", "print(1)")];
        let messages = turns.iter().map(|&(role, content)| Message { role, content });
        let text = reward_model.text.render(&messages.collect::<Vec<_>>(), false).unwrap();
        for verbatim in [
            Verbatim::Text { text: &text, add_special_tokens: false },
            Verbatim::Text { text: &text, add_special_tokens: true },
            Verbatim::Turns(turns),
            Verbatim::Tokens(item.tokens()),
        ] {
            assert_eq!(reward_model.verbatim(&verbatim).unwrap(), item, "{verbatim:?}");
        }
        check_error(
            reward_model.verbatim(&Verbatim::Tokens(&[1, 1_000_000])),
            "the tokenizer failed: there is no token 1000000",
        );
        check_error(
            reward_model.verbatim(&Verbatim::Tokens(&[])),
            "the chat template makes no token",
        );
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
        check_error(
            load("none"),
            "cannot load none/config.json: no such file; a directory to load has config.json, \
             model.safetensors (or shards and model.safetensors.index.json), tokenizer.json, \
             tokenizer_config.json and, unless that holds the chat template, chat_template.jinja",
        );
        let options = Options { tokens_max: 10, ..Options::default() };
        let strict = RewardModel::load(&dir("qwen3"), &options).unwrap();
        check_error(
            strict.score_group("Add.", &["print(input())"], &mut |_| ()),
            "candidate 0: 41 tokens, more than the 10 allowed",
        );
        check_error(
            strict.score_group("Add.", &[" \n"], &mut |_| ()),
            "candidate 0: the program is empty",
        );
    }
}
