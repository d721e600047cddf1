//! Verdicts and faults: what a program did on tests, or why we could not find out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{problem::Suite, record::Extra};

/// What one program did on one test. A property of the *program*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The answer is right.
    Pass,
    /// The answer is wrong.
    WrongAnswer,
    /// An exception reached the top, or the program said it failed.
    RuntimeError,
    /// The process died of a signal or left without an answer.
    Crash,
    /// The program does not compile, or its syntax is invalid.
    CompileError,
    /// It used up its CPU time, or idled past the wall limit.
    TimeLimit,
    /// It used up its memory.
    MemoryLimit,
    /// It wrote too much.
    OutputLimit,
    /// It returned something that is not a plain value of a built-in type.
    BadValue,
    /// It tried what the sandbox forbids, and was stopped for it.
    SecurityViolation,
    /// It meddled with the channel between itself and us.
    ProtocolViolation,
    /// Not run, because an earlier test had failed and the caller asked to stop there.
    Skipped,
}

impl Verdict {
    /// The name, as written in records.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::WrongAnswer => "wrong_answer",
            Verdict::RuntimeError => "runtime_error",
            Verdict::Crash => "crash",
            Verdict::CompileError => "compile_error",
            Verdict::TimeLimit => "time_limit",
            Verdict::MemoryLimit => "memory_limit",
            Verdict::OutputLimit => "output_limit",
            Verdict::BadValue => "bad_value",
            Verdict::SecurityViolation => "security_violation",
            Verdict::ProtocolViolation => "protocol_violation",
            Verdict::Skipped => "skipped",
        }
    }

    /// Whether the test says pass or fail: `None` for a test that was not run.
    pub fn passed(self) -> Option<bool> {
        match self {
            Verdict::Pass => Some(true),
            Verdict::Skipped => None,
            Verdict::WrongAnswer
            | Verdict::RuntimeError
            | Verdict::Crash
            | Verdict::CompileError
            | Verdict::TimeLimit
            | Verdict::MemoryLimit
            | Verdict::OutputLimit
            | Verdict::BadValue
            | Verdict::SecurityViolation
            | Verdict::ProtocolViolation => Some(false),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why we could not obtain a verdict. A property of *our machinery*; it says nothing of the
/// program, is never scored as a failure, and every metric says how many items it left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Fault {
    /// What kind of thing went wrong.
    pub kind: FaultKind,
    /// What happened, for a person.
    pub message: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A worker process could not be started or died of its own.
    Worker,
    /// The machine ran out of something (descriptors, disk, processes, memory).
    Resource,
    /// The machine was too busy for a time limit to mean anything.
    Overload,
    /// The test itself is broken: it fails before it reaches the program.
    Test,
    /// What is needed is not on this machine (an interpreter, a compiler).
    Missing,
    /// The caller gave up before the work began.
    Cancelled,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::Worker => "worker",
            FaultKind::Resource => "resource",
            FaultKind::Overload => "overload",
            FaultKind::Test => "test",
            FaultKind::Missing => "missing",
            FaultKind::Cancelled => "cancelled",
        })
    }
}

/// What running one candidate on one suite gave: verdicts, or a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The problem's id.
    pub problem: String,
    /// The candidate's place in the group.
    pub index: u32,
    /// Which tests.
    pub suite: Suite,
    /// One verdict per test, in the suite's order. Empty when there is a fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// Why there are no verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What went wrong in the first test that did not pass, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// One digest per input of what came out, `null` where nothing usable did. Only for
    /// [`Suite::Inputs`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Option<String>>,
    /// The level of protection that was really in force, such as `L3`.
    #[serde(default)]
    pub protection: String,
    /// CPU time of the program over all tests, milliseconds, where the writer chose to put it
    /// here. We write it to [`Timing`]s: a clock never reads the same twice, and this file is to
    /// be the same bytes however often the work was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<f64>,
    /// Keys of other writers, kept as they came.
    #[serde(skip)]
    pub extra: Extra,
}

impl Execution {
    /// Whether every test passed; `None` for a fault, for no tests, and when the only verdicts
    /// are passes and skips.
    pub fn passed(&self) -> Option<bool> {
        if self.verdicts.is_empty() || self.fault.is_some() {
            return None;
        }
        if self.verdicts.iter().any(|verdict| verdict.passed() == Some(false)) {
            return Some(false);
        }
        self.verdicts.iter().all(|verdict| verdict.passed() == Some(true)).then_some(true)
    }
}

/// What running one candidate on one suite cost. Kept apart from [`Execution`], because a clock
/// never reads the same twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The problem's id.
    pub problem: String,
    /// The candidate's place in the group.
    pub index: u32,
    /// Which tests.
    pub suite: Suite,
    /// CPU time of the program over all tests, milliseconds.
    pub cpu_ms: f64,
    /// Wall time over all tests, milliseconds.
    pub wall_ms: f64,
    /// Peak memory, KiB.
    pub memory_kib: u64,
    /// Keys of other writers, kept as they came.
    #[serde(skip)]
    pub extra: Extra,
}
