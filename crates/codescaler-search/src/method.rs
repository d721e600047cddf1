//! Methods: each a pure function from what is known to questions or a choice.

mod assess;
mod atts;
mod best_of;
mod choose;
mod debate;
mod deepen;
mod evolve;
mod first;
mod fuse;
mod growth;
mod learn;
mod particles;
mod pipeline;
mod pool;
mod prepare;
mod process;
mod qalign;
mod resample;
mod route;
mod sstar;
mod tree;
mod trimr;
mod vote;
mod weibull;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::ask::{Ask, Asked, Digest};

pub use pool::Outcome;
pub use route::{Bin, Feature, Route, Table, Tried, assign};

macro_rules! families {
    ($($(#[$doc:meta])* $family:ident $name:ident $written:literal)*) => {
        /// A way to find the best program, with its parameters.
        ///
        /// Written as a preset's name, or `name:key=value;…`, such as `sstar:n=8;rounds=2`;
        /// parameters left out have the preset's value. A value in brackets or quotes is JSON,
        /// and may hold `;`.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Method {
            $($(#[$doc])* $family($name::$family),)*
        }

        #[derive(Clone, Copy, Debug)]
        enum Family {
            $($family,)*
        }

        impl Family {
            fn with(self, parameters: Map<String, Json>) -> Result<Method, String> {
                Ok(match self {
                    $(Family::$family => Method::$family(read(parameters)?),)*
                })
            }
        }

        impl Method {
            /// Asks, or chooses. Called again whenever something new is known.
            ///
            /// # Errors
            /// [`Pending`](crate::Pending) while what it asked for is not known.
            pub fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
                match self {
                    $(Method::$family(method) => method.solve(ask),)*
                }
            }

            fn family(&self) -> Family {
                match self {
                    $(Method::$family(_) => Family::$family,)*
                }
            }

            /// The family's name, and the parameters as JSON.
            fn written(&self) -> (&'static str, Json) {
                match self {
                    $(Method::$family(method) => ($written, serde_json::to_value(method)
                        .expect("parameters are JSON")),)*
                }
            }
        }
    };
}

families! {
    /// Sample, gather the evidence that a rule needs, and let the rule choose.
    BestOf best_of "best_of"
    /// Samples vote with weights, such as their log-probability (RPC, arXiv:2502.00511).
    Vote vote "vote"
    /// Debug on visible tests, then compare what differs in behaviour (S*, arXiv:2502.14382).
    SStar sstar "sstar"
    /// Sample until a verifier accepts (arXiv:2411.17501).
    Resample resample "resample"
    /// Generations of programs, each written with the best before it in sight (arXiv:2505.23604).
    Evolve evolve "evolve"
    /// A judge examines each program from several sides, as a tree search (arXiv:2502.12468).
    Assess assess "assess"
    /// A judge chooses among few, after votes (CodeMonkeys, arXiv:2501.14723; Trae Agent,
    /// arXiv:2507.23370).
    Choose choose "choose"
    /// Plans first, the best of which are carried out (arXiv:2503.23803).
    Process process "process"
    /// The samples that end first (arXiv:2505.18149).
    First first "first"
    /// Writers see each other's programs and write again (arXiv:2305.14325).
    Debate debate "debate"
    /// One program made of several (arXiv:2510.00931).
    Fuse fuse "fuse"
    /// Answers that are not at their end think again, with a larger budget (arXiv:2502.05449).
    Deepen deepen "deepen"
    /// Layers that review, order, fuse, verify and test (Archon, arXiv:2409.15254).
    Pipeline pipeline "pipeline"
    /// A Markov chain over answers, tilted by the reward (arXiv:2504.03790).
    Qalign qalign "qalign"
    /// Answers that grow side by side and are drawn anew by weight (arXiv:2502.01618).
    Particles particles "particles"
    /// Tree search over the beginnings of answers (arXiv:2408.00724, arXiv:2502.13575).
    Tree tree "tree"
    /// Another method, and what the problem taught (arXiv:2509.25140).
    Learn learn "learn"
    /// Inputs and tests ahead of time (arXiv:2504.13171).
    Prepare prepare "prepare"
    /// Reasonings that are stopped when they have said enough (arXiv:2505.17155).
    TrimR trimr "trimr"
    /// A small language model drafts, and a large one corrects (arXiv:2509.15148).
    Atts atts "atts"
    /// How hard a problem is decides which method solves it (arXiv:2408.03314).
    Route route "route"
}

/// A method with published parameters, under a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The family, and parameters that differ from the family's own.
    family: Family,
    set: &'static str,
}

macro_rules! presets {
    ($($name:literal $family:ident $set:literal $source:literal $about:literal)*) => {
        &[$(Preset {
            name: $name, about: $about, source: $source, family: Family::$family, set: $set,
        }),*]
    };
}

/// Every preset.
pub const PRESETS: &[Preset] = presets! {
    "sample" BestOf "n=1;rule=first;visible=false" "" "one sample"
    "random" BestOf "rule=random;visible=false" "" "any of n samples"
    "shortest" BestOf "rule=shortest;visible=false" "" "the shortest of n samples"
    "longest" BestOf "rule=longest;visible=false" "" "the longest of n samples"
    "public_filter" BestOf "rule=public_filter" "" "any of n samples that passes the visible tests"
    "codescaler" BestOf "rule=rm_argmax;visible=false;temperature=0.6" "arXiv:2602.17684" "the best of n by the reward model, without running anything"
    "codescaler_run" BestOf "rule=rm_within_passing;temperature=0.6" "arXiv:2602.17684" "the best by the reward model of those that pass the visible tests"
    "coderm" BestOf "n=100;rule=max_pass_consistency;temperature=0.8;tests=100;tests_about=true;per_reply=1" "arXiv:2501.01054" "most generated tests passed, each test written with a sample in sight"
    "cure" BestOf "n=16;rule=max_pass;temperature=0.8;tests=16;per_reply=1" "arXiv:2506.03136" "most generated tests passed, 16 samples and 16 tests"
    "codet" BestOf "n=100;rule=codet;temperature=0.8;tests=100;per_reply=5" "arXiv:2207.10397" "agreement of samples times the generated tests they pass"
    "b4" BestOf "n=100;rule=b4;temperature=0.8;tests=100;per_reply=5" "arXiv:2409.08692" "largest posterior of who and which tests are right"
    "mbr_exec" BestOf "n=25;rule=mbr_exec;temperature=0.3;inputs=written" "arXiv:2204.11454" "most agreement of outputs with the other samples"
    "alphacode" BestOf "n=1000;rule=alphacode_clusters;temperature=1;inputs=written" "arXiv:2203.07814" "the largest cluster of equal behaviour among those that pass the visible tests"
    "output_vote" BestOf "rule=output_vote;inputs=mutated" "arXiv:2203.11171" "most inputs answered as the majority answers them, without a test writer"
    "r2e_hybrid" BestOf "n=26;rule=hybrid_lexi;temperature=0.8;tests=7;per_reply=10" "arXiv:2504.07164" "the better half by the reward model, then visible tests, generated tests, the score"
    "multi_temperature" BestOf "n=24;rule=output_vote;inputs=mutated;temperatures=0/0.4/0.5/0.6/0.7/0.8/0.9/1/1.1/1.2" "arXiv:2510.02611" "samples at many temperatures, and a vote of behaviours"
    "weighted_vote" Vote "weight=score" "arXiv:2206.02336" "the behaviour of the largest sum of probabilities, as the reward model gives them"
    "weighted_outputs" Vote "weight=score;by=output" "arXiv:2206.02336" "the same input by input: most of the weight on each"
    "logprob_vote" Vote "weight=probability" "arXiv:2502.00511" "the behaviour of the largest sum of probabilities of its samples"
    "perplexity" Vote "weight=probability;inputs=none" "arXiv:2502.00511" "the likeliest sample: no vote"
    "rpc" Vote "weight=probability;prune=true" "arXiv:2502.00511" "RPC: improbable samples are pruned, the others vote with their probability"
    "sstar" SStar "" "arXiv:2502.14382" "debugging on visible tests, then pairs of behaviours judged on inputs that separate them"
    "sstar_scored" SStar "judge=reward_model;inputs=mutated;rounds=1" "arXiv:2502.14382" "S* with the reward model as judge: no language model after the samples"
    "self_debug" SStar "judge=none" "arXiv:2502.14382" "S* without its second stage: the best round of n debugging chains"
    "resample" Resample "" "arXiv:2411.17501" "samples until one passes the visible tests, then stops; may abstain"
    "evoscale" Evolve "" "arXiv:2505.23604" "generations of programs, the best by the reward model in sight"
    "mcts_judge" Assess "" "arXiv:2502.12468" "each sample examined from several sides by a judge, with a simulated execution"
    "mcts_judge_run" Assess "trace=false" "arXiv:2502.12468" "the same, with visible tests that are really run"
    "codemonkeys" Choose "n=10;temperature=0.5;votes=tests;keep=3;turns=10;panel=1" "arXiv:2501.14723" "the three samples of most votes, told apart by a judge that asks for inputs"
    "trae" Choose "n=10;votes=none;keep=10;turns=0;panel=10" "arXiv:2507.23370" "samples pruned by visible tests and by text, then a panel of judges"
    "process_beam" Process "" "arXiv:2503.23803" "plans, the best of which are carried out; the best of those by the reward model"
    "first_finish" First "" "arXiv:2505.18149" "the first valid sample to end; the others are stopped"
    "debate" Debate "" "arXiv:2305.14325" "writers see each other's programs and their test results, and write again"
    "deepening" Deepen "" "arXiv:2502.05449" "answers that are not at their end think again, with twice the budget"
    "failed_steps" Vote "weight=steps;inputs=none" "arXiv:2509.19284" "the sample whose reasoning turned back the least"
    "router" Route "" "arXiv:2408.03314" "four samples tell how hard the problem is, and a table which method solves it"
    "archon" Pipeline "" "arXiv:2409.15254" "ten samples reviewed, ranked, and the best five fused"
    "archon_tests" Pipeline "layers={\"layer\":[{\"do\":\"test\",\"tests\":10,\"keep\":1}]}" "arXiv:2409.15254" "ten samples, of which those stay that pass the most of ten written tests"
    "pipeline" Pipeline "n=16;layers={\"layer\":[{\"do\":\"execute\"},{\"do\":\"score\",\"keep\":1}]}" "arXiv:2409.15254" "layers of your own: `layers=FILE`, in TOML"
    "qalign" Qalign "" "arXiv:2504.03790" "a chain of answers, each begun like the one before it, that prefers rewards without maximising them"
    "particles" Particles "" "arXiv:2502.01618" "answers grow side by side; the better the beginning, the more go on from it"
    "rebase" Tree "" "arXiv:2408.00724" "a tree of beginnings, each with as many ways on as its score deserves"
    "ets" Tree "node_cost=1;diversity=1.5" "arXiv:2502.13575" "the same, with leaves pruned so that few nodes are kept and different ways on survive"
    "learning" Learn "" "arXiv:2509.25140" "another method, and lessons for later problems (`solve --memory-round`)"
    "trimr" TrimR "" "arXiv:2505.17155" "reasonings stopped as soon as they agree with themselves, or come to nothing"
    "atts" Atts "" "arXiv:2509.15148" "a small language model drafts steps, and a large one writes those anew that it finds unlikely"
    "prepare" Prepare "" "arXiv:2504.13171" "no program, but inputs and tests ahead of time, for methods that ask for them later"
    "fusion" Fuse "" "arXiv:2510.00931" "one program made of the five best, kept if the reward model likes it better"
};

/// A method that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// There is no preset of that name.
    #[error("there is no method {name:?}; `codescaler methods` lists them")]
    Name {
        /// The name.
        name: String,
    },
    /// A parameter without a value, or one the method does not have, or one out of its bounds.
    #[error("method {method}: {message}")]
    Parameter {
        /// The method.
        method: String,
        /// What is wrong with it.
        message: String,
    },
}

impl std::str::FromStr for Method {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Method, MethodError> {
        Method::read(text, &mut |file| Err(format!("no file is read here, nor {file}")))
    }
}

impl Method {
    /// A method as it is written. `open` gives what stands in a file, as JSON, for parameters that
    /// may name one: a router's `table`, a pipeline's `layers`.
    ///
    /// # Errors
    /// A name that no method has, parameters that it does not have or not like this, a file that
    /// `open` has no use for.
    pub fn read(
        text: &str,
        open: &mut dyn FnMut(&str) -> Result<Json, String>,
    ) -> Result<Method, MethodError> {
        let (name, set) = text.split_once(':').unwrap_or((text, ""));
        let name = name.trim();
        let preset = PRESETS
            .iter()
            .find(|preset| preset.name == name)
            .ok_or_else(|| MethodError::Name { name: name.to_owned() })?;
        let fail = |message: String| MethodError::Parameter { method: name.to_owned(), message };
        let mut parameters = parameters(preset.set).map_err(fail)?;
        parameters.extend(self::parameters(set).map_err(fail)?);
        for key in FROM_FILES {
            if let Some(Json::String(file)) = parameters.get(key) {
                let found = open(file).map_err(|error| fail(format!("{key}: {error}")))?;
                parameters.insert(key.to_owned(), found);
            }
        }
        preset.family.with(parameters).map_err(fail)
    }
}

/// Parameters whose value may be a file's name.
const FROM_FILES: [&str; 2] = ["layers", "table"];

/// `key=value;…` as JSON: numbers, truth values and what stands in brackets or quotes as such, all
/// else as text.
fn parameters(text: &str) -> Result<Map<String, Json>, String> {
    let parts = parts(text).into_iter().map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is no key=value"))?;
            let value = value.trim();
            let json = match serde_json::from_str::<Json>(value) {
                Err(_) => Json::String(value.to_owned()),
                Ok(json) => json,
            };
            Ok((key.trim().to_owned(), json))
        })
        .collect()
}

/// What stands between `;`, but not between those in brackets or quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_u32);
    let (mut in_text, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn read<T: DeserializeOwned>(parameters: Map<String, Json>) -> Result<T, String> {
    serde_path_to_error::deserialize(Json::Object(parameters)).map_err(|error| {
        match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            key => format!("{key}: {}", error.inner()),
        }
    })
}

impl Method {
    /// The same with another number of samples.
    ///
    /// # Errors
    /// When it has no such number, or not that one.
    pub fn with_samples(&self, n: u32) -> Result<Method, MethodError> {
        let (name, parameters) = self.written();
        let Json::Object(mut parameters) = parameters else {
            unreachable!("parameters are an object")
        };
        parameters.insert("n".to_owned(), n.into());
        let fail = |message| MethodError::Parameter { method: name.to_owned(), message };
        self.family().with(parameters).map_err(fail)
    }

    /// The same with another number of answers of its test writer, which may be zero; `None` for
    /// methods that have none to vote with.
    pub fn with_tests(&self, tests: u32) -> Option<Method> {
        if let Method::BestOf(method) = self
            && method.tests > 0
        {
            return Some(Method::BestOf(best_of::BestOf { tests, ..method.clone() }));
        }
        None
    }
}

impl Method {
    /// Whether it goes on with answers that were begun, which not every language model does.
    pub fn continues(&self) -> bool {
        self.any(&|method| {
            matches!(
                method,
                Method::Qalign(_) | Method::Particles(_) | Method::Tree(_) | Method::Atts(_)
            )
        })
    }

    /// Whether it wants a small language model beside the large one.
    pub fn wants_drafter(&self) -> bool {
        self.any(&|method| matches!(method, Method::Atts(_)))
    }

    /// Whether that is so of it, or of a method in it.
    fn any(&self, holds: &dyn Fn(&Method) -> bool) -> bool {
        let inner = if let Method::Learn(learn) = self {
            vec![learn.inner()]
        } else if let Method::Route(route) = self {
            route.inner()
        } else {
            Vec::new()
        };
        holds(self) || inner.into_iter().any(|method| method.any(holds))
    }
}

impl fmt::Display for Method {
    /// All parameters, whatever preset they came from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (family, parameters) = self.written();
        f.write_str(family)?;
        let Json::Object(parameters) = parameters else { return Ok(()) };
        for (at, (key, value)) in parameters.iter().enumerate() {
            let separator = if at == 0 { ":" } else { ";" };
            match value {
                Json::String(text) if !text.contains(';') => {
                    write!(f, "{separator}{key}={text}")?;
                }
                Json::String(_)
                | Json::Null
                | Json::Bool(_)
                | Json::Number(_)
                | Json::Array(_)
                | Json::Object(_) => {
                    write!(f, "{separator}{key}={value}")?;
                }
            }
        }
        Ok(())
    }
}

/// A program of a pool, where a sample has one.
type Slot = Option<Digest>;
