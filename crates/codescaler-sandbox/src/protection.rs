//! What protects us from a program, found out by trying to break it.

use std::fmt;

use codescaler::{execution::Fault, problem::Limits, value::Value};
use serde::Serialize;

use crate::{
    calls,
    job::Output,
    verdict::{Used, Work},
    zygote::{Zygote, worker_fault},
};

/// How well a program is locked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Level {
    /// Limits on CPU, memory and files, and a kill from outside. Refused unless asked for.
    L0,
    /// And no new processes, no network, no files but libraries, no signals to others: a system
    /// call filter and Landlock.
    L1,
    /// And namespaces of its own: it sees no other process, no network, no file system but the
    /// libraries, and everything it leaves behind dies with it.
    L2,
    /// And it runs under a user id that owns nothing, which takes root to arrange.
    L3,
    /// And control groups bound memory and processes as a whole. Not used yet.
    L4,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::L0 => "L0",
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
            Level::L4 => "L4",
        })
    }
}

/// The layers that a zygote is to put in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) namespaces: bool,
    pub(crate) landlock: bool,
    pub(crate) seccomp: bool,
}

impl Plan {
    /// All layers up to a level.
    pub(crate) fn up_to(level: Level) -> Plan {
        Plan {
            namespaces: level >= Level::L2,
            landlock: level >= Level::L1,
            seccomp: level >= Level::L1,
        }
    }
}

/// What is in force, and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Protection {
    level: Level,
    in_force: Vec<String>,
    lost: Vec<String>,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level.fmt(f)
    }
}

impl Protection {
    /// The level, as results are stored with it.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What a program was seen not to be able to do.
    pub fn in_force(&self) -> &[String] {
        &self.in_force
    }

    /// What a program could do, and layers that this machine does not have, with the reason.
    pub fn lost(&self) -> &[String] {
        &self.lost
    }

    /// Runs a program that tries everything, and sees how far it gets. `missing` are layers that
    /// could not be put in place.
    pub(crate) fn probe(zygote: &mut Zygote, missing: &[String]) -> Result<Protection, Fault> {
        let limits = Limits { cpu_ms_max: 10_000, memory_mib_max: 1024 };
        let work = Work {
            program: include_str!("python/probe.py"),
            target: (None, Some("probe")),
            limits,
            prelude: "",
            common_names: false,
            seed: 0,
            stop_at_first_failure: false,
        };
        let runs = calls::run(zygote, &work, &[(&[], None)], &mut Used::default())?;
        let Some(Output::Value(Value::Dict(mut found))) = runs[0].output.clone() else {
            return Err(worker_fault(format!("the probe fails: {}", runs[0].detail)));
        };
        // A program sees only what its user is called inside.
        let own = rustix::process::geteuid().as_raw();
        let is_other_user = zygote.user().is_some_and(|user| user != own);
        found.push((Value::Str(OTHER_USER.to_owned()), Value::Bool(is_other_user)));
        let holds = |name: &str| found.contains(&(Value::Str(name.to_owned()), Value::Bool(true)));
        let level = if !LAYERS_L1.iter().all(|layer| holds(layer)) {
            Level::L0
        } else if !LAYERS_L2.iter().all(|layer| holds(layer)) {
            Level::L1
        } else if !holds(OTHER_USER) {
            Level::L2
        } else {
            Level::L3
        };
        let names = LAYERS_L1.iter().chain(&LAYERS_L2).chain([&OTHER_USER]);
        let (in_force, lost): (Vec<String>, Vec<String>) =
            names.map(|name| (*name).to_owned()).partition(|name| holds(name));
        let mut lost: Vec<String> = lost.into_iter().map(|name| format!("not: {name}")).collect();
        lost.extend(missing.iter().cloned());
        lost.push("control groups: not used yet; memory is bounded by address space".to_owned());
        Ok(Protection { level, in_force, lost })
    }
}

/// What the probe tries; the names are its keys, the last one's apart.
const LAYERS_L1: [&str; 7] = [
    "no new processes",
    "no other programs",
    "no network",
    "no files read but libraries",
    "no files written",
    "no signals to others",
    "no new privileges",
];
const LAYERS_L2: [&str; 3] = ["own processes only", "own network", "own file system"];
const OTHER_USER: &str = "a user who owns nothing";
