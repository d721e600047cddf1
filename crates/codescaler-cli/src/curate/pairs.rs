//! `codescaler curate pairs`: verified programs → preferences.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use codescaler::{
    curate::{
        Curated, Duplicates, NearMiss, PairCounts, PairOptions, Report, Rule, SourceBalance,
        augmented, deduplicate, pairs,
    },
    language::Language,
    preference::{Preference, Side},
    problem::Problem,
    record::{Extra, Header},
    seed::Rng,
};
use codescaler_extract::{Rewrite, UnknownRewrite, rewrite};
use serde_json::{Value as Json, json};

use super::verified::{LeftOut, Splits, VerifiedOptions, share};
use crate::{
    failure::{Failure, Outcome},
    files::{Opened, Output, Problems, write_whole},
    table::{percent, table},
    terminal::Terminal,
};

/// Draw preference pairs from verified programs.
///
/// Pairs are drawn so that they cannot be told by who wrote them or by length: of every two sources
/// each is chosen over the other equally often, and the longer program is chosen in half of the
/// pairs. Duplicates (programs of one syntax tree) and held-out problems and programs are dropped.
/// A report stands beside the pairs, in NAME.report.json.
#[derive(Args)]
#[command(after_help = "\
Rules:
  all-any  all tests pass against any fails (CodeScaler, arXiv 2602.17684)
  margin   pass rates of at least 0.8 and at least 0.4 apart, the rejected's above 0 (AceCoder,
           arXiv 2502.01718); it needs pass rates: labels with a rate, or executions of hidden tests

A program without a verdict is wrong when it fails a test that the statement shows. A wrong program
is a near miss when its pass rate is at least --near-miss-rate or, where nobody counted, when it
passes all tests that the statement shows.

Example:
  codescaler curate pairs --problems lcb/problems.jsonl --candidates lcb/candidates.jsonl \\
      --against lcb_val --against humaneval --out pairs.jsonl")]
pub(crate) struct Options {
    #[command(flatten)]
    verified: VerifiedOptions,
    #[command(flatten)]
    draw: DrawOptions,
    /// Where to write the preferences.
    #[arg(long)]
    out: PathBuf,
}

/// Which two programs make a pair.
#[derive(Clone, Copy, ValueEnum)]
enum RuleOption {
    /// All tests pass against any fails.
    AllAny,
    /// Pass rates far apart.
    Margin,
}

/// What is done about authors.
#[derive(Clone, Copy, ValueEnum)]
enum SourcesOption {
    /// Of every two sources each is chosen over the other equally often.
    Balanced,
    /// Only pairs of sources that are right equally often, within 5 points.
    Matched,
    /// Pairs as they come.
    Any,
}

#[derive(Args)]
struct DrawOptions {
    /// Which two programs make a pair.
    #[arg(long, value_enum, default_value_t = RuleOption::AllAny)]
    rule: RuleOption,
    /// What is done about authors.
    #[arg(long, value_enum, default_value_t = SourcesOption::Balanced)]
    sources: SourcesOption,
    /// Take lengths as they come, too.
    #[arg(long)]
    any_length: bool,
    /// The share of pairs whose rejected program is a near miss; by default as they come.
    #[arg(long, value_parser = share)]
    near_miss_share: Option<f64>,
    /// From which pass rate a wrong program is a near miss.
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    near_miss_rate: f64,
    /// Unaligned pairs, whose rejected program solves another problem, for each other pair.
    #[arg(long, default_value_t = 0.3, value_parser = share)]
    unaligned_share: f64,
    /// Pairs of one problem, at most.
    #[arg(long, default_value_t = 64)]
    per_problem: u32,
    /// Pairs that one program stands in, at most.
    #[arg(long, default_value_t = 8)]
    per_program: u32,
    /// Pairs by the rule, at most.
    #[arg(long)]
    pairs_max: Option<usize>,
    /// Rewrites that keep what a program does: rename, strip-comments, lying-comment, reformat,
    /// dead-code, or all; Python only. Adds pairs in which each program is rewritten in one of
    /// these ways, drawn for each alone.
    #[arg(long, value_delimiter = ',', value_parser = rewrites)]
    augment: Vec<Rewrites>,
    /// Rewritten pairs for each pair.
    #[arg(long, default_value_t = 0.3, value_parser = share)]
    augment_share: f64,
    /// Seed of all that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// One rewrite, or all.
type Rewrites = &'static [Rewrite];

fn rewrites(name: &str) -> Result<Rewrites, UnknownRewrite> {
    if name == "all" {
        return Ok(&Rewrite::ALL);
    }
    let asked: Rewrite = name.parse()?;
    let place = Rewrite::ALL.iter().position(|rewrite| *rewrite == asked);
    Ok(place.map_or(&[], |place| std::slice::from_ref(&Rewrite::ALL[place])))
}

impl DrawOptions {
    /// The rewrites asked for, each once.
    fn rewrites(&self) -> Vec<Rewrite> {
        let asked: BTreeSet<Rewrite> = self.augment.iter().copied().flatten().copied().collect();
        asked.into_iter().collect()
    }

    fn pair_options(&self) -> PairOptions {
        PairOptions {
            rule: match self.rule {
                RuleOption::AllAny => Rule::AllAny,
                RuleOption::Margin => Rule::Margin,
            },
            sources: match self.sources {
                SourcesOption::Balanced => SourceBalance::Balanced,
                SourcesOption::Matched => SourceBalance::Matched,
                SourcesOption::Any => SourceBalance::Any,
            },
            balance_lengths: !self.any_length,
            near_miss: self
                .near_miss_share
                .map(|share| NearMiss { share, rate_min: self.near_miss_rate }),
            unaligned_share: self.unaligned_share,
            pairs_per_problem_max: self.per_problem,
            pairs_per_program_max: self.per_program,
            pairs_max: self.pairs_max.unwrap_or(usize::MAX),
            seed: self.seed,
        }
    }
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let draw = options.draw.pair_options();
    let header = Header::new::<Preference>(Extra::from_iter([
        ("data".to_owned(), options.verified.provenance()?),
        ("draw".to_owned(), json!(draw)),
        ("rewrites".to_owned(), json!(names(&options.draw.rewrites()))),
        ("augment_share".to_owned(), json!(options.draw.augment_share)),
    ]));
    let mut output = match Output::create::<Preference>(&options.out, &header)? {
        Opened::Open(output, _) => output,
        Opened::Whole => {
            terminal.note(&format!("{} is whole already", options.out.display()));
            return Ok(Outcome::done(
                json!({"verb": "curate pairs", "out": options.out, "made": 0}),
            ));
        }
    };
    let made = make(terminal, options, &draw);
    let made = match made {
        Ok(made) => made,
        Err(failure) => {
            output.discard()?;
            return Err(failure);
        }
    };
    for preference in made.preferences() {
        output.write(preference)?;
    }
    let report = made.report();
    let text = serde_json::to_string_pretty(&report).expect("a report is JSON") + "\n";
    let report_path = options.out.with_extension("report.json");
    write_whole(&report_path, text.as_bytes())?;
    output.finish()?;
    terminal.print(&made.shown());
    terminal.print(&format!(
        "{} pairs written to {}, the report to {}",
        made.preferences().count(),
        options.out.display(),
        report_path.display()
    ));
    let mut summary = json!({"verb": "curate pairs", "out": options.out});
    summary["made"] = json!(made.preferences().count());
    summary["report"] = report;
    Ok(Outcome::done(summary))
}

/// Pairs, and all that was dropped on the way.
struct Made {
    left_out: LeftOut,
    duplicates: Duplicates,
    curated: Curated,
    /// Pairs once more, with rewritten programs.
    rewritten: Vec<Preference>,
}

fn make(terminal: Terminal, options: &Options, draw: &PairOptions) -> Result<Made, Failure> {
    let problems = Problems::read_files(&options.verified.problems)?;
    terminal.note("reading programs");
    let (mut pools, left_out) = options.verified.read(&problems, Splits::Train)?;
    let duplicates = deduplicate(&mut pools);
    terminal.note("drawing pairs");
    let curated = pairs(&pools, draw);
    if curated.preferences.is_empty() {
        return Err(Failure::input(no_pairs(&curated.report, draw, &left_out)));
    }
    let rewrites = options.draw.rewrites();
    let rewritten = if rewrites.is_empty() {
        Vec::new()
    } else {
        terminal.note("rewriting programs");
        let by_id: BTreeMap<&str, &Problem> =
            problems.iter().map(|problem| (problem.id.as_str(), problem)).collect();
        augmented(
            &curated.preferences,
            options.draw.augment_share,
            draw.seed,
            |(side, language), seed| {
                let starter = &by_id[side.problem.as_str()].starter;
                rewritten((side, language), starter, &rewrites, seed)
            },
        )
    };
    Ok(Made { left_out, duplicates, curated, rewritten })
}

fn names(rewrites: &[Rewrite]) -> Vec<&'static str> {
    rewrites.iter().map(|rewrite| rewrite.name()).collect()
}

/// A side with its program rewritten in the first way that can be done, from a way that is drawn.
fn rewritten(
    (side, language): (&Side, Language),
    starter: &str,
    rewrites: &[Rewrite],
    seed: u64,
) -> Option<Side> {
    let n_rewrites = rewrites.len();
    let first = usize::try_from(Rng::new(seed).below(n_rewrites as u64)).expect("it is a place");
    (0..n_rewrites).map(|step| rewrites[(first + step) % n_rewrites]).find_map(|how| {
        let program = rewrite(&side.program, language, how, (starter, seed))?;
        Some(Side { program, rewrite: Some(how.name().to_owned()), ..side.clone() })
    })
}

/// Why there is no pair, and what to do.
fn no_pairs(report: &Report, draw: &PairOptions, left_out: &LeftOut) -> String {
    let counts = format!(
        "no pairs: {} right and {} wrong programs of {} problems, {} problems held out, {} candidates \
         without a verdict",
        report.right,
        report.wrong,
        report.problems,
        left_out.problems.len(),
        left_out.without_verdict
    );
    let advice = match (report.available.pairs, draw.sources, draw.rule) {
        (0, _, Rule::Margin) => {
            "the margin rule needs pass rates: labels with a rate, or --executions"
        }
        (0, SourceBalance::Any, Rule::AllAny) => {
            "it takes right and wrong programs of one problem: give --labels or --executions"
        }
        (0, SourceBalance::Balanced | SourceBalance::Matched, Rule::AllAny) => {
            "it takes right and wrong programs of one problem with named sources: give --labels or \
             --executions, or --sources any"
        }
        (_, _, Rule::AllAny | Rule::Margin) => {
            "what there is cannot be balanced: give more data, --any-length or --sources any"
        }
    };
    format!("{counts}; {advice}")
}

impl Made {
    fn preferences(&self) -> impl Iterator<Item = &Preference> {
        self.curated.preferences.iter().chain(&self.rewritten)
    }

    /// How often each rewrite was applied to chosen and to rejected programs.
    fn rewrites(&self) -> BTreeMap<&str, [u64; 2]> {
        let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
        for Preference { chosen, rejected, .. } in &self.rewritten {
            for (place, side) in [chosen, rejected].into_iter().enumerate() {
                counts.entry(side.rewrite.as_deref().unwrap_or_default()).or_default()[place] += 1;
            }
        }
        counts
    }

    fn report(&self) -> Json {
        json!({
            "left_out": self.left_out, "duplicates": self.duplicates, "pairs": self.curated.report,
            "rewritten_pairs": self.rewritten.len(), "rewrites": self.rewrites(),
        })
    }

    fn shown(&self) -> String {
        let Report { problems, right, wrong, available, drawn, unaligned, sources } =
            &self.curated.report;
        let LeftOut { problems: dropped, .. } = &self.left_out;
        let mut lines = vec![
            format!("{problems} problems, {right} right and {wrong} wrong programs"),
            format!(
                "left out: {} candidates without a verdict, {} without a program that parses, {} \
                 not asked for, {} right by label that fail a shown test",
                self.left_out.without_verdict,
                self.left_out.without_program,
                self.left_out.not_asked_for,
                self.left_out.contradicting
            ),
            format!(
                "duplicates: {} programs repeat another one's syntax tree, {} do so with another \
                 verdict",
                self.duplicates.repeated, self.duplicates.contradicting
            ),
            format!(
                "held out: {} problems with {} candidates, and {} programs by their syntax trees",
                dropped.len(),
                self.left_out.of_dropped_problems,
                self.left_out.held_out_trees
            ),
        ];
        for dropped in dropped.iter().take(SHOWN) {
            let with = dropped.with.as_ref().zip(dropped.overlap);
            let with = with
                .map(|(with, share)| format!(": {with:?}, {} %", percent(share)))
                .unwrap_or_default();
            lines.push(format!("  {:?}: {}{with}", dropped.problem, dropped.why));
        }
        if dropped.len() > SHOWN {
            lines.push(format!("  and {} more, see the report", dropped.len() - SHOWN));
        }
        lines.push(String::new());
        let columns = [("available", available), ("by rule", drawn), ("unaligned", unaligned)];
        lines.push(counts_table(&columns));
        let balanced = sources.values().filter(|of| of.chosen == of.rejected && of.chosen > 0);
        let used = sources.values().filter(|of| of.chosen + of.rejected > 0);
        lines.push(format!(
            "{} sources with pairs, {} in pairs by the rule, {} of them chosen as often as rejected",
            sources.len(),
            used.count(),
            balanced.count()
        ));
        if !self.rewritten.is_empty() {
            let counts = self.rewrites().into_iter();
            let counts: Vec<String> = counts
                .map(|(name, [chosen, rejected])| format!("{name} {chosen}/{rejected}"))
                .collect();
            lines.push(format!(
                "{} pairs once more, rewritten (chosen/rejected): {}",
                self.rewritten.len(),
                counts.join(", ")
            ));
        }
        lines.join("\n")
    }
}

/// Dropped problems that are shown one by one.
const SHOWN: usize = 10;

fn counts_table(columns: &[(&str, &PairCounts)]) -> String {
    let share = |n: f64, counts: &PairCounts| match counts.pairs {
        0 => String::new(),
        pairs => percent(n / pairs as f64),
    };
    let head: Vec<&str> = [""].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let row = |name: &str, cell: &dyn Fn(&PairCounts) -> String| -> Vec<String> {
        let cells = columns.iter().map(|(_, counts)| cell(counts));
        [name.to_owned()].into_iter().chain(cells).collect()
    };
    let rows = [
        row("pairs", &|counts| counts.pairs.to_string()),
        row("problems", &|counts| counts.problems.to_string()),
        row("near misses, %", &|counts| share(counts.near_misses as f64, counts)),
        row("of one source, %", &|counts| share(counts.same_author as f64, counts)),
        row("won by knowing the source, %", &|counts| share(counts.won_by_author, counts)),
        row("chosen is longer, %", &|counts| share(counts.longer as f64, counts)),
        row("chosen is shorter, %", &|counts| share(counts.shorter as f64, counts)),
    ];
    table(&head, &rows)
}
