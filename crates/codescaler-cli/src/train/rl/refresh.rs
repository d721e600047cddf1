//! `--on-alarm refresh`: legs of a training, and between two a reward model that goes on learning
//! from what the policy writes by then.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Value as Json, json};

use super::{BEST, Options, train, watch::OnAlarm};
use crate::{
    failure::{Failure, Outcome},
    files::{Problems, write_rows, write_whole},
    terminal::Terminal,
    workshop::{Workshop, read_lines},
};

/// How a reward model that was hacked is made better.
#[derive(Args, Clone)]
#[command(next_help_heading = "Refresh of the reward model (--on-alarm refresh)")]
pub(super) struct RefreshOptions {
    /// Refreshes, at most; the next alarm ends the training.
    #[arg(long, default_value_t = 3)]
    refreshes_max: usize,
    /// Problems with tests that the policy writes to for it: the first ones of each file.
    #[arg(long, default_value_t = 800)]
    refresh_problems_max: usize,
    /// Samples of each.
    #[arg(long, default_value_t = 12)]
    refresh_samples: usize,
    /// Preferences that the reward model learnt from before, to be learnt again beside the fresh
    /// ones, so that it forgets nothing.
    #[arg(long)]
    refresh_preferences: Option<PathBuf>,
    /// The largest learning rate.
    #[arg(long, default_value_t = 5e-4)]
    refresh_rate: f32,
    /// Passes over the preferences.
    #[arg(long, default_value_t = 2)]
    refresh_epochs: u32,
}

impl RefreshOptions {
    /// What it is, for the plan of the training.
    fn plan(&self) -> Json {
        json!({
            "refreshes_max": self.refreshes_max, "problems_max": self.refresh_problems_max,
            "samples": self.refresh_samples, "preferences": self.refresh_preferences,
            "rate": self.refresh_rate, "epochs": self.refresh_epochs,
        })
    }
}

/// Trains until an alarm, refreshes the reward model, and goes on from the best measurement, until
/// all steps are made. Every leg is a training of its own in `leg-1`, `leg-2`, …; the last one's
/// weights and the log of all of them stand in the folder itself.
pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let Some(mut reward_model) = options.reward_model.clone().filter(|path| path.is_dir()) else {
        return Err(Failure::input(
            "--on-alarm refresh goes on training the reward model: give a Hugging Face directory as \
             --reward-model",
        ));
    };
    let workshop = Workshop::open(terminal, &options.out)?;
    let plan = json!({"refresh": options.refresh.plan(), "steps": options.learning.steps});
    workshop.plan("refresh.json", &plan)?;
    let tested = tested(&options.problems)?;
    let (mut policy, mut left) = (options.policy.clone(), options.learning.steps);
    let mut lines: Vec<Json> = Vec::new();
    let mut leg: usize = 0;
    loop {
        leg += 1;
        let name = format!("leg-{leg}");
        let mut own = options.clone();
        own.policy.clone_from(&policy);
        own.reward_model = Some(reward_model.clone());
        own.out = workshop.path(&name);
        own.learning.steps = left;
        own.seed = options.seed + leg as u64 - 1;
        own.engine.tensorboard = own.engine.tensorboard.map(|folder| folder.join(&name));
        own.watch.on_alarm = OnAlarm::Stop;
        let outcome = train(terminal, &own)?;
        let made = read_lines(&own.out.join("steps.jsonl"))?;
        left -= made.len();
        let rang = made.last().is_some_and(|line| line["held_out"]["alarm"] == true);
        lines.extend(made.into_iter().map(|mut line| {
            line["leg"] = json!(leg);
            line
        }));
        if !rang || left == 0 || leg > options.refresh.refreshes_max {
            finish(&own.out, &options.out, &mut lines)?;
            terminal.print(&format!(
                "{leg} legs, {} steps; policy written to {}",
                lines.len(),
                options.out.display()
            ));
            return Ok(outcome);
        }
        policy = own.out.join(BEST);
        reward_model =
            options.refreshed(&workshop, (&name, own.seed), (&policy, &reward_model), &tested)?;
    }
}

/// The files of problems that have tests.
fn tested(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut tested = Vec::new();
    for path in files {
        let problems = Problems::read(path)?;
        let has_tests = |problem: &codescaler::problem::Problem| {
            !problem.tests.visible.is_empty() || !problem.tests.hidden.is_empty()
        };
        if problems.iter().all(has_tests) {
            tested.push(path.clone());
        }
    }
    if tested.is_empty() {
        return Err(Failure::input(
            "--on-alarm refresh runs the policy's programs: give a file of problems that all have \
             tests with --problems",
        ));
    }
    Ok(tested)
}

impl Options {
    /// A reward model that has also learnt from what the policy writes now.
    fn refreshed(
        &self,
        workshop: &Workshop,
        (leg, seed): (&str, u64),
        (policy, reward_model): (&Path, &Path),
        tested: &[PathBuf],
    ) -> Result<PathBuf, Failure> {
        let refresh = &self.refresh;
        let shown = |path: &Path| path.display().to_string();
        let words =
            |text: String| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let mut data = Vec::new();
        for (at, problems) in tested.iter().enumerate() {
            let out = format!("{leg}-sampled-{at}");
            let mut command = words(format!(
                "eval policy --samples {} --problems-max {} --extraction {} --completion-tokens-max {} \
                 --seed {seed}",
                refresh.refresh_samples,
                refresh.refresh_problems_max,
                self.extraction,
                self.sampling.completion_tokens_max
            ));
            command.extend(["--policy".to_owned(), shown(policy)]);
            command.extend(["--problems".to_owned(), shown(problems)]);
            command.extend(["--out".to_owned(), shown(&workshop.path(&out))]);
            command.extend(self.sandbox.words());
            workshop.run(&format!("{out}/labels.jsonl"), command)?;
            data.extend(["--problems".to_owned(), shown(problems)]);
            let candidates = workshop.path(&out).join("candidates.jsonl");
            data.extend(["--candidates".to_owned(), shown(&candidates)]);
        }
        let pairs = format!("{leg}-pairs.jsonl");
        let mut command = words(format!(
            "curate pairs --sources any --any-length --per-problem 16 --unaligned-share 0.3 --policy \
             {}",
            self.extraction
        ));
        command.extend(data);
        command.extend(["--out".to_owned(), shown(&workshop.path(&pairs))]);
        workshop.run(&pairs, command)?;
        let out = format!("{leg}-reward-model");
        let mut command = words(format!(
            "train reward --epochs {} --rate {} --seed {seed}",
            refresh.refresh_epochs, refresh.refresh_rate
        ));
        command.extend(["--base".to_owned(), shown(reward_model)]);
        for problems in tested {
            command.extend(["--problems".to_owned(), shown(problems)]);
        }
        let before = refresh.refresh_preferences.as_deref().map(shown);
        for preferences in before.into_iter().chain([shown(&workshop.path(&pairs))]) {
            command.extend(["--preferences".to_owned(), preferences]);
        }
        command.extend(["--out".to_owned(), shown(&workshop.path(&out))]);
        workshop.run(&format!("{out}/model.safetensors"), command)?;
        Ok(workshop.path(&out))
    }
}

/// Puts the last leg's policy into the folder of the whole, with the log of all legs.
fn finish(leg: &Path, out: &Path, lines: &mut [Json]) -> Result<(), Failure> {
    for (index, line) in lines.iter_mut().enumerate() {
        line["step"] = json!(index + 1);
    }
    write_rows(&out.join("steps.jsonl"), |log| {
        lines.iter().try_for_each(|line| writeln!(log, "{line}"))
    })?;
    let unreadable = |error| Failure::fault(error, "cannot read the last leg");
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(leg).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.path());
    }
    // Weights last: where they are, all is.
    names.sort_by_key(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
    for path in names {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_file() && !["steps.jsonl", "times.jsonl", "plan.json"].contains(&name) {
            write_whole(&out.join(name), &fs::read(&path).map_err(unreadable)?)?;
        }
    }
    Ok(())
}
