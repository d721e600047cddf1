//! What this machine offers.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use codescaler::{
    check::Check,
    execution::Verdict,
    language::Language,
    problem::{Entry, Limits, Test},
};
use serde::Serialize;

use crate::{
    job::{Cases, Job},
    protection::Protection,
    sandbox::{Options, Sandbox, StartError},
    toolchain::{Toolchain, hint, smallest},
};

/// What this machine offers to programs, and what it lacks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What protects from programs; `None` where no program can be run at all.
    pub protection: Option<Protection>,
    /// Why no program can be run.
    pub trouble: Option<String>,
    /// Interpreters and compilers that were found.
    pub found: Vec<Runtime>,
    /// Languages for which nothing was found.
    pub missing: Vec<Missing>,
}

/// A language that cannot be run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The language.
    pub language: Language,
    /// What to install.
    pub hint: String,
}

impl Missing {
    fn of(language: Language) -> Missing {
        Missing { language, hint: hint(language).to_owned() }
    }
}

/// An interpreter or a compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Runtime {
    /// What it runs.
    pub language: Language,
    /// Where it is.
    pub path: PathBuf,
    /// Its version, where it says one.
    pub version: Option<String>,
    /// Whether a small program was really built and run with it, at the level of protection above.
    pub usable: bool,
}

/// Where programs are looked for; the environment is the command line's business.
pub(crate) const FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// The interpreter that is used when none is named.
pub(crate) fn python_found() -> Result<PathBuf, StartError> {
    find("python3").ok_or_else(|| StartError::NoPython { searched: FOLDERS.join(", ") })
}

fn find(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Every Python that is not the same file as one before.
fn pythons(folders: &[PathBuf]) -> Vec<PathBuf> {
    let names: Vec<String> = std::iter::once("python3".to_owned())
        .chain((9..30).map(|minor| format!("python3.{minor}")))
        .collect();
    let mut seen = Vec::new();
    let mut found = Vec::new();
    let paths = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
    for path in paths.filter(|path| path.is_file()) {
        let file = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !seen.contains(&file) {
            seen.push(file);
            found.push(path);
        }
    }
    found
}

/// Tries what this machine offers: starts a sandbox with every Python there is, and builds and runs
/// a small program in every other language whose tools are found, in `search` or where systems keep
/// them. Takes a few seconds.
pub fn doctor(search: &[PathBuf]) -> Report {
    let mut report =
        Report { protection: None, trouble: None, found: Vec::new(), missing: Vec::new() };
    let mut first = None;
    let folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).chain(search.to_vec()).collect();
    for path in pythons(&folders) {
        let mut options = Options {
            slots: 1,
            weak_isolation_allowed: true,
            python: Some(path.clone()),
            ..Options::default()
        };
        options.search.extend_from_slice(search);
        let version = match Sandbox::start(&options) {
            Ok(sandbox) => {
                report.protection.get_or_insert_with(|| sandbox.protection().clone());
                let version = sandbox.python_version().to_owned();
                first.get_or_insert(sandbox);
                Some(version)
            }
            Err(error) => {
                report.trouble.get_or_insert_with(|| chain(&error));
                None
            }
        };
        let usable = version.is_some();
        report.found.push(Runtime { language: Language::Python, path, version, usable });
    }
    if report.found.is_empty() {
        report.missing.push(Missing::of(Language::Python));
        report.trouble = python_found().err().map(|error| error.to_string());
    }
    for language in Language::ALL {
        let Some(program) = smallest(language) else { continue };
        match Toolchain::find(language, &folders) {
            Ok(toolchain) => {
                let usable =
                    first.as_ref().is_some_and(|sandbox| greets(sandbox, language, program));
                let (path, version) = (toolchain.path().to_owned(), toolchain.version());
                report.found.push(Runtime { language, path, version, usable });
            }
            Err(_) => report.missing.push(Missing::of(language)),
        }
    }
    report
}

/// Whether a program can really be built and run.
fn greets(sandbox: &Sandbox, language: Language, program: &str) -> bool {
    let (stdin, stdout) = (String::new(), "fine".to_owned());
    let tests = [Test::Stdio { stdin, stdout, check: Check::STDIO }];
    let run = sandbox.run(&Job {
        program,
        prelude: "",
        language,
        entry: &Entry::Stdio,
        cases: Cases::Tests(&tests),
        limits: Limits::default(),
        stop_at_first_failure: false,
    });
    run.is_ok_and(|run| run.cases.iter().all(|case| case.verdict == Verdict::Pass))
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<String>>().join(": ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.protection, &self.trouble) {
            (Some(protection), _) => {
                writeln!(f, "protection: level {protection}")?;
                for layer in protection.in_force() {
                    writeln!(f, "  in force: {layer}")?;
                }
                for layer in protection.lost() {
                    writeln!(f, "  missing: {layer}")?;
                }
            }
            (None, trouble) => writeln!(
                f,
                "protection: none, programs cannot be run: {}",
                trouble.as_deref().unwrap_or("no interpreter")
            )?,
        }
        for runtime in &self.found {
            let version = runtime.version.as_deref().unwrap_or("no version");
            let note = if runtime.usable { "" } else { " (found, but does not work here)" };
            let path = runtime.path.display();
            writeln!(f, "{}: {path}, {version}{note}", runtime.language)?;
        }
        for missing in &self.missing {
            writeln!(f, "{}: not found; {}", missing.language, missing.hint)?;
        }
        Ok(())
    }
}
