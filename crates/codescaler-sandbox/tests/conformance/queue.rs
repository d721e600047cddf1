//! Results that are known already, callers that cannot wait, and a machine with other work.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::*;

/// A sandbox of its own, so that nobody else uses its slots.
fn one_slot(waiting_max: usize) -> Sandbox {
    let options = Options { slots: 1, waiting_max, ..Options::default() };
    Sandbox::start(&options).expect("a sandbox")
}

#[test]
fn the_same_job_is_run_once() {
    let sandbox = one_slot(0);
    let (entry, tests) = (function("f"), [call("[1]", "2")]);
    let jobs: Vec<Job<'_>> = ["def f(x): return 2", "def f(x): return 3", "def f(x): return 2"]
        .into_iter()
        .map(|program| job(program, &entry, Cases::Tests(&tests)))
        .collect();
    let run = |job: &Job<'_>| sandbox.run(job).expect("no fault");
    let (first, other, again) = (run(&jobs[0]), run(&jobs[1]), run(&jobs[2]));
    assert_eq!([first.is_known, other.is_known, again.is_known], [false, false, true]);
    assert_eq!(first.cases, again.cases);
    // Everything that decides the result is part of what must be the same.
    for other in [
        Job { limits: SHORT, ..jobs[0] },
        Job { stop_at_first_failure: true, ..jobs[0] },
        Job { prelude: "y = 1", ..jobs[0] },
        Job { cases: Cases::Tests(&[]), ..jobs[0] },
    ] {
        assert!(!run(&other).is_known, "{other:?}");
    }
    let mut n_known = 0;
    sandbox.run_all(
        &vec![job("def f(x): return 4", &entry, Cases::Tests(&tests)); 10],
        &mut |_, run| {
            n_known += usize::from(run.expect("no fault").is_known);
            ControlFlow::Continue(())
        },
    );
    assert_eq!(n_known, 9);
}

#[test]
fn who_cannot_wait_is_told_so() {
    let sandbox = one_slot(1);
    let (entry, tests) = (function("f"), [call("[]", "1")]);
    let slow = "import time\ndef f():\n    time.sleep(0.6)\n    return 1";
    let quick = job("def f(): return 1", &entry, Cases::Tests(&tests));
    let kind = |patience| sandbox.run_within(&quick, patience).map_err(|fault| fault.kind);
    thread::scope(|scope| {
        scope.spawn(|| sandbox.run(&job(slow, &entry, Cases::Tests(&tests))).expect("no fault"));
        thread::sleep(Duration::from_millis(200));
        assert_eq!(kind(Duration::from_millis(1)), Err(FaultKind::Cancelled));
        scope.spawn(|| {
            let other = job("def f(): return 2 - 1", &entry, Cases::Tests(&tests));
            sandbox.run_within(&other, Duration::from_secs(60)).expect("it has patience")
        });
        thread::sleep(Duration::from_millis(50));
        assert_eq!(kind(Duration::from_secs(60)), Err(FaultKind::Overload));
    });
    assert!(kind(Duration::from_secs(60)).is_ok());
}

#[test]
fn a_crowded_machine_changes_no_verdict() {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let endless = "def f():\n    while True: pass";
        let tests = [(call("[]", "1"), Verdict::TimeLimit)];
        check_with(SHORT, endless, &function("f"), &tests);
        let short = "def f():\n    for _ in range(200_000): pass\n    return 1";
        check_with(SHORT, short, &function("f"), &[(call("[]", "1"), Verdict::Pass)]);
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn results_repeat() {
    let program = "
import random, uuid
def f(): return [random.random(), hash('a'), list({'a', 'b', 'c', 'd'}), id(0) and 1]
";
    let entry = function("f");
    let inputs = [Input::Args(vec![]), Input::Args(vec![])];
    // Different texts, so that every one is run.
    let programs: Vec<String> = (0..12).map(|index| format!("{program}# {index}")).collect();
    let jobs: Vec<Job<'_>> =
        programs.iter().map(|program| job(program, &entry, Cases::Inputs(&inputs))).collect();
    let mut digests = BTreeSet::new();
    sandbox().run_all(&jobs, &mut |_, run| {
        let outputs = run.unwrap().cases.into_iter().map(|case| case.output.unwrap().digest());
        digests.insert(outputs.collect::<Vec<u64>>());
        ControlFlow::Continue(())
    });
    assert_eq!(digests.len(), 1);
}

#[test]
fn all_jobs_come_back_once_and_a_break_ends() {
    let entry = function("f");
    let tests = [call("[]", "1")];
    let programs: Vec<String> = (0..40).map(|n| format!("def f(): return {n} * 0 + 1")).collect();
    let jobs: Vec<Job<'_>> =
        programs.iter().map(|program| job(program, &entry, Cases::Tests(&tests))).collect();
    let mut seen = vec![0; jobs.len()];
    sandbox().run_all(&jobs, &mut |index, run| {
        seen[index] += 1;
        assert_eq!(run.unwrap().cases[0].verdict, Verdict::Pass);
        ControlFlow::Continue(())
    });
    assert_eq!(seen, vec![1; jobs.len()]);
    let mut n_seen = 0;
    sandbox().run_all(&jobs, &mut |_, _| {
        n_seen += 1;
        if n_seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(n_seen, 3);
}
