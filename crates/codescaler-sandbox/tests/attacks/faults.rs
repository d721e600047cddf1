//! Programs that want to be a fault instead of wrong, or disturb others beside them; and faults
//! that come from outside, which are tried again and never a verdict.

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};

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
    let _alone = alone();
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
    let _alone = alone();
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
    time.sleep(1)
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

/// What was started since `before`, whatever it does now.
fn started_since(before: &BTreeSet<u32>) -> Vec<Pid> {
    let pid = |pid: &u32| Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
    descendants().difference(before).map(pid).collect()
}

fn signal_all(before: &BTreeSet<u32>, signal: Signal) {
    for pid in started_since(before) {
        let _ = kill_process(pid, signal);
    }
}

/// Runs a right program while something goes wrong, and again when it does not any more.
#[track_caller]
fn survives(level_max: Level, entry: &Entry, trouble: impl FnOnce(&BTreeSet<u32>) + Send) {
    let before = descendants();
    let sandbox = Sandbox::start(&Options { slots: 1, level_max, ..Options::default() }).unwrap();
    let (body, tests) = match entry {
        Entry::Stdio => (format!("time.sleep(PAUSE)\nprint('{ANSWER}')"), whole_tests()),
        Entry::Script => {
            (format!("def f(x):\n    time.sleep(PAUSE)\n    return '{ANSWER}'"), script_tests())
        }
        Entry::Function { .. } | Entry::Method { .. } => {
            (format!("def f(x):\n    time.sleep(PAUSE)\n    return '{ANSWER}'"), call_tests())
        }
    };
    let judge = |n: u32| {
        let pause = if n == 1 { "0.15" } else { "0" };
        let body = body.replace("PAUSE", pause);
        let program = format!("import time # {n}\n{body}");
        let run = sandbox.run(&calls(&program, entry, &tests, 500)).unwrap();
        assert!(run.cases.iter().all(|case| case.verdict == Verdict::Pass), "{run:?}");
    };
    judge(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(70));
            trouble(&before);
        });
        judge(1);
    });
    judge(2);
    drop(sandbox);
    assert!(started_since(&before).is_empty());
}

#[test]
fn a_death_in_the_middle_is_tried_again() {
    let _alone = alone();
    // Zygotes, testers and programs at once, and then one after the other.
    for entry in [function(), Entry::Stdio, Entry::Script] {
        survives(Level::L4, &entry, |before| signal_all(before, Signal::KILL));
    }
    survives(Level::L1, &Entry::Stdio, |before| signal_all(before, Signal::KILL));
    for index in 0..6 {
        survives(Level::L4, &Entry::Script, |before| {
            if let Some(pid) = started_since(before).get(index) {
                let _ = kill_process(*pid, Signal::KILL);
            }
        });
    }
}

#[test]
fn a_zygote_that_is_stopped_is_replaced() {
    let _alone = alone();
    let before = descendants();
    let sandbox = Sandbox::start(&Options { slots: 1, ..Options::default() }).unwrap();
    signal_all(&before, Signal::STOP);
    let (entry, tests) = (function(), call_tests());
    let started = Instant::now();
    let honest = format!("def f(x): return '{ANSWER}'");
    let run = sandbox.run(&calls(&honest, &entry, &tests, 500)).unwrap();
    assert!(run.cases.iter().all(|case| case.verdict == Verdict::Pass), "{run:?}");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    drop(sandbox);
    assert!(started_since(&before).is_empty());
}

#[test]
fn a_zygote_that_cannot_fork_is_replaced() {
    let _alone = alone();
    for (resource, limit) in [(Resource::As, 1 << 20), (Resource::Nproc, 0), (Resource::Nofile, 0)]
    {
        let before = descendants();
        let sandbox = Sandbox::start(&Options { slots: 1, ..Options::default() }).unwrap();
        for pid in started_since(&before) {
            let none = Rlimit { current: Some(limit), maximum: Some(limit) };
            prlimit(Some(pid), resource, none).unwrap();
        }
        let (entry, tests) = (function(), call_tests());
        let honest = format!("def f(x): return '{ANSWER}'");
        let run = sandbox.run(&calls(&honest, &entry, &tests, 500)).unwrap();
        assert!(run.cases.iter().all(|case| case.verdict == Verdict::Pass), "{limit} {run:?}");
        drop(sandbox);
        assert!(started_since(&before).is_empty());
    }
}

/// Out of descriptors there is no verdict, whatever the program; with some, there is one again.
#[test]
fn without_descriptors_there_is_no_verdict() {
    let _alone = alone();
    let n_open = || u64::try_from(fs::read_dir("/proc/self/fd").unwrap().count()).unwrap();
    for entry in [function(), Entry::Stdio, Entry::Script] {
        let before = n_open();
        let sandbox = Sandbox::start(&Options { slots: 1, ..Options::default() }).unwrap();
        let tests = match entry {
            Entry::Stdio => whole_tests(),
            Entry::Script => script_tests(),
            Entry::Function { .. } | Entry::Method { .. } => call_tests(),
        };
        let run = |program: &str| sandbox.run(&calls(program, &entry, &tests, 500));
        let normal = getrlimit(Resource::Nofile);
        for n_more in (0..12).step_by(2) {
            let limit = Rlimit { current: Some(n_open() - 1 + n_more), ..normal };
            setrlimit(Resource::Nofile, limit).unwrap();
            let result = run(&format!("def f(x): return {n_more}\nprint({n_more})"));
            setrlimit(Resource::Nofile, normal).unwrap();
            match result {
                Err(fault) => assert!(
                    matches!(fault.kind, FaultKind::Resource | FaultKind::Worker),
                    "{n_more} {fault}"
                ),
                // There were enough.
                Ok(run) => assert!(
                    run.cases.iter().all(|case| case.verdict == Verdict::WrongAnswer),
                    "{n_more} {run:?}"
                ),
            }
        }
        let right = run(&format!("def f(x): return '{ANSWER}'\nprint('{ANSWER}')")).unwrap();
        assert!(right.cases.iter().all(|case| case.verdict == Verdict::Pass), "{right:?}");
        drop(sandbox);
        assert_eq!(n_open(), before);
    }
}
