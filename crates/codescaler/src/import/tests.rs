use std::io::{Cursor, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use expect_test::{Expect, expect};
use flate2::{Compression, write::ZlibEncoder};
use serde_json::json;

use super::*;

/// Keeps a line for each record.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn push(&mut self, kind: &str, record: impl serde::Serialize) -> io::Result<()> {
        self.0.push_str(kind);
        self.0.push(' ');
        self.0.push_str(&serde_json::to_string(&record)?);
        self.0.push('\n');
        Ok(())
    }
}

impl Sink for Lines {
    fn problem(&mut self, problem: Problem) -> io::Result<()> {
        let Problem { id, starter, language, entry, tests, limits, meta, .. } = problem;
        let cpu_ms_max = limits.cpu_ms_max;
        let json = json!([id, starter, language, entry, tests, cpu_ms_max, meta]);
        self.push("P", json)
    }

    fn candidate(&mut self, candidate: Candidate) -> io::Result<()> {
        let Candidate { problem, index, completion, program, language, source, extra, .. } =
            candidate;
        self.push("C", json!([problem, index, program.or(completion), language, source, extra]))
    }

    fn label(&mut self, label: Label) -> io::Result<()> {
        let Label { problem, index, passed, by, rate, extra } = label;
        self.push("L", json!([problem, index, passed, by, rate, extra]))
    }
}

fn run(format: Format, text: &str) -> Result<String, ImportError> {
    let mut lines = Lines::default();
    let summary = import(format, &mut Cursor::new(text.as_bytes()), &mut lines)?;
    for (reason, count) in summary.left_out {
        lines.push("-", json!([count, reason])).unwrap();
    }
    Ok(lines.0)
}

#[track_caller]
fn check(format: Format, rows: &[serde_json::Value], expected: Expect) {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    expected.assert_eq(&run(format, &text).unwrap_or_else(|error| panic!("{error}")));
}

#[track_caller]
fn refuse(format: Format, text: &str, message: &str) {
    let error = run(format, text).expect_err("a bad row");
    assert_eq!(error.to_string(), message);
}

fn packed(pickle: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(pickle).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

/// `pickle.dumps(text)` for a short text.
fn pickled(text: &str) -> Vec<u8> {
    [&b"\x80\x04\x8c"[..], &[u8::try_from(text.len()).unwrap()], text.as_bytes(), b"\x94."].concat()
}

fn livecodebench(private: &str) -> serde_json::Value {
    json!({
        "question_title": "add", "question_content": "Add.", "platform": "leetcode",
        "question_id": "7", "contest_id": "weekly-1", "contest_date": "2024-08-01T00:00:00",
        "starter_code": "class Solution:\n    def add(self, a: int, b: int) -> int:\n        ",
        "difficulty": "easy",
        "public_test_cases": r#"[{"input":"1\n2","output":"3","testtype":"functional"}]"#,
        "private_test_cases": private,
        "metadata": r#"{"func_name":"add"}"#,
    })
}

#[test]
fn names_round_trip() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse::<Format>().unwrap(), *format);
        assert!(!format.describe().is_empty());
    }
    assert!(
        "humaneval+".parse::<Format>().unwrap_err().to_string().contains("humaneval, evalplus")
    );
}

#[test]
fn livecodebench_as_published() {
    let hidden =
        r#"[{"input":"[1, 123456789012345678901]\n2","output":"\"x\"","testtype":"functional"}]"#;
    let expected = expect![[r#"
        P ["7","class Solution:\n    def add(self, a: int, b: int) -> int:\n        ","python",{"kind":"method","class":"Solution","name":"add"},{"visible":[{"args":[1,2],"expected":3,"check":"lcb"}],"hidden":[{"args":[[1,{"$int":"123456789012345678901"}],2],"expected":"x","check":"lcb"}]},10000,{"source":"livecodebench","date":"2024-08-01","difficulty":"easy","title":"add","split":"validation","platform":"leetcode","contest":"weekly-1"}]
    "#]];
    check(Format::LiveCodeBench, &[livecodebench(hidden)], expected);
    assert_eq!(
        run(Format::LiveCodeBench, &livecodebench(&packed(&pickled(hidden))).to_string()).unwrap(),
        run(Format::LiveCodeBench, &livecodebench(hidden).to_string()).unwrap(),
    );
}

#[test]
fn livecodebench_refuses_what_is_not_one_string() {
    let refuse_private = |private: &str, message: &str| {
        let row = livecodebench(private).to_string();
        refuse(
            Format::LiveCodeBench,
            &row,
            &format!("line 1: key \"private_test_cases\": {message}"),
        );
    };
    refuse_private(
        &packed(b"cos\nsystem\n(S'true'\ntR."),
        "the pickle is not one string: instruction 0x63 at byte 0 is refused",
    );
    refuse_private("@@", "neither a JSON list nor base64: Invalid symbol 64, offset 0.");
    let row = livecodebench(&packed(&pickled(r#"[{"input":"1","output":2}]"#))).to_string();
    refuse(
        Format::LiveCodeBench,
        &row,
        "line 1: key \"private_test_cases[0].output\": invalid type: integer `2`, expected a string (column 24)",
    );
}

#[test]
fn livecodebench_with_candidates() {
    check(
        Format::LiveCodeBenchCandidates,
        &[json!({
            "id": "abc1_a", "platform": "atcoder", "date": "2024-07-31", "contest": "abc1",
            "release": 1, "difficulty": "easy", "title": "A", "statement": "Add.", "starter": "",
            "tests": [["1 2\n", "3\n"]], "testtype": "stdin",
            "extra_tests": [["1 2", "3"], ["2 2\n", "4\n"]],
            "cands": [
                {"m": ["a"], "y": 1, "p": 0.5, "pub": 1, "code": "x"},
                {"m": ["b", "c"], "p": 0.2, "code": "y"},
            ],
        })],
        expect![[r#"
            P ["abc1_a","","python",{"kind":"stdio"},{"visible":[{"stdin":"1 2\n","stdout":"3\n","check":"lcb"}],"hidden":[{"stdin":"2 2\n","stdout":"4\n","check":"lcb"}]},10000,{"source":"livecodebench","date":"2024-07-31","difficulty":"easy","title":"A","split":"train","platform":"atcoder","contest":"abc1","release":1}]
            C ["abc1_a",0,"x","python",{"name":"a","license":"MIT"},{"pub":true}]
            L ["abc1_a",0,true,"livecodebench",0.5,{}]
            C ["abc1_a",1,"y","python",{"name":"b","count":2,"license":"MIT"},{"sources":{"b":1,"c":1}}]
            - [1,"pass rate of the writer, without a verdict"]
        "#]],
    );
}

#[test]
fn humaneval() {
    let prompt = "def f(x: int):\n    \"\"\"Halve.\n    >>> f(4)\n    2\n    f(2) ==> 1.\n    f(y) == 3\n    \"\"\"\n";
    check(
        Format::HumanEval,
        &[json!({
            "task_id": "HumanEval/0", "prompt": prompt, "entry_point": "f",
            "canonical_solution": "    return x // 2\n",
            "test": "\nMETADATA = {'author': 'x'}\n\ndef check(candidate):\n    # One.\n    assert True, \"ok\"\n    assert candidate(6) == 3, \"six\"\n    assert candidate(2 * 4) == 4\n    assert not candidate(1)\n",
        })],
        expect![[r#"
            P ["HumanEval/0","def f(x: int):\n    \"\"\"Halve.\n    >>> f(4)\n    2\n    f(2) ==> 1.\n    f(y) == 3\n    \"\"\"\n","python",{"kind":"function","name":"f"},{"visible":[{"args":[4],"expected":2,"check":{"evalplus":{"atol":0.0}}},{"args":[2],"expected":1,"check":{"evalplus":{"atol":0.0}}}],"hidden":[{"args":[6],"expected":3,"check":"python_eq"},{"code":"candidate = f\nassert candidate(2 * 4) == 4\n"},{"code":"candidate = f\nassert not candidate(1)\n"}]},10000,{"source":"humaneval","license":"MIT","split":"validation"}]
            C ["HumanEval/0",0,"def f(x: int):\n    \"\"\"Halve.\n    >>> f(4)\n    2\n    f(2) ==> 1.\n    f(y) == 3\n    \"\"\"\n    return x // 2\n","python",{"name":"reference"},{}]
            L ["HumanEval/0",0,true,"humaneval",null,{}]
        "#]],
    );
    let tests = asserts::tests_of_check(
        "import x\ndef check(c):\n    for i in x:\n        assert c(i)\n",
        "f",
        &[],
    );
    expect![[r#"
        [
            Script {
                code: "import x\ndef check(c):\n    for i in x:\n        assert c(i)\n\ncheck(f)\n",
            },
        ]
    "#]]
    .assert_debug_eq(&tests);
}

#[test]
fn evalplus() {
    let assertion = "import numpy as np\n\ndef assertion(out, exp, atol):\n    if atol == 0 and is_floats(exp):\n        atol = 1e-6\n    if out != exp and atol != 0:\n        assert np.allclose(out, exp, rtol=1e-07, atol=atol)\n    else:\n        assert out == exp, f\"out: {out}, exp: {exp}\"\n";
    let test = |assertion: &str| {
        format!(
            "{assertion}\n\ninputs = [[(1, 2)], [()]]\nresults = [{{1}}, inf]\nfor i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(f(*inp), exp, 0.5)\n"
        )
    };
    let row = |test: String| {
        json!({
            "task_id": 2, "prompt": "Do.", "code": "def f(x): pass", "test_imports": [],
            "test_list": ["assert f((1,)) == 1", "assert set(f(())) == set()"], "test": test,
        })
    };
    check(
        Format::EvalPlus,
        &[row(test(assertion))],
        expect![[r#"
            P ["mbpp/2","","python",{"kind":"function","name":"f"},{"visible":[{"args":[{"$tuple":[1]}],"expected":1,"check":"python_eq"},{"code":"assert set(f(())) == set()\n"}],"hidden":[{"args":[{"$tuple":[1,2]}],"expected":{"$set":[1]},"check":{"evalplus":{"atol":0.5}}},{"args":[{"$tuple":[]}],"expected":{"$float":"inf"},"check":{"evalplus":{"atol":0.5}}}]},10000,{"source":"mbpp","license":"CC-BY-4.0","split":"validation"}]
            C ["mbpp/2",0,"def f(x): pass","python",{"name":"reference"},{}]
            L ["mbpp/2",0,true,"evalplus",null,{}]
        "#]],
    );
    let other = assertion.replace("out != exp", "set(out) != exp");
    let records = run(Format::EvalPlus, &row(test(&other)).to_string()).unwrap();
    assert!(records.contains(r#""hidden":[{"code":"import numpy as np"#), "{records}");

    let native = json!({
        "task_id": "HumanEval/1", "prompt": "def g(x):\n", "entry_point": "g", "contract": "",
        "canonical_solution": "    return x\n", "base_input": [[1]], "plus_input": [[2]],
        "atol": 0,
    });
    let records = run(Format::EvalPlus, &native.to_string()).unwrap();
    assert!(records.contains("for args in [[1], [2]]:"), "{records}");
    refuse(
        Format::EvalPlus,
        r#"{"task_id":"HumanEval/1","prompt":"","canonical_solution":"","entry_point":"g"}"#,
        "line 1: key \"test\": missing in a row of EvalPlus",
    );
}

#[test]
fn mbpp() {
    check(
        Format::Mbpp,
        &[
            json!({"task_id": 1, "text": "Do.", "code": "def f(): pass", "test_setup_code": "",
                "test_list": ["assert f() == None"], "challenge_test_list": ["assert f() is None"]}),
            json!({"task_id": 3, "prompt": "Do.", "code": "def g(): pass",
                "test_imports": ["import math"],
                "test_list": ["assert math.isclose(g(1), 0.5)"]}),
        ],
        expect![[r#"
            P ["mbpp/1","","python",{"kind":"function","name":"f"},{"visible":[{"args":[],"expected":null,"check":"python_eq"}],"hidden":[{"args":[],"expected":null,"check":"python_eq"},{"code":"assert f() is None\n"}]},10000,{"source":"mbpp","license":"CC-BY-4.0","split":"train"}]
            C ["mbpp/1",0,"def f(): pass","python",{"name":"reference"},{}]
            L ["mbpp/1",0,true,"mbpp",null,{}]
            P ["mbpp/3","","python",{"kind":"function","name":"g"},{"visible":[{"code":"import math\nassert math.isclose(g(1), 0.5)\n"}],"hidden":[{"code":"import math\nassert math.isclose(g(1), 0.5)\n"}]},10000,{"source":"mbpp","license":"CC-BY-4.0","split":"validation"}]
            C ["mbpp/3",0,"def g(): pass","python",{"name":"reference"},{}]
            L ["mbpp/3",0,true,"mbpp",null,{}]
        "#]],
    );
}

#[test]
fn apps_and_taco() {
    check(
        Format::Apps,
        &[json!({
            "problem_id": 5, "question": "Add.\n\n-----Examples-----\nInput\n1 2\n\nOutput\n3\n",
            "solutions": "[\"s\"]", "difficulty": "Interview", "url": "u", "starter_code": "",
            "input_output": "{\"inputs\":[\"1 2\\n\",[\"4\",\"5\"]],\"outputs\":[\"3\\n\",[\"9\"]]}",
        })],
        expect![[r#"
            P ["apps/5","","python",{"kind":"stdio"},{"visible":[{"stdin":"1 2\n","stdout":"3\n","check":"tokens"}],"hidden":[{"stdin":"4\n5","stdout":"9","check":"tokens"}]},10000,{"source":"apps","difficulty":"interview","url":"u"}]
            C ["apps/5",0,"s","python",{"name":"reference"},{}]
            L ["apps/5",0,true,"apps",null,{}]
        "#]],
    );
    let huge = "7".repeat(5000);
    let row = |suite: String| json!({"question": "", "solutions": "", "starter_code": "def f(x):", "input_output": suite});
    let call = format!(r#"{{"inputs":[[1],[{huge}]],"outputs":[[[1]],[2]],"fn_name":"f"}}"#);
    let records = run(Format::Taco, &row(call).to_string()).unwrap();
    assert!(
        records.starts_with(r#"P ["taco/0","def f(x):","python",{"kind":"function","name":"f"},"#)
    );
    assert!(records.contains(r#"{"args":[1],"expected":[1],"check":"lcb"}"#), "{records}");
    assert!(records.contains(&format!(r#"{{"args":[{{"$int":"{huge}"}}],"expected":2"#)));
    let bad = row(r#"{"inputs":[{}],"outputs":["1"]}"#.to_owned()).to_string();
    refuse(
        Format::Taco,
        &bad,
        "line 1: key \"input_output.inputs[0]\": expected a string or a list of lines",
    );
}

#[test]
fn codecontests() {
    let row = json!({
        "name": "1_A", "description": "Add.", "cf_rating": 800, "input_file": "",
        "public_tests": {"input": ["1"], "output": ["2"]},
        "private_tests": {"input": [], "output": []},
        "generated_tests": {"input": ["3"], "output": ["4"]},
        "solutions": {"language": [3, 1], "solution": ["p", "old"]},
        "incorrect_solutions": {"language": [2], "solution": ["c"]},
        "time_limit": {"seconds": 1, "nanos": 500_000_000}, "memory_limit_bytes": 256_000_000,
    });
    check(
        Format::CodeContests,
        &[row],
        expect![[r#"
            P ["1_A","","python",{"kind":"stdio"},{"visible":[{"stdin":"1","stdout":"2","check":"tokens"}],"hidden":[{"stdin":"3","stdout":"4","check":"tokens"}]},1500,{"source":"codecontests","difficulty":"800","title":"1_A","license":"CC-BY-4.0"}]
            C ["1_A",0,"p","python",{"name":"human","license":"CC-BY-4.0"},{}]
            L ["1_A",0,true,"codecontests",null,{}]
            C ["1_A",1,"c","cpp",{"name":"human","license":"CC-BY-4.0"},{}]
            L ["1_A",1,false,"codecontests",null,{}]
            - [1,"program in Python 2"]
        "#]],
    );
}

#[test]
fn deepcoder() {
    check(
        Format::DeepCoder,
        &[
            json!({"problem": "P", "solutions": ["```python\ns\n```"],
                "tests": "{\"inputs\":[\"1\"],\"outputs\":[\"2\"]}"}),
            json!({"problem": "P", "starter_code": "class Solution:", "tests":
                "[{\"testtype\":\"functional\",\"input\":\"[1]\\n2\",\"output\":\"true\",\"metadata\":{\"func_name\":\"f\"}}]"}),
            json!({"problem": "P", "tests":
                [{"type": "function_call", "fn_name": "g", "input": [1], "output": [[2]]}]}),
            json!({"problem": "P", "tests": [{"type": "stdin_stdout", "input": "1", "output": "2"}]}),
        ],
        expect![[r#"
            P ["deepcoder/0","","python",{"kind":"stdio"},{"visible":[],"hidden":[{"stdin":"1","stdout":"2","check":"tokens"}]},10000,{"source":"deepcoder"}]
            C ["deepcoder/0",0,"s\n","python",{"name":"reference"},{}]
            L ["deepcoder/0",0,true,"deepcoder",null,{}]
            P ["deepcoder/1","class Solution:","python",{"kind":"method","class":"Solution","name":"f"},{"visible":[],"hidden":[{"args":[[1],2],"expected":true,"check":"lcb"}]},10000,{"source":"deepcoder"}]
            P ["deepcoder/2","","python",{"kind":"function","name":"g"},{"visible":[],"hidden":[{"args":[1],"expected":[2],"check":"lcb"}]},10000,{"source":"deepcoder"}]
            P ["deepcoder/3","","python",{"kind":"stdio"},{"visible":[],"hidden":[{"stdin":"1","stdout":"2","check":"lcb"}]},10000,{"source":"deepcoder"}]
        "#]],
    );
    refuse(
        Format::DeepCoder,
        r#"{"problem":"P","tests":[{"type":"checker","input":"","output":""}]}"#,
        "line 1: key \"tests[0].type\": unknown kind of test \"checker\"",
    );
}

#[test]
fn leetcode() {
    check(
        Format::LeetCodeSuites,
        &[json!({
            "task_id": "add", "prompt": "import math\n", "entry_point": "Solution().add",
            "completion": "class Solution:\n    def add(self, a: Dict[int, int], b=2) -> int:\n        return a\n",
            "test": "def check(candidate):\n    assert candidate(b = 1,a = [2]) == 3\n    assert candidate(a = node([1])) == 3\n",
            "query": "Do.\n\n### Question:\nAdd.\n\n### Format: x\n```python\nclass Solution:\n```\n",
        })],
        expect![[r#"
            P ["leetcode/add","class Solution:","python",{"kind":"method","class":"Solution","name":"add"},{"visible":[],"hidden":[{"args":[[2],1],"expected":3,"check":"python_eq"},{"code":"candidate = Solution().add\nassert candidate(a = node([1])) == 3\n"}]},10000,{"source":"leetcode","title":"add","split":"train"}]
            C ["leetcode/add",0,"class Solution:\n    def add(self, a: Dict[int, int], b=2) -> int:\n        return a\n","python",{"name":"reference"},{}]
            L ["leetcode/add",0,true,"leetcode",null,{}]
        "#]],
    );
    let python = "class Solution:\n    def help(self):\n    def add(self):\n";
    check(
        Format::LeetCodeCandidates,
        &[json!({
            "id": 1, "slug": "add", "title": "Add", "difficulty": "Easy", "statement": "Add.",
            "cands": [
                {"lang": "python", "src": ["a"], "y": 1, "code": python},
                {"lang": "python", "src": ["b"], "y": 0, "code": "class Solution:\n    def add(self):\n"},
                {"lang": "cobol", "src": ["b"], "y": 0, "code": ""},
            ],
        })],
        expect![[r#"
            P ["leetcode/add","","python",{"kind":"method","class":"Solution","name":"add"},{"visible":[],"hidden":[]},10000,{"source":"leetcode","difficulty":"easy","title":"Add","split":"train"}]
            C ["leetcode/add",0,"class Solution:\n    def help(self):\n    def add(self):\n","python",{"name":"a"},{}]
            L ["leetcode/add",0,true,"leetcode",null,{}]
            C ["leetcode/add",1,"class Solution:\n    def add(self):\n","python",{"name":"b"},{}]
            L ["leetcode/add",1,false,"leetcode",null,{}]
            - [1,"program in an unknown language, cobol"]
        "#]],
    );
}

#[test]
fn pools_and_pairs() {
    check(
        Format::HumanEvalXCandidates,
        &[
            json!({"lang": "java", "task_id": "9", "prompt": "class Problem {\n    int f() {\n",
                "cands": [{"code": "char c = '}'; // }\n        return 1;", "y": 1}]}),
            json!({"lang": "python", "task_id": "9", "prompt": "def f():\n    \"\"\"x\"\"\"\n\n",
                "cands": [{"code": "return 1", "y": 0}]}),
        ],
        expect![[r#"
            P ["HumanEval-X/java/9","class Problem {\n    int f() {\n","java",{"kind":"script"},{"visible":[],"hidden":[]},10000,{"source":"humaneval","license":"MIT","split":"validation"}]
            C ["HumanEval-X/java/9",0,"class Problem {\n    int f() {\n        char c = '}'; // }\n        return 1;\n}\n}\n","java",{"name":""},{}]
            L ["HumanEval-X/java/9",0,true,"humaneval-x",null,{}]
            P ["HumanEval/9","def f():\n    \"\"\"x\"\"\"\n\n","python",{"kind":"function","name":"f"},{"visible":[],"hidden":[]},10000,{"source":"humaneval","license":"MIT","split":"validation"}]
            C ["HumanEval/9",0,"def f():\n    \"\"\"x\"\"\"\n    return 1\n","python",{"name":""},{}]
            L ["HumanEval/9",0,false,"humaneval-x",null,{}]
        "#]],
    );
    check(
        Format::QuixBugs,
        &[json!({"name": "f", "good": "\ndef f(n):\n    return n\n\n\"\"\"\nBelow.\n\"\"\"\n",
            "bad": "\ndef f(n):\n    return 1\n\n\"\"\"\nIdentity.\n\"\"\"\n", "tests": "[[2], [2]]\n"})],
        expect![[r#"
            P ["quixbugs/f","","python",{"kind":"function","name":"f"},{"visible":[],"hidden":[{"args":[2],"expected":[2],"check":"lcb"}]},10000,{"source":"quixbugs","license":"MIT","split":"eval"}]
            C ["quixbugs/f",0,"\ndef f(n):\n    return n\n","python",{"name":"reference","license":"MIT"},{}]
            L ["quixbugs/f",0,true,"quixbugs",null,{}]
            C ["quixbugs/f",1,"\ndef f(n):\n    return 1\n","python",{"name":"bug","license":"MIT"},{}]
            L ["quixbugs/f",1,false,"quixbugs",null,{}]
        "#]],
    );
    check(
        Format::Refactory,
        &[json!({"question": "question_1", "files": {"description.txt": "Find."},
            "cands": [{"kind": "wrong", "y": 0, "code": "w"}, {"kind": "reference", "y": 1, "code": "r"}],
            "tests": {"input_1.txt": "f(1, (2,))\n", "output_1.txt": "True\n",
                "input_2.txt": "f(unknown)\n", "output_2.txt": "True\n"}})],
        expect![[r#"
            P ["refactory/question_1","","python",{"kind":"function","name":"f"},{"visible":[],"hidden":[{"args":[1,{"$tuple":[2]}],"expected":true,"check":"python_eq"}]},10000,{"source":"refactory","license":"LGPL-3.0","split":"eval"}]
            C ["refactory/question_1",0,"w","python",{"name":"student","license":"LGPL-3.0"},{}]
            L ["refactory/question_1",0,false,"refactory",null,{"kind":"wrong"}]
            C ["refactory/question_1",1,"r","python",{"name":"reference","license":"LGPL-3.0"},{}]
            L ["refactory/question_1",1,true,"refactory",null,{}]
            - [1,"test that names what the source does not define"]
        "#]],
    );
}

#[test]
fn candidates_with_samples() {
    check(
        Format::AppsCandidates,
        &[json!({"task": "9", "difficulty": "interview", "statement": "Do.",
            "starter": "\ndef f(a, b):\n\t",
            "sample_io": [{"input": "[1]\nabc", "output": [2]}, {"input": "1\nabc", "output": [2]}],
            "cands": []})],
        expect![[r#"
            P ["apps/9","\ndef f(a, b):\n\t","python",{"kind":"function","name":"f"},{"visible":[{"args":[[1],"abc"],"expected":2,"check":"lcb"}],"hidden":[]},10000,{"source":"apps","difficulty":"interview","license":"MIT","split":"train"}]
            - [1,"sample whose arguments have lost their types"]
        "#]],
    );
    check(
        Format::ConDefects,
        &[json!({"task": "abc1_a", "in_lcb": 1,
            "cands": [{"lang": "java", "sub": "5", "y": 0, "code": "x"}]})],
        expect![[r#"
            C ["abc1_a",0,"x","java",{"name":"human","license":"MIT"},{"sub":"5"}]
            L ["abc1_a",0,false,"condefects",null,{}]
            - [1,"problem that LiveCodeBench has under the same id"]
        "#]],
    );
}

#[test]
fn bad_rows_say_where() {
    let good = r#"{"task":"a","rating":1,"statement":"","cands":[]}"#;
    let refuse_last = |row: &str, message: &str| {
        refuse(Format::CoCoClaNeL, &format!("{good}\n\n{row}"), &format!("line 3: {message}"));
    };
    refuse_last(
        r#"{"task":"a","cands":[]}"#,
        "not a row of this format: missing field `statement` (column 23)",
    );
    refuse_last(
        r#"{"task":"a","statement":"","cands":[{"code":1}]}"#,
        "key \"cands[0].code\": invalid type: integer `1`, expected a string (column 45)",
    );
    refuse_last(
        r#"{"task":"a","statement":"","cands":[{"code":"","y":2}]}"#,
        "key \"cands[0].y\": 2 is neither 0 nor 1 (column 53)",
    );
    refuse_last(
        r#"{"task":"a","statement":"","ca"#,
        "not a row of this format: EOF while parsing a string (column 30)",
    );
    refuse_last("[1]", "key \"[0]\": invalid type: integer `1`, expected a string (column 2)");
    refuse_last("{} {}", "not a row of this format: missing field `task` (column 2)");
}

#[test]
fn answers_of_reward_model_benchmarks() {
    let rm_bench = json!({"id": 8, "prompt": "Add.", "subset": "bigcode/humanevalpack", "language": "rust",
        "chosen": ["a", "b", "c"], "rejected": ["x", "y", "z"]});
    check(
        Format::RmBench,
        std::slice::from_ref(&rm_bench),
        expect![[r#"
        P ["rm-bench/code/8","","rust",{"kind":"script"},{"visible":[],"hidden":[]},10000,{"source":"rm-bench","split":"eval","domain":"code"}]
        C ["rm-bench/code/8",0,"a","rust",{"name":""},{"style":"concise"}]
        L ["rm-bench/code/8",0,true,"rm-bench",null,{}]
        C ["rm-bench/code/8",1,"b","rust",{"name":""},{"style":"detailed"}]
        L ["rm-bench/code/8",1,true,"rm-bench",null,{}]
        C ["rm-bench/code/8",2,"c","rust",{"name":""},{"style":"markdown"}]
        L ["rm-bench/code/8",2,true,"rm-bench",null,{}]
        C ["rm-bench/code/8",3,"x","rust",{"name":""},{"style":"concise"}]
        L ["rm-bench/code/8",3,false,"rm-bench",null,{}]
        C ["rm-bench/code/8",4,"y","rust",{"name":""},{"style":"detailed"}]
        L ["rm-bench/code/8",4,false,"rm-bench",null,{}]
        C ["rm-bench/code/8",5,"z","rust",{"name":""},{"style":"markdown"}]
        L ["rm-bench/code/8",5,false,"rm-bench",null,{}]
    "#]],
    );
    let judged = json!({"pair_id": "82e6", "question": "Sort.", "source": "livecodebench",
        "response_model": "m", "response_A": "a", "response_B": "b", "label": "B>A"});
    check(
        Format::JudgeBench,
        std::slice::from_ref(&judged),
        expect![[r#"
        P ["judgebench/82e6","","python",{"kind":"script"},{"visible":[],"hidden":[]},10000,{"source":"judgebench","split":"eval","subset":"livecodebench"}]
        C ["judgebench/82e6",0,"a","python",{"name":"m"},{}]
        L ["judgebench/82e6",0,false,"judgebench",null,{}]
        C ["judgebench/82e6",1,"b","python",{"name":"m"},{}]
        L ["judgebench/82e6",1,true,"judgebench",null,{}]
    "#]],
    );

    let with = |row: &serde_json::Value, key: &str, value: serde_json::Value| {
        let mut row = row.clone();
        row[key] = value;
        row.to_string()
    };
    let subset = with(&rm_bench, "subset", json!("poems"));
    let message = "line 1: key \"domain\": missing, and the subset is none that tells it";
    refuse(Format::RmBench, &subset, message);
    let two = with(&rm_bench, "chosen", json!(["a", "b"]));
    refuse(
        Format::RmBench,
        &two,
        "line 1: key \"chosen\": invalid length 2, expected an array of length 3 (column 93)",
    );
    let tied = with(&judged, "label", json!("A=B"));
    refuse(Format::JudgeBench, &tied, "line 1: key \"label\": expected A>B or B>A, found \"A=B\"");
}
