//! `codescaler lab run`: the claims about reinforcement learning without running code, in
//! miniature.
//!
//! The experiment is a list of command lines. Each is printed, stands for itself, goes on where it
//! was stopped, and is passed over when its work is there.

use std::path::PathBuf;

use clap::Args;
use codescaler::{candidate::Label, score::Scored};
use serde_json::json;

use super::claims;
use crate::{
    failure::{Failure, Outcome},
    files::read_all,
    terminal::Terminal,
    workshop::Workshop,
};

/// Show what a reward model that runs nothing is worth for training, in miniature and whole.
///
/// Makes problems, pre-trains a small policy that errs on purpose, samples and runs it, trains a
/// reward model on pairs of its own programs, and then trains the policy by reinforcement learning
/// under every reward, several seeds each: by tests (all or their share), by the reward model, by
/// the reward model with as many more problems that have no tests, and without extraction, shaping
/// or unaligned pairs. All real: programs are sampled from the policy and run in the sandbox.
///
/// Ends with a table, a page and a picture per claim. Stopped at any time, it goes on.
#[derive(Args)]
#[command(after_help = "\
Examples:
  codescaler lab run --out lab
  codescaler lab run --out quick --seeds 1 --steps 20 --arms execution,reward-model")]
pub(crate) struct Options {
    /// The folder to work in.
    #[arg(long)]
    out: PathBuf,
    /// Seeds of each training by reinforcement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Steps of each.
    #[arg(long, default_value_t = 120)]
    steps: u64,
    /// Problems that the policy is pre-trained on, one answer each.
    #[arg(long, default_value_t = 80_000)]
    demonstrations: u64,
    /// The most operations of a problem.
    #[arg(long, default_value_t = 2)]
    difficulty_max: u32,
    /// Problems with tests.
    #[arg(long, default_value_t = 4_000)]
    tested: u64,
    /// Problems without tests.
    #[arg(long, default_value_t = 8_000)]
    untested: u64,
    /// Held-out problems.
    #[arg(long, default_value_t = 256)]
    held_out: u64,
    /// Only these ways to train (see the list at the end of a run).
    #[arg(long, value_delimiter = ',')]
    arms: Vec<String>,
    /// The policy's width, a multiple of 128.
    #[arg(long, default_value_t = 128)]
    width: u64,
    /// The policy's blocks.
    #[arg(long, default_value_t = 4)]
    layers: u64,
    /// Learning rate of reinforcement learning.
    #[arg(long, default_value_t = 2e-4)]
    rate: f32,
}

/// A way to train.
pub(super) struct Arm {
    /// Its name, in folders and tables.
    pub(super) name: &'static str,
    /// What it is, in the words of the table.
    pub(super) what: &'static str,
    /// What `train rl` is told; `@name` is a path in the experiment's folder, `OFFSET` the mean
    /// score of programs known to be wrong.
    options: &'static str,
    /// Between so many equal parts of the training the policy is sampled and run, and the reward
    /// model goes on learning from pairs of what it writes by then.
    rounds: u64,
}

const REWARD_MODEL: &str = "--reward reward-model --reward-model @reward-model --offset OFFSET";

/// Every way, in the order of the table.
pub(super) const ARMS: [Arm; 11] = [
    Arm {
        name: "execution",
        what: "tests: 1 when all pass",
        options: "--reward execution --problems @tested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "fraction",
        what: "tests: share that passes",
        options: "--reward fraction --problems @tested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "reward-model",
        what: "reward model, nothing run",
        options: "REWARD --problems @tested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "refreshed",
        what: "reward model, refreshed twice on pairs of the policy by then",
        options: "--reward reward-model --problems @tested/problems.jsonl",
        rounds: 3,
    },
    Arm {
        name: "reward-model-more",
        what: "reward model, more problems, those without tests",
        options: "REWARD --problems @tested/problems.jsonl --problems @untested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "hybrid-more",
        what: "tests where there are any, else the reward model",
        options: "--reward hybrid --reward-model @reward-model --offset OFFSET \
                  --problems @tested/problems.jsonl --problems @untested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "consistency",
        what: "agreement of the group, no tests' results read",
        options: "--reward consistency --problems @tested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "unshaped",
        what: "reward model, raw score, 0 without a program",
        options: "--reward reward-model --reward-model @reward-model --shaping raw \
                  --problems @tested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "uncentred",
        what: "reward model, softplus of the score as it is",
        options: "--reward reward-model --reward-model @reward-model \
                  --problems @tested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "unextracted",
        what: "reward model, reads whole answers, raw score",
        options: "--reward reward-model --reward-model @reward-model --shaping raw \
                  --extraction whole --problems @tested/problems.jsonl",
        rounds: 1,
    },
    Arm {
        name: "aligned-only",
        what: "reward model trained without unaligned pairs",
        options: "--reward reward-model --reward-model @reward-model-aligned --offset OFFSET \
                  --problems @tested/problems.jsonl",
        rounds: 1,
    },
];

/// The experiment in its folder.
struct Experiment<'a> {
    workshop: Workshop,
    options: &'a Options,
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if let Some(unknown) = options.arms.iter().find(|arm| !ARMS.iter().any(|a| a.name == **arm)) {
        let names: Vec<&str> = ARMS.iter().map(|arm| arm.name).collect();
        return Err(Failure::input(format!("no arm {unknown:?}: there are {}", names.join(", "))));
    }
    let experiment = Experiment { workshop: Workshop::open(terminal, &options.out)?, options };
    experiment.plan()?;
    experiment.problems()?;
    experiment.policy()?;
    experiment.reward_models()?;
    let offset = experiment.offset()?;
    experiment.reinforce(offset)?;
    let summary = claims::report(terminal, &options.out, &experiment.arms(), options.seeds)?;
    Ok(Outcome::done(json!({"verb": "lab run", "out": options.out, "arms": summary})))
}

impl Experiment<'_> {
    /// The arms asked for.
    fn arms(&self) -> Vec<&'static Arm> {
        let asked = &self.options.arms;
        let is_asked = |arm: &&Arm| asked.is_empty() || asked.iter().any(|name| name == arm.name);
        ARMS.iter().filter(is_asked).collect()
    }

    /// Refuses a folder that holds another experiment; more seeds and arms may be added to one.
    fn plan(&self) -> Result<(), Failure> {
        let Options {
            steps, demonstrations, tested, untested, held_out, width, layers, rate, ..
        } = self.options;
        let plan = json!({
            "verb": "lab run", "steps": steps, "demonstrations": demonstrations, "tested": tested,
            "untested": untested, "held_out": held_out, "width": width, "layers": layers,
            "rate": rate,
        });
        self.workshop.plan("plan.json", &plan)
    }

    fn command(&self, done: &str, words: &str) -> Result<(), Failure> {
        self.workshop.command(done, words)
    }

    /// Problems of four kinds; no two share a number.
    fn problems(&self) -> Result<(), Failure> {
        const FLAWS: &str = "--slip 0.35 --broken 0.08 --blocks 0.05 --unfenced 0.02";
        let Options { demonstrations, tested, untested, held_out, .. } = self.options;
        let kinds = [
            ("demonstrations", format!("--count {demonstrations} --demonstrations 1 {FLAWS}")),
            (
                "tested",
                format!(
                    "--first 1000000000 --count {tested} --tests-shown --demonstrations 4 {FLAWS}"
                ),
            ),
            ("untested", format!("--first 2000000000 --count {untested} --without-tests")),
            ("held-out", format!("--split held-out --count {held_out}")),
        ];
        let difficulty = self.options.difficulty_max;
        for (name, options) in kinds {
            self.command(
                &format!("{name}/problems.jsonl"),
                &format!("lab problems {options} --difficulty-max {difficulty} --out @{name}"),
            )?;
        }
        Ok(())
    }

    fn policy(&self) -> Result<(), Failure> {
        let Options { width, layers, .. } = self.options;
        self.command(
            "tokenizer/tokenizer.json",
            "train tokenizer --completions --data @demonstrations --vocab 512 --out @tokenizer",
        )?;
        self.command(
            "policy/model.safetensors",
            &format!(
                "train policy --completions --base @tokenizer --data @demonstrations --width {width} \
                 --layers {layers} --epochs 1 --rate 3e-3 --tokens-per-step 4096 --out @policy"
            ),
        )?;
        self.command(
            "supervised/model.safetensors",
            "train policy --completions --base @policy --data @tested --epochs 2 --rate 5e-4 \
             --tokens-per-step 4096 --out @supervised",
        )?;
        for policy in ["policy", "supervised"] {
            self.command(
                &format!("{policy}-held-out/labels.jsonl"),
                &format!(
                    "eval policy --policy @{policy} --problems @held-out/problems.jsonl --samples 8 \
                     --completion-tokens-max 160 --out @{policy}-held-out"
                ),
            )?;
        }
        Ok(())
    }

    /// Reward models of pairs of the policy's own programs, with and without unaligned ones.
    fn reward_models(&self) -> Result<(), Failure> {
        self.command(
            "sampled/labels.jsonl",
            "eval policy --policy @policy --problems @tested/problems.jsonl --samples 12 \
             --extraction single-valid --completion-tokens-max 160 --out @sampled",
        )?;
        self.pairs("sampled", ("pairs", 1.0))?;
        self.reward_model("reward-model", ("policy", 1e-3), &["pairs"])?;
        if self.arms().iter().any(|arm| arm.options.contains("@reward-model-aligned")) {
            self.pairs("sampled", ("pairs-aligned", 0.0))?;
            self.reward_model("reward-model-aligned", ("policy", 1e-3), &["pairs-aligned"])?;
        }
        self.command(
            "held-out-scores.jsonl",
            "score --problems @held-out/problems.jsonl --candidates \
             @policy-held-out/candidates.jsonl --reward-model @reward-model --out \
             @held-out-scores.jsonl",
        )?;
        self.command(
            "sampled-scores.jsonl",
            "score --problems @tested/problems.jsonl --candidates @sampled/candidates.jsonl \
             --reward-model @reward-model --out @sampled-scores.jsonl",
        )
    }

    fn pairs(&self, sampled: &str, (name, unaligned): (&str, f64)) -> Result<(), Failure> {
        self.command(
            &format!("{name}.jsonl"),
            &format!(
                "curate pairs --problems @tested/problems.jsonl --candidates \
                 @{sampled}/candidates.jsonl --sources any --any-length --per-problem 16 \
                 --unaligned-share {unaligned} --out @{name}.jsonl"
            ),
        )
    }

    fn reward_model(
        &self,
        name: &str,
        (base, rate): (&str, f64),
        pairs: &[&str],
    ) -> Result<(), Failure> {
        let pairs: Vec<String> =
            pairs.iter().map(|name| format!("--preferences @{name}.jsonl")).collect();
        self.command(
            &format!("{name}/model.safetensors"),
            &format!(
                "train reward --base @{base} --problems @tested/problems.jsonl {} --epochs 2 --rate \
                 {rate} --every-token 0.5 --group 8 --tokens-per-step 8192 --out @{name}",
                pairs.join(" ")
            ),
        )
    }

    /// The mean score of programs known to be wrong: where softplus is to bend.
    fn offset(&self) -> Result<f64, Failure> {
        let labels: Vec<Label> = read_all(&self.options.out.join("sampled/labels.jsonl"))?;
        let scores: Vec<Scored> = read_all(&self.options.out.join("sampled-scores.jsonl"))?;
        let wrong: std::collections::BTreeSet<(&str, u32)> = labels
            .iter()
            .filter(|label| !label.passed)
            .map(|label| (label.problem.as_str(), label.index))
            .collect();
        let known: Vec<f64> = scores
            .iter()
            .filter(|scored| wrong.contains(&(scored.problem.as_str(), scored.index)))
            .filter_map(|scored| scored.score.map(|score| f64::from(score.get())))
            .collect();
        if known.is_empty() {
            return Err(Failure::input(
                "no program of the policy is wrong and has a score: sample more problems",
            ));
        }
        Ok((known.iter().sum::<f64>() / known.len() as f64 * 100.0).round() / 100.0)
    }

    fn reinforce(&self, offset: f64) -> Result<(), Failure> {
        for seed in 1..=self.options.seeds {
            for arm in self.arms() {
                if arm.rounds > 1 {
                    self.rounds(arm, (seed, offset))?;
                    continue;
                }
                let own = arm.options.replace("REWARD ", &format!("{REWARD_MODEL} "));
                let own = own.replace("OFFSET", &offset.to_string());
                // Every arm is watched by the same reward model.
                let watch = if own.contains("--reward-model") {
                    String::new()
                } else {
                    format!("--reward-model @reward-model --offset {offset}")
                };
                let name = &arm.folders(seed)[0];
                self.train(
                    name,
                    (seed, self.options.steps),
                    &format!("--policy @policy {own} {watch}"),
                )?;
            }
        }
        Ok(())
    }

    fn train(&self, name: &str, (seed, steps): (u64, u64), options: &str) -> Result<(), Failure> {
        let Options { held_out, rate, .. } = self.options;
        self.command(
            &format!("{name}/model.safetensors"),
            &format!(
                "train rl {options} --held-out @held-out/problems.jsonl --held-out-problems-max \
                 {held_out} --held-out-every 40 --held-out-samples 8 --prompts 16 --group 8 --steps \
                 {steps} --rate {rate} --completion-tokens-max 160 --seed {seed} --out @{name}"
            ),
        )
    }

    /// Trains in parts; between two, the reward model goes on with pairs of the policy by then.
    fn rounds(&self, arm: &Arm, (seed, offset): (u64, f64)) -> Result<(), Failure> {
        let (mut policy, mut reward_model) = ("policy".to_owned(), "reward-model".to_owned());
        let folders = arm.folders(seed);
        for (round, name) in folders.iter().enumerate() {
            let steps = self.options.steps / arm.rounds;
            let options = format!(
                "--policy @{policy} {} --reward-model @{reward_model} --offset {offset}",
                arm.options
            );
            self.train(name, (100 * seed + round as u64, steps), &options)?;
            policy.clone_from(name);
            if round + 1 == folders.len() {
                break;
            }
            self.command(
                &format!("{name}-sampled/labels.jsonl"),
                &format!(
                    "eval policy --policy @{policy} --problems @tested/problems.jsonl --problems-max \
                     800 --samples 12 --extraction single-valid --completion-tokens-max 160 \
                     --seed {seed} --out @{name}-sampled"
                ),
            )?;
            self.pairs(&format!("{name}-sampled"), (&format!("{name}-pairs"), 0.3))?;
            let after = format!("{name}-reward-model");
            self.reward_model(&after, (&reward_model, 5e-4), &["pairs", &format!("{name}-pairs")])?;
            reward_model = after;
        }
        Ok(())
    }
}

impl Arm {
    /// Where its trainings are, one after the other.
    pub(super) fn folders(&self, seed: u64) -> Vec<String> {
        let name = self.name;
        match self.rounds {
            1 => vec![format!("rl/{name}-{seed}")],
            rounds => (1..=rounds).map(|round| format!("rl/{name}-{seed}-{round}")).collect(),
        }
    }
}
