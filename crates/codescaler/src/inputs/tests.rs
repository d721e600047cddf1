//! New inputs from written examples: what is the same in all visible inputs is the same in them.

use proptest::prelude::*;

use super::*;
use crate::check::Check;

fn problem(inputs: &[Input]) -> Problem {
    let test = |input: &Input| match input.clone() {
        Input::Stdin(stdin) => Test::Stdio { stdin, stdout: String::new(), check: Check::STDIO },
        Input::Args(args) => Test::Call { args, expected: Value::Null, check: Check::CALL },
    };
    let bare = r#"{"id":"p","statement":"","language":"python","entry":{"kind":"stdio"}}"#;
    let mut problem: Problem = serde_json::from_str(bare).unwrap();
    problem.tests.visible = inputs.iter().map(test).collect();
    problem
}

fn arguments(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

/// Makes inputs from argument lists with several seeds; all satisfy what the first ones do.
#[track_caller]
fn check(visible: &[&str], holds: impl Fn(&[Value]) -> bool) {
    let visible: Vec<Vec<Value>> = visible.iter().map(|json| arguments(json)).collect();
    assert!(visible.iter().all(|args| holds(args)), "the examples break the rule");
    let problem = problem(&visible.into_iter().map(Input::Args).collect::<Vec<_>>());
    let mut made = 0;
    for seed in 0..8 {
        for input in mutate(&problem, &MutateOptions::default(), seed) {
            let Input::Args(args) = &input else { panic!("arguments make arguments: {input:?}") };
            assert!(holds(args), "{}", serde_json::to_string(&input).unwrap());
            made += 1;
        }
    }
    assert!(made >= 40, "only {made} inputs in eight draws");
}

/// The same for standard input.
#[track_caller]
fn check_stdin(visible: &[&str], holds: impl Fn(&str) -> bool) {
    assert!(visible.iter().all(|text| holds(text)), "the examples break the rule");
    let inputs: Vec<Input> = visible.iter().map(|text| Input::Stdin((*text).to_owned())).collect();
    let mut made = 0;
    for seed in 0..8 {
        for input in mutate(&problem(&inputs), &MutateOptions::default(), seed) {
            let Input::Stdin(text) = &input else { panic!("text makes text: {input:?}") };
            assert!(holds(text), "{text:?}");
            made += 1;
        }
    }
    assert!(made >= 40, "only {made} inputs in eight draws");
}

fn ints(value: &Value) -> Option<Vec<i64>> {
    let Value::List(items) = value else { return None };
    items.iter().map(shape::int).collect()
}

fn rows(value: &Value) -> Option<Vec<Vec<i64>>> {
    let Value::List(items) = value else { return None };
    items.iter().map(ints).collect()
}

fn numbers(text: &str) -> Vec<Vec<i64>> {
    text.lines()
        .map(|line| line.split_whitespace().map_while(|token| token.parse().ok()).collect())
        .collect()
}

#[test]
fn numbers_keep_their_sign() {
    check(&["[3]", "[0]"], |args| matches!(args, [Value::Int(0..)]));
    check(&["[[3,1]]", "[[2]]"], |args| ints(&args[0]).unwrap().iter().all(|&n| n >= 0));
    check(&["[1.5]", "[2.0]"], |args| matches!(args, [Value::Float(f)] if *f >= 0.0));
    check(&["[-3]", "[5]"], |args| matches!(args, [Value::Int(_)]));
}

#[test]
fn bounds_of_the_statement_hold() {
    let visible = [Input::Args(arguments("[[7,5,6],2]"))];
    let statement = "1 <= nums.length <= 4\n5 <= nums[i] <= 8\n2 <= k <= 3".to_owned();
    let starter = "class Solution:\n    def f(self, nums: List[int], k: int) -> int:".to_owned();
    let problem = Problem { statement, starter, ..problem(&visible) };
    let made = mutate(&problem, &MutateOptions { inputs_max: 60, ..Default::default() }, 1);
    assert!(made.len() >= 30, "{}", made.len());
    for input in made {
        let Input::Args(args) = &input else { panic!("arguments make arguments") };
        let nums = ints(&args[0]).unwrap();
        assert!((1..=4).contains(&nums.len()), "{nums:?}");
        assert!(nums.iter().all(|n| (5..=8).contains(n)), "{nums:?}");
        assert!(matches!(args[1], Value::Int(2 | 3)), "{args:?}");
    }
}

#[test]
fn strings_keep_their_alphabet_and_form() {
    let of = |value: &Value, alphabet: &str| {
        shape::text(value).is_some_and(|text| text.chars().all(|c| alphabet.contains(c)))
    };
    check(&[r#"["abba"]"#, r#"["abc"]"#], |args| of(&args[0], "abc"));
    check(&[r#"["a1","c3"]"#, r#"["a1","h4"]"#], |args| {
        args.iter().all(|arg| {
            let text = shape::text(arg).unwrap().as_bytes();
            matches!(text, [b'a' | b'c' | b'h', b'1' | b'3' | b'4'])
        })
    });
    check(&[r#"["12:30"]"#, r#"["01:45"]"#], |args| {
        let text = shape::text(&args[0]).unwrap();
        text.len() == 5 && text.as_bytes()[2] == b':'
    });
    check(&[r#"["1023"]"#, r#"["7"]"#, r#"["35"]"#], |args| {
        let text = shape::text(&args[0]).unwrap();
        text.len() < 2 || !text.starts_with('0')
    });
}

#[test]
fn lengths_stay_related() {
    let lengths = |args: &[Value]| (ints(&args[0]).unwrap().len(), ints(&args[1]).unwrap().len());
    check(&["[[1,2],[3,4]]", "[[1,2,9],[5,3,4]]"], |args| {
        let (a, b) = lengths(args);
        a == b
    });
    check(&["[3,[5,1,2]]", "[1,[4]]"], |args| {
        shape::int(&args[0]) == i64::try_from(ints(&args[1]).unwrap().len()).ok()
    });
    check(&["[4,[5,1,2]]", "[2,[4]]"], |args| {
        shape::int(&args[0]) == i64::try_from(ints(&args[1]).unwrap().len() + 1).ok()
    });
    check(&[r#"["abc","xyz"]"#, r#"["a","b"]"#], |args| {
        shape::text(&args[0]).unwrap().len() == shape::text(&args[1]).unwrap().len()
    });
}

#[test]
fn indices_and_intervals_stay_inside() {
    check(&["[[5,6,7],2]", "[[1,9],0]", "[[4],0]"], |args| {
        let nums = ints(&args[0]).unwrap();
        shape::int(&args[1]).is_some_and(|k| usize::try_from(k).is_ok_and(|k| k < nums.len()))
    });
    check(&["[[3,9,4,7],[[0,2],[1,3],[2,2]]]", "[[1,2],[[0,1],[1,1]]]"], |args| {
        let len = i64::try_from(ints(&args[0]).unwrap().len()).unwrap();
        rows(&args[1])
            .unwrap()
            .iter()
            .all(|row| matches!(row[..], [l, r] if 0 <= l && l <= r && r < len))
    });
}

#[test]
fn lists_keep_their_order_and_distinctness() {
    check(&["[[1,4,9]]", "[[2,2,3]]"], |args| ints(&args[0]).unwrap().is_sorted());
    check(&["[[9,4,1]]", "[[3,3,2]]"], |args| ints(&args[0]).unwrap().is_sorted_by(|a, b| a >= b));
    check(&["[[4,9,1]]", "[[3,7,5,2]]"], |args| {
        let mut nums = ints(&args[0]).unwrap();
        nums.sort_unstable();
        nums.is_sorted_by(|a, b| a < b)
    });
    for base in [0, 1] {
        let shifted = |nums: &[i64]| nums.iter().map(|n| n + base).collect::<Vec<_>>();
        let visible = [shifted(&[2, 0, 1]), shifted(&[3, 1, 0, 2])];
        let visible: Vec<String> = visible.iter().map(|nums| format!("[{nums:?}]")).collect();
        let visible: Vec<&str> = visible.iter().map(String::as_str).collect();
        check(&visible, |args| {
            let mut nums = ints(&args[0]).unwrap();
            nums.sort_unstable();
            nums.iter().zip(base..).all(|(&n, expected)| n == expected)
        });
    }
}

#[test]
fn matrices_stay_rectangular_and_square_ones_square() {
    check(&["[[[1,2,3],[4,5,6]]]", "[[[1],[2],[3]]]"], |args| {
        let rows = rows(&args[0]).unwrap();
        rows.iter().all(|row| row.len() == rows[0].len())
    });
    check(&["[[[1,2,3],[4,5,6],[7,8,9]]]", "[[[1,2],[4,5]]]"], |args| {
        let matrix = rows(&args[0]).unwrap();
        matrix.iter().all(|row| row.len() == matrix.len())
    });
}

#[test]
fn records_keep_their_kind() {
    check(
        &[r#"[{"$tuple":[1,"a"]}]"#, r#"[{"$tuple":[2,"bc"]}]"#],
        |args| matches!(&args[0], Value::Tuple(pair) if matches!(pair[..], [Value::Int(_), Value::Str(_)])),
    );
    check(&["[[[1,5],[2,1,4],[1,8],[2,3,3]]]", "[[[2,1,1],[1,6]]]"], |args| {
        rows(&args[0]).unwrap().iter().all(|row| matches!(row[..], [1, _] | [2, _, _]))
    });
    check(&[r#"[{"$set":[1,2,3]}]"#, r#"[{"$set":[9]}]"#], |args| {
        let Value::Set(items) = &args[0] else { return false };
        (1..items.len()).all(|at| !items[..at].contains(&items[at]))
    });
    check(&[r#"[{"a":1,"b":2},true]"#, r#"[{"c":7,"a":3},false]"#], |args| {
        matches!(args, [Value::Dict(_), Value::Bool(_)])
    });
    check(&[r#"[[1,"x",null,2.5]]"#, r#"[["y",4]]"#], |args| matches!(args, [Value::List(_)]));
}

#[test]
fn counts_in_text_stay_right() {
    check_stdin(
        &["3\n5 1 2\n", "1\n7\n"],
        |text| matches!(&numbers(text)[..], [n, row] if n.len() == 1 && row.len() as i64 == n[0]),
    );
    check_stdin(&["2 3\n1 2 3\n4 5 6\n", "1 2\n7 8\n"], |text| {
        let lines = numbers(text);
        let [n, m] = lines[0][..] else { return false };
        lines.len() as i64 == n + 1 && lines[1..].iter().all(|row| row.len() as i64 == m)
    });
    check_stdin(&["2\n3\n1 2 3\n1\n9\n", "1\n2\n4 4\n"], |text| {
        let lines = numbers(text);
        lines.len() as i64 == 2 * lines[0][0] + 1
            && lines[1..].chunks(2).all(|case| case[1].len() as i64 == case[0][0])
    });
    check_stdin(&["6\nPRSSRS\n", "2\nSS\n"], |text| {
        let lines: Vec<&str> = text.lines().collect();
        lines[0].parse() == Ok(lines[1].len()) && lines[1].chars().all(|c| "PRS".contains(c))
    });
    check_stdin(&["2 3\n#..\n.#.\n", "3 2\n##\n..\n.#\n"], |text| {
        let lines: Vec<&str> = text.lines().collect();
        let size = numbers(lines[0]).remove(0);
        size == [lines.len() as i64 - 1, lines[1].len() as i64]
            && lines[1..].iter().all(|line| line.len() == lines[1].len())
    });
    check_stdin(&["4 2\n1 2\n3 4\n", "3 3\n1 2\n1 3\n2 3\n", "9 1\n5 7\n"], |text| {
        let lines = numbers(text);
        let [n, m] = lines[0][..] else { return false };
        lines.len() as i64 == m + 1
            && lines[1..].iter().all(|edge| 1 <= edge[0] && edge[0] < edge[1] && edge[1] <= n)
    });
}

#[test]
fn trees_stay_trees() {
    check_stdin(&["4\n1 2\n1 3\n3 4\n", "2\n2 1\n", "5\n5 1\n5 2\n3 1\n4 5\n"], |text| {
        let lines = numbers(text);
        let n = lines[0][0];
        // Every vertex is reached from the first one, over one edge fewer than there are.
        let mut reached = vec![1];
        for _ in 0..n {
            for edge in &lines[1..] {
                for (from, to) in [(edge[0], edge[1]), (edge[1], edge[0])] {
                    if reached.contains(&from) && !reached.contains(&to) {
                        reached.push(to);
                    }
                }
            }
        }
        lines.len() as i64 == n && (1..=n).all(|vertex| reached.contains(&vertex))
    });
}

#[test]
fn text_without_a_common_layout_keeps_each_text_s_lines() {
    let visible = ["7 7 7\n1 2\n9\n4 4 4 4\n5 5\n", "8\n1 1 1\n2 2\n6\n1 0 1 1 0 1 1\n3 3 3\n"];
    let widths = |text: &str| text.lines().map(|line| line.split(' ').count()).collect::<Vec<_>>();
    let allowed = visible.map(widths);
    check_stdin(&visible, |text| allowed.contains(&widths(text)));
}

#[test]
fn what_cannot_be_changed_gives_nothing() {
    let none = |inputs: &[Input]| mutate(&problem(inputs), &MutateOptions::default(), 0).is_empty();
    assert!(none(&[]));
    assert!(none(&[Input::Args(vec![])]));
    assert!(none(&[Input::Args(vec![Value::Null])]));
    assert!(none(&[Input::Stdin(String::new())]));
    assert!(none(&[Input::Stdin("1 ".repeat(10_000))]));
}

#[test]
fn visible_inputs_come_once_and_in_order() {
    let [a, b] = ["1", "2"].map(|text| Input::Stdin(text.to_owned()));
    let mut problem = problem(&[b.clone(), a.clone(), b.clone()]);
    problem.tests.visible.insert(1, Test::Script { code: "assert True".to_owned() });
    assert_eq!(visible(&problem), [b, a]);
}

#[test]
fn inputs_are_written_as_tests_are() {
    for json in [r#"{"stdin":"1\n"}"#, r#"{"args":[1,{"$tuple":[2]}]}"#] {
        let input: Input = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&input).unwrap(), json);
    }
}

#[test]
fn inputs_that_say_nothing_are_dropped() {
    let outputs = vec![vec![None, Some(1), None], vec![None, None, Some(2)]];
    assert_eq!(valid_inputs(&outputs), [1, 2]);
    assert_eq!(valid_inputs(&Vec::new()), Vec::<usize>::new());
    assert_eq!(signature(&[Some(1), None]), None);
    assert_eq!(signature(&[Some(1), Some(2)]), signature(&[Some(1), Some(2)]));
    assert_ne!(signature(&[Some(1), Some(2)]), signature(&[Some(2), Some(1)]));
    assert_ne!(signature(&[Some(0)]), signature(&[Some(0), Some(0)]));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![-3..9_i64, any::<i64>()].prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        "[ab1.é]{0,5}".prop_map(Value::Str),
        Just(Value::BigInt("18446744073709551616".to_owned())),
        Just(Value::Complex(0.0, 1.0)),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.prop_map(Value::Tuple),
            prop::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Dict),
        ]
    })
}

/// What every draw satisfies, whatever the visible inputs are.
fn sound(inputs: &[Input], seed: u64) -> Result<(), TestCaseError> {
    let problem = problem(inputs);
    let options = MutateOptions { inputs_max: 6, bytes_max: 200 };
    let made = mutate(&problem, &options, seed);
    prop_assert_eq!(format!("{made:?}"), format!("{:?}", mutate(&problem, &options, seed)));
    prop_assert!(made.len() <= options.inputs_max);
    let mut keys: Vec<String> = visible(&problem).iter().map(Input::key).collect();
    for input in &made {
        let key = input.key();
        prop_assert!(key.len() <= options.bytes_max);
        prop_assert!(!keys.contains(&key), "again: {key}");
        keys.push(key);
        let like = |seen: &Input| match (input, seen) {
            (Input::Args(made), Input::Args(seen)) => made.len() == seen.len(),
            (Input::Stdin(_), Input::Stdin(_)) => true,
            (Input::Args(_), Input::Stdin(_)) | (Input::Stdin(_), Input::Args(_)) => false,
        };
        prop_assert!(inputs.iter().any(like), "another kind: {input:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_arguments_are_sound(
        inputs in prop::collection::vec(prop::collection::vec(value(), 0..3), 1..4),
        seed: u64,
    ) {
        sound(&inputs.into_iter().map(Input::Args).collect::<Vec<_>>(), seed)?;
    }

    #[test]
    fn any_texts_are_sound(
        inputs in prop::collection::vec(prop_oneof!["[ a.\n0-4-]{0,30}", "\\PC{0,20}"], 1..4),
        seed: u64,
    ) {
        sound(&inputs.into_iter().map(Input::Stdin).collect::<Vec<_>>(), seed)?;
    }

    #[test]
    fn any_statement_is_read(statement in "[-1-9<=^*{}$a-c\\\\., \n]{0,60}") {
        let _ = Stated::read(&statement);
        let _ = bounds::parameters(&statement);
    }
}
