//! Programs that cheat, break out or break down: none passes, none escapes, nothing is left.
//!
//! The programs stand in `attacks/`, one file per way to call them, separated by lines
//! `### NUMBER NAME: VERDICT…` with the verdicts that an attack may get. Programs with one number
//! are variations of one idea. In a program `{PID}` is
//! the test's process, `{PORT}` a port that it listens on, `{SECRET}` a file that holds the right
//! answer. A program that got where it must not says `ESCAPED`.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

#[path = "attacks/faults.rs"]
mod faults;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use codescaler::{
    check::Check,
    execution::{FaultKind, Verdict},
    language::Language,
    problem::{Entry, Limits, Test},
    value::Value,
};
use codescaler_sandbox::{CaseRun, Cases, Job, Level, Options, Output, Run, Sandbox};
use rustix::process::{Pid, Signal, kill_process};

const ANSWER: &str = "token:5f0c7a";
// No honest program, and no attack that is to be caught in another way, meets this one.
const LIMITS: Limits = Limits { cpu_ms_max: 10_000, memory_mib_max: 256 };
// For attacks that take time: soon over.
const SHORT: Limits = Limits { cpu_ms_max: 150, ..LIMITS };

struct Attack {
    name: String,
    verdicts: Vec<Verdict>,
    program: String,
}

/// Attacks in a file; blank lines around programs do not matter.
fn attacks(text: &str, world: &World) -> Vec<Attack> {
    text.split("\n### ")
        .skip(1)
        .map(|part| {
            let (title, program) = part.split_once('\n').unwrap();
            let (name, verdicts) = title.rsplit_once(": ").unwrap();
            let verdicts = verdicts
                .split(' ')
                .map(|word| {
                    serde_json::from_value(word.into()).unwrap_or_else(|_| panic!("{title}"))
                })
                .collect();
            let program = program
                .replace("{PID}", &std::process::id().to_string())
                .replace("{PORT}", &world.listener.local_addr().unwrap().port().to_string())
                .replace("{SECRET}", world.secret.to_str().unwrap());
            Attack { name: name.to_owned(), verdicts, program }
        })
        .collect()
}

/// What an attack could reach if it got out.
struct World {
    listener: TcpListener,
    secret: PathBuf,
}

impl World {
    fn new(name: &str) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let secret = PathBuf::from(format!("{}/secret-{name}", env!("CARGO_TARGET_TMPDIR")));
        fs::write(&secret, ANSWER).unwrap();
        // Where programs run as another user, that one owns it: its owner may change more.
        let _ = std::os::unix::fs::chown(&secret, Some(65534), Some(65534));
        World { listener, secret }
    }

    /// Nobody called, and nobody left a file.
    fn assert_untouched(&self) {
        assert!(self.listener.accept().is_err(), "a program reached the network");
        assert_eq!(fs::read_to_string(&self.secret).unwrap(), ANSWER);
        for folder in ["/tmp", "/var/tmp", "/dev/shm", "."] {
            let left = PathBuf::from(folder).join("codescaler-attack");
            assert!(!left.exists(), "{}", left.display());
        }
    }
}

/// All processes below this one, zombies included.
fn descendants() -> BTreeSet<u32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        parents.insert(pid, parent.and_then(|parent| parent.parse::<u32>().ok()).unwrap_or(0));
    }
    let mut found = BTreeSet::new();
    let mut last = BTreeSet::from([std::process::id()]);
    while !last.is_empty() {
        last = parents.iter().filter(|(_, up)| last.contains(up)).map(|(pid, _)| *pid).collect();
        found.extend(last.iter().copied());
    }
    found
}

/// Control groups that this process made and did not remove, wherever they are.
fn groups() -> Vec<PathBuf> {
    let prefix = format!("codescaler-{}-", std::process::id());
    let mut left = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                // The leaf that we stepped into ourselves stays until we are gone.
                if name.starts_with(&prefix) && !name.ends_with("-supervisor") {
                    left.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    left
}

/// Runs all attacks of one kind, then sees that the sandbox still judges, and that nothing is left.
#[track_caller]
fn run(level_max: Level, language: Language, (file, entry, tests): (&str, &Entry, &[Test])) {
    let world = World::new(&format!("{level_max}-{}", file.len()));
    let attacks = attacks(file, &world);
    let before = descendants();
    // What was judged before is judged again.
    let options = Options { level_max, results_bytes_max: 0, ..Options::default() };
    let sandbox = Sandbox::start(&options).unwrap();
    assert!(sandbox.protection().level() >= Level::L1);
    let job = |program| Job {
        program,
        prelude: "",
        language,
        entry,
        cases: Cases::Tests(tests),
        limits: LIMITS,
        stop_at_first_failure: false,
    };
    let jobs: Vec<Job<'_>> = attacks
        .iter()
        .map(|attack| {
            let takes_time = attack.verdicts.contains(&Verdict::TimeLimit);
            Job {
                limits: if takes_time { SHORT } else { LIMITS },
                // Once is enough for what takes time or memory.
                stop_at_first_failure: takes_time,
                ..job(attack.program.as_str())
            }
        })
        .collect();
    let mut complaints = Vec::new();
    sandbox.run_all(&jobs, &mut |index, result| {
        let attack = &attacks[index];
        match result {
            Ok(run) => complaints.extend(complaint(attack, &run)),
            // Others may have kept it from its core.
            Err(fault)
                if fault.kind == FaultKind::Overload
                    && attack.verdicts.contains(&Verdict::TimeLimit) => {}
            Err(fault) => complaints.push(format!("{}: fault {fault}", attack.name)),
        }
        ControlFlow::Continue(())
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let honest = match (language, entry) {
        (Language::Cpp, _) => format!("#include <cstdio>\nint main() {{ puts(\"{ANSWER}\"); }}"),
        (Language::JavaScript, _) => format!("function f(x) {{ return '{ANSWER}' }}"),
        (_, Entry::Stdio) => format!("print('{ANSWER}')"),
        (_, _) => format!("def f(x): return '{ANSWER}'"),
    };
    let again = vec![job(&honest); 12];
    let judge = || {
        sandbox.run_all(&again, &mut |_, run| {
            assert!(run.unwrap().cases.iter().all(|case| case.verdict == Verdict::Pass));
            ControlFlow::Continue(())
        });
    };
    judge();
    // Somebody kills our own processes: that is a fault, it is tried again, and it is no verdict.
    for pid in descendants().difference(&before) {
        let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
        let _ = kill_process(pid, Signal::KILL);
    }
    judge();
    world.assert_untouched();
    drop(sandbox);
    let groups = groups();
    assert!(groups.is_empty(), "control groups are left: {groups:?}");
    let left: Vec<u32> = descendants().difference(&before).copied().collect();
    assert!(left.is_empty(), "processes are left: {left:?}");
}

fn complaint(attack: &Attack, run: &Run) -> Option<String> {
    let said = |case: &CaseRun| match &case.output {
        Some(Output::Text(text)) => text.clone(),
        Some(Output::Value(value)) => value.to_json().to_string(),
        None => String::new(),
    };
    let mut ran = run.cases.iter().filter(|case| case.verdict != Verdict::Skipped);
    let bad = ran.find(|case| {
        !attack.verdicts.contains(&case.verdict)
            || said(case).contains("ESCAPED")
            || case.detail.contains("ESCAPED")
    })?;
    Some(format!("{}: {} {} {}", attack.name, bad.verdict, bad.detail, said(bad)))
}

fn call_tests() -> Vec<Test> {
    let test = |x: i64| Test::Call {
        args: vec![Value::Int(x)],
        expected: Value::Str(ANSWER.to_owned()),
        check: Check::PythonEq,
    };
    vec![test(7), test(8)]
}

fn whole_tests() -> Vec<Test> {
    let stdout = format!("{ANSWER}\n");
    vec![Test::Stdio { stdin: "7\n".to_owned(), stdout, check: Check::Trim }]
}

fn script_tests() -> Vec<Test> {
    let code = format!(
        "def check(candidate):\n    assert candidate(7) == '{ANSWER}'\n    assert len(candidate(8)) == 12\n\
         check(f)"
    );
    vec![Test::Script { code }]
}

/// 56: knowing the visible tests by heart is worth nothing on others.
#[test]
fn what_is_known_by_heart_helps_with_no_other_test() {
    let _alone = alone();
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let entry = Entry::Function { name: "f".to_owned() };
    let job = Job {
        program: &format!("def f(x): return {{7: '{ANSWER}'}}.get(x)"),
        prelude: "",
        language: Language::Python,
        entry: &entry,
        cases: Cases::Tests(&call_tests()),
        limits: LIMITS,
        stop_at_first_failure: false,
    };
    let verdicts = sandbox.run(&job).unwrap().cases.into_iter().map(|case| case.verdict);
    assert_eq!(verdicts.collect::<Vec<_>>(), [Verdict::Pass, Verdict::WrongAnswer]);
}

/// Whether programs in a language can be run here; says so if not.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn is_here(language: Language) -> bool {
    let report = codescaler_sandbox::doctor(&[]);
    let is_here = report.found.iter().any(|runtime| runtime.language == language && runtime.usable);
    if !is_here {
        println!("skipped: nothing runs {language} here");
    }
    is_here
}

// One test at a time counts processes.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn no_attack_succeeds() {
    let _alone = alone();
    let function = Entry::Function { name: "f".to_owned() };
    for level in [Level::L4, Level::L1] {
        let python = Language::Python;
        run(level, python, (include_str!("attacks/calls.py"), &function, &call_tests()));
        run(level, python, (include_str!("attacks/whole.py"), &Entry::Stdio, &whole_tests()));
        run(level, python, (include_str!("attacks/script.py"), &Entry::Script, &script_tests()));
        let cpp = (include_str!("attacks/whole.cpp"), &Entry::Stdio, whole_tests());
        let javascript = (include_str!("attacks/calls.js"), &function, call_tests());
        for (language, (file, entry, tests)) in
            [(Language::Cpp, cpp), (Language::JavaScript, javascript)]
        {
            if is_here(language) {
                run(level, language, (file, entry, &tests));
            }
        }
    }
}
