//! The engine: budgets, memory, cancelling, many problems.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::world::{Fresh, WORKERS, World, chosen, kind, play, problem};
use crate::{
    Answer, Budget, Cost, Desk, Engine, Known, Method, Question, Refusal, Resource, Role, Task,
    Work, Worker,
};

#[track_caller]
fn check(method: &str, each: Budget, expected: &Expect) {
    let (solved, asked) = play(method, &World::new(&[16, 0, 32, 16], 2), each, 0);
    let asked: Vec<String> = asked.iter().map(|(what, n)| format!("{what} {n}")).collect();
    let cost = solved.cost;
    let refused: Vec<String> =
        solved.refused.iter().map(|(why, n)| format!("{n} times {why}")).collect();
    let refused = refused.join(", ");
    expected.assert_eq(&format!(
        "{:?} | {} | {} samples, {} tokens, {} executions | {} | {refused}",
        chosen(&solved),
        asked.join(", "),
        cost.samples,
        cost.tokens_out,
        cost.executions,
        solved.outcome.notes.join("; ")
    ));
}

#[test]
fn nothing_is_spent_that_the_budget_does_not_allow() {
    let budget = Budget::default();
    check(
        "sstar:n=4",
        budget,
        &expect![
            "Some(0) | draft 4, inputs 1, judge 6, run inputs 9, run visible 3, separate 3 | 14 samples, 140 tokens, 12 executions |  | "
        ],
    );
    check(
        "sstar:n=4",
        Budget { samples_max: Some(3), ..budget },
        &expect![
            "Some(0) | draft 3, run visible 3 | 3 samples, 30 tokens, 3 executions |  | 11 times the budget of samples is used up"
        ],
    );
    check(
        "sstar:n=4",
        Budget { samples_max: Some(6), ..budget },
        &expect![
            "Some(16) | draft 4, inputs 1, run inputs 5, run visible 3, separate 1 | 6 samples, 60 tokens, 8 executions |  | 8 times the budget of samples is used up"
        ],
    );
    check(
        "sstar:n=4",
        Budget { programs_max: Some(3), ..budget },
        &expect![
            "Some(0) | draft 3, inputs 1, judge 6, run inputs 9, run visible 3, separate 3 | 13 samples, 130 tokens, 12 executions |  | 1 times the budget of samples that are programs is used up"
        ],
    );
    check(
        "sstar:n=4",
        Budget { tokens_out_max: Some(25), ..budget },
        &expect![
            "Some(0) | draft 2, run visible 2 | 2 samples, 20 tokens, 2 executions |  | 6 times the budget of tokens written is used up"
        ],
    );
    check(
        "sstar:n=4",
        Budget { executions_max: Some(2), ..budget },
        &expect![
            "Some(0) | draft 4, inputs 1, run visible 2 | 5 samples, 50 tokens, 2 executions |  | 4 times the budget of executions is used up"
        ],
    );
    check(
        "codescaler:n=4",
        Budget { samples_max: Some(0), ..budget },
        &expect![
            "None |  | 0 samples, 0 tokens, 0 executions | abstained: no candidate has a valid program | 4 times the budget of samples is used up"
        ],
    );
}

/// Remembers what was answered.
#[derive(Default)]
struct Memory(BTreeMap<Question, (Answer, Cost)>);

impl Desk for Memory {
    fn recall(&mut self, _: &Task, _: &Known, question: &Question) -> Option<(Answer, Cost)> {
        self.0.get(question).cloned()
    }

    fn cost_max(&mut self, task: &Task, known: &Known, question: &Question) -> Cost {
        Fresh.cost_max(task, known, question)
    }
}

/// Works until `stop_after` answers were given; what was asked, and what came of it.
fn work(
    method: &str,
    memory: &mut Memory,
    stop_after: usize,
) -> (Vec<&'static str>, Option<(Option<u32>, Cost)>) {
    let world = World::new(&[16, 0, 32, 16], 2);
    let method: Method = method.parse().unwrap();
    let searches = vec![(Task::of(&problem(world.visible)), method)];
    let mut engine = Engine::new(searches, (Budget::default(), Budget::default()), 7);
    let mut asked = Vec::new();
    while asked.len() < stop_after {
        let next = engine.next(&WORKERS, memory);
        let Some(Work { ticket, problem, question }) = next else { break };
        asked.push(kind(&question));
        let (answer, cost) = world.answer(engine.task(problem), engine.known(problem), &question);
        memory.0.insert(question, (answer.clone(), cost));
        engine.answer(ticket, answer, cost);
    }
    let solved = engine.solved().pop();
    (asked, solved.map(|solved| (chosen(&solved), solved.cost)))
}

#[test]
fn a_search_that_was_killed_spends_nothing_twice() {
    let (whole, outcome) = work("sstar:n=4", &mut Memory::default(), usize::MAX);
    for stop_after in 0..whole.len() {
        let mut memory = Memory::default();
        let (first, none) = work("sstar:n=4", &mut memory, stop_after);
        assert_eq!((first.len(), none), (stop_after, None));
        let (rest, resumed) = work("sstar:n=4", &mut memory, usize::MAX);
        assert_eq!(first.len() + rest.len(), whole.len(), "killed after {stop_after}");
        assert_eq!(resumed, outcome);
    }
}

#[test]
fn a_second_method_over_the_same_samples_asks_only_what_is_new() {
    let mut memory = Memory::default();
    work("codescaler:n=4;temperature=0.7", &mut memory, usize::MAX);
    let (asked, _) = work("codescaler_run:n=4;temperature=0.7", &mut memory, usize::MAX);
    assert_eq!(asked, ["run visible"; 3]);
    let (asked, _) = work("sstar_scored:n=4", &mut memory, usize::MAX);
    assert_eq!(asked, ["run inputs"; 3]);
}

#[test]
fn what_nobody_waits_for_is_stopped() {
    let world = World::new(&[1, 0, 2, 3], 1);
    let method: Method = "first_finish:n=4;enough=1".parse().unwrap();
    let searches = vec![(Task::of(&problem(1)), method)];
    let mut engine = Engine::new(searches, (Budget::default(), Budget::default()), 7);
    let generator = Worker::LanguageModel(Role::Generator);
    let mut open: Vec<Work> =
        std::iter::from_fn(|| engine.next(&[generator], &mut Fresh)).collect();
    assert_eq!(open.len(), 4);
    let second = open.swap_remove(1);
    let (answer, cost) = world.answer(engine.task(0), engine.known(0), &second.question);
    engine.answer(second.ticket, answer, cost);
    assert_eq!(chosen(&engine.solved()[0]), Some(0));
    let mut left: Vec<_> = open.iter().map(|work| work.ticket).collect();
    let mut cancelled = engine.cancelled();
    left.sort_unstable();
    cancelled.sort_unstable();
    assert_eq!(cancelled, left);
    // What it cost until it was stopped is paid for.
    engine.answer(left[0], Answer::Refused(Refusal::Fault("stopped".to_owned())), cost);
    assert_eq!(engine.spent().samples, 2);
    assert!(engine.is_done());
}

#[test]
fn a_slow_answer_holds_up_nobody_else() {
    let world = World::new(&[0, 1], 1);
    let method: Method = "codescaler_run:n=2".parse().unwrap();
    let searches = vec![(Task::of(&problem(1)), method); 50];
    let mut engine = Engine::new(searches, (Budget::default(), Budget::default()), 7);
    let mut slow = None;
    loop {
        let next = engine.next(&WORKERS, &mut Fresh);
        let Some(work) = next else { break };
        if slow.is_none() {
            slow = Some(work);
            continue;
        }
        let (answer, cost) =
            world.answer(engine.task(work.problem), engine.known(work.problem), &work.question);
        engine.answer(work.ticket, answer, cost);
    }
    assert_eq!(engine.solved().len(), 49);
    assert!(!engine.is_done());
    // Nobody waits for it any longer: the search ends with what it has.
    engine.stop(Refusal::Budget(Resource::WallTime));
    let last = engine.solved();
    assert_eq!((last.len(), last[0].problem, chosen(&last[0])), (1, 0, Some(1)));
    assert!(engine.is_done());
}
