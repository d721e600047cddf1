//! Every verdict, each kind of test, every limit.

#[path = "conformance/languages.rs"]
mod languages;
#[path = "conformance/queue.rs"]
mod queue;
#[path = "conformance/testers.rs"]
mod testers;

use std::{ops::ControlFlow, sync::OnceLock};

use codescaler::{
    check::Check,
    execution::{FaultKind, Verdict},
    inputs::Input,
    language::Language,
    problem::{Entry, Limits, Test},
    value::{Value, literal::parse_python},
};
use codescaler_sandbox::{CaseRun, Cases, Job, Level, Options, Output, Run, Sandbox};

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::start(&options()).expect("a sandbox"))
}

/// Compilers are looked for where the tests' own caller has them, too.
fn options() -> Options {
    let mut options = Options::default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    options.search.extend(std::env::split_paths(&path));
    options
}

const LIMITS: Limits = Limits { cpu_ms_max: 2_000, memory_mib_max: 512 };
const SHORT: Limits = Limits { cpu_ms_max: 150, memory_mib_max: 512 };

fn job<'a>(program: &'a str, entry: &'a Entry, cases: Cases<'a>) -> Job<'a> {
    Job {
        program,
        prelude: "",
        language: Language::Python,
        entry,
        cases,
        limits: LIMITS,
        stop_at_first_failure: false,
    }
}

fn function(name: &str) -> Entry {
    Entry::Function { name: name.to_owned() }
}

fn method(name: &str) -> Entry {
    Entry::Method { class: "Solution".to_owned(), name: name.to_owned() }
}

fn call(args: &str, expected: &str) -> Test {
    let Value::List(args) = parse_python(args).expect("a literal") else {
        panic!("{args} is no list")
    };
    Test::Call { args, expected: parse_python(expected).expect("a literal"), check: Check::CALL }
}

fn stdio(stdin: &str, stdout: &str) -> Test {
    Test::Stdio { stdin: stdin.to_owned(), stdout: stdout.to_owned(), check: Check::STDIO }
}

fn script(code: &str) -> Test {
    Test::Script { code: code.to_owned() }
}

#[track_caller]
fn check_with(limits: Limits, program: &str, entry: &Entry, tests: &[(Test, Verdict)]) -> Run {
    let cases: Vec<Test> = tests.iter().map(|(test, _)| test.clone()).collect();
    let run = sandbox()
        .run(&Job { limits, ..job(program, entry, Cases::Tests(&cases)) })
        .unwrap_or_else(|fault| panic!("{fault}\n{program}"));
    let found: Vec<Verdict> = run.cases.iter().map(|case| case.verdict).collect();
    let expected: Vec<Verdict> = tests.iter().map(|(_, verdict)| *verdict).collect();
    assert_eq!(found, expected, "{program}\n{:#?}", run.cases);
    run
}

#[track_caller]
fn check(program: &str, entry: &Entry, tests: &[(Test, Verdict)]) -> Run {
    check_with(LIMITS, program, entry, tests)
}

/// One function, called with nothing; it must give `1`.
#[track_caller]
fn body(program: &str, verdict: Verdict, detail: &str) {
    let run = check(program, &function("f"), &[(call("[]", "1"), verdict)]);
    assert!(run.cases[0].detail.contains(detail), "{program}\n{:?}", run.cases[0]);
}

/// A whole program that gets `in\n` and must say `out`.
#[track_caller]
fn whole(program: &str, verdict: Verdict, detail: &str) {
    let run = check(program, &Entry::Stdio, &[(stdio("in\n", "out\n"), verdict)]);
    assert!(run.cases[0].detail.contains(detail), "{program}\n{:?}", run.cases[0]);
}

#[test]
fn functions_get_every_verdict() {
    use Verdict::*;
    body("def f(): return 1", Pass, "");
    body("def f(): return 2", WrongAnswer, "expected 1, got 2");
    body("def f(): return True", WrongAnswer, "got true");
    body("def f():\n    return [][0]", RuntimeError, "line 2: IndexError: list index out of range");
    body("def f(): raise SystemExit(0)", RuntimeError, "SystemExit");
    body("def f(): raise KeyboardInterrupt", RuntimeError, "KeyboardInterrupt");
    body("def g(): return 1", RuntimeError, "name 'f' is not defined");
    body("f = 3", RuntimeError, "not callable");
    body("1/0\ndef f(): return 1", RuntimeError, "line 1: ZeroDivisionError");
    body("def f(: return 1", CompileError, "line 1: SyntaxError");
    body("def f(): return 1\0", CompileError, "");
    body("\tx\n  y", CompileError, "IndentationError");
    body("def f(): return (", CompileError, "");
    body("def f(): return object()", BadValue, "object");
    body("def f(): return f", BadValue, "function");
    body("def f(): return [1, {2: object()}]", BadValue, "object");
    body("def f(): return range(1)", BadValue, "range");
    body("def f(): return '\\ud800'", BadValue, "surrogates");
    body("def f():\n    a = []\n    a.append(a)\n    return a", BadValue, "");
    body("def f():\n    a = []\n    for _ in range(100): a = [a]\n    return a", BadValue, "deep");
    body("def f(): return 'x' * (33 << 20)", OutputLimit, "32 MiB");
    body("def f(): return [None] * (5 << 20)", BadValue, "values");
    body("def f(): return 1 << (1 << 20)", BadValue, "bits");
    body("def f(): print('x' * (2 << 20)); return 1", OutputLimit, "standard output");
    body("def f(): return len(bytearray(1 << 33))", MemoryLimit, "MemoryError");
    body("import os\ndef f(): os._exit(0)", Crash, "status 0");
    body("import os\nos._exit(0)", Crash, "status 0");
    body("import os\ndef f(): os.abort()", Crash, "signal");
    body("import ctypes\ndef f(): ctypes.string_at(0)", Crash, "signal 11");
    body("def f(n=0): return f(n + 1)", RuntimeError, "RecursionError");
    body("import ctypes\ndef f(): ctypes.CDLL(None).ptrace(0, 0, 0, 0)", SecurityViolation, "");
    body(
        "import os\ndef f():\n    os.write(3, b'\\xff' * 64)\n    import time\n    time.sleep(60)",
        ProtocolViolation,
        "",
    );
    body(
        "import sys\ndef f():\n    print('noise', file=sys.stderr)\n    print('noise')\n    return 1",
        Pass,
        "",
    );
}

#[test]
fn whole_programs_get_every_verdict() {
    use Verdict::*;
    whole("print('out')", Pass, "");
    whole("print('no')", WrongAnswer, "got \"no\\n\"");
    whole("", WrongAnswer, "");
    whole("print('out')\n1/0", RuntimeError, "ZeroDivisionError: division by zero");
    whole("import sys\nprint('out')\nsys.exit(3)", RuntimeError, "status 3");
    whole("import sys\nprint('out')\nsys.exit('bad luck')", RuntimeError, "bad luck");
    whole("import sys\nprint('out')\nsys.exit()", Pass, "");
    whole("import os, sys\nprint('out')\nsys.stdout.flush()\nos._exit(0)", Pass, "");
    whole("print('out')\nexit()", Pass, "");
    whole("print('out')\nquit(2)", RuntimeError, "status 2");
    whole("print('out'", CompileError, "line 1");
    whole("import os\nos.abort()", Crash, "signal");
    whole("import ctypes\nctypes.string_at(0)", Crash, "signal 11");
    whole("x = bytearray(1 << 33)", MemoryLimit, "");
    whole("while True: print('x' * 10000)", OutputLimit, "");
    whole("import sys\nsys.stdout.buffer.write(b'\\xff')", WrongAnswer, "UTF-8");
    whole("import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)", SecurityViolation, "");
    whole("import sys\nfor _ in range(100): sys.stderr.write('x' * 10000)\nprint('out')", Pass, "");
}

#[test]
fn standard_streams_are_real() {
    for program in [
        "print('out' if input() == 'in' else 'no')",
        "import sys\nprint('out' if sys.stdin.read() == 'in\\n' else 'no')",
        "import sys\nprint('out' if sys.stdin.buffer.read() == b'in\\n' else 'no')",
        "import sys\nprint('out' if [l for l in sys.stdin] == ['in\\n'] else 'no')",
        "print('out' if open(0).read() == 'in\\n' else 'no')",
        "import os\nprint('out' if os.read(0, 100) == b'in\\n' else 'no')",
        "import sys, io\nsys.stdout = io.TextIOWrapper(open(1, 'wb'))\nprint('out')",
        "import os\nos.write(1, b'out')",
        "import sys\nsys.stdout.buffer.write(b'out')",
        "import atexit\natexit.register(print, 'out')",
        "import threading\nthreading.Thread(target=lambda: print('out')).start()",
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.05), print('out'))).start()",
        "def main():\n    print('out')\nif __name__ == '__main__':\n    main()",
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and f(n - 1)\nf(50000)\nprint('out')",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: 'int' = 1\nA()\nprint('out')",
        "from __future__ import annotations\nx: Undefined = 1\nprint('out')",
        "import io, sys\ndef f(): 'Says.'\nsys.stdout = io.StringIO()\nhelp(f)\nsys.stdout = sys.__stdout__\nprint('out')",
    ] {
        whole(program, Verdict::Pass, "");
    }
}

#[test]
fn every_test_of_a_whole_program_starts_afresh() {
    let program = "
import sys
sys.modules.setdefault('kept', []) if False else None
n = getattr(sys, 'kept', 0)
sys.kept = n + 1
print(n, input())
";
    let tests: Vec<(Test, Verdict)> =
        (0..5).map(|i| (stdio(&format!("{i}"), &format!("0 {i}")), Verdict::Pass)).collect();
    check(program, &Entry::Stdio, &tests);
}

#[test]
fn large_input_and_output_pass_through() {
    let text: String = (0..200_000).map(|i| format!("{i}\n")).collect();
    check(
        "import sys\nsys.stdout.write(sys.stdin.read())",
        &Entry::Stdio,
        &[(stdio(&text, &text), Verdict::Pass), (stdio(&text, "0"), Verdict::OutputLimit)],
    );
    // A program that reads nothing of a long input.
    check("print('out')", &Entry::Stdio, &[(stdio(&text, "out"), Verdict::Pass)]);
    let list = format!("[[{}]]", (0..100_000).map(|i| format!("{i},")).collect::<String>());
    check(
        "def f(x): return sum(x)",
        &function("f"),
        &[(call(&list, "4999950000"), Verdict::Pass), (call(&list, "0"), Verdict::WrongAnswer)],
    );
    check(
        "def f(x): return x",
        &function("f"),
        &[(call(&list, &list[1..list.len() - 1]), Verdict::Pass)],
    );
}

#[test]
fn values_cross_exactly() {
    for value in [
        "None",
        "True",
        "0",
        "-1",
        "12345678901234567890123",
        "1.5",
        "float('inf')",
        "'é\\n'",
        "b'\\x00'",
        "[1, [2, (3, {4: {5, 6}})]]",
        "{'a': None}",
        "frozenset({1})",
        "1+2j",
        "()",
        "set()",
        "-0.0",
        "float('nan')",
        "[[]]",
        "'\u{1f600}'",
    ] {
        check(
            "def f(x): return x",
            &function("f"),
            &[(call(&format!("[{value}]"), value), Verdict::Pass)],
        );
    }
}

#[test]
fn dictionaries_of_the_standard_library_are_dictionaries() {
    let entry = function("f");
    for program in [
        "from collections import Counter\ndef f(): return Counter('aab')",
        "from collections import defaultdict\ndef f():\n    d = defaultdict(int)\n    d['a'] += 2\n    d['b'] += 1\n    return d",
        "from collections import OrderedDict\ndef f(): return OrderedDict(b=1, a=2)",
    ] {
        check(program, &entry, &[(call("[]", "{'a': 2, 'b': 1}"), Verdict::Pass)]);
        let nested = format!("{program}\ng = f\ndef f(): return [(g(),)]");
        check(&nested, &entry, &[(call("[]", "[({'a': 2, 'b': 1},)]"), Verdict::Pass)]);
    }
}

#[test]
fn methods_get_a_fresh_object_and_common_imports() {
    let program = "
class Solution:
    def __init__(self):
        self.n = 0
    def count(self, xs: List[int], k: Optional[int] = None) -> int:
        self.n += 1
        heap = []
        heappush(heap, self.n)
        return heap[0] + len(Counter(xs)) + int(math.sqrt(4)) + bisect_left([1], 0) + len(deque())
";
    check(
        program,
        &method("count"),
        &[(call("[[1, 1, 2]]", "5"), Verdict::Pass), (call("[[1, 1, 2]]", "5"), Verdict::Pass)],
    );
    check("class Solution:\n    pass", &method("f"), &[(call("[]", "1"), Verdict::RuntimeError)]);
    // A program that is no method imports by itself.
    body("def f(x: List[int] = None): return 1", Verdict::RuntimeError, "List");
}

#[test]
fn a_prelude_stands_before_the_program() {
    let entry = function("f");
    let run = |prelude: &str, program: &str| {
        let tests = [call("[3]", "6")];
        let job = Job { prelude, ..job(program, &entry, Cases::Tests(&tests)) };
        sandbox().run(&job).unwrap().cases[0].verdict
    };
    let program = "def f(x: List[int]): return gcd(double(x), 12)";
    let prelude = "from typing import *\nfrom math import gcd\ndef double(x): return 2 * x";
    assert_eq!(run(prelude, program), Verdict::Pass);
    // A module that this machine lacks costs only the programs that use it.
    let lacking = format!("from no_such_module import thing\n{prelude}\nimport no_other");
    assert_eq!(run(&lacking, program), Verdict::Pass);
    assert_eq!(run(&lacking, "def f(x): return thing(x)"), Verdict::RuntimeError);
    // Python's own bound of recursion holds, unless the prelude says otherwise.
    let deep = "def f(x, n=2000): return f(x, n - 1) if n else 2 * x";
    assert_eq!(run("import sys", deep), Verdict::RuntimeError);
    assert_eq!(run("import sys\nsys.setrecursionlimit(5000)", deep), Verdict::Pass);
}

#[test]
fn a_dead_process_costs_its_own_case_only() {
    let program = "
import os
def f(x):
    if x == 1: os._exit(0)
    if x == 2:
        while True: pass
    if x == 3: raise ValueError('no')
    return x
";
    let tests = [
        (call("[0]", "0"), Verdict::Pass),
        (call("[1]", "1"), Verdict::Crash),
        (call("[4]", "4"), Verdict::Pass),
        (call("[2]", "2"), Verdict::TimeLimit),
        (call("[3]", "3"), Verdict::RuntimeError),
        (call("[5]", "5"), Verdict::Pass),
    ];
    check_with(SHORT, program, &function("f"), &tests);
}

#[test]
fn time_is_cpu_time_and_idling_ends_too() {
    use Verdict::TimeLimit;
    let run =
        check_with(SHORT, "while True: pass", &function("f"), &[(call("[]", "1"), TimeLimit)]);
    assert!(run.cpu_ms >= 140.0, "{run:?}");
    let tests = [(stdio("", ""), TimeLimit), (stdio("", ""), TimeLimit)];
    check_with(SHORT, "while True: pass", &Entry::Stdio, &tests);
    // One second and a half of sleep is no CPU time.
    let sleeper = "import time\ndef f():\n    time.sleep(1.5)\n    return 1";
    let run = check_with(SHORT, sleeper, &function("f"), &[(call("[]", "1"), Verdict::Pass)]);
    assert!(run.cases[0].cpu_ms < 150.0, "{run:?}");
    let run = check_with(
        SHORT,
        "import time\ndef f(): time.sleep(1e6)",
        &function("f"),
        &[(call("[]", "1"), TimeLimit)],
    );
    assert!(run.cases[0].detail.contains("idle"), "{run:?}");
    // C code that looks at no signal.
    check_with(
        SHORT,
        "def f(): return len(str(3 ** 10 ** 7))",
        &function("f"),
        &[(call("[]", "1"), TimeLimit)],
    );
    check_with(SHORT, "x = 3 ** 10 ** 7 % 10 ** 6", &Entry::Stdio, &[(stdio("", ""), TimeLimit)]);
}

#[test]
fn the_rest_is_skipped_after_a_failure_on_request() {
    let entry = function("f");
    for (program, first, last) in [
        ("def f(x): return x", Verdict::WrongAnswer, Verdict::Skipped),
        ("def f(x): raise ValueError", Verdict::RuntimeError, Verdict::Skipped),
        ("import os\ndef f(x): os._exit(1)", Verdict::Crash, Verdict::Skipped),
    ] {
        let tests = [call("[1]", "2"), call("[1]", "1")];
        let job = Job { stop_at_first_failure: true, ..job(program, &entry, Cases::Tests(&tests)) };
        let run = sandbox().run(&job).unwrap();
        let verdicts: Vec<Verdict> = run.cases.iter().map(|case| case.verdict).collect();
        assert_eq!(verdicts, [first, last], "{program}");
    }
    let tests = [stdio("", "b"), stdio("", "a")];
    let job = Job {
        stop_at_first_failure: true,
        ..job("print('a')", &Entry::Stdio, Cases::Tests(&tests))
    };
    let verdicts: Vec<Verdict> =
        sandbox().run(&job).unwrap().cases.iter().map(|case| case.verdict).collect();
    assert_eq!(verdicts, [Verdict::WrongAnswer, Verdict::Skipped]);
}

#[test]
fn scripts_run_against_the_program() {
    use Verdict::*;
    let program = "
def add(a, b): return a + b
def many(): return [(1, 'a'), {2: 3.5}]
def bad(x):
    if x: raise ValueError('x is ' + str(x))
    return 0
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
    def pop(self): return self.items.pop()
class Odd(KeyError): pass
def odd(): raise Odd('k')
def ones():
    while True: yield 1
def twice(): return map(abs, [-1, -2])
def memory(): return bytearray(1 << 33)
def thing(): return object()
PI = 3
";
    let heval = "
def check(candidate):
    import math
    assert candidate(1, 2) == 3
    assert math.isclose(candidate(0.1, 0.2), 0.3)
    assert candidate('a', b='b') == 'ab', 'text'
check(add)
";
    check(
        program,
        &Entry::Script,
        &[
            (script(heval), Pass),
            (script("assert add(1, 1) == 3"), WrongAnswer),
            (script("assert many() == [(1, 'a'), {2: 3.5}]"), Pass),
            (script("x = many()\nx.append(1)\nassert len(x) == 3 and len(many()) == 2"), Pass),
            (
                script(
                    "try:\n    bad(1)\n    assert False\nexcept ValueError as e:\n    assert 'x is 1' in str(e)",
                ),
                Pass,
            ),
            (script("bad(1)"), RuntimeError),
            (script("try:\n    odd()\nexcept KeyError: pass"), Pass),
            (
                script(
                    "s = Stack()\ns.push(3)\ns.push([4])\nassert s.pop() == [4] and s.items == [3]",
                ),
                Pass,
            ),
            (script("assert missing(1)"), RuntimeError),
            (script("assert PI == 3 and add.__name__ == 'add'"), Pass),
            (script("assert list(twice()) == [1, 2]"), Pass),
            (script("assert thing() == 1"), BadValue),
            (script("assert not thing()"), BadValue),
            (script("assert [thing()] == [1]"), BadValue),
            (script("memory()"), MemoryLimit),
            (script("import numpy as np\nassert np.allclose(add(1.0, 1e-9), 1.0)"), Pass),
            (script("assert add(2, 2) == 4"), Pass),
        ],
    );
}

#[test]
fn a_script_may_kill_the_program_but_not_the_rest() {
    use Verdict::*;
    let program = "
import os
def die(): os._exit(0)
def loop():
    while True: pass
def one(): return 1
";
    check_with(
        SHORT,
        program,
        &Entry::Script,
        &[
            (script("assert one() == 1"), Pass),
            (script("die()"), Crash),
            (script("assert one() == 1"), Pass),
            (script("loop()"), TimeLimit),
            (script("assert one() == 1"), Pass),
        ],
    );
    check(
        "def f(:",
        &Entry::Script,
        &[(script("f()"), CompileError), (script("f()"), CompileError)],
    );
}

#[test]
fn what_is_built_in_stays_so_unless_nothing_else_is_asked_for() {
    let program = "
def sum(a, b): return a + b
def len(x): return 3
def sorted(x): return [1]
def abs(x): return 7
def solve(x): return [2, 1]
";
    check(
        program,
        &Entry::Script,
        &[
            (script("assert sum(10, 15) == 25"), Verdict::Pass),
            (script("assert sorted(solve(1)) == [1]"), Verdict::WrongAnswer),
            (script("assert len(solve(1)) == 3"), Verdict::WrongAnswer),
            (script("assert abs(-7) == 7"), Verdict::Pass),
        ],
    );
}

#[test]
fn a_broken_test_is_a_fault() {
    #[track_caller]
    fn broken(program: &str, entry: &Entry, test: Test) {
        let tests = [test];
        let fault = sandbox().run(&job(program, entry, Cases::Tests(&tests))).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Test, "{fault}");
    }
    broken("def f(): return 1", &Entry::Script, script("assert f( == 1"));
    broken("def f(): return 1", &Entry::Script, script("import nonsense"));
    broken("def f(): return 1", &Entry::Script, script("def check(c):\n    assert c() == 2"));
    broken("def f(x): return 1", &Entry::Script, script("f(object())"));
    broken("def f(): return 1", &Entry::Stdio, call("[]", "1"));
    broken("def f(): return 1", &function("f"), stdio("", ""));
    broken("def f(): return 1", &Entry::Script, call("[]", "1"));
    broken(
        "def f(x): return 1",
        &function("f"),
        Test::Call {
            args: vec![Value::Set(vec![Value::List(vec![])])],
            expected: Value::Null,
            check: Check::Exact,
        },
    );
}

#[test]
fn other_languages_are_missing() {
    let entry = Entry::Stdio;
    let tests = [stdio("", "")];
    let job = Job { language: Language::Scala, ..job("", &entry, Cases::Tests(&tests)) };
    assert_eq!(sandbox().run(&job).unwrap_err().kind, FaultKind::Missing);
}

#[test]
fn inputs_give_outputs() {
    let entry = function("f");
    let inputs = [Input::Args(vec![Value::Int(1)]), Input::Args(vec![Value::Int(0)])];
    let run =
        sandbox().run(&job("def f(x): return {1 // x}", &entry, Cases::Inputs(&inputs))).unwrap();
    let seen: Vec<(Verdict, Option<Output>)> =
        run.cases.into_iter().map(|CaseRun { verdict, output, .. }| (verdict, output)).collect();
    let one = Output::Value(Value::Set(vec![Value::Int(1)]));
    assert_eq!(seen, [(Verdict::Pass, Some(one)), (Verdict::RuntimeError, None)]);
    let inputs = [Input::Stdin("3".to_owned())];
    let run = sandbox()
        .run(&job("print(input(), ' ')\nprint()", &Entry::Stdio, Cases::Inputs(&inputs)))
        .unwrap();
    assert_eq!(run.cases[0].output, Some(Output::Text("3".to_owned())));
}

#[test]
fn protection_is_stated() {
    let protection = sandbox().protection();
    assert!(protection.level() >= Level::L1, "{protection:?}");
    let report = codescaler_sandbox::doctor(&options().search);
    assert!(report.found.iter().any(|runtime| runtime.usable), "{report}");
    assert_eq!(report.protection.as_ref().map(|p| p.level()), Some(protection.level()));
    assert!(!serde_json::to_string(&report).unwrap().is_empty());
}
