//! `codescaler methods`: what `solve` can do.

use clap::Args;
use codescaler_search::{Method, PRESETS};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    table::table,
    terminal::Terminal,
};

/// List the methods of `solve`, or show one with all its parameters.
#[derive(Args)]
#[command(after_help = "\
docs/methods.md says what each needs, how its cost grows, and when it breaks.

Example:
  codescaler methods sstar")]
pub(crate) struct Options {
    /// A method, with or without parameters.
    method: Option<Method>,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if let Some(method) = &options.method {
        terminal.print(&method.to_string());
        return Ok(Outcome::done(json!({"verb": "methods", "method": method.to_string()})));
    }
    let rows: Vec<Vec<String>> = PRESETS
        .iter()
        .map(|preset| {
            vec![preset.name.to_owned(), preset.about.to_owned(), preset.source.to_owned()]
        })
        .collect();
    terminal.print(&table(&["method", "what it does", "source"], &rows));
    let all: Vec<_> = PRESETS
        .iter()
        .map(|preset| json!({"name": preset.name, "about": preset.about, "source": preset.source}))
        .collect();
    Ok(Outcome::done(json!({"verb": "methods", "methods": all})))
}
