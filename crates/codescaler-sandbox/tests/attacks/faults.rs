//! Programs that want to be a fault instead of wrong, and that disturb others beside them.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::*;

fn calls<'a>(program: &'a str, entry: &'a Entry, tests: &'a [Test], cpu_ms_max: u64) -> Job<'a> {
    Job {
        program,
        prelude: "",
        language: Language::Python,
        entry,
        cases: Cases::Tests(tests),
        limits: Limits { cpu_ms_max, ..LIMITS },
        stop_at_first_failure: false,
    }
}

fn function() -> Entry {
    Entry::Function { name: "f".to_owned() }
}

#[test]
fn a_program_that_lowers_its_own_clock_is_no_fault() {
    let program = "
import resource
def f(x):
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    except (OSError, ValueError):
        return None
    while True: pass
";
    let sandbox = Sandbox::start(&Options { slots: 1, ..Options::default() }).unwrap();
    let (entry, tests) = (function(), call_tests());
    let run = sandbox.run(&calls(program, &entry, &tests, 2_000)).unwrap();
    assert!(run.cases.iter().all(|case| case.verdict != Verdict::Pass), "{run:?}");
}

/// Descriptors on their way in sockets are counted by user, and all slots have one.
#[test]
fn descriptors_on_their_way_do_not_stop_other_slots() {
    let hoarder = "
import array, _socket, time
def f(x):
    n = 0
    try:
        for _ in range(8):
            a, b = _socket.socketpair()
            fds = array.array('i', [0] * 250)
            a.sendmsg([b'x'], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)])
            n += 1
            globals()['keep%d' % n] = (a, b)
    except OSError:
        pass
    time.sleep(1e6)
";
    for level_max in [Level::L4, Level::L1] {
        let sandbox =
            Sandbox::start(&Options { slots: 2, level_max, ..Options::default() }).unwrap();
        let (entry, tests) = (function(), call_tests());
        thread::scope(|scope| {
            scope.spawn(|| sandbox.run(&calls(hoarder, &entry, &tests, 500)).unwrap());
            thread::sleep(Duration::from_millis(400));
            let started = Instant::now();
            let honest = format!("def f(x): return '{ANSWER}'");
            let run = sandbox.run(&calls(&honest, &entry, &tests, 500));
            assert!(
                run.as_ref()
                    .is_ok_and(|run| run.cases.iter().all(|case| case.verdict == Verdict::Pass)),
                "{run:?}"
            );
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        });
    }
}
