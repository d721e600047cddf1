//! How a verb ends, and the exit code that says so.

use std::process::ExitCode;

use serde_json::{Map, Value as Json};

/// A verb that did its work.
pub(crate) struct Outcome {
    /// The machine-readable line of `--json`.
    pub(crate) summary: Map<String, Json>,
    /// Whether the work found failures it was asked to find (exit code 1).
    pub(crate) found: bool,
}

impl Outcome {
    /// Work done, nothing found amiss. `summary` must be a JSON object.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn done(summary: Json) -> Outcome {
        let Json::Object(summary) = summary else { panic!("a summary is a JSON object") };
        Outcome { summary, found: false }
    }
}

/// A verb that could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input or the options are unusable: exit code 2.
    Input(anyhow::Error),
    /// Something of ours or of the machine failed: exit code 3.
    Fault(anyhow::Error),
    /// Stopped by a signal; the same command goes on from here: exit code 130.
    Interrupted,
}

impl Failure {
    /// Unusable input, in a few words.
    pub(crate) fn input(message: impl Into<String>) -> Failure {
        Failure::Input(anyhow::Error::msg(message.into()))
    }

    /// A fault, with what was being done.
    pub(crate) fn fault(error: impl Into<anyhow::Error>, doing: impl Into<String>) -> Failure {
        Failure::Fault(error.into().context(doing.into()))
    }

    /// The same, where what failed is something that the options named.
    pub(crate) fn of_input(self) -> Failure {
        match self {
            Failure::Fault(error) | Failure::Input(error) => Failure::Input(error),
            Failure::Interrupted => Failure::Interrupted,
        }
    }

    /// The exit code, as documented in `codescaler --help`.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Input(_) => 2,
            Failure::Fault(_) => 3,
            Failure::Interrupted => 130,
        })
    }

    /// What to tell the person, without a full stop.
    pub(crate) fn message(&self) -> String {
        match self {
            Failure::Input(error) => format!("error: {error:#}"),
            Failure::Fault(error) => format!("fault (not of your input): {error:#}"),
            Failure::Interrupted => "interrupted; run the same command again to go on".to_owned(),
        }
    }
}

impl From<codescaler::record::RecordError> for Failure {
    fn from(error: codescaler::record::RecordError) -> Failure {
        Failure::Input(error.into())
    }
}
