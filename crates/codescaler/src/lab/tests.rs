use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::*;
use crate::seed::digest;

fn tasks(split: Split, n: u64) -> impl Iterator<Item = Task> {
    (0..n).map(move |number| task(0, split, number))
}

#[test]
fn families_of_the_splits_are_disjoint() {
    assert!(tasks(Split::Train, 400).all(|task| Split::of(&task.family) == Split::Train));
    assert!(tasks(Split::HeldOut, 400).all(|task| Split::of(&task.family) == Split::HeldOut));
    let names: Vec<&str> = operations::all().map(|operation| operation.name).collect();
    let pairs = names.iter().flat_map(|a| names.iter().map(move |b| format!("{a} {b}")));
    let (n_pairs, n_held_out) = pairs.fold((0, 0), |(n, held_out), pair| {
        (n + 1, held_out + u32::from(Split::of(&pair) == Split::HeldOut))
    });
    assert!((0.24..0.26).contains(&(f64::from(n_held_out) / f64::from(n_pairs))), "{n_held_out}");
}

#[test]
fn a_task_is_what_its_number_says() {
    let text = |task: &Task| {
        let demonstration = task.demonstration(5, &Flaws { slip: 0.5, ..Flaws::default() }, false);
        format!("{}\n{demonstration}", serde_json::to_string(&task.problem).unwrap())
    };
    let forwards: Vec<String> = tasks(Split::Train, 20).map(|task| text(&task)).collect();
    let mut backwards: Vec<String> =
        (0..20).rev().map(|number| text(&task(0, Split::Train, number))).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    assert_ne!(forwards[3], text(&task(1, Split::Train, 3)));
    expect!["83aeb847bce44a94"]
        .assert_eq(&format!("{:016x}", digest(forwards.concat().as_bytes())));
}

#[test]
fn training_shows_every_operation() {
    let n_difficulties = u64::from(DIFFICULTY_MAX);
    let singles = (0..2500).map(|n| task(0, Split::Train, n_difficulties * n).family);
    let seen: BTreeSet<String> = singles.collect();
    let all: BTreeSet<String> =
        operations::all().map(|operation| operation.name.to_owned()).collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(all.len(), operations::all().count(), "a name is that of one operation");
}

#[test]
fn operations_are_easily_taken_for_operations() {
    for operation in operations::all() {
        assert!(!operation.near.is_empty(), "{}", operation.name);
        for name in operation.near {
            let near = operations::named(name);
            assert!(near.is_some_and(|near| near.from() == operation.from()), "{name}");
        }
    }
}

#[test]
fn tests_and_texts_keep_their_bounds() {
    let mut texts = BTreeSet::new();
    let n = 5000;
    for task in tasks(Split::Train, n) {
        let statement = &task.problem.statement;
        let n_words = statement.split_whitespace().count();
        assert!((statement::WORDS_MIN..=statement::WORDS_MAX).contains(&n_words), "{statement}");
        let program = task.program(0);
        assert!(program::is_short(&task.solution) && program::is_short(&program), "{program}");
        let Tests { visible, hidden } = &task.problem.tests;
        assert_eq!((visible.len(), hidden.len()), (VISIBLE, HIDDEN));
        texts.insert(format!("{statement}\n{program}"));
    }
    assert!(texts.len() as u64 > n * 9 / 10, "{} of {n}", texts.len());
}

/// What a family computes of a value, where every constant is 2.
#[track_caller]
fn check(family: &str, value: Data, expect: Expect) {
    let step = |name| {
        let operation = operations::named(name).expect("there is such an operation");
        Step { operation, k: Parameter::Fixed(2) }
    };
    let steps: Vec<Step> = family.split(' ').map(step).collect();
    let shown = match step::run(&steps, &Input { value, argument: None }) {
        Some(result) => to_python(&result.to_value()),
        None => "undefined".to_owned(),
    };
    expect.assert_eq(&shown);
}

#[test]
fn results_are_those_of_python() {
    let ints = |list: &[i64]| Data::Ints(list.to_vec());
    let text = |text: &str| Data::Text(text.to_owned());
    check("remainder_each", ints(&[-3, 3, 4]), expect!["[1, 1, 0]"]);
    check("quotient_each", ints(&[-3, 3, 4]), expect!["[-2, 1, 2]"]);
    check("keep_odd sum", ints(&[-3, 3, 4, 5]), expect!["5"]);
    check("last", ints(&[1]), expect!["[1]"]);
    check("maximum", ints(&[]), expect!["0"]);
    check("factorial", Data::Int(5), expect!["120"]);
    check("factorial", Data::Int(-1), expect!["undefined"]);
    check("collatz", Data::Int(6), expect!["8"]);
    check("initials upper", text("no  tea ant"), expect!["'NTA'"]);
    check("letter_counts best_keys", text("abcabx"), expect!["['a', 'b']"]);
    check("longest_word", Data::Words(vec!["tea".into(), "ant".into()]), expect!["'tea'"]);
    check("parse_pairs sum_values", Data::Pairs("a=1;b=-2".to_owned()), expect!["-1"]);
    check("parse_numbers sort_down", Data::Csv("3,10,2".to_owned()), expect!["[10, 3, 2]"]);
}

#[test]
fn sums_over_lists_are_sums_by_definition() {
    let running = operations::named("running_sums").expect("there is such an operation");
    let differences = operations::named("differences").expect("there is such an operation");
    let mut rng = Rng::new(3);
    for _ in 0..200 {
        let list = inputs::drawn(data::Kind::Ints, &[], &mut rng);
        let sums = running.run(list.clone(), 0).expect("sums are small");
        let Data::Ints(back) = differences.run(sums.clone(), 0).expect("they are small again")
        else {
            panic!("differences are integers");
        };
        let (Data::Ints(list), Data::Ints(sums)) = (list, sums) else {
            panic!("sums are integers");
        };
        assert_eq!((&list[1..], list[0]), (&*back, sums[0]));
    }
}

#[test]
fn thinking_says_what_the_program_does() {
    let flaws = Flaws { slip: 0.5, broken: 0.2, ..Flaws::default() };
    for task in tasks(Split::Train, 100) {
        let (plain, thinking) =
            (task.demonstration(1, &flaws, false), task.demonstration(1, &flaws, true));
        let plan = thinking.strip_suffix(&plain).expect("the same answer follows");
        let plan = plan.strip_prefix("<think>\n").and_then(|plan| plan.strip_suffix("</think>\n"));
        let lines = plan.expect("it stands between the marks").lines();
        assert!(lines.clone().count() <= task.steps.len());
        for line in lines {
            let named = |operation: &Operation| line.starts_with(&operation.name.replace('_', " "));
            assert!(operations::all().any(named), "{line}");
        }
    }
    let right = task(0, Split::Train, 5).demonstration(1, &Flaws::default(), true);
    let names = task(0, Split::Train, 5).family.replace('_', " ");
    assert!(right.starts_with("<think>\n") && names.split(' ').all(|word| right.contains(word)));
}

#[test]
fn demonstrations_err_as_often_as_asked() {
    let share = |flaws: &Flaws, is_seen: fn(&Task, &str) -> bool| {
        let seen =
            tasks(Split::Train, 400).filter(|t| is_seen(t, &t.demonstration(1, flaws, false)));
        seen.count() as f64 / 400.0
    };
    let none = Flaws::default();
    let unfenced = |_: &Task, text: &str| !text.starts_with("```python\n");
    let two = |_: &Task, text: &str| text.matches("```python\n").count() == 2;
    assert_eq!((share(&none, unfenced), share(&none, two)), (0.0, 0.0));
    let some = Flaws { blocks: 0.3, ..none };
    assert!((0.22..0.38).contains(&share(&some, two)));
    let all = Flaws { unfenced: 1.0, ..none };
    assert_eq!(share(&all, unfenced), 1.0);
}
