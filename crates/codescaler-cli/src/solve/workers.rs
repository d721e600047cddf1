//! Those who answer: the sandbox, the reward model, language models.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex,
        mpsc::{Receiver, Sender},
    },
    time::Duration,
};

use codescaler::{
    candidate::{Candidate, Source},
    execution::Fault,
    inputs::Input,
    language::Language,
    problem::{Entry, Problem, Test},
    reasoning::{Stop, Watch},
    record::Extra,
};
use codescaler_http::{ChatError, ChatFault, ChatRequest, Choice, Client, Finish, Reply, Usage};
use codescaler_nn::{Message, Policy, Sampling, ScoreError};
use codescaler_sandbox::{Job, Output, Run};
use codescaler_search::{Answer, Cell, Cost, PRINTED_CHARS_MAX, Refusal, Task, Ticket, shortened};

use super::crew::{Crew, Event};
use crate::{score::score_batch, stage::Item};

/// A program to run; the sandbox's threads own it.
pub(super) struct ToRun {
    pub(super) ticket: Ticket,
    pub(super) problem: usize,
    pub(super) program: String,
    pub(super) cases: OwnedCases,
}

pub(super) enum OwnedCases {
    Tests(Vec<Test>),
    Inputs(Vec<Input>),
    /// None: it runs by itself.
    Printed,
}

/// Programs to score: ticket, problem, text.
pub(super) type ToScore = Vec<(Ticket, usize, String)>;

/// A conversation that a decoder goes on with.
pub(super) type ToWrite = (Ticket, ChatRequest);

/// A candidate that is nothing but a text.
pub(super) fn bare(
    problem: &Problem,
    completion: Option<String>,
    program: Option<String>,
) -> Candidate {
    Candidate {
        problem: problem.id.clone(),
        index: 0,
        completion,
        program,
        language: problem.language,
        source: Source::default(),
        logprob_sum: None,
        tokens: None,
        extra: Extra::new(),
    }
}

/// The next of a queue that several threads share; nothing once it has ended.
fn next<T>(queue: &Mutex<Receiver<T>>) -> Option<T> {
    queue.lock().expect("no thread panics with the queue").recv().ok()
}

/// Takes programs from the queue until it ends.
pub(super) fn run_programs(
    crew: &Crew<'_>,
    tasks: &[Task],
    queue: &Mutex<Receiver<ToRun>>,
    events: &Sender<Event>,
) {
    loop {
        let Some(ToRun { ticket, problem, program, cases }) = next(queue) else { return };
        let problem = tasks[problem].problem();
        let (mut prelude, mut language) = (problem.prelude.as_str(), problem.language);
        let mut entry = &problem.entry;
        let nothing = [Input::Stdin(String::new())];
        let job = Job {
            cases: match &cases {
                OwnedCases::Tests(tests) => codescaler_sandbox::Cases::Tests(tests),
                OwnedCases::Inputs(inputs) => codescaler_sandbox::Cases::Inputs(inputs),
                OwnedCases::Printed => {
                    (prelude, language, entry) = ("", Language::Python, &Entry::Stdio);
                    codescaler_sandbox::Cases::Inputs(&nothing)
                }
            },
            program: &program,
            prelude,
            language,
            entry,
            limits: crew.bounds.of(problem.limits),
            stop_at_first_failure: false,
        };
        if events.send(Event::Ran(ticket, crew.sandbox.run(&job))).is_err() {
            return;
        }
    }
}

/// What a run says; where its output is what is wanted, all of that.
pub(super) fn ran(result: Result<Run, Fault>, prints: bool) -> (Answer, Cost) {
    let run = match result {
        Ok(run) => run,
        Err(fault) => {
            return (Answer::Refused(Refusal::Fault(fault.to_string())), Cost::default());
        }
    };
    let cost = Cost { executions: 1, cpu_ms: run.cpu_ms, ..Cost::default() };
    (Answer::Run(cells(run, prints).into()), cost)
}

/// What a program did, case by case, as searches see it; where its output is what is wanted, with
/// all of that.
pub(crate) fn cells(run: Run, prints: bool) -> Vec<Cell> {
    run.cases
        .into_iter()
        .map(|case| Cell {
            verdict: case.verdict,
            shown: match &case.output {
                Some(Output::Text(text)) if prints => {
                    text.chars().take(PRINTED_CHARS_MAX).collect()
                }
                Some(Output::Text(text)) => shortened(text),
                Some(Output::Value(value)) => shortened(&value.to_json().to_string()),
                None => shortened(&case.detail),
            },
            output: case.output.as_ref().map(Output::digest),
        })
        .collect()
}

/// Takes batches from the queue until it ends.
pub(super) fn score_programs(
    crew: &Crew<'_>,
    tasks: &[Task],
    queue: Receiver<ToScore>,
    events: &Sender<Event>,
) {
    for batch in queue {
        let items: Vec<Item<'_>> = batch
            .iter()
            .map(|(_, at, program)| {
                let problem = tasks[*at].problem();
                Item { problem, candidate: bare(problem, None, Some(program.clone())) }
            })
            .collect();
        let mut scores = Vec::with_capacity(items.len());
        let result = score_batch(crew.scorer, &items, crew.policy, &mut |scored| {
            scores.push(scored.score);
            Ok(())
        });
        let tickets = batch.iter().map(|(ticket, ..)| *ticket).collect();
        if events.send(Event::Scored(tickets, result.map(|()| scores))).is_err() {
            return;
        }
    }
}

/// Passes an endpoint's answers on, as long as somebody listens.
pub(super) fn pass_on(client: &Client, events: &Sender<Event>) {
    loop {
        let event = match client.receive(Duration::from_millis(100)) {
            Some((ticket, reply)) => Event::Wrote(ticket, reply),
            None => Event::Nothing,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Takes conversations from the queue until it ends, and goes on with them by a decoder of ours.
pub(super) fn write_programs(
    policy: &Policy,
    queue: &Mutex<Receiver<ToWrite>>,
    events: &Sender<Event>,
) {
    while let Some((ticket, request)) = next(queue) {
        if events.send(Event::Wrote(ticket, written(policy, &request))).is_err() {
            return;
        }
    }
}

/// What a decoder writes, in the words of an endpoint.
fn written(policy: &Policy, request: &ChatRequest) -> Result<Reply, ChatError> {
    let messages: Vec<Message<'_>> = request
        .messages
        .iter()
        .map(|message| Message { role: message.role.name(), content: &message.content })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "a temperature has few digits")]
    let temperature = request.temperature.unwrap_or(0.0) as f32;
    let asked = codescaler_nn::Request {
        messages: &messages,
        n: 1,
        tokens_max: request.tokens_max.map_or(usize::MAX, |n| n as usize),
        sampling: Sampling { temperature, seed: request.seed.unwrap_or(0), ..Sampling::default() },
        stop: &[],
    };
    let fail = |error: ScoreError| {
        let message = error.to_string();
        ChatError {
            endpoint: "the decoder".to_owned(),
            attempts: 1,
            fault: match error {
                ScoreError::TooLong { .. } => ChatFault::ContextOverflow { message },
                ScoreError::NoProgram
                | ScoreError::Empty
                | ScoreError::Template(_)
                | ScoreError::Tokenizer(_)
                | ScoreError::NotFinite => ChatFault::Refused { message },
            },
        }
    };
    let (mut watch, mut stop) = (request.trim.map(Watch::new), None);
    let mut samples = policy
        .generate(&asked, &mut |_, piece| {
            stop = watch.as_mut().and_then(|watch| watch.read(piece));
            if stop.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .map_err(fail)?;
    let mut sample = samples.swap_remove(0);
    if let Some(Stop { at, .. }) = &stop {
        sample.text.truncate(*at);
    }
    let n_bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    Ok(Reply {
        usage: Usage {
            prompt_tokens: n_bytes as u64 / 4,
            completion_tokens: sample.tokens.len() as u64,
            cached_tokens: None,
            is_estimated: true,
        },
        choices: vec![Choice {
            // Tokens reach beyond the place where a reasoning is stopped.
            logprob_sum: match stop {
                None => Some(sample.logprobs.iter().copied().map(f64::from).sum()),
                Some(_) => None,
            },
            tokens: u32::try_from(sample.tokens.len()).ok().filter(|_| stop.is_none()),
            finish: match sample.finish {
                codescaler_nn::Finish::StopToken | codescaler_nn::Finish::StopText => Finish::Stop,
                codescaler_nn::Finish::Length | codescaler_nn::Finish::Cancelled => Finish::Length,
            },
            reasoning: None,
            text: sample.text,
            trimmed: stop,
        }],
        shortfall: None,
        attempts: 1,
        wall_ms: 0.0,
    })
}
