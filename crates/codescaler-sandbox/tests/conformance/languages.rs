//! Languages other than Python: the same behaviours in each that is installed.

use std::{fs, path::PathBuf};

use super::*;

/// A program for each behaviour, in one language.
struct Sample {
    language: Language,
    /// Reads all of standard input and writes it again.
    echo: &'static str,
    does_not_compile: &'static str,
    fails: &'static str,
    loops: &'static str,
    eats_memory: &'static str,
    writes_for_ever: &'static str,
    /// Says `escaped` if it can read a file, write one, or start a process.
    breaks_out: &'static str,
}

const SAMPLES: &[Sample] = &[
    Sample {
        language: Language::C,
        echo: "#include <stdio.h>\nint main(){int c;while((c=getchar())!=EOF)putchar(c);}",
        does_not_compile: "int main( { return 0; }",
        fails: "#include <stdlib.h>\nint main(){exit(3);}",
        loops: "int main(){volatile long i=0;for(;;)i++;}",
        eats_memory: "#include <stdlib.h>\n#include <string.h>\n#include <stdio.h>\nint main(){for(;;){char*p=malloc(1<<24);if(!p){fprintf(stderr,\"out of memory\");abort();}memset(p,1,1<<24);}}",
        writes_for_ever: "#include <stdio.h>\nint main(){for(;;)puts(\"yyyyyyyyyyyyyyyyyyyyyyyyy\");}",
        breaks_out: "#define _GNU_SOURCE\n#include <stdio.h>\n#include <fcntl.h>\n#include <unistd.h>\n#include <sys/mman.h>\n#include <sys/syscall.h>\n#include <sys/socket.h>\nint main(){char*a[]={\"echo\",\"escaped\",0};syscall(SYS_execveat,100,\"/bin/echo\",a,a+2,0x1000);syscall(SYS_execveat,100,\"/bin/echo\",a,a+2,0);if(mmap((void*)0x10000,4096,3,0x32,-1,0)==(void*)0x10000||fopen(\"/etc/passwd\",\"r\")||fopen(\"/tmp/x\",\"w\")||fopen(\"x\",\"w\")||fork()>=0||socket(AF_INET,SOCK_STREAM,0)>=0||execl(\"/bin/sh\",\"sh\",\"-c\",\"echo escaped\",(char*)0)>=0)puts(\"escaped\");}",
    },
    Sample {
        language: Language::Cpp,
        echo: "#include <bits/stdc++.h>\nint main(){std::cout<<std::cin.rdbuf();}",
        does_not_compile: "#include <vector>\nint main(){std::vector<int> v = \"x\";}",
        fails: "#include <stdexcept>\nint main(){return 3;}",
        loops: "int main(){volatile long i=0;for(;;)i=i+1;}",
        eats_memory: "#include <vector>\n#include <string>\nint main(){std::vector<std::string> v;for(;;)v.push_back(std::string(1<<24,'x'));}",
        writes_for_ever: "#include <iostream>\nint main(){for(;;)std::cout<<\"yyyyyyyyyyyyyyyyyyyyyyyyy\\n\";}",
        breaks_out: "#include <fstream>\n#include <iostream>\n#include <cstdlib>\nint main(){std::ifstream a(\"/etc/passwd\");std::ofstream b(\"/tmp/x\"),c(\"x\");if(a||b||c||system(\"echo escaped\")==0)std::cout<<\"escaped\";}",
    },
    Sample {
        language: Language::Rust,
        echo: "use std::io::{self,Read,Write};fn main(){let mut s=String::new();io::stdin().read_to_string(&mut s).unwrap();io::stdout().write_all(s.as_bytes()).unwrap();}",
        does_not_compile: "fn main() { let x: i32 = \"\"; }",
        fails: "fn main() { panic!(\"no\") }",
        loops: "fn main() { let mut i = 0u64; loop { i = std::hint::black_box(i + 1); } }",
        eats_memory: "fn main() { let mut v = Vec::new(); loop { v.push(vec![1u8; 1 << 24]); } }",
        writes_for_ever: "fn main() { loop { println!(\"yyyyyyyyyyyyyyyyyyyyyyyyy\"); } }",
        breaks_out: "use std::fs;fn main(){if fs::read(\"/etc/passwd\").is_ok()||fs::write(\"/tmp/x\",\"\").is_ok()||fs::write(\"x\",\"\").is_ok()||std::net::TcpListener::bind(\"127.0.0.1:0\").is_ok()||std::process::Command::new(\"/bin/true\").status().is_ok(){println!(\"escaped\")}}",
    },
    Sample {
        language: Language::Java,
        echo: "public class Echo { public static void main(String[] a) throws Exception { System.in.transferTo(System.out); System.out.flush(); } }",
        does_not_compile: "public class A { int x = \"\"; }",
        fails: "class A { public static void main(String[] a) { throw new RuntimeException(\"no\"); } }",
        loops: "class A { public static void main(String[] a) { for (long i = 0; ; i++) { if (i < 0) System.out.println(); } } }",
        eats_memory: "import java.util.*; class A { public static void main(String[] a) { List<byte[]> l = new ArrayList<>(); for (;;) l.add(new byte[1 << 24]); } }",
        writes_for_ever: "class A { public static void main(String[] a) { for (;;) System.out.println(\"yyyyyyyyyyyyyyyyyyyyyyy\"); } }",
        breaks_out: "import java.nio.file.*; class A { interface T { void run() throws Exception; } static void t(T f) { try { f.run(); System.out.println(\"escaped\"); } catch (Throwable e) {} } public static void main(String[] a) { t(() -> Files.readString(Path.of(\"/etc/passwd\"))); t(() -> Files.writeString(Path.of(\"/tmp/x\"), \"\")); t(() -> Files.writeString(Path.of(\"x\"), \"\")); t(() -> new java.net.ServerSocket(0)); t(() -> new ProcessBuilder(\"/bin/true\").start()); } }",
    },
    Sample {
        language: Language::JavaScript,
        echo: "process.stdout.write(require('fs').readFileSync('/dev/stdin'));",
        does_not_compile: "function (",
        fails: "throw new Error('no');",
        loops: "for (;;) {}",
        eats_memory: "const a = []; for (;;) a.push(new Array(1 << 20).fill(a.length));",
        writes_for_ever: "for (;;) require('fs').writeSync(1, 'y'.repeat(1000));",
        breaks_out: "const fs = require('fs'); for (const f of [() => fs.readFileSync('/etc/passwd'), () => fs.writeFileSync('/tmp/x', ''), () => fs.writeFileSync('x', ''), () => { const r = require('child_process').spawnSync('/bin/true'); if (r.error) throw r.error; }]) { try { f(); console.log('escaped'); } catch {} }",
    },
    Sample {
        language: Language::TypeScript,
        echo: "import * as fs from 'fs';\nconst text: string = fs.readFileSync(0, 'utf8');\nprocess.stdout.write(text);",
        does_not_compile: "let x: = 3;",
        fails: "throw new Error('no' as string);",
        loops: "for (;;) {}",
        eats_memory: "const a: number[][] = []; for (;;) a.push(new Array<number>(1 << 20).fill(a.length));",
        writes_for_ever: "for (;;) require('fs').writeSync(1, 'y'.repeat(1000));",
        breaks_out: "",
    },
    Sample {
        language: Language::Go,
        echo: "package main\nimport (\"io\"; \"os\")\nfunc main() { io.Copy(os.Stdout, os.Stdin) }",
        does_not_compile: "package main\nfunc main() { x := 3 }",
        fails: "package main\nfunc main() { panic(\"no\") }",
        loops: "package main\nfunc main() { for i := 0; ; i++ { } }",
        eats_memory: "package main\nfunc main() { var a [][]byte; for { b := make([]byte, 1<<24); for i := range b { b[i] = 1 }; a = append(a, b) } }",
        writes_for_ever: "package main\nimport \"fmt\"\nfunc main() { for { fmt.Println(\"yyyyyyyyyyyyyyyyyyyyyyyyy\") } }",
        breaks_out: "package main\nimport (\"fmt\"; \"os\"; \"os/exec\")\nfunc main() { if _, e := os.ReadFile(\"/etc/passwd\"); e == nil { fmt.Println(\"escaped\") }; if os.WriteFile(\"x\", nil, 0600) == nil { fmt.Println(\"escaped\") }; if exec.Command(\"/bin/true\").Run() == nil { fmt.Println(\"escaped\") } }",
    },
];

/// Whether the language can be run here; says so if not.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn is_here(language: Language) -> bool {
    let job = Job { language, ..job("", &Entry::Stdio, Cases::Tests(&[])) };
    match sandbox().run(&Job { cases: Cases::Tests(&[stdio("", "")]), ..job }) {
        Err(fault) if fault.kind == FaultKind::Missing => {
            println!("skipped: {fault}");
            false
        }
        _ => true,
    }
}

#[track_caller]
fn runs(language: Language, program: &str, tests: &[(Test, Verdict)]) -> Run {
    let cases: Vec<Test> = tests.iter().map(|(test, _)| test.clone()).collect();
    let limits = Limits { cpu_ms_max: 3_000, memory_mib_max: 256 };
    let job = Job { language, limits, ..job(program, &Entry::Stdio, Cases::Tests(&cases)) };
    let run = sandbox().run(&job).unwrap_or_else(|fault| panic!("{language}: {fault}\n{program}"));
    let found: Vec<Verdict> = run.cases.iter().map(|case| case.verdict).collect();
    let expected: Vec<Verdict> = tests.iter().map(|(_, verdict)| *verdict).collect();
    assert_eq!(found, expected, "{language}: {program}\n{:#?}", run.cases);
    run
}

#[test]
fn every_language_behaves() {
    use Verdict::*;
    for sample in SAMPLES.iter().filter(|sample| is_here(sample.language)) {
        let language = sample.language;
        let (text, long) = ("a b\nc\n", "0123456789\n".repeat(100_000));
        runs(
            language,
            sample.echo,
            &[
                (stdio(text, text), Pass),
                (stdio(text, "other\n"), WrongAnswer),
                (stdio(&long, &long), Pass),
                (stdio("", ""), Pass),
            ],
        );
        let one = |verdict| [(stdio("", "fine"), verdict)];
        let run = runs(language, sample.does_not_compile, &one(CompileError));
        assert!(run.cases[0].detail.len() > 5, "{:?}", run.cases[0]);
        runs(language, sample.fails, &one(RuntimeError));
        runs(language, sample.loops, &one(TimeLimit));
        runs(language, sample.eats_memory, &one(MemoryLimit));
        runs(language, sample.writes_for_ever, &one(OutputLimit));
        if !sample.breaks_out.is_empty() {
            runs(language, sample.breaks_out, &[(stdio("", ""), Pass)]);
        }
    }
}

/// Calls `f` of a program in JavaScript; the arguments are a list, all values as Python writes them.
#[track_caller]
fn calls(entry: &Entry, program: &str, tests: &[(&str, &str, Verdict)]) {
    let cases: Vec<Test> = tests.iter().map(|(args, expected, _)| call(args, expected)).collect();
    let language = Language::JavaScript;
    let run = sandbox().run(&Job { language, ..job(program, entry, Cases::Tests(&cases)) });
    let run = run.unwrap_or_else(|fault| panic!("{fault}\n{program}"));
    let found: Vec<Verdict> = run.cases.iter().map(|case| case.verdict).collect();
    let expected: Vec<Verdict> = tests.iter().map(|(_, _, verdict)| *verdict).collect();
    assert_eq!(found, expected, "{program}\n{:#?}", run.cases);
}

#[test]
fn functions_and_methods_of_javascript_are_called() {
    use Verdict::*;
    if !is_here(Language::JavaScript) {
        return;
    }
    let f = function("f");
    let id: &[(&str, &str, Verdict)] = &[
        ("[1]", "1", Pass),
        ("[2]", "2.0", Pass),
        ("[2.5]", "2.5", Pass),
        ("['é\\n']", "'é\\n'", Pass),
        ("[[1, [2.5, None, True]]]", "[1, [2.5, None, True]]", Pass),
        ("[{'a': [1]}]", "{'a': [1]}", Pass),
        ("[{1: 2}]", "{1: 2}", Pass),
        ("[{1, 2}]", "{2, 1}", Pass),
        ("[12345678901234567890]", "12345678901234567890", Pass),
        ("[1]", "2", WrongAnswer),
        ("[1]", "True", WrongAnswer),
        ("['1']", "1", WrongAnswer),
    ];
    for program in [
        "function f(x) { return x; }",
        "const f = x => x;",
        "let f = function (x) { return x }",
        "module.exports = { f: x => x };",
        "exports.f = x => x",
        "module.exports = function f(x) { return x }",
        "export function f(x) { return x }",
    ] {
        calls(&f, program, id);
    }
    for (body, verdict) in [
        ("return undefined", WrongAnswer),
        ("throw new TypeError('no')", RuntimeError),
        ("throw 3", RuntimeError),
        ("return nothing", RuntimeError),
        ("return new (class A {})()", BadValue),
        ("return new Proxy([1], {})", BadValue),
        ("return Symbol('x')", BadValue),
        ("return () => 1", BadValue),
        ("return Promise.resolve(1)", BadValue),
        ("const a = []; a.push(a); return a", BadValue),
        ("return '\\ud800'", BadValue),
        ("return 'x'.repeat(40 << 20)", OutputLimit),
        ("process.exit(0)", Crash),
        ("for (;;) {}", TimeLimit),
        ("return (function g() { return g() + 1 })()", RuntimeError),
        ("require('fs').writeSync(3, 'x'.repeat(64)); for (;;) {}", ProtocolViolation),
        ("Array.isArray = () => true; Buffer.concat = () => 1; return 1", Pass),
    ] {
        calls(&f, &format!("function f() {{ {body} }}"), &[("[]", "1", verdict)]);
    }
    calls(&f, "function f( {", &[("[]", "1", CompileError)]);
    calls(&f, "function g() {}", &[("[]", "1", RuntimeError)]);
    let counter = "class Solution { n = 0; f(x) { this.n += x; return this.n } }";
    calls(&method("f"), counter, &[("[1]", "1", Pass), ("[1]", "1", Pass)]);
    let var = "var f = function(x) { return Math.random() < 2 ? x : 0 };\nconsole.log('noise');";
    calls(&f, var, &[("[7]", "7", Pass)]);
}

/// Every program may signal itself, also where it has no namespace in which it is process 1.
#[test]
fn programs_without_a_namespace_may_abort_one_after_another() {
    if !is_here(Language::C) {
        return;
    }
    let options = Options { slots: 1, level_max: Level::L1, ..options() };
    let sandbox = Sandbox::start(&options).expect("a sandbox");
    let tests = [stdio("", ""), stdio("1", ""), stdio("2", "")];
    let abort = "#include <stdlib.h>\nint main(){abort();}";
    let job = Job { language: Language::C, ..job(abort, &Entry::Stdio, Cases::Tests(&tests)) };
    for case in sandbox.run(&job).expect("no fault").cases {
        assert_eq!((case.verdict, case.detail.as_str()), (Verdict::Crash, "signal 6"));
    }
}

/// A compiler that refuses everything is our fault, and no program's.
#[test]
fn a_broken_compiler_is_a_fault() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("broken-compiler");
    fs::create_dir_all(&folder).expect("a folder");
    fs::copy("/bin/false", folder.join("cc")).expect("every system has one");
    let options = Options { slots: 1, search: vec![folder], ..options() };
    let sandbox = Sandbox::start(&options).expect("a sandbox");
    for program in ["int main(){}", "int main("] {
        let tests = [stdio("", "")];
        let job =
            Job { language: Language::C, ..job(program, &Entry::Stdio, Cases::Tests(&tests)) };
        let fault = sandbox.run(&job).expect_err("nothing compiles");
        assert_eq!(fault.kind, FaultKind::Missing, "{fault}");
        assert!(fault.message.contains("does not work here"), "{fault}");
    }
}
