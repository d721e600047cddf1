//! Compilers and runtimes of languages other than Python: where they are, how they are called.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
};

use codescaler::language::Language;

/// The languages that need a toolchain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    C,
    Cpp,
    Go,
    Java,
    JavaScript,
    Rust,
    TypeScript,
}

impl Tool {
    fn of(language: Language) -> Option<Tool> {
        match language {
            Language::C => Some(Tool::C),
            Language::Cpp => Some(Tool::Cpp),
            Language::Go => Some(Tool::Go),
            Language::Java => Some(Tool::Java),
            Language::JavaScript => Some(Tool::JavaScript),
            Language::Rust => Some(Tool::Rust),
            Language::TypeScript => Some(Tool::TypeScript),
            Language::Python
            | Language::CSharp
            | Language::Kotlin
            | Language::Php
            | Language::Ruby
            | Language::Scala
            | Language::Swift => None,
        }
    }
}

/// What turns a program in some language into something that runs.
#[derive(Debug)]
pub(crate) struct Toolchain {
    tool: Tool,
    /// The compiler; for JavaScript, what checks the syntax.
    compiler: PathBuf,
    /// What runs the result, where it does not run by itself.
    runner: Option<PathBuf>,
    /// TypeScript's own compiler where that is a program for Node.
    script: Option<PathBuf>,
    /// Folders that both may read.
    pub(crate) folders: Vec<PathBuf>,
    /// Whether anything was compiled with it: then what it refuses is the program's fault.
    pub(crate) has_compiled: AtomicBool,
}

/// How a program is compiled.
pub(crate) struct Build {
    /// Files beside the compiler: the program under the name that it must have, and our own.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) arguments: Vec<String>,
}

/// How the result is run.
pub(crate) struct Run {
    pub(crate) arguments: Vec<String>,
    /// Whether the result is itself the executable.
    pub(crate) is_native: bool,
}

pub(crate) const STREAMS: &str = include_str!("javascript/streams.js");
pub(crate) const HARNESS: &str = include_str!("javascript/harness.js");

impl Toolchain {
    /// Looks for a toolchain in folders with executables.
    ///
    /// # Errors
    /// What is missing, and how it can be had; `None` for a language that we do not run.
    pub(crate) fn find(
        language: Language,
        search: &[PathBuf],
    ) -> Result<Toolchain, Option<String>> {
        let find = |name: &str| {
            let paths = search.iter().map(|folder| folder.join(name));
            let path = paths.into_iter().find(|path| path.is_file());
            path.ok_or_else(|| Some(format!("no {name}: {}", hint(language))))
        };
        let tool = Tool::of(language).ok_or(None)?;
        let mut toolchain = Toolchain {
            tool,
            compiler: PathBuf::new(),
            runner: None,
            script: None,
            folders: ["/usr", "/lib", "/lib64", "/bin", "/etc/alternatives"].map(Into::into).into(),
            has_compiled: AtomicBool::new(false),
        };
        match tool {
            Tool::C => toolchain.compiler = find("cc").or_else(|_| find("gcc"))?,
            Tool::Cpp => toolchain.compiler = find("c++").or_else(|_| find("g++"))?,
            Tool::Go => {
                let go = find("go")?;
                toolchain.compiler = go.canonicalize().unwrap_or(go);
            }
            Tool::Rust => {
                // What is found may be a proxy that looks for toolchains at home.
                let found = find("rustc")?;
                let sysroot = said(&found, &["--print", "sysroot"]).unwrap_or_default();
                let inner = Path::new(sysroot.trim()).join("bin/rustc");
                toolchain.compiler = if inner.is_file() { inner } else { found };
                find("cc").map_err(|_| Some("no cc: rustc needs a linker".to_owned()))?;
                toolchain.folders.push(sysroot.trim().into());
            }
            Tool::Java => {
                let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
                toolchain.compiler = real(find("javac")?);
                toolchain.runner = Some(real(find("java")?));
                toolchain.folders.extend(java_folders());
            }
            Tool::JavaScript | Tool::TypeScript => {
                let node = find("node")?.canonicalize().map_err(|error| Some(error.to_string()))?;
                toolchain.compiler.clone_from(&node);
                if tool == Tool::TypeScript {
                    let package = find("tsc")?.canonicalize().ok();
                    let package = package.and_then(|tsc| Some(tsc.parent()?.parent()?.to_owned()));
                    let package = package.ok_or_else(|| Some(hint(language).to_owned()))?;
                    // From version 7 on it is a native program, which insists on `/proc`.
                    let script = package.join("lib/typescript.js");
                    if !script.is_file() {
                        return Err(Some(format!("tsc is too new: {}", hint(language))));
                    }
                    toolchain.script = Some(package.join("lib/tsc.js"));
                    toolchain.folders.push(package);
                }
                toolchain.folders.extend(node.parent().map(Path::to_owned));
                toolchain.runner = Some(node);
            }
        }
        toolchain.folders.extend(toolchain.compiler.parent().map(Path::to_owned));
        toolchain.folders.retain(|folder| folder.is_dir());
        Ok(toolchain)
    }

    /// The program that is asked for its version, by people.
    pub(crate) fn path(&self) -> &Path {
        &self.compiler
    }

    /// What it says its version is.
    pub(crate) fn version(&self) -> Option<String> {
        let argument = if self.tool == Tool::Go { "version" } else { "--version" };
        let text = said(&self.compiler, &[argument])?;
        let version = text.lines().next()?.trim().to_owned();
        match &self.script {
            None => Some(version),
            Some(script) => {
                let manifest = fs::read_to_string(script.with_file_name("../package.json")).ok()?;
                let manifest: serde_json::Value = serde_json::from_str(&manifest).ok()?;
                Some(format!("{} on Node {version}", manifest.get("version")?.as_str()?))
            }
        }
    }

    /// How a program is compiled in `work`.
    pub(crate) fn build(&self, program: &str) -> Build {
        let compiler = self.compiler.to_string_lossy().into_owned();
        let (name, options): (String, &[&str]) = match self.tool {
            Tool::C => (
                "program.c".to_owned(),
                &["-std=gnu17", "-O2", "-w", "-pipe", "-o", "out/program", "program.c", "-lm"],
            ),
            Tool::Cpp => (
                "program.cpp".to_owned(),
                &["-std=gnu++20", "-O2", "-w", "-pipe", "-o", "out/program", "program.cpp"],
            ),
            Tool::Rust => (
                "program.rs".to_owned(),
                &[
                    "--edition=2021",
                    "-Copt-level=2",
                    "-Awarnings",
                    // Not the linker in the box: it finds itself through `/proc`.
                    "-Clink-arg=-fuse-ld=bfd",
                    "-oout/program",
                    "program.rs",
                ],
            ),
            Tool::Go => ("program.go".to_owned(), &["build", "-o", "out/program", "program.go"]),
            Tool::Java => (
                format!("{}.java", java_class(program).0),
                &["-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1", "-J-XX:-UsePerfData"],
            ),
            // Types are taken out, not checked.
            Tool::TypeScript => (
                "program.ts".to_owned(),
                &[
                    "--noCheck",
                    "--target",
                    "es2022",
                    "--module",
                    "commonjs",
                    "--outDir",
                    "out",
                    "program.ts",
                ],
            ),
            Tool::JavaScript => (javascript_name(program).to_owned(), &["--check"]),
        };
        let mut arguments = vec![compiler];
        arguments.extend(self.script.iter().map(|script| script.to_string_lossy().into_owned()));
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        match self.tool {
            Tool::Java => {
                arguments.extend(["-nowarn", "-d", "out", &name].map(str::to_owned));
            }
            Tool::JavaScript => arguments.push(name.clone()),
            Tool::C | Tool::Cpp | Tool::Go | Tool::Rust | Tool::TypeScript => {}
        }
        Build { files: vec![(name, program.to_owned())], arguments }
    }

    /// What compilers and programs find in their environment.
    pub(crate) fn environment(&self, work: &Path) -> Vec<String> {
        let work = work.display();
        let mut environment = vec![
            "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
            "LANG=C.UTF-8".to_owned(),
            "TZ=UTC0".to_owned(),
            format!("HOME={work}"),
            format!("TMPDIR={work}/tmp"),
        ];
        // What these would find out from `/proc`, which is not there.
        let home = self.compiler.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        if matches!(self.tool, Tool::Java | Tool::Rust) {
            environment.push(format!("LD_LIBRARY_PATH={}/lib", home.display()));
        }
        if self.is_node() {
            // A configuration that is there and may not be read would stop it.
            environment.push("OPENSSL_CONF=/dev/null".to_owned());
        }
        if self.tool == Tool::Go {
            environment.push(format!("GOROOT={}", home.display()));
            environment.extend(
                [
                    "GO111MODULE=off",
                    "GOFLAGS=",
                    "CGO_ENABLED=0",
                    "GOTOOLCHAIN=local",
                    "GOMAXPROCS=2",
                ]
                .map(str::to_owned),
            );
            environment.extend([format!("GOCACHE={work}/tmp/go"), format!("GOPATH={work}/tmp")]);
        }
        environment
    }

    /// How the result of compiling `program` is run with so much memory.
    pub(crate) fn run(&self, program: &str, memory_mib_max: u64) -> Run {
        let Some(runner) = &self.runner else {
            return Run { arguments: vec!["program".to_owned()], is_native: true };
        };
        let mut arguments = vec![runner.to_string_lossy().into_owned()];
        if self.tool == Tool::Java {
            let class = java_class(program).1;
            let heap = format!("-Xmx{memory_mib_max}m");
            arguments.extend(
                ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"]
                    .map(str::to_owned),
            );
            arguments.extend([&heap, "-Xss64m", "-cp", ".", &class].map(str::to_owned));
        } else {
            let is_plain = self.tool == Tool::TypeScript;
            let name = if is_plain { "program.js" } else { javascript_name(program) };
            let heap = format!("--max-old-space-size={memory_mib_max}");
            arguments.extend(
                [&heap, "--stack-size=3900", "--require", "./streams.js", name].map(str::to_owned),
            );
        }
        Run { arguments, is_native: false }
    }

    /// The name of the program's text where that is what runs.
    pub(crate) fn source_name(&self, program: &str) -> Option<&'static str> {
        (self.tool == Tool::JavaScript).then(|| javascript_name(program))
    }

    /// Whether it is Node that runs programs.
    pub(crate) fn is_node(&self) -> bool {
        matches!(self.tool, Tool::JavaScript | Tool::TypeScript)
    }

    /// What the runtime needs of data beside the program's own, in MiB.
    pub(crate) fn overhead_mib(&self) -> u64 {
        match self.tool {
            // Each of a dozen threads reserves a stack of 64 MiB.
            Tool::Java => 1536,
            Tool::JavaScript | Tool::TypeScript => 512,
            Tool::Go => 128,
            Tool::C | Tool::Cpp | Tool::Rust => 0,
        }
    }

    /// Whether memory is bounded by data instead of address space.
    pub(crate) fn is_virtual_machine(&self) -> bool {
        self.overhead_mib() > 0
    }
}

/// A program that says `fine`; `None` for languages that the sandbox does not run that way.
pub(crate) fn smallest(language: Language) -> Option<&'static str> {
    Some(match language {
        Language::C => "#include <stdio.h>\nint main() { puts(\"fine\"); }",
        Language::Cpp => "#include <iostream>\nint main() { std::cout << \"fine\"; }",
        Language::Go => "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"fine\") }",
        Language::Java => {
            "class A { public static void main(String[] a) { System.out.println(\"fine\"); } }"
        }
        Language::JavaScript => "console.log('fine')",
        Language::TypeScript => "const text: string = 'fine'; console.log(text)",
        Language::Rust => "fn main() { println!(\"fine\") }",
        Language::Python
        | Language::CSharp
        | Language::Kotlin
        | Language::Php
        | Language::Ruby
        | Language::Scala
        | Language::Swift => return None,
    })
}

/// How to get a language's tools.
pub(crate) fn hint(language: Language) -> &'static str {
    match language {
        Language::Python => "install Python 3.9 or newer (Debian: apt install python3)",
        Language::C => "install a C compiler (Debian: apt install gcc)",
        Language::Cpp => "install a C++ compiler (Debian: apt install g++)",
        Language::Rust => "install Rust by rustup, or Debian's package rustc",
        Language::Java => "install a JDK (Debian: apt install default-jdk-headless)",
        Language::Go => "install Go (Debian: apt install golang-go)",
        Language::JavaScript => "install Node.js (Debian: apt install nodejs)",
        Language::TypeScript => "npm install --global typescript@5",
        Language::CSharp
        | Language::Kotlin
        | Language::Php
        | Language::Ruby
        | Language::Scala
        | Language::Swift => "the sandbox does not run this language",
    }
}

/// What one of our own tools prints.
fn said(tool: &Path, arguments: &[&str]) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the sandbox is what starts processes")]
    let output = Command::new(tool).args(arguments).stdin(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// Configuration that a JDK's own folder links to.
fn java_folders() -> Vec<PathBuf> {
    let entries = fs::read_dir("/etc").into_iter().flatten().flatten();
    let is_java = |path: &PathBuf| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("java"))
    };
    entries.map(|entry| entry.path()).filter(is_java).collect()
}

/// The class that the file must be named after, and the one that has `main`: both at the top level.
fn java_class(program: &str) -> (String, String) {
    let is_kind = |word: &str| ["class", "interface", "enum", "record"].contains(&word);
    let (mut depth, mut is_public) = (0_u32, false);
    let (mut class, mut public, mut main) = (None, None, None);
    let words = java_words(program);
    for pair in words.windows(2) {
        match (pair[0], pair[1]) {
            ("{", _) => depth += 1,
            ("}", _) => depth = depth.saturating_sub(1),
            ("public", _) if depth == 0 => is_public = true,
            (kind, name) if depth == 0 && is_kind(kind) => {
                class = Some(name);
                public = public.or(class.filter(|_| is_public));
                is_public = false;
            }
            ("void", "main") if depth == 1 => main = main.or(class),
            _ => {}
        }
    }
    let main = main.or(public).unwrap_or("Main");
    (public.unwrap_or(main).to_owned(), main.to_owned())
}

/// Names and braces, without what stands in comments and literals.
fn java_words(program: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = program;
    while let Some(first) = rest.chars().next() {
        let end_of = |text: &str, end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let n_bytes = if rest.starts_with("//") {
            end_of(rest, "\n")
        } else if rest.starts_with("/*") {
            end_of(rest, "*/")
        } else if let Some(text) = rest.strip_prefix("\"\"\"") {
            3 + end_of(text, "\"\"\"")
        } else if first == '"' || first == '\'' {
            let mut is_escaped = false;
            let end = rest[1..].find(|c| {
                let is_end = c == first && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if is_name(first) {
            let n_bytes = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            words.push(&rest[..n_bytes]);
            n_bytes
        } else {
            if first == '{' || first == '}' {
                words.push(&rest[..1]);
            }
            first.len_utf8()
        };
        rest = &rest[n_bytes..];
    }
    words
}

/// Modules of the newer kind need another name.
fn javascript_name(program: &str) -> &'static str {
    let is_module = program.lines().any(|line| {
        line.starts_with("export ")
            || line.starts_with("import ") && (line.contains(" from ") || line.contains('"'))
            || line.starts_with("import ") && line.contains('\'')
    });
    if is_module { "program.mjs" } else { "program.js" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_classes_are_found() {
        #[track_caller]
        fn check(program: &str, file: &str, main: &str) {
            assert_eq!(java_class(program), (file.to_owned(), main.to_owned()));
        }
        check("public class A { public static void main(String[] a) {} }", "A", "A");
        check("class B { static void main() {} } class C {}", "B", "B");
        check("class C {} public final class D { void main() {} }", "D", "D");
        check("interface I {} class E { public static void main(String[] a) {} }", "E", "E");
        check("public interface I {}\nclass E { void main() {} }", "I", "E");
        check("class A { interface T { void main(); } void main() {} }", "A", "A");
        check("/* class X { */ class A { String s = \"}}\\\"\"; void main() {} }", "A", "A");
        check("class A { char c = '{'; } // class B {\nclass C { void main() {} }", "C", "C");
        check("", "Main", "Main");
    }

    #[test]
    fn modules_are_told_apart() {
        assert_eq!(javascript_name("const fs = require('fs')"), "program.js");
        assert_eq!(javascript_name("import fs from 'fs'"), "program.mjs");
        assert_eq!(javascript_name("import 'fs'"), "program.mjs");
        assert_eq!(javascript_name("export const x = 1"), "program.mjs");
    }
}
