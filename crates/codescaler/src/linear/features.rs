//! Families of features and how they become one sparse vector.

use super::{
    Ablation, FeatureOptions, PreparedProblem, ProgramView,
    agreement::agreement,
    code::Code,
    flow,
    hash::{finish, pair},
    lint::lint,
    statistics::statistics,
};

/// A kind of feature. Each family is a vector of equal positive values, one per distinct feature,
/// scaled to the family's own length, so that no program gets a larger vector for being longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Family {
    /// Windows of 4, 6 and 9 tokens, own names numbered.
    Flow4,
    Flow6,
    Flow9,
    /// Pairs of tokens a few places apart.
    Skip,
    /// Successive mentions of one name.
    Mentions,
    /// Foreign names it calls: functions and methods of the language's libraries.
    Api,
    /// Shapes of the syntax tree.
    Tree,
    /// Signs of bugs.
    Lint,
    /// Counts, such as lines and loops.
    Statistics,
    /// Counts by kind of entry: a good function is short, a good contest program is not.
    StatisticsByEntry,
    /// Counts by length of the statement and by size of the input it allows.
    StatisticsByProblem,
    /// What the program has of what the statement names.
    Agreement,
}

impl Family {
    const ALL: [Family; 12] = [
        Family::Flow4,
        Family::Flow6,
        Family::Flow9,
        Family::Skip,
        Family::Mentions,
        Family::Api,
        Family::Tree,
        Family::Lint,
        Family::Statistics,
        Family::StatisticsByEntry,
        Family::StatisticsByProblem,
        Family::Agreement,
    ];

    /// Length of the family's part of the vector: how fast it learns against the others.
    fn length(self) -> f32 {
        match self {
            Family::Flow4
            | Family::Flow6
            | Family::Flow9
            | Family::Skip
            | Family::Mentions
            | Family::Api
            | Family::Statistics
            | Family::StatisticsByEntry => 1.0,
            Family::Tree | Family::StatisticsByProblem => 0.5,
            Family::Lint | Family::Agreement => 2.0,
        }
    }

    fn hidden(self, ablation: Ablation) -> bool {
        match ablation {
            Ablation::None => false,
            Ablation::HideProblem => {
                matches!(
                    self,
                    Family::StatisticsByEntry | Family::StatisticsByProblem | Family::Agreement
                )
            }
            Ablation::HideTree => self == Family::Tree,
            Ablation::HideStatistics => matches!(
                self,
                Family::Statistics | Family::StatisticsByEntry | Family::StatisticsByProblem
            ),
        }
    }
}

/// The features of a program under a problem: buckets below two to the power of `options.bits`,
/// and values. A bucket may occur more than once.
pub(super) fn vector(
    problem: &PreparedProblem,
    program: &ProgramView<'_>,
    options: FeatureOptions,
) -> Vec<(u32, f32)> {
    let asked = &problem.asked;
    let code = Code::of(*program);
    let counts = statistics(&code);
    let mut vector = Vec::new();
    let mut keys = Vec::new();
    for family in Family::ALL {
        if family.hidden(options.ablation) {
            continue;
        }
        match family {
            Family::Flow4 => flow::windows(&code, 4, &mut keys),
            Family::Flow6 => flow::windows(&code, 6, &mut keys),
            Family::Flow9 => flow::windows(&code, 9, &mut keys),
            Family::Skip => flow::skips(&code, &mut keys),
            Family::Mentions => flow::mentions(&code, &mut keys),
            Family::Api => keys.extend_from_slice(&code.api),
            Family::Tree => keys.extend_from_slice(program.shape),
            Family::Lint => lint(&code, asked, &mut keys),
            Family::Agreement => {
                agreement(&code, &asked.named, (asked.entry, &asked.entry_name), &mut keys);
            }
            Family::Statistics => keys.extend_from_slice(&counts),
            Family::StatisticsByEntry => {
                keys.extend(counts.iter().map(|&count| pair(count, asked.entry)));
            }
            Family::StatisticsByProblem => {
                let length = pair(1, asked.length_bucket);
                let size = pair(2, asked.size_exponent);
                keys.extend(
                    counts.iter().flat_map(|&count| [pair(count, length), pair(count, size)]),
                );
            }
        }
        close(family, options.bits, &mut keys, &mut vector);
    }
    vector
}

/// Moves the keys of one family into the vector, each once.
fn close(family: Family, bits: u8, keys: &mut Vec<u64>, vector: &mut Vec<(u32, f32)>) {
    for key in &mut *keys {
        *key = finish(pair(family as u64, *key));
    }
    keys.sort_unstable();
    keys.dedup();
    let value = family.length() / (keys.len() as f32).sqrt();
    vector.extend(keys.drain(..).map(|key| ((key >> (64 - u32::from(bits))) as u32, value)));
}
