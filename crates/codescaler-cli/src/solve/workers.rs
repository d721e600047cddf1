//! The sandbox's and the reward model's side of a search.

use std::sync::mpsc::{Receiver, Sender};

use codescaler::{
    candidate::{Candidate, Source},
    execution::Fault,
    inputs::Input,
    problem::{Problem, Test},
    record::Extra,
};
use codescaler_sandbox::{Job, Output, Run};
use codescaler_search::{Answer, Cell, Cost, Refusal, Task, Ticket, shortened};

use super::crew::{Crew, Event};
use crate::stage::Item;

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
}

/// Programs to score: ticket, problem, text.
pub(super) type ToScore = Vec<(Ticket, usize, String)>;

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

/// Takes programs from the queue until it ends.
pub(super) fn run_programs(
    crew: &Crew<'_>,
    tasks: &[Task],
    queue: &std::sync::Mutex<Receiver<ToRun>>,
    events: &Sender<Event>,
) {
    loop {
        let next = queue.lock().expect("no thread panics with the queue").recv();
        let Ok(ToRun { ticket, problem, program, cases }) = next else { return };
        let problem = tasks[problem].problem();
        let job = Job {
            program: &program,
            prelude: &problem.prelude,
            language: problem.language,
            entry: &problem.entry,
            cases: match &cases {
                OwnedCases::Tests(tests) => codescaler_sandbox::Cases::Tests(tests),
                OwnedCases::Inputs(inputs) => codescaler_sandbox::Cases::Inputs(inputs),
            },
            limits: problem.limits,
            stop_at_first_failure: false,
        };
        if events.send(Event::Ran(ticket, crew.sandbox.run(&job))).is_err() {
            return;
        }
    }
}

/// What a run says.
pub(super) fn ran(result: Result<Run, Fault>) -> (Answer, Cost) {
    let run = match result {
        Ok(run) => run,
        Err(fault) => {
            return (Answer::Refused(Refusal::Fault(fault.to_string())), Cost::default());
        }
    };
    let cost = Cost { executions: 1, cpu_ms: run.cpu_ms, ..Cost::default() };
    let cells: Vec<Cell> = run
        .cases
        .into_iter()
        .map(|case| Cell {
            verdict: case.verdict,
            shown: match &case.output {
                Some(Output::Text(text)) => shortened(text),
                Some(Output::Value(value)) => shortened(&value.to_json().to_string()),
                None => shortened(&case.detail),
            },
            output: case.output.as_ref().map(Output::digest),
        })
        .collect();
    (Answer::Run(cells.into()), cost)
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
        let result = crew.scorer.score_batch(&items, crew.policy, &mut |scored| {
            scores.push(scored.score);
            Ok(())
        });
        let tickets = batch.iter().map(|(ticket, ..)| *ticket).collect();
        if events.send(Event::Scored(tickets, result.map(|()| scores))).is_err() {
            return;
        }
    }
}
