//! Rows for the trainers of others: JSON Lines without a header, which `datasets.load_dataset`
//! ("json") and TRL's `RewardTrainer` read as they are.
//!
//! Every row has the same columns of the same types, those that say where it comes from behind
//! those that are trained on.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::{
    preference::{Preference, Side},
    problem::Problem,
    prompt::reward_prompt,
};

/// The forms of TRL's preference data (its documentation's "Dataset formats and types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The prompt apart, all as messages of a conversation: what `RewardTrainer` prefers.
    TrlExplicit,
    /// The prompt apart, all as text.
    TrlExplicitText,
    /// The prompt within each conversation.
    TrlImplicit,
}

/// Where a row comes from.
#[derive(Serialize)]
struct Origin<'a> {
    problem_id: &'a str,
    language: &'static str,
    rule: &'a str,
    license: Option<&'a str>,
    chosen_source: &'a str,
    rejected_source: &'a str,
    rejected_problem_id: &'a str,
    chosen_index: u32,
    rejected_index: u32,
    chosen_pass_rate: Option<f64>,
    rejected_pass_rate: Option<f64>,
    chosen_rewrite: Option<&'a str>,
    rejected_rewrite: Option<&'a str>,
}

/// The row of a preference. The prompt is what our own reward models are told of the problem
/// ([`reward_prompt`]), the answer the bare program (CodeScaler, arXiv 2602.17684, reads them so).
pub fn row(preference: &Preference, problem: &Problem, form: Form) -> Json {
    let prompt = reward_prompt(problem);
    let user = || json!({"role": "user", "content": prompt});
    let assistant = |side: &Side| json!({"role": "assistant", "content": side.program});
    let Preference { chosen, rejected, .. } = preference;
    let mut row = match form {
        Form::TrlExplicit => json!({
            "prompt": [user()], "chosen": [assistant(chosen)], "rejected": [assistant(rejected)],
        }),
        Form::TrlExplicitText => json!({
            "prompt": prompt, "chosen": chosen.program, "rejected": rejected.program,
        }),
        Form::TrlImplicit => json!({
            "chosen": [user(), assistant(chosen)], "rejected": [user(), assistant(rejected)],
        }),
    };
    let origin = Origin {
        problem_id: &preference.problem,
        language: preference.language.name(),
        rule: &preference.rule,
        license: problem.meta.license.as_deref(),
        chosen_source: &chosen.source,
        rejected_source: &rejected.source,
        rejected_problem_id: &rejected.problem,
        chosen_index: chosen.index,
        rejected_index: rejected.index,
        chosen_pass_rate: chosen.rate,
        rejected_pass_rate: rejected.rate,
        chosen_rewrite: chosen.rewrite.as_deref(),
        rejected_rewrite: rejected.rewrite.as_deref(),
    };
    let (Json::Object(row), Json::Object(origin)) = (&mut row, json!(origin)) else {
        unreachable!("both are objects")
    };
    row.extend(origin);
    Json::Object(std::mem::take(row))
}
