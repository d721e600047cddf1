//! Every prompt, written out.

use std::{collections::BTreeMap, fmt::Write as _};

use codescaler::{inputs::Input, value::Value};
use expect_test::{expect, expect_file};

use super::world::{World, problem, text};
use crate::{Ask, Cases, Digest, Known, Prompt, PromptError, Prompts, Question, Task};

/// Two programs that were run on the visible tests and on two inputs.
struct Told {
    known: Known,
    programs: [Digest; 2],
    inputs: Digest,
}

fn told(task: &Task) -> Told {
    let mut known = Known::default();
    let mut ask = Ask::new(task, &mut known, 0);
    let programs = [0, 3].map(|program| ask.keep(&text(program)));
    let inputs = ask.keep_inputs([0, 5].map(|x| Input::Args(vec![Value::Int(x)])).to_vec());
    let world = World::new(&[], 2);
    for program in programs {
        for cases in [Cases::Visible, Cases::Inputs(inputs)] {
            let question = Question::Run { program, cases };
            let (answer, _) = world.answer(task, &known, &question);
            known.learn(question, answer);
        }
    }
    Told { known, programs, inputs }
}

fn render(prompts: &Prompts, prompt: &Prompt) -> String {
    let task = Task::of(&problem(2));
    let told = told(&task);
    let messages = prompts.render(prompt, &task, &told.known).unwrap();
    messages.into_iter().map(|message| message.text).collect::<Vec<_>>().join("\n---\n")
}

#[test]
fn every_prompt_is_written_out() {
    let task = Task::of(&problem(2));
    let Told { programs, inputs, .. } = told(&task);
    let [right, wrong] = programs;
    let prompts = [
        Prompt::Draft { plan: None },
        Prompt::Draft { plan: Some(right) },
        Prompt::Plan,
        Prompt::Debug { rounds: vec![right, wrong] },
        Prompt::Inputs { count: 7 },
        Prompt::Maker,
        Prompt::Separate { pair: programs, count: 7 },
        Prompt::Judge { pair: programs, inputs: Some(inputs) },
        Prompt::Judge { pair: programs, inputs: None },
        Prompt::Tests { about: Some(wrong), count: 7 },
        Prompt::Tests { about: None, count: 7 },
        Prompt::Improve { parents: vec![wrong] },
        Prompt::Fuse { of: programs.to_vec(), notes: Vec::new() },
        Prompt::Fuse { of: programs.to_vec(), notes: programs.to_vec() },
        Prompt::Deepen { said: programs.to_vec() },
        Prompt::Finish { said: wrong },
        Prompt::Step { prefix: None },
        Prompt::Step { prefix: Some(wrong) },
        Prompt::Weigh { text: wrong, from: 0 },
        Prompt::Continue { prefix: wrong },
        Prompt::Critique { program: wrong },
        Prompt::Lessons { program: wrong, count: 3 },
        Prompt::Rank { among: programs.to_vec(), notes: Vec::new() },
        Prompt::Rank { among: programs.to_vec(), notes: programs.to_vec() },
        Prompt::Debate { own: wrong, others: vec![right] },
        Prompt::Assess { program: wrong, perspective: "its speed", notes: vec![right] },
        Prompt::Trace { program: wrong },
        Prompt::Choose { among: programs.to_vec(), shown: vec![inputs], may_test: true },
        Prompt::Choose { among: programs.to_vec(), shown: Vec::new(), may_test: false },
    ];
    let texts = Prompts::new(&BTreeMap::new()).unwrap();
    let mut all = String::new();
    for prompt in &prompts {
        let text = render(&texts, prompt);
        writeln!(all, "#### {}\n{text}\n", prompt.name()).unwrap();
    }
    expect_file!["prompts.txt"].assert_eq(&all);
}

#[test]
fn drafts_show_what_was_learnt() {
    let lessons = ["Sort first.", "Mind empty lists."].map(str::to_owned).to_vec();
    let task = Task::of(&problem(0)).with_lessons(lessons);
    let prompts = Prompts::new(&BTreeMap::new()).unwrap();
    let told = prompts.render(&Prompt::Draft { plan: None }, &task, &Known::default()).unwrap();
    expect![[r#"
        Solve the following problem with one python program.

        Give back the number.

        What was learnt from other problems, to be used where it fits:
        - Sort first.
        - Mind empty lists.

        Define the function `f`. Do not call it; it is called with the arguments of each test.
        Answer with the whole program in one fenced code block."#]]
    .assert_eq(&told[0].text);
}

#[test]
fn a_user_may_put_others_in_their_place() {
    let others = |name: &str, text: &str| {
        Prompts::new(&BTreeMap::from([(name.to_owned(), text.to_owned())]))
    };
    let prompts = others("plan", "Think about: {{ statement }}").unwrap();
    assert_eq!(render(&prompts, &Prompt::Plan), "Think about: Give back the number.");
    let with_system = others("system", "Be brief.\n").unwrap();
    assert!(render(&with_system, &Prompt::Plan).starts_with("Be brief.\n---\nPlan a solution"));
    assert_ne!(prompts.fingerprint(), with_system.fingerprint());
    assert!(matches!(others("plann", ""), Err(PromptError::Name { .. })));
    assert!(matches!(others("plan", "{% if %}"), Err(PromptError::Template { .. })));
    let task = Task::of(&problem(2));
    let unknown = others("plan", "{{ hidden_tests }}").unwrap();
    let error = unknown.render(&Prompt::Plan, &task, &Known::default()).unwrap_err();
    assert!(matches!(error, PromptError::Template { .. }));
}
