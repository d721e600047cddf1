//! What programs can do to the code that tests them.

use std::time::Instant;

use super::*;

#[track_caller]
fn judged(program: &str, code: &str, verdict: Verdict) {
    check_with(SHORT, program, &Entry::Script, &[(script(code), verdict)]);
}

/// Iteration ends silently where a function raises `StopIteration`.
#[test]
fn an_exception_does_not_cut_a_test_short() {
    let program = "def f(x): raise StopIteration";
    judged(
        program,
        "assert all(a == b for a, b in zip(map(f, [1, 2]), [3, 4]))",
        Verdict::RuntimeError,
    );
    judged(program, "for got in map(f, [1, 2]):\n    assert got == 3", Verdict::RuntimeError);
    judged(program, "assert not any(map(f, [1, 2]))", Verdict::RuntimeError);
    judged(program, "try:\n    f(1)\nexcept StopIteration: pass", Verdict::RuntimeError);
}

#[test]
fn what_is_no_plain_value_is_the_programs_fault_wherever_it_goes() {
    let program = "def encode(x): return object()\ndef decode(x): return 1";
    judged(program, "assert decode(encode(1)) == 1", Verdict::BadValue);
    judged(program, "assert decode([encode(1)]) == 1", Verdict::BadValue);
    judged(program, "assert decode(x=encode(1)) == 1", Verdict::BadValue);
}

#[test]
fn a_test_that_an_answer_breaks_is_failed() {
    judged("def f(): return 10 ** 12", "assert [0] * f() == []", Verdict::WrongAnswer);
}

/// All answers of a case together may take as long as one.
#[test]
fn sleeping_a_little_at_every_question_is_idling() {
    let program = "import time\ndef f(x):\n    time.sleep(0.8)\n    return x";
    let started = Instant::now();
    judged(program, "assert sum(f(i) for i in range(10)) == 45", Verdict::TimeLimit);
    assert!(started.elapsed().as_secs_f64() < 4.5, "{:?}", started.elapsed());
}

/// One process tests program after program.
#[test]
fn nothing_of_a_test_reaches_the_next() {
    let sandbox = Sandbox::start(&Options { slots: 1, ..Options::default() }).expect("a sandbox");
    let code = "import random\nx = random.gauss(0, 1)\nassert f() == 1, repr(x)";
    let entry = Entry::Script;
    let details = ["def f(): return 2", "def f(): return 3"].map(|program| {
        let tests = [script(code)];
        sandbox.run(&job(program, &entry, Cases::Tests(&tests))).expect("no fault").cases[0]
            .detail
            .clone()
    });
    assert_eq!(details[0], details[1]);
}

/// What the interpreter says about a program while it compiles is read by nobody.
#[test]
fn warnings_hold_nobody() {
    let program = format!("{}print('out')", "1 is 1\n".repeat(3000));
    whole(&program, Verdict::Pass, "");
    let program = format!("{}def f(): return 1", "1 is 1\n".repeat(3000));
    body(&program, Verdict::Pass, "");
}
