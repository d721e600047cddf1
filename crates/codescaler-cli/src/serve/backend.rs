//! What stands behind the routes: the reward model, the sandbox, and methods.

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use codescaler::{
    candidate::{Candidate, Source},
    execution::{Fault, FaultKind, Verdict},
    language::Language,
    problem::{Entry, Problem},
    record::Extra,
    shaping::Shaping,
};
use codescaler_extract::{Extraction, Policy, Spec, extract};
use codescaler_http::{
    About, Ask, Backend, ChatAnswer, ChatAsk, ChatFailure, Code, Heard, Judged, Judgement, Judging,
    Outcome, Page, Ran, Reading, RunCode, Scorers,
};
use codescaler_reward::{Step, Verbatim, program_of};
use codescaler_sandbox::{Cases, Job, Sandbox};
use codescaler_search::PRESETS;
use rayon::prelude::*;
use serde_json::Value;

use super::{Options, pages::Pages};
use crate::{
    failure::Failure,
    score::{Scorer, remote::Remote},
    solve::proxy::Proxy,
};

/// About how many bytes of text the decoder computes side by side.
const BATCH_BYTES: usize = 64 << 10;

/// At most so many batches are under way at remote scorers.
const REMOTE_BATCHES_MAX: usize = 64;

/// The one who does the work of all routes.
pub(crate) struct Judge {
    about: About,
    scorer: Arc<Scorer>,
    sandbox: Option<Arc<Sandbox>>,
    policy: Policy,
    proxy: Option<Proxy>,
    pages: Option<Pages>,
}

impl Judge {
    pub(super) fn open(options: &Options, sandbox: Option<Sandbox>) -> Result<Judge, Failure> {
        let scorer = Arc::new(options.scorer.open()?);
        let sandbox = sandbox.map(Arc::new);
        let policy = options.policy;
        let proxy = match &sandbox {
            Some(sandbox) if options.proxy.asks_anybody() => {
                let slots = options.sandbox.slots();
                Some(Proxy::open(&options.proxy, (&scorer, sandbox, slots), policy)?)
            }
            _ => None,
        };
        let protection = sandbox.as_ref().filter(|_| options.run_code);
        let names = || PRESETS.iter().map(|preset| preset.name.to_owned()).collect();
        let about = About {
            name: options.name.clone(),
            shaping: options.shaping.shaping()?,
            protection: protection.map(|sandbox| sandbox.protection().level().to_string()),
            methods: proxy.as_ref().map_or_else(Vec::new, |_| names()),
            slots: options.sandbox.slots(),
            chats: proxy.as_ref().map_or(0, Proxy::seats),
            ..about(&scorer, policy)
        };
        let pages = options.ui.clone().map(Pages);
        Ok(Judge { about, scorer, sandbox, policy, proxy, pages })
    }

    /// One that only scores.
    pub(crate) fn of(scorer: Scorer, policy: Policy) -> Judge {
        let about = about(&scorer, policy);
        Judge { about, scorer: Arc::new(scorer), sandbox: None, policy, proxy: None, pages: None }
    }

    fn policy(&self, name: Option<&String>) -> Policy {
        // The server lets only known names through.
        name.and_then(|name| name.parse().ok()).unwrap_or(self.policy)
    }

    /// The responses among the items, each with its place.
    fn score_responses(
        &self,
        batch: &[&Ask],
        until: Instant,
        give: &mut Give<'_>,
    ) -> ControlFlow<()> {
        let read = |(place, ask): (usize, &&Ask)| match ask {
            Ask::Response { problem, response, policy } => {
                let spec = Spec {
                    language: problem.language,
                    entry: &problem.entry,
                    policy: self.policy(policy.as_ref()),
                };
                Some((place, Arc::clone(problem), extract(response, &spec)))
            }
            Ask::Text { .. } | Ask::Tokens(_) | Ask::Conversation(_) => None,
        };
        let found: Vec<(usize, Arc<Problem>, Extraction)> =
            batch.par_iter().enumerate().filter_map(read).collect();
        let mut ready = Vec::new();
        for (place, problem, extraction) in found {
            match &extraction.program {
                Some(program) => {
                    let candidate = candidate(&problem, program.clone());
                    ready.push(Ready { place, problem, candidate, extraction });
                }
                None => {
                    let reason =
                        extraction.reason.as_ref().map_or_else(String::new, ToString::to_string);
                    give(place, judgement(Outcome::Invalid(reason), &extraction))?;
                }
            }
        }
        // Candidates of a problem side by side share its computation.
        ready.sort_by(|a, b| (&a.problem.id, a.place).cmp(&(&b.problem.id, b.place)));
        match &*self.scorer {
            Scorer::Here(scorer) => self.score_here(scorer, &ready, give),
            Scorer::Remote(remote) => score_there(remote, &ready, until, give),
        }
    }

    fn score_here(
        &self,
        scorer: &codescaler_reward::Scorer,
        ready: &[Ready],
        give: &mut Give<'_>,
    ) -> ControlFlow<()> {
        let items: Vec<(&Problem, &Candidate)> =
            ready.iter().map(|ready| (&*ready.problem, &ready.candidate)).collect();
        let mut at = 0;
        let end = scorer.score(&items, self.policy, &mut |step| {
            let Step::Scored(scored, tokens) = step else { return ControlFlow::Continue(()) };
            let Ready { place, extraction, .. } = &ready[at];
            at += 1;
            let outcome = match codescaler_reward::Outcome::from(&scored) {
                codescaler_reward::Outcome::Ok(score) => Outcome::Scored(score),
                codescaler_reward::Outcome::Invalid(why) => Outcome::Invalid(why.to_owned()),
                codescaler_reward::Outcome::TooLong(why) => Outcome::TooLong(why.to_owned()),
            };
            let trimmed = scored.trimmed;
            give(*place, Judgement { tokens, trimmed, ..judgement(outcome, extraction) })
        });
        match end {
            Ok(end) => end,
            Err(error) => {
                tracing::error!(%error, "an item cannot be read");
                ready[at..].iter().try_for_each(|ready| {
                    give(ready.place, Judgement::of(Outcome::Fault(error.to_string())))
                })
            }
        }
    }

    /// The texts among the items, each with its place.
    fn score_texts(&self, batch: &[&Ask], until: Instant, give: &mut Give<'_>) -> ControlFlow<()> {
        match &*self.scorer {
            // It may read no texts, and then none is asked about.
            Scorer::Here(scorer) if scorer.reads_texts() => read_here(scorer, batch, give),
            Scorer::Here(_) => ControlFlow::Continue(()),
            Scorer::Remote(remote) => read_there(remote, batch, until, give),
        }
    }
}

/// Takes each item's place and judgement.
type Give<'a> = dyn FnMut(usize, Judgement) -> ControlFlow<()> + 'a;

/// A response whose program was found.
struct Ready {
    place: usize,
    problem: Arc<Problem>,
    candidate: Candidate,
    extraction: Extraction,
}

fn score_there(
    remote: &Remote,
    ready: &[Ready],
    until: Instant,
    give: &mut Give<'_>,
) -> ControlFlow<()> {
    let program = |ready: &Ready| ready.extraction.program.clone().unwrap_or_default();
    let programs: Vec<_> =
        ready.iter().map(|one| (Arc::clone(&one.problem), program(one))).collect();
    remote.judge(&programs, until, &mut |heard| match heard {
        Heard::Judged(at, Judgement { outcome, tokens, trimmed, .. }) => {
            let Ready { place, extraction, .. } = &ready[at];
            give(*place, Judgement { tokens, trimmed, ..judgement(outcome, extraction) })
        }
        Heard::Nothing => ControlFlow::Continue(()),
    })
}

fn read_here(
    scorer: &codescaler_reward::Scorer,
    batch: &[&Ask],
    give: &mut Give<'_>,
) -> ControlFlow<()> {
    let (mut places, mut texts) = (Vec::new(), Vec::new());
    for (place, ask) in batch.iter().enumerate() {
        texts.push(match ask {
            Ask::Text { text, add_special_tokens } => {
                Verbatim::Text { text, add_special_tokens: *add_special_tokens }
            }
            Ask::Tokens(tokens) => Verbatim::Tokens(tokens),
            Ask::Conversation(turns) => {
                let turns = turns.iter().map(|turn| (turn.role.name(), &*turn.content));
                Verbatim::Turns(turns.collect())
            }
            Ask::Response { .. } => continue,
        });
        places.push(place);
    }
    scorer.score_verbatim(&texts, &mut |at, read| {
        let outcome = match read.score {
            Ok(score) => Outcome::Scored(score),
            Err(codescaler_reward::Unread::TooLong(why)) => Outcome::TooLong(why),
            Err(codescaler_reward::Unread::Refused(why)) => Outcome::Invalid(why),
        };
        give(places[at], Judgement { tokens: read.tokens, ..Judgement::of(outcome) })
    })
}

fn read_there(
    remote: &Remote,
    batch: &[&Ask],
    until: Instant,
    give: &mut Give<'_>,
) -> ControlFlow<()> {
    let (mut places, mut readings) = (Vec::new(), Vec::new());
    for (place, ask) in batch.iter().enumerate() {
        readings.push(match ask {
            Ask::Text { text, add_special_tokens } => {
                Ok(Reading::Text { text: text.clone(), add_special_tokens: *add_special_tokens })
            }
            Ask::Tokens(tokens) => Ok(Reading::Tokens(tokens.clone())),
            Ask::Conversation(turns) => remote.scorers().conversation(turns.clone()),
            Ask::Response { .. } => continue,
        });
        places.push(place);
    }
    remote.judge_readings(readings, until, &mut |heard| match heard {
        Heard::Judged(at, judgement) => give(places[at], judgement),
        Heard::Nothing => ControlFlow::Continue(()),
    })
}

/// What there is to say of a reward model.
fn about(scorer: &Scorer, policy: Policy) -> About {
    let provenance = scorer.provenance(policy);
    About {
        name: scorer.name().to_owned(),
        fingerprint: provenance["weights"].to_string().replace(['[', ']', '"'], ""),
        tokens_max: provenance.get("tokens_max").and_then(Value::as_u64).unwrap_or(0) as usize,
        provenance,
        reads_texts: match scorer {
            Scorer::Here(scorer) => scorer.reads_texts(),
            Scorer::Remote(_) => true,
        },
        policies: Policy::ALL.iter().map(ToString::to_string).collect(),
        shaping: Shaping::default(),
        protection: None,
        methods: Vec::new(),
        batch_bytes: BATCH_BYTES,
        batches: match scorer {
            Scorer::Here(_) => 1,
            // While one waits for its last answer, others keep everybody busy.
            Scorer::Remote(remote) => (4 * remote.scorers().states().len()).min(REMOTE_BATCHES_MAX),
        },
        slots: 0,
        chats: 0,
    }
}

fn candidate(problem: &Problem, program: String) -> Candidate {
    Candidate {
        problem: problem.id.clone(),
        index: 0,
        completion: None,
        program: Some(program),
        language: problem.language,
        source: Source::default(),
        logprob_sum: None,
        tokens: None,
        extra: Extra::new(),
    }
}

fn judgement(outcome: Outcome, extraction: &Extraction) -> Judgement {
    Judgement {
        program: extraction.program.clone(),
        notes: extraction.notes.iter().map(|note| note.name().to_owned()).collect(),
        ..Judgement::of(outcome)
    }
}

fn no_sandbox() -> Fault {
    Fault { kind: FaultKind::Resource, message: "there is no sandbox".to_owned() }
}

impl Backend for Judge {
    fn about(&self) -> &About {
        &self.about
    }

    fn score(
        &self,
        batch: &[&Ask],
        until: Instant,
        give: &mut dyn FnMut(usize, Judgement) -> ControlFlow<()>,
    ) {
        // A break has been told to whoever broke.
        let end = self.score_responses(batch, until, give);
        let _ = end.is_continue().then(|| self.score_texts(batch, until, give));
    }

    fn scorers(&self) -> Option<&Scorers> {
        match &*self.scorer {
            Scorer::Here(_) => None,
            Scorer::Remote(remote) => Some(remote.scorers()),
        }
    }

    fn page(&self, path: &str) -> Result<Option<Page>, String> {
        self.pages.as_ref().map_or(Ok(None), |pages| pages.at(path))
    }

    fn judge(&self, job: &Judging) -> Result<Judged, Fault> {
        let sandbox = self.sandbox.as_ref().ok_or_else(no_sandbox)?;
        let problem = &job.problem;
        let (candidate, policy) = match &job.code {
            Code::Program(program) => (candidate(problem, program.clone()), self.policy),
            Code::Completion { text, policy } => (
                Candidate {
                    completion: Some(text.clone()),
                    program: None,
                    ..candidate(problem, String::new())
                },
                self.policy(policy.as_ref()),
            ),
        };
        let program = match program_of(&candidate, problem, policy) {
            Ok(program) => program.into_owned(),
            Err(reason) => {
                return Ok(Judged { program: Err(reason), verdicts: Vec::new(), cpu_ms: 0.0 });
            }
        };
        let run = sandbox.run(&Job {
            program: &program,
            prelude: &problem.prelude,
            language: problem.language,
            entry: &problem.entry,
            cases: Cases::Tests(&problem.tests.visible),
            limits: problem.limits,
            stop_at_first_failure: job.stop_at_first_failure,
        })?;
        let verdicts = run.cases.iter().map(|case| case.verdict).collect();
        Ok(Judged { program: Ok(program), verdicts, cpu_ms: run.cpu_ms })
    }

    fn run_code(&self, job: &RunCode) -> Result<Ran, Fault> {
        let sandbox = self.sandbox.as_ref().ok_or_else(no_sandbox)?;
        let mut run = sandbox.run(&Job {
            program: &job.code,
            prelude: "",
            language: job.language,
            entry: &Entry::Stdio,
            cases: Cases::Streams(&[&job.stdin]),
            limits: job.limits,
            stop_at_first_failure: false,
        })?;
        let case = run.cases.remove(0);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let does_not_compile = case.verdict == Verdict::CompileError;
        let is_python = job.language == Language::Python;
        Ok(Ran {
            stdout: case.streams.as_ref().map_or_else(String::new, |s| text(&s.stdout)),
            // What never ran has nothing of its own to say.
            stderr: case.streams.as_ref().map_or_else(|| case.detail.clone(), |s| text(&s.stderr)),
            return_code: case.streams.as_ref().map_or(Some(1), |streams| Some(streams.status)),
            is_over_time: case.verdict == Verdict::TimeLimit,
            cpu_ms: run.cpu_ms,
            compile_error: (does_not_compile && !is_python).then_some(case.detail),
        })
    }

    fn chat(
        &self,
        ask: &ChatAsk,
        watch: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ChatAnswer, ChatFailure> {
        let nobody = || ChatFailure::Request("this server asks no language model".to_owned());
        self.proxy.as_ref().ok_or_else(nobody)?.answer(ask, watch)
    }
}
